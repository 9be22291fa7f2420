/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-delivery-private.h"

#include "lp-cache-line-private.h"
#include "lp-clock-private.h"
#include "lp-debug-private.h"
#include "lp-log-private.h"
#include "lp-mutex-private.h"
#include "lp-service-private.h"

/* How delivery works
 *
 * Each GMainContext that has ever waited for something of this library has one
 * LpDelivery with one source. Any thread appends items to `queue`; the context
 * takes the whole queue at a dispatch into `batch` and runs it with no lock
 * held. Posting wakes the context only when the queue was empty and the context
 * may be asleep: `asleep` is set by prepare(), before it looks at the queue a
 * last time, and cleared by whoever wakes it.
 *
 * References: while there is one besides the source's own, the context is held, so
 * it cannot go away while something is on its way to it. The source's callback data
 * is the delivery; when the context is destroyed its sources are, and the delivery
 * leaves the table before the address of the context can be used again.
 *
 * Destroy notifies of user data wait in a list of their own: they hold nothing,
 * may be run by a thread that owns the context and runs no loop
 * (lp_delivery_reap()), and are leaked with a message when the context goes. */

/* So that a burst of results does not keep the loop from its other sources. */
#define DISPATCH_USEC 4000
#define ITEMS_PER_CLOCK_READ 32

/* A context that lets them wait so long is told of, if somebody wants to know. */
#define LATE_USEC G_USEC_PER_SEC

typedef struct
{
  GDestroyNotify destroy;
  gpointer data;
} Destroy;

/* What the reference of the source counts as, so that one number tells whether there
 * are others. */
#define OF_SOURCE (1 << 30)

struct _LpDelivery
{
  int ref_count;                /* (atomic) */
  GMainContext *context;        /* (construct-only) held while there are references but the source's */
  guint fork_generation;        /* (construct-only) */
  gboolean watched;             /* (construct-only) somebody wants to know when they are late */

  LpDeliveryItem *batch;        /* (the context's owner) */
  int n_spare;                  /* (the context's owner, while it runs items) references of this that were given back */
  GObject *spare;               /* (the same) (owned) (nullable) what an item gave back with it */

  char apart[LP_CACHE_LINE];    /* the owner does all that while others post */

  GMutex lock;                  /* a leaf */
  int asleep;                   /* (atomic) */
  LpDeliveryItem *queue;        /* (lock), the head is also read without it */
  LpDeliveryItem *queue_tail;   /* (lock) */
  gint64 queued_at;             /* (lock) the head, if watched */
  GArray *destroys;             /* (lock) of Destroy, made on demand; tested without it */
};

typedef struct
{
  GSource parent;
  LpDelivery *delivery;
} DeliverySource;

typedef struct
{
  LpDeliveryItem item;
  LpDelivery *delivery;         /* (owned) until it has run */
  GFunc func;
  gpointer data;
  gpointer more;
} FuncItem;

static GMutex table_lock;       /* a leaf */
static GHashTable *table;       /* (table_lock) GMainContext -> LpDelivery, neither held */
static GSList *leaked;          /* (table_lock) of GArray of Destroy; on purpose, and so within reach of leak checkers */
static guint64 n_forgotten;     /* (atomic; changed under table_lock) how often one has left the table */

/* What a thread knows. What it found last, so that threads that submit all the time do
 * not meet at the table, is good as long as nothing has left the table since: neither
 * has this delivery then, nor can another context have its address. */
typedef struct
{
  GMainContext *context;        /* (not owned) only compared */
  LpDelivery *delivery;         /* (not owned) */
  guint64 n_forgotten;
  LpDelivery *running;          /* (not owned) (nullable) of which this thread runs items; the innermost */
} Known;

static GPrivate own_known = G_PRIVATE_INIT (g_free); /* Known, made on demand */

static Known *
get_known (void)
{
  Known *known = g_private_get (&own_known);

  if (known == NULL)
    {
      known = g_new0 (Known, 1);
      g_private_set (&own_known, known);
    }

  return known;
}

static void
delivery_free (LpDelivery *self)
{
  g_clear_pointer (&self->destroys, g_array_unref);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* In a forked child what the parent had under way is not run again. */
static gboolean
has_work (LpDelivery *self)
{
  if (self->fork_generation != lp_fork_generation ())
    return FALSE;

  return self->batch != NULL
         || g_atomic_pointer_get (&self->queue) != NULL
         || g_atomic_pointer_get (&self->destroys) != NULL;
}

static gboolean
source_prepare (GSource *source, int *timeout)
{
  LpDelivery *self = ((DeliverySource *) source)->delivery;

  *timeout = -1;
  g_atomic_int_set (&self->asleep, TRUE);

  if (!has_work (self))
    return FALSE;

  g_atomic_int_set (&self->asleep, FALSE);
  return TRUE;
}

static gboolean
source_check (GSource *source)
{
  LpDelivery *self = ((DeliverySource *) source)->delivery;

  g_atomic_int_set (&self->asleep, FALSE);
  return has_work (self);
}

static GArray *
take_destroys_locked (LpDelivery *self)
{
  GArray *destroys = self->destroys;

  g_atomic_pointer_set (&self->destroys, NULL);
  return destroys;
}

/* ITEMS were taken from the queue now. */
static void
note_taken (const LpDeliveryItem *items, gint64 queued_at)
{
  gint64 waited = lp_clock_now () - queued_at;
  guint n_items = 0;

  if (waited < LATE_USEC)
    return;

  for (; items != NULL; items = items->next)
    n_items++;
  lp_log (G_LOG_DOMAIN, G_LOG_LEVEL_DEBUG, LP_DEBUG_DELIVERY, "delivery-late", NULL,
          "%u results or notifications have waited %.3f s for their main context", n_items,
          lp_clock_seconds (waited));
}

static GArray *
take_queue (LpDelivery *self)
{
  GArray *destroys;
  LpDeliveryItem *taken = NULL;
  gint64 queued_at;

  lp_mutex_lock_awake (&self->lock);
  queued_at = self->queued_at;
  if (self->batch == NULL)
    {
      taken = self->queue;
      self->batch = self->queue;
      g_atomic_pointer_set (&self->queue, NULL);
      self->queue_tail = NULL;
    }
  destroys = take_destroys_locked (self);
  g_mutex_unlock (&self->lock);

  if (self->watched && taken != NULL)
    note_taken (taken, queued_at);

  return destroys;
}

static void
run_destroys (GArray *destroys)
{
  if (destroys == NULL)
    return;

  for (guint i = 0; i < destroys->len; i++)
    {
      Destroy *destroy = &g_array_index (destroys, Destroy, i);

      destroy->destroy (destroy->data);
    }

  g_array_unref (destroys);
}

/* ITEMS are the next ones. What has been with another processor meanwhile is fetched
 * while the one before them runs. */
static void
fetch_ahead (LpDeliveryItem *items)
{
  if (items == NULL)
    return;

  if (items->next != NULL)
    __builtin_prefetch (items->next, TRUE);
  if (items->fetch != NULL)
    items->fetch (items);
}

/* Not under a lock: the last reference of a context destroys its sources. */
static void
unref_many (LpDelivery *self, int n)
{
  GMainContext *context = self->context;
  int before = g_atomic_int_add (&self->ref_count, -n);

  if (before == n)
    delivery_free (self);
  if ((before & ~OF_SOURCE) == n)
    g_main_context_unref (context);
}

/* In an item that has run: takes over its reference of the delivery, and one of OBJECT. */
void
lp_delivery_give_back (LpDelivery *self, gpointer object)
{
  GObject *before = self->spare;

  self->n_spare++;
  self->spare = object;
  g_clear_object (&before);
}

static void
drop_spares (LpDelivery *self)
{
  int n_spare = self->n_spare;

  self->n_spare = 0;
  if (n_spare > 0)
    unref_many (self, n_spare);
}

/* Runs what was posted. In a dispatch of the context, of whatever source: the caller
 * has a reference. A callback may iterate the context again: the nested dispatch goes
 * on with the same batch, so the order holds and nothing waits for the outer one. */
void
lp_delivery_run (LpDelivery *self)
{
  Known *known = get_known ();
  LpDelivery *outer = known->running;
  GArray *destroys = take_queue (self);
  gint64 end = 0;
  guint n_items = 0;

  known->running = self;
  while (self->batch != NULL)
    {
      LpDeliveryItem *item = self->batch;

      /* Kept for one that holds it as well, and for no other. Before that one is taken: what
       * goes with it may iterate the context. */
      if (self->spare != NULL && self->spare != item->holds)
        {
          g_clear_object (&self->spare);
          continue;
        }

      self->batch = item->next;
      item->next = NULL;
      fetch_ahead (self->batch);
      item->run (item);

      if (++n_items % ITEMS_PER_CLOCK_READ == 0)
        {
          gint64 now = lp_clock_now ();

          if (end == 0)
            end = now + DISPATCH_USEC;
          else if (now >= end)
            break;
        }
    }

  g_clear_object (&self->spare);
  run_destroys (destroys);
  known->running = outer;
  drop_spares (self);
}

static gboolean
source_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  lp_delivery_run (((DeliverySource *) source)->delivery);
  return G_SOURCE_CONTINUE;
}

/* Mostly with the context, and there is no other reference. */
static void
source_finalize (GSource *source)
{
  LpDelivery *self = ((DeliverySource *) source)->delivery;

  if (g_atomic_int_add (&self->ref_count, -OF_SOURCE) == OF_SOURCE)
    delivery_free (self);
}

static GSourceFuncs source_funcs = {
  .prepare = source_prepare,
  .check = source_check,
  .dispatch = source_dispatch,
  .finalize = source_finalize,
};

static gboolean
source_callback_unused (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

/* The context is being destroyed; nobody holds the delivery but its source. */
static void
context_destroyed_cb (gpointer data)
{
  LpDelivery *self = data;
  GArray *destroys;
  guint n_leaked = 0;

  if (self->fork_generation != lp_fork_generation ())
    return;

  g_mutex_lock (&table_lock);
  __atomic_add_fetch (&n_forgotten, 1, __ATOMIC_SEQ_CST);
  g_hash_table_remove (table, self->context);
  if (g_hash_table_size (table) == 0)
    g_clear_pointer (&table, g_hash_table_unref);
  g_mutex_unlock (&table_lock);

  g_mutex_lock (&self->lock);
  destroys = take_destroys_locked (self);
  g_mutex_unlock (&self->lock);

  if (destroys != NULL)
    {
      n_leaked = destroys->len;
      g_mutex_lock (&table_lock);
      leaked = g_slist_prepend (leaked, destroys);
      g_mutex_unlock (&table_lock);
    }

  if (n_leaked > 0)
    lp_log (G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, LP_DEBUG_DELIVERY, "user-data-leaked", NULL,
            "The owner's main context went away before %u destroy notifies of user data could be called in it; "
            "the data is leaked rather than destroyed on another thread", n_leaked);
}

static LpDelivery *
delivery_new (GMainContext *context)
{
  LpDelivery *self = g_new0 (LpDelivery, 1);
  GSource *source = g_source_new (&source_funcs, sizeof (DeliverySource));

  self->ref_count = OF_SOURCE;
  self->context = context;
  self->fork_generation = lp_fork_generation ();
  self->watched = lp_log_wants (G_LOG_DOMAIN, G_LOG_LEVEL_DEBUG, LP_DEBUG_DELIVERY);
  g_mutex_init (&self->lock);

  ((DeliverySource *) source)->delivery = self;
  g_source_set_static_name (source, "[leasepool] delivery");
  g_source_set_can_recurse (source, TRUE);
  g_source_set_callback (source, source_callback_unused, self, context_destroyed_cb);
  g_source_attach (source, context);
  g_source_unref (source);

  return self;
}

/* In a forked child: the parent's deliveries are left as they are. */
void
lp_delivery_forget_all (void)
{
  g_mutex_init (&table_lock);
  table = NULL;
  n_forgotten++;
}

static void
remember (LpDelivery *delivery, guint64 forgotten_before)
{
  Known *known = get_known ();

  known->context = delivery->context;
  known->delivery = delivery;
  known->n_forgotten = forgotten_before;
}

/* Returns the delivery into CONTEXT, which the caller holds: it cannot go away
 * meanwhile. */
LpDelivery *
lp_delivery_ref_context (GMainContext *context)
{
  guint64 forgotten_before = __atomic_load_n (&n_forgotten, __ATOMIC_SEQ_CST);
  Known *known = g_private_get (&own_known);
  LpDelivery *self;

  if (known != NULL && known->context == context && known->n_forgotten == forgotten_before)
    return lp_delivery_ref (known->delivery);

  g_mutex_lock (&table_lock);
  if (table == NULL)
    table = g_hash_table_new (NULL, NULL);
  self = g_hash_table_lookup (table, context);
  if (self == NULL)
    {
      self = delivery_new (context);
      g_hash_table_insert (table, context, self);
    }
  lp_delivery_ref (self);
  g_mutex_unlock (&table_lock);

  remember (self, forgotten_before);
  return self;
}

/* Returns the delivery into the caller's thread-default context; a thread
 * without one counts as the global default's. */
LpDelivery *
lp_delivery_ref_current (void)
{
  GMainContext *context = g_main_context_get_thread_default ();

  return lp_delivery_ref_context (context != NULL ? context : g_main_context_default ());
}

/* The same, with a reference of OBJECT. A callback that submits the next one of many has
 * both from the callback before it, mostly: counting them costs more than all else that is
 * done to deliver a result. Nothing is held longer for that than the callback itself
 * would hold it. */
LpDelivery *
lp_delivery_ref_current_with (gpointer object)
{
  LpDelivery *self = get_known ()->running;

  if (self == NULL || self->spare != object || self->n_spare == 0 || !lp_delivery_is_current (self))
    {
      g_object_ref (object);
      return lp_delivery_ref_current ();
    }

  self->n_spare--;
  self->spare = NULL;
  return self;
}

/* The first one holds the context for all; until it does, the caller holds it. */
LpDelivery *
lp_delivery_ref (LpDelivery *self)
{
  if ((g_atomic_int_add (&self->ref_count, 1) & ~OF_SOURCE) == 0)
    g_main_context_ref (self->context);

  return self;
}

void
lp_delivery_unref (LpDelivery *self)
{
  unref_many (self, 1);
}

GMainContext *
lp_delivery_get_context (LpDelivery *self)
{
  return self->context;
}

/* Whether the calling thread's thread-default context is this one. */
gboolean
lp_delivery_is_current (LpDelivery *self)
{
  GMainContext *context = g_main_context_get_thread_default ();

  return self->context == (context != NULL ? context : g_main_context_default ());
}

/* Whether a post would have to wake the context now. */
gboolean
lp_delivery_is_asleep (LpDelivery *self)
{
  return g_atomic_int_get (&self->asleep);
}

/* The context, to be woken after the lock, with a reference; NULL if it is awake.
 * After the lock nothing of SELF may be touched: what was posted may have run by
 * then, and dropped the last reference. */
static GMainContext *
ref_asleep_locked (LpDelivery *self)
{
  if (g_atomic_int_get (&self->asleep) && g_atomic_int_compare_and_exchange (&self->asleep, TRUE, FALSE))
    return g_main_context_ref (self->context);

  return NULL;
}

static void
wake (GMainContext *context)
{
  if (context == NULL)
    return;

  g_main_context_wakeup (context);
  g_main_context_unref (context);
}

/* Hands ITEM over; it runs in the context, after everything posted before. ITEM
 * has a reference, until it has run. */
void
lp_delivery_post (LpDelivery *self, LpDeliveryItem *item)
{
  GMainContext *asleep;

  item->next = NULL;

  lp_mutex_lock_awake (&self->lock);
  if (self->queue_tail != NULL)
    self->queue_tail->next = item;
  else
    {
      g_atomic_pointer_set (&self->queue, item);
      if (self->watched)
        self->queued_at = lp_clock_now ();
    }
  self->queue_tail = item;
  asleep = ref_asleep_locked (self);
  g_mutex_unlock (&self->lock);

  wake (asleep);
}

static void
func_item_run (LpDeliveryItem *item)
{
  FuncItem *self = (FuncItem *) item;

  self->func (self->data, self->more);
  lp_delivery_unref (self->delivery);
  g_free (self);
}

void
lp_delivery_post_func (LpDelivery *self, GFunc func, gpointer data, gpointer more)
{
  FuncItem *item = g_new (FuncItem, 1);

  item->item = (LpDeliveryItem) { .run = func_item_run };
  item->delivery = lp_delivery_ref (self);
  item->func = func;
  item->data = data;
  item->more = more;
  lp_delivery_post (self, &item->item);
}

/* Has DESTROY called with DATA in the context, at its next dispatch. */
void
lp_delivery_post_destroy (LpDelivery *self, GDestroyNotify destroy, gpointer data)
{
  Destroy entry = { destroy, data };
  GMainContext *asleep;

  g_mutex_lock (&self->lock);
  if (self->destroys == NULL)
    g_atomic_pointer_set (&self->destroys, g_array_new (FALSE, FALSE, sizeof (Destroy)));
  g_array_append_val (self->destroys, entry);
  asleep = ref_asleep_locked (self);
  g_mutex_unlock (&self->lock);

  wake (asleep);
}

/* Runs the waiting destroy notifies. The caller owns the context, and its
 * thread is the one they belong to. */
void
lp_delivery_reap (LpDelivery *self)
{
  GArray *destroys;

  g_mutex_lock (&self->lock);
  destroys = take_destroys_locked (self);
  g_mutex_unlock (&self->lock);

  run_destroys (destroys);
}
