/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The rules of “Acquire”, most of them once per way to ask: a thread that
 * blocks, a callback in the owner context, a callback in another context. */

#include "config.h"

#include "lp-test.h"

#include <math.h>
#include <string.h>

#include "lp-lease-private.h"
#include "lp-manager-private.h"

typedef enum
{
  BLOCKING,
  IN_OWNER,
  IN_OTHER_CONTEXT,
  N_WAYS
} Way;

/* One acquire, from its call to its answer. */
typedef struct
{
  Way way;
  LpManager *manager;
  LpRequest *request;
  GCancellable *cancellable;
  GThread *thread;              /* NULL in the owner context */
  GThread *home;                /* where the callback is to come */
  LpLease *lease;
  GError *error;
  int answered;                 /* (atomic) the rest may be read */
} Asker;

static gboolean
is_answered (gpointer data)
{
  return g_atomic_int_get (&((Asker *) data)->answered);
}

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Asker *self = user_data;

  g_assert_true (g_thread_self () == self->home);
  self->lease = lp_manager_acquire_finish (LP_MANAGER (source), result, &self->error);
  g_atomic_int_set (&self->answered, TRUE);
}

static void
begin_here (Asker *self)
{
  self->home = g_thread_self ();
  lp_manager_acquire_async (self->manager, self->request, self->cancellable, answered_cb, self);

  /* A callback never comes before the call has returned. */
  g_assert_false (is_answered (self));
}

static gpointer
blocking_main (gpointer data)
{
  Asker *self = data;

  self->lease = lp_manager_acquire (self->manager, self->request, self->cancellable, &self->error);
  g_atomic_int_set (&self->answered, TRUE);

  return NULL;
}

static gpointer
other_context_main (gpointer data)
{
  Asker *self = data;
  g_autoptr (GMainContext) context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  begin_here (self);
  while (!is_answered (self))
    g_main_context_iteration (context, TRUE);
  g_main_context_pop_thread_default (context);

  return NULL;
}

static Asker *
ask_full (Way way, LpManager *manager, LpRequest *request, GCancellable *cancellable)
{
  Asker *self = g_new0 (Asker, 1);

  self->way = way;
  self->manager = manager;
  self->request = g_object_ref (request);
  g_set_object (&self->cancellable, cancellable);

  if (way == IN_OWNER)
    begin_here (self);
  else
    self->thread = g_thread_new ("asker", way == BLOCKING ? blocking_main : other_context_main, self);

  return self;
}

static LpRequest *
new_request (const char *owner, double timeout)
{
  LpRequest *request = lp_request_new ();

  lp_request_set_owner (request, owner);
  lp_request_set_timeout (request, timeout);

  return request;
}

static Asker *
ask (Way way, LpManager *manager, const char *owner)
{
  g_autoptr (LpRequest) request = new_request (owner, -1);

  return ask_full (way, manager, request, NULL);
}

/* The same, and it is in the queue behind those who are. */
static Asker *
queue_full (Way way, LpManager *manager, LpRequest *request, GCancellable *cancellable)
{
  guint n_waiting = lp_test_stat (manager, "waiting");
  Asker *self = ask_full (way, manager, request, cancellable);

  lp_test_block_stat (manager, "waiting", n_waiting + 1);
  return self;
}

static Asker *
queue (Way way, LpManager *manager, const char *owner)
{
  g_autoptr (LpRequest) request = new_request (owner, -1);

  return queue_full (way, manager, request, NULL);
}

static Asker *
queue_with_priority (Way way, LpManager *manager, int priority)
{
  g_autoptr (LpRequest) request = new_request ("somebody", -1);

  lp_request_set_priority (request, priority);
  return queue_full (way, manager, request, NULL);
}

static void
await (Asker *self)
{
  lp_test_wait_for (is_answered, self, "the answer to an acquire");
  g_clear_pointer (&self->thread, g_thread_join);
  g_clear_object (&self->request);
  g_clear_object (&self->cancellable);
}

static LpLease *
get_lease (Asker *self)
{
  LpLease *lease;

  await (self);
  g_assert_no_error (self->error);
  g_assert_nonnull (self->lease);
  lease = self->lease;
  g_free (self);

  return lease;
}

/* Returns the message. */
static char *
get_error (Asker *self, GQuark domain, int code)
{
  char *message;

  await (self);
  g_assert_error (self->error, domain, code);
  g_assert_null (self->lease);
  message = g_strdup (self->error->message);
  g_error_free (self->error);
  g_free (self);

  return message;
}

static void
assert_fails (Asker *self, GQuark domain, int code)
{
  g_autofree char *message = get_error (self, domain, code);

  g_assert_cmpstr (message, !=, "");
}

static void
assert_contains (const char *text, const char *part)
{
  if (strstr (text, part) == NULL)
    g_error ("“%s” is not in “%s”", part, text);
}

static void
give_back (LpLease *lease)
{
  lp_lease_release (lease);
  g_object_unref (lease);
}

static guint64
executor_of (LpLease *lease)
{
  return lp_executor_get_seq (lp_lease_get_grant (lease)->executor);
}

static LpLease *
try_now (LpManager *manager)
{
  g_autoptr (GError) error = NULL;
  LpLease *lease = lp_manager_try_acquire (manager, NULL, &error);

  if (lease == NULL)
    g_assert_error (error, LP_ERROR, LP_ERROR_UNAVAILABLE);
  else
    g_assert_no_error (error);

  return lease;
}

static gboolean
has_revoked (gpointer data)
{
  return lp_test_counter (data, "revoked") > 0;
}

/* An executor class that is ready when a test says so, and one that is also
 * asked whether it has died for as long as a test wants. */
typedef struct { LpExecutor parent_instance; } SlowExecutor;
typedef struct { LpExecutorClass parent_class; } SlowExecutorClass;
typedef struct { SlowExecutor parent_instance; } VettedExecutor;
typedef struct { SlowExecutorClass parent_class; } VettedExecutorClass;

static GMutex slow_lock;
static GCond slow_cond;
static gboolean slow_hold;              /* (slow_lock) starts do not end */
static GPtrArray *slow_starting;        /* (slow_lock) those whose start has not ended */
static gboolean vet_hold;               /* (slow_lock) has_died does not return */

static GType slow_executor_get_type (void);
static GType vetted_executor_get_type (void);

G_DEFINE_TYPE (SlowExecutor, slow_executor, LP_TYPE_EXECUTOR)
G_DEFINE_TYPE (VettedExecutor, vetted_executor, slow_executor_get_type ())

static gboolean
slow_executor_start (LpExecutor *self, GError **error)
{
  gboolean held;

  g_mutex_lock (&slow_lock);
  held = slow_hold;
  if (held)
    g_ptr_array_add (slow_starting, g_object_ref (self));
  g_cond_broadcast (&slow_cond);
  g_mutex_unlock (&slow_lock);

  if (!held)
    lp_executor_report_ready (self);
  return TRUE;
}

static void
slow_executor_class_init (SlowExecutorClass *klass)
{
  LP_EXECUTOR_CLASS (klass)->start = slow_executor_start;
}

static void
slow_executor_init (SlowExecutor *self)
{
}

/* On the service thread, which then does nothing else. */
static void
wait_while_held (void)
{
  g_mutex_lock (&slow_lock);
  while (vet_hold)
    g_cond_wait (&slow_cond, &slow_lock);
  g_mutex_unlock (&slow_lock);
}

static gboolean
vetted_executor_has_died (LpExecutor *self)
{
  wait_while_held ();
  return FALSE;
}

static void
vetted_executor_class_init (VettedExecutorClass *klass)
{
  LP_EXECUTOR_CLASS (klass)->has_died = vetted_executor_has_died;
}

static void
vetted_executor_init (VettedExecutor *self)
{
}

static void
set_held (gboolean *hold, gboolean value)
{
  g_mutex_lock (&slow_lock);
  *hold = value;
  g_cond_broadcast (&slow_cond);
  g_mutex_unlock (&slow_lock);
}

/* The first executor is there, further ones are held. */
static LpManager *
start_slow (GType type, int max_pools, double linger)
{
  LpManager *manager;

  slow_starting = g_ptr_array_new_with_free_func (g_object_unref);
  manager = lp_test_start (max_pools, "executor-type", type, "idle-linger-seconds", linger, NULL);
  set_held (&slow_hold, TRUE);

  return manager;
}

static void
wait_starting (guint n)
{
  g_mutex_lock (&slow_lock);
  while (slow_starting->len < n)
    g_cond_wait (&slow_cond, &slow_lock);
  g_assert_cmpuint (slow_starting->len, ==, n);
  g_mutex_unlock (&slow_lock);
}

/* Ends the start of number INDEX of those left. */
static guint64
end_start (guint index)
{
  g_autoptr (LpExecutor) executor = NULL;

  g_mutex_lock (&slow_lock);
  executor = g_ptr_array_steal_index (slow_starting, index);
  g_mutex_unlock (&slow_lock);

  lp_executor_report_ready (executor);
  return lp_executor_get_seq (executor);
}

static void
finish_slow (LpManager *manager)
{
  lp_test_finish (manager);
  set_held (&slow_hold, FALSE);
  g_clear_pointer (&slow_starting, g_ptr_array_unref);
}

/* Grants */

static void
test_idle_is_granted (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = get_lease (ask (GPOINTER_TO_INT (data), manager, "somebody"));

  g_assert_cmpstr (lp_lease_get_owner (lease), ==, "somebody");
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
  g_assert_cmpuint (lp_test_stat (manager, "leased"), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 0);

  give_back (lease);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  lp_test_finish (manager);
}

static void
test_release_grants (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  Asker *asker = queue (GPOINTER_TO_INT (data), manager, "waiter");
  LpLease *lease;

  give_back (held);
  lease = get_lease (asker);
  g_assert_cmpstr (lp_lease_get_owner (lease), ==, "waiter");
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 0);

  give_back (lease);
  lp_test_finish (manager);
}

/* Nobody is asked to draw a lot: one executor wakes one waiter, the others do
 * not even look. */
static void
test_one_waiter_is_woken (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "holder");
  Asker *askers[5];

  for (guint i = 0; i < 5; i++)
    askers[i] = queue (GPOINTER_TO_INT (data), manager, "waiter");

  for (guint i = 0; i < 5; i++)
    {
      give_back (lease);
      lease = get_lease (askers[i]);

      for (guint later = i + 1; later < 5; later++)
        g_assert_false (is_answered (askers[later]));
      g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 4 - i);
      g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 2 + i);
    }

  give_back (lease);
  lp_test_finish (manager);
}

static void
test_most_recently_released_first (void)
{
  LpManager *manager = lp_test_start (3, "min-pools", 3, NULL);
  const guint order[] = { 1, 0, 2 };
  LpLease *leases[3];
  guint64 executors[3];

  for (guint i = 0; i < 3; i++)
    {
      leases[i] = lp_test_acquire (manager, "holder");
      executors[i] = executor_of (leases[i]);
    }
  for (guint i = 0; i < 3; i++)
    give_back (leases[order[i]]);

  for (guint i = 0; i < 3; i++)
    {
      leases[i] = lp_test_acquire (manager, "holder");
      g_assert_cmpuint (executor_of (leases[i]), ==, executors[order[2 - i]]);
    }
  for (guint i = 0; i < 3; i++)
    give_back (leases[i]);

  lp_test_finish (manager);
}

static void
test_draining_is_not_granted (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpTestGate *gate = lp_test_gate_new ();
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = new_request ("impatient", 0.03);
  g_autoptr (LpJob) job = lp_test_gate_job (gate);
  g_autofree char *message = NULL;
  Asker *asker;
  LpLease *lease;

  lp_test_submit (held, job);
  give_back (held);
  g_assert_cmpuint (lp_test_stat (manager, "draining"), ==, 1);

  asker = queue (GPOINTER_TO_INT (data), manager, "waiter");
  message = get_error (ask_full (GPOINTER_TO_INT (data), manager, request, NULL), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  assert_contains (message, "“holder” for ");
  assert_contains (message, "draining");
  g_assert_false (is_answered (asker));

  lp_test_gate_open (gate);
  lease = get_lease (asker);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);

  give_back (lease);
  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

/* Order */

static void
test_fifo (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "holder");
  Asker *askers[2 * N_WAYS];

  /* Whatever way they ask, it is one queue. */
  for (guint i = 0; i < G_N_ELEMENTS (askers); i++)
    askers[i] = queue (i % N_WAYS, manager, "waiter");

  for (guint i = 0; i < G_N_ELEMENTS (askers); i++)
    {
      give_back (lease);
      lease = get_lease (askers[i]);
    }

  give_back (lease);
  lp_test_finish (manager);
}

static void
test_newcomer_does_not_overtake (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "holder");
  Asker *first = queue (GPOINTER_TO_INT (data), manager, "first");
  Asker *newcomer;

  /* The executor is promised at the release, not when the waiter wakes up. */
  lp_lease_release (lease);
  g_assert_null (try_now (manager));
  newcomer = queue (GPOINTER_TO_INT (data), manager, "newcomer");
  g_object_unref (lease);

  lease = get_lease (first);
  g_assert_cmpstr (lp_lease_get_owner (lease), ==, "first");
  g_assert_false (is_answered (newcomer));
  give_back (lease);
  give_back (get_lease (newcomer));

  lp_test_finish (manager);
}

/* While the idle executor is asked whether it lives, it is the waiter's. */
static void
test_newcomer_does_not_overtake_vetting (gconstpointer data)
{
  LpManager *manager = start_slow (vetted_executor_get_type (), 1, 0);
  Asker *first, *newcomer;
  LpLease *lease;

  set_held (&vet_hold, TRUE);
  first = ask (GPOINTER_TO_INT (data), manager, "first");
  lp_test_block_stat (manager, "waiting", 1);
  g_assert_null (try_now (manager));
  newcomer = queue (GPOINTER_TO_INT (data), manager, "newcomer");
  set_held (&vet_hold, FALSE);

  lease = get_lease (first);
  g_assert_false (is_answered (newcomer));
  give_back (lease);
  give_back (get_lease (newcomer));

  finish_slow (manager);
}

static void
test_lower_priority_number_first (gconstpointer data)
{
  const int priorities[] = { 5, 0, -5, 0 };
  const guint order[] = { 2, 1, 3, 0 };
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "holder");
  Asker *askers[4];

  for (guint i = 0; i < 4; i++)
    askers[i] = queue_with_priority (GPOINTER_TO_INT (data), manager, priorities[i]);

  for (guint i = 0; i < 4; i++)
    {
      give_back (lease);
      lease = get_lease (askers[order[i]]);
      g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 3 - i);
    }

  give_back (lease);
  lp_test_finish (manager);
}

/* Growth */

static void
test_growth_above_desired (gconstpointer data)
{
  LpManager *manager = lp_test_start (3, NULL);
  LpLease *leases[3];
  Asker *asker;

  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 1);
  for (guint i = 0; i < 3; i++)
    {
      leases[i] = get_lease (ask (GPOINTER_TO_INT (data), manager, "holder"));
      g_assert_cmpuint (lp_test_stat (manager, "total"), ==, i + 1);
    }
  g_assert_cmpuint (lp_manager_get_desired_executor_count (manager), ==, 1);

  /* And not above max-pools. */
  asker = queue (GPOINTER_TO_INT (data), manager, "waiter");
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 3);
  g_assert_cmpuint (lp_test_stat (manager, "starting"), ==, 0);

  /* A waiter gets what is freed, although the target is lower. */
  give_back (leases[0]);
  leases[0] = get_lease (asker);
  for (guint i = 0; i < 3; i++)
    give_back (leases[i]);
  lp_test_wait_stat (manager, "total", 1);

  lp_test_finish (manager);
}

/* All that are missing start at the same time, and the first that is ready goes
 * to the first who waits. */
static void
test_no_start_behind_another (gconstpointer data)
{
  LpManager *manager = start_slow (slow_executor_get_type (), 4, 0);
  LpLease *held = lp_test_acquire (manager, "holder");
  Asker *askers[4];
  LpLease *leases[4];

  for (guint i = 0; i < 4; i++)
    askers[i] = queue (GPOINTER_TO_INT (data), manager, "waiter");
  wait_starting (3);
  g_assert_cmpuint (lp_test_stat (manager, "starting"), ==, 3);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 4);

  for (guint i = 0; i < 3; i++)
    {
      guint64 seq = end_start (2 - i);

      leases[i] = get_lease (askers[i]);
      g_assert_cmpuint (executor_of (leases[i]), ==, seq);
      g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 3 - i);
    }

  give_back (held);
  leases[3] = get_lease (askers[3]);
  for (guint i = 0; i < 4; i++)
    give_back (leases[i]);

  finish_slow (manager);
}

/* One start per waiter: one that is served by a release leaves its start to the
 * next, which causes none of its own. */
static void
test_start_serves_the_next (void)
{
  LpManager *manager = start_slow (slow_executor_get_type (), 4, 0);
  LpLease *held = lp_test_acquire (manager, "holder");
  Asker *first = queue (IN_OWNER, manager, "first");
  Asker *second;
  LpLease *lease;

  wait_starting (1);
  give_back (held);
  held = get_lease (first);

  second = queue (IN_OWNER, manager, "second");
  g_assert_cmpuint (lp_test_stat (manager, "starting"), ==, 1);
  end_start (0);
  lease = get_lease (second);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 2);

  give_back (lease);
  give_back (held);
  finish_slow (manager);
}

/* Not waiting */

static LpRequest *
request_not_to_wait (gboolean by_timeout)
{
  LpRequest *request = new_request ("impatient", by_timeout ? 0 : -1);

  lp_request_set_wait (request, by_timeout);
  return request;
}

static void
test_not_waiting (gconstpointer data)
{
  LpManager *manager = lp_test_start (2, NULL);
  LpLease *leases[2];

  for (guint by_timeout = 0; by_timeout < 2; by_timeout++)
    {
      g_autoptr (LpRequest) request = request_not_to_wait (by_timeout);
      g_autofree char *message = NULL;

      /* One that is idle, and one that can be started at once. */
      for (guint i = 0; i < 2; i++)
        leases[i] = get_lease (ask_full (GPOINTER_TO_INT (data), manager, request, NULL));

      message = get_error (ask_full (GPOINTER_TO_INT (data), manager, request, NULL), LP_ERROR, LP_ERROR_UNAVAILABLE);
      assert_contains (message, "“impatient” for ");
      g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 0);

      give_back (leases[0]);
      give_back (leases[1]);
      lp_test_wait_stat (manager, "total", 1);
    }

  g_assert_cmpuint (lp_test_counter (manager, "timed_out"), ==, 0);
  lp_test_finish (manager);
}

static void
test_try (void)
{
  LpManager *manager = lp_test_start (2, NULL);
  LpLease *first = try_now (manager);
  LpLease *second = try_now (manager);

  g_assert_nonnull (first);
  g_assert_nonnull (second);
  g_assert_null (try_now (manager));
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 0);

  give_back (first);
  give_back (second);
  lp_test_finish (manager);
}

/* A start that takes longer goes on, and a retry finds what it made, also when
 * surplus executors do not linger. */
static void
try_again_after_start (double linger)
{
  LpManager *manager = start_slow (slow_executor_get_type (), 2, linger);
  LpLease *held = lp_test_acquire (manager, "holder");
  LpLease *lease;
  guint64 seq;

  g_assert_null (try_now (manager));
  wait_starting (1);

  /* It is not started again by each that tries. */
  g_assert_null (try_now (manager));
  g_assert_cmpuint (lp_test_stat (manager, "starting"), ==, 1);

  seq = end_start (0);
  lease = try_now (manager);
  g_assert_nonnull (lease);
  g_assert_cmpuint (executor_of (lease), ==, seq);

  give_back (lease);
  give_back (held);
  finish_slow (manager);
}

static void
test_start_goes_on_after_try (void)
{
  try_again_after_start (1000);
}

static void
test_start_goes_on_after_try_without_linger (void)
{
  try_again_after_start (-1);
}

/* Time-outs */

static void
test_timeout_names_the_holders (gconstpointer data)
{
  LpManager *manager = lp_test_start (2, NULL);
  LpLease *one = lp_test_acquire (manager, "holder-one");
  LpLease *two = lp_test_acquire (manager, "holder-two");
  g_autoptr (LpRequest) request = new_request ("waiter", 0.03);
  g_autofree char *message = NULL;

  message = get_error (ask_full (GPOINTER_TO_INT (data), manager, request, NULL), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  assert_contains (message, "“waiter”");
  assert_contains (message, "0.03 s");
  g_assert_true (g_regex_match_simple ("“holder-one” for [0-9]+\\.[0-9] s", message, 0, 0));
  g_assert_true (g_regex_match_simple ("“holder-two” for [0-9]+\\.[0-9] s", message, 0, 0));

  g_assert_cmpuint (lp_test_counter (manager, "timed_out"), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 0);
  give_back (one);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 2);
  give_back (two);
  lp_test_finish (manager);
}

static void
test_timeout_names_what_is_starting (void)
{
  LpManager *manager = start_slow (slow_executor_get_type (), 2, 0);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = new_request ("waiter", 0.03);
  g_autofree char *message = get_error (ask_full (IN_OWNER, manager, request, NULL), G_IO_ERROR,
                                        G_IO_ERROR_TIMED_OUT);

  assert_contains (message, "1 starting");
  wait_starting (1);
  end_start (0);

  give_back (held);
  finish_slow (manager);
}

static void
test_timeout_names_what_is_quarantined (void)
{
  LpManager *manager = lp_test_start (1, "default-lease-seconds", 0.02, "lease-grace-seconds", 0.0,
                                      "cancel-grace-seconds", 0.0, NULL);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) job = lp_test_gate_job (gate);
  LpLease *stuck = lp_test_acquire (manager, "stuck");
  g_autoptr (LpRequest) request = new_request ("holder", -1);
  g_autofree char *message = NULL;
  LpLease *held;

  lp_test_submit (stuck, job);
  lp_test_gate_wait_entered (gate, 1);
  lp_test_wait_stat (manager, "quarantined", 1);

  lp_request_set_lease_seconds (request, 1000);
  held = get_lease (ask_full (IN_OWNER, manager, request, NULL));
  lp_request_set_timeout (request, 0.03);
  message = get_error (ask_full (IN_OWNER, manager, request, NULL), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  assert_contains (message, "“holder” for ");
  assert_contains (message, "1 in quarantine");

  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "quarantined", 0);
  give_back (held);
  g_object_unref (stuck);
  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

static void
test_each_has_its_own_deadline (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = new_request ("waiter", 0.03);
  Asker *patient = queue (GPOINTER_TO_INT (data), manager, "patient");

  assert_fails (ask_full (GPOINTER_TO_INT (data), manager, request, NULL), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_false (is_answered (patient));
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 1);

  give_back (held);
  give_back (get_lease (patient));
  lp_test_finish (manager);
}

/* A number that no clock can hold is a time that never comes. */
static void
test_huge_times_never_come (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = new_request ("waiter", 1e300);
  g_autoptr (LpRequest) short_one = new_request ("impatient", 0.03);
  LpLease *lease;
  Asker *asker;

  lp_request_set_lease_seconds (request, 1e300);
  asker = queue_full (BLOCKING, manager, request, NULL);
  assert_fails (ask_full (IN_OWNER, manager, short_one, NULL), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_false (is_answered (asker));

  give_back (held);
  lease = get_lease (asker);
  g_assert_cmpint (lp_lease_get_hard_expires_at (lease), ==, G_MAXINT64);
  assert_fails (ask_full (IN_OWNER, manager, short_one, NULL), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);

  give_back (lease);
  lp_test_finish (manager);
}

/* Cancelling */

static void
test_cancelled_before (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  g_autoptr (LpRequest) request = new_request ("somebody", -1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  g_cancellable_cancel (cancellable);
  assert_fails (ask_full (GPOINTER_TO_INT (data), manager, request, cancellable), G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 0);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);

  lp_test_finish (manager);
}

static void
test_cancelled_while_waiting (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = new_request ("somebody", 1000);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Asker *asker = queue_full (GPOINTER_TO_INT (data), manager, request, cancellable);
  Asker *next = queue (GPOINTER_TO_INT (data), manager, "next");

  g_cancellable_cancel (cancellable);
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "cancelled"), ==, 1);
  assert_fails (asker, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  give_back (held);
  give_back (get_lease (next));
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 2);
  lp_test_finish (manager);
}

/* An acquire in CONTEXT, which nobody iterates meanwhile. */
static GAsyncResult **
acquire_in (GMainContext *context, LpManager *manager, LpRequest *request, GCancellable *cancellable)
{
  GAsyncResult **result = g_new0 (GAsyncResult *, 1);

  g_main_context_push_thread_default (context);
  lp_manager_acquire_async (manager, request, cancellable, lp_test_result_cb, result);
  g_main_context_pop_thread_default (context);

  return result;
}

static void
finish_in (GMainContext *context, LpManager *manager, GAsyncResult **result, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;

  g_main_context_push_thread_default (context);
  g_assert_null (lp_manager_acquire_finish (manager, lp_test_wait_result (result), &error));
  g_main_context_pop_thread_default (context);

  g_assert_error (error, domain, code);
  g_clear_object (result);
  g_free (result);
}

/* The lease was granted, its callback cannot run: CANCELLABLE gives it to the
 * next waiter all the same. */
static void
cancel_between_grant_and_finish (GMainContext *context, gboolean waits_first)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = waits_first ? lp_test_acquire (manager, "holder") : NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult **result = acquire_in (context, manager, NULL, cancellable);
  Asker *next = queue (BLOCKING, manager, "next");

  if (held != NULL)
    give_back (held);
  g_assert_cmpuint (lp_test_stat (manager, "leased"), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 1);

  g_cancellable_cancel (cancellable);
  lp_test_block_for (is_answered, next, "the next waiter");
  give_back (get_lease (next));

  finish_in (context, manager, result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, lp_test_counter (manager, "released"));
  lp_test_finish (manager);
}

static void
test_cancelled_after_grant (gconstpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();

  cancel_between_grant_and_finish (context, GPOINTER_TO_INT (data));
}

static void
test_cancelled_after_grant_owner_blocked (gconstpointer data)
{
  cancel_between_grant_and_finish (g_main_context_default (), GPOINTER_TO_INT (data));
}

static void
cancel_and_finish_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (user_data);
  g_assert_null (lp_manager_acquire_finish (LP_MANAGER (source), result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_cancelled_in_the_callback (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  lp_manager_acquire_async (manager, NULL, cancellable, cancel_and_finish_cb, cancellable);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 0);
  lp_test_wait_stat (manager, "available", 1);
  g_assert_true (g_cancellable_is_cancelled (cancellable));

  lp_test_finish (manager);
}

/* Cancelling what has been fetched changes nothing. */
static void
test_cancelled_after_finish (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  g_autoptr (LpRequest) request = new_request ("somebody", -1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  LpLease *lease = get_lease (ask_full (GPOINTER_TO_INT (data), manager, request, cancellable));

  g_cancellable_cancel (cancellable);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
  g_assert_cmpuint (lp_test_stat (manager, "leased"), ==, 1);

  give_back (lease);
  lp_test_finish (manager);
}

/* Results nobody fetches */

static void
not_finishing_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
}

static void
test_result_nobody_finishes (gconstpointer data)
{
  GAsyncReadyCallback callback = data;
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held;
  Asker *next;

  /* Of an idle executor. */
  lp_manager_acquire_async (manager, NULL, NULL, callback, NULL);
  lp_test_wait_stat (manager, "available", 1);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 1);

  /* Of one that was waited for: the next one has it. */
  held = lp_test_acquire (manager, "holder");
  lp_manager_acquire_async (manager, NULL, NULL, callback, NULL);
  next = queue (BLOCKING, manager, "next");
  give_back (held);
  give_back (get_lease (next));
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 4);

  lp_test_finish (manager);
}

static void
test_stranded_lease_expires (void)
{
  LpManager *manager = lp_test_start (1, "lease-grace-seconds", 0.01, NULL);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (LpRequest) request = new_request ("stranded", -1);
  GAsyncResult **result;

  lp_request_set_lease_seconds (request, 0.02);
  result = acquire_in (context, manager, request, NULL);

  give_back (get_lease (queue (BLOCKING, manager, "next")));
  g_assert_cmpuint (lp_test_counter (manager, "revoked"), ==, 1);

  finish_in (context, manager, result, LP_ERROR, LP_ERROR_EXPIRED);
  lp_test_finish (manager);
}

static void
test_finish_after_hard_expiry (void)
{
  LpManager *manager = lp_test_start (1, "lease-grace-seconds", 0.01, NULL);
  g_autoptr (LpRequest) request = new_request ("late", -1);
  GAsyncResult **result;

  lp_request_set_lease_seconds (request, 0.02);
  result = acquire_in (g_main_context_default (), manager, request, NULL);
  lp_test_block_for (has_revoked, manager, "the expiry");

  finish_in (g_main_context_default (), manager, result, LP_ERROR, LP_ERROR_EXPIRED);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 0);
  lp_test_wait_stat (manager, "available", 1);
  lp_test_finish (manager);
}

static gboolean
is_past (gpointer data)
{
  return g_get_monotonic_time () > *(gint64 *) data;
}

static void
block_cb (gpointer data, gpointer more)
{
  wait_while_held ();
}

/* The service thread has not been scheduled yet: whoever asks deals with what
 * has expired before. */
static void
test_expired_leases_go_first (gconstpointer data)
{
  LpManager *manager = lp_test_start (2, "lease-grace-seconds", 0.0, NULL);
  g_autoptr (LpRequest) request = new_request ("late", -1);
  LpLease *late, *lease;
  gint64 end;

  set_held (&vet_hold, TRUE);
  lp_service_post (manager->pool->service, block_cb, NULL, NULL);

  lp_request_set_lease_seconds (request, 0.02);
  late = get_lease (ask_full (IN_OWNER, manager, request, NULL));
  end = lp_lease_get_hard_expires_at (late);
  lp_test_block_for (is_past, &end, "the hard expiry");

  lease = get_lease (ask (GPOINTER_TO_INT (data), manager, "next"));
  g_assert_cmpint (lp_lease_get_state (late), ==, LP_LEASE_STATE_EXPIRED);
  g_assert_cmpuint (lp_test_counter (manager, "revoked"), ==, 1);
  set_held (&vet_hold, FALSE);

  give_back (lease);
  g_object_unref (late);
  lp_test_finish (manager);
}

/* The blocking form where it would wait for itself */

typedef struct
{
  LpManager *manager;
  LpRequest *request;
  LpLease *lease;
  GError *error;
  int done;                     /* (atomic) */
} Call;

static gboolean
is_done (gpointer data)
{
  return g_atomic_int_get (&((Call *) data)->done);
}

static gboolean
call_cb (gpointer data)
{
  Call *call = data;

  call->lease = lp_manager_acquire (call->manager, call->request, NULL, &call->error);
  g_atomic_int_set (&call->done, TRUE);

  return G_SOURCE_REMOVE;
}

static void
call_in_job (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  call_cb (user_data);
  *result = g_variant_new ("()");
}

/* In a callback of the owner's loop if LEASE is NULL, else in a job on it. */
static void
call (Call *call, LpManager *manager, LpRequest *request, LpLease *lease)
{
  *call = (Call) { manager, request };

  if (lease != NULL)
    {
      g_autoptr (LpJob) job = lp_job_new_for_func (call_in_job, call, NULL);

      lp_test_submit (lease, job);
      lp_test_block_for (is_done, call, "a job that acquires");
    }
  else
    {
      g_idle_add (call_cb, call);
      lp_test_wait_for (is_done, call, "a callback that acquires");
    }
}

static void
refuse_where_it_deadlocks (gboolean in_job, int code)
{
  LpManager *manager = lp_test_start (2, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  LpLease *where = in_job ? held : NULL;
  g_autoptr (LpRequest) request = new_request ("blocker", -1);
  LpLease *second;
  Call it;

  /* At once is no wait. */
  call (&it, manager, request, where);
  g_assert_no_error (it.error);
  second = it.lease;

  call (&it, manager, request, where);
  g_assert_error (it.error, LP_ERROR, code);
  g_assert_null (it.lease);
  g_clear_error (&it.error);
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 0);

  /* NULL is a request without a time-out, too. */
  call (&it, manager, NULL, where);
  g_assert_error (it.error, LP_ERROR, code);
  g_clear_error (&it.error);

  /* With a time-out it may wait. */
  lp_request_set_timeout (request, 0.03);
  call (&it, manager, request, where);
  g_assert_error (it.error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_clear_error (&it.error);

  give_back (second);
  give_back (held);
  lp_test_finish (manager);
}

static void
test_blocking_in_the_owners_loop (void)
{
  refuse_where_it_deadlocks (FALSE, LP_ERROR_WRONG_CONTEXT);
}

static void
test_blocking_in_a_job (void)
{
  refuse_where_it_deadlocks (TRUE, LP_ERROR_WOULD_DEADLOCK);
}

/* A job may wait for another manager's executor. */
static void
test_blocking_in_a_job_of_another_manager (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpManager *other = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  LpLease *lease = lp_test_acquire (other, "caller");
  Call it = { manager };
  g_autoptr (LpJob) job = lp_job_new_for_func (call_in_job, &it, NULL);

  lp_test_submit (lease, job);
  lp_test_block_stat (manager, "waiting", 1);
  give_back (held);
  lp_test_block_for (is_done, &it, "a job that acquires");
  g_assert_no_error (it.error);

  give_back (it.lease);
  give_back (lease);
  lp_test_finish (other);
  lp_test_finish (manager);
}

/* Releases the lease once somebody waits. */
static gpointer
release_when_waited_for_main (gpointer data)
{
  LpLease *lease = data;
  g_autoptr (LpManager) manager = lp_lease_dup_manager (lease);

  lp_test_block_stat (manager, "waiting", 1);
  lp_lease_release (lease);

  return NULL;
}

/* Also the owner's thread, as long as it runs no loop. */
static gpointer
block_without_a_loop (gpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  GThread *thread = g_thread_new ("releaser", release_when_waited_for_main, held);
  g_autoptr (GError) error = NULL;
  LpLease *lease = lp_manager_acquire (manager, NULL, NULL, &error);

  if (lease == NULL)
    lp_lease_release (held);
  g_assert_no_error (error);
  g_thread_join (thread);

  g_object_unref (held);
  give_back (lease);
  lp_test_finish (manager);
  return NULL;
}

static void
test_program_without_a_loop_may_block (void)
{
  block_without_a_loop (NULL);
}

static gpointer
block_in_own_context_main (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  block_without_a_loop (NULL);
  g_main_context_pop_thread_default (context);

  return NULL;
}

static void
test_owner_with_own_context_without_a_loop_may_block (void)
{
  g_thread_join (g_thread_new ("owner", block_in_own_context_main, NULL));
}

/* Requests */

static void
refuse_request (Way way, LpRequest *request, const char *property)
{
  LpManager *manager = lp_test_start (1, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *message = get_error (ask_full (way, manager, request, NULL), LP_ERROR, LP_ERROR_INVALID_ARGUMENT);

  assert_contains (message, property);
  g_assert_null (lp_manager_try_acquire (manager, request, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 0);

  lp_test_finish (manager);
}

static void
test_request_is_checked (gconstpointer data)
{
  const double bad[] = { -2, -0.5, INFINITY, -INFINITY, NAN };

  for (guint i = 0; i <= G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (LpRequest) request = new_request ("somebody", -1);

      lp_request_set_lease_seconds (request, i < G_N_ELEMENTS (bad) ? bad[i] : 0);
      refuse_request (GPOINTER_TO_INT (data), request, "lease-seconds");
    }

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (LpRequest) request = new_request ("somebody", bad[i]);

      refuse_request (GPOINTER_TO_INT (data), request, "timeout");
    }
}

/* Its values count as they were at the call. */
static void
test_request_may_be_used_again (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = new_request ("first", -1);
  Asker *first, *second;
  LpLease *lease;

  lp_request_set_lease_seconds (request, 100);
  first = queue_full (IN_OWNER, manager, request, NULL);

  lp_request_set_owner (request, "second");
  lp_request_set_lease_seconds (request, 200);
  lp_request_set_priority (request, -1);
  second = queue_full (IN_OWNER, manager, request, NULL);

  lp_request_set_owner (request, NULL);
  lp_request_set_lease_seconds (request, -2);
  lp_request_set_priority (request, 1);
  lp_request_set_timeout (request, 0);
  lp_request_set_wait (request, FALSE);

  give_back (held);
  lease = get_lease (second);
  g_assert_cmpstr (lp_lease_get_owner (lease), ==, "second");
  g_assert_cmpfloat (lp_lease_get_lease_seconds (lease), ==, 200);
  give_back (lease);
  lease = get_lease (first);
  g_assert_cmpstr (lp_lease_get_owner (lease), ==, "first");
  g_assert_cmpfloat (lp_lease_get_lease_seconds (lease), ==, 100);
  give_back (lease);

  lp_test_finish (manager);
}

static void
test_no_request_is_all_defaults (void)
{
  LpManager *manager = lp_test_start (1, "default-lease-seconds", 123.0, NULL);
  g_autoptr (GError) error = NULL;
  LpLease *lease = lp_manager_acquire (manager, NULL, NULL, &error);

  g_assert_no_error (error);
  g_assert_null (lp_lease_get_owner (lease));
  g_assert_cmpfloat (lp_lease_get_lease_seconds (lease), ==, 123);

  give_back (lease);
  lp_test_finish (manager);
}

static void
test_max_waiters (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, "max-waiters", 2, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = new_request ("cancelled", -1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Asker *first = queue_full (GPOINTER_TO_INT (data), manager, request, cancellable);
  Asker *second = queue (GPOINTER_TO_INT (data), manager, "second");
  Asker *third;
  g_autofree char *message = NULL;

  message = get_error (ask (GPOINTER_TO_INT (data), manager, "refused"), LP_ERROR, LP_ERROR_QUEUE_FULL);
  assert_contains (message, "max-waiters");
  assert_contains (message, "2");
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 2);

  /* One that does not wait takes no place. */
  g_assert_null (try_now (manager));

  /* A place that was left can be taken. */
  g_cancellable_cancel (cancellable);
  assert_fails (first, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  third = queue (GPOINTER_TO_INT (data), manager, "third");

  give_back (held);
  give_back (get_lease (second));
  give_back (get_lease (third));
  lp_test_finish (manager);
}

static void
test_not_running (gconstpointer data)
{
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, 1);
  g_autoptr (GError) error = NULL;
  LpLease *held;
  Asker *waiter;

  assert_fails (ask (GPOINTER_TO_INT (data), manager, "early"), LP_ERROR, LP_ERROR_NOT_STARTED);
  g_assert_null (lp_manager_try_acquire (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_NOT_STARTED);
  g_clear_error (&error);

  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  held = lp_test_acquire (manager, "holder");
  waiter = queue (GPOINTER_TO_INT (data), manager, "waiter");
  lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, &error);
  g_assert_no_error (error);
  assert_fails (waiter, LP_ERROR, LP_ERROR_NOT_STARTED);
  assert_fails (ask (GPOINTER_TO_INT (data), manager, "late"), LP_ERROR, LP_ERROR_NOT_STARTED);

  g_object_unref (held);
  lp_test_finish (manager);
}

/* Leases by their id */

static void
test_release_by_id (void)
{
  LpManager *manager = lp_test_start (2, NULL);
  LpManager *other = lp_test_start (2, NULL);
  LpLease *lease = lp_test_acquire (manager, "holder");
  LpLease *foreign = lp_test_acquire (other, "holder");
  g_autofree char *id = g_strdup (lp_lease_get_id (lease));
  g_autofree char *longer = g_strconcat (id, "0", NULL);
  g_autofree char *spaced = g_strdup_printf ("lease- %s", id + strlen ("lease-"));
  Asker *waiter;

  g_assert_false (lp_manager_release (other, id));
  g_assert_false (lp_manager_release (manager, lp_lease_get_id (foreign)));
  g_assert_false (lp_manager_release (manager, ""));
  g_assert_false (lp_manager_release (manager, "no lease at all"));
  g_assert_false (lp_manager_release (manager, longer));
  g_assert_false (lp_manager_release (manager, spaced));
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
  g_assert_cmpint (lp_lease_get_state (foreign), ==, LP_LEASE_STATE_ACTIVE);

  g_assert_true (lp_manager_release (manager, id));
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_RELEASED);
  g_assert_false (lp_manager_release (manager, id));
  g_object_unref (lease);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 1);

  /* The next lease of the same executor is another one. */
  lease = lp_test_acquire (manager, "holder");
  g_assert_false (lp_manager_release (manager, id));
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);

  /* It serves those who wait as any release. */
  give_back (foreign);
  foreign = lp_test_acquire (manager, "second");
  waiter = queue (BLOCKING, manager, "waiter");
  g_assert_true (lp_manager_release (manager, lp_lease_get_id (lease)));
  give_back (get_lease (waiter));

  give_back (lease);
  give_back (foreign);
  lp_test_finish (other);
  lp_test_finish (manager);
}

static void
test_ids_are_unique (void)
{
  LpManager *managers[2] = { lp_test_start (2, NULL), lp_test_start (2, NULL) };
  g_autoptr (GHashTable) ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < 1000; i++)
    {
      LpLease *lease = lp_test_acquire (managers[i % 2], "holder");

      g_assert_true (g_hash_table_add (ids, g_strdup (lp_lease_get_id (lease))));
      g_assert_cmpstr (lp_lease_get_id (lease), ==, lp_lease_get_id (lease));
      give_back (lease);
    }

  lp_test_finish (managers[0]);
  lp_test_finish (managers[1]);
}

/* Stats */

static double
wait_time (LpManager *manager, const char *key)
{
  g_autoptr (GVariant) stats = lp_manager_dup_stats (manager);
  g_autoptr (GVariant) times = g_variant_lookup_value (stats, "wait_time", G_VARIANT_TYPE ("a{sd}"));
  double value;

  g_assert_nonnull (times);
  g_assert_true (g_variant_lookup (times, key, "d", &value));

  return value;
}

static void
test_wait_time (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  Asker *waiter;
  gint64 end;

  g_assert_cmpfloat (wait_time (manager, "count"), ==, 1);
  g_assert_cmpfloat (wait_time (manager, "max"), ==, 0);

  waiter = queue (GPOINTER_TO_INT (data), manager, "waiter");
  end = g_get_monotonic_time () + 20000;
  lp_test_block_for (is_past, &end, "20 ms");
  give_back (held);
  give_back (get_lease (waiter));

  g_assert_cmpfloat (wait_time (manager, "count"), ==, 2);
  g_assert_cmpfloat (wait_time (manager, "max"), >=, 0.02);
  g_assert_cmpfloat (wait_time (manager, "max"), <, 30);
  g_assert_cmpfloat (wait_time (manager, "mean"), >=, 0.01);
  lp_test_finish (manager);
}

static void
add (const char *path, GTestDataFunc func)
{
  const char * const ways[] = { "blocking", "in-owner", "in-other-context" };

  for (guint way = 0; way < N_WAYS; way++)
    {
      g_autofree char *full = g_strdup_printf ("/acquire/%s/%s", path, ways[way]);

      g_test_add_data_func (full, GUINT_TO_POINTER (way), func);
    }
}

static void
add_grants (void)
{
  add ("grant/idle", test_idle_is_granted);
  add ("grant/released", test_release_grants);
  add ("grant/one-waiter-is-woken", test_one_waiter_is_woken);
  add ("grant/draining-is-not-granted", test_draining_is_not_granted);
  add ("grant/expired-leases-go-first", test_expired_leases_go_first);
  g_test_add_func ("/acquire/grant/most-recently-released-first", test_most_recently_released_first);
  g_test_add_func ("/acquire/fifo/one-queue", test_fifo);
  add ("fifo/newcomer-does-not-overtake", test_newcomer_does_not_overtake);
  add ("fifo/newcomer-does-not-overtake-vetting", test_newcomer_does_not_overtake_vetting);
  add ("priority/lower-number-first", test_lower_priority_number_first);
  add ("growth/above-desired", test_growth_above_desired);
  add ("growth/no-start-behind-another", test_no_start_behind_another);
  g_test_add_func ("/acquire/growth/start-serves-the-next", test_start_serves_the_next);
  add ("stats/wait-time", test_wait_time);
}

static void
add_refusals (void)
{
  add ("no-wait/unavailable", test_not_waiting);
  g_test_add_func ("/acquire/no-wait/try", test_try);
  g_test_add_func ("/acquire/no-wait/start-goes-on", test_start_goes_on_after_try);
  g_test_add_func ("/acquire/no-wait/start-goes-on-without-linger", test_start_goes_on_after_try_without_linger);
  add ("timeout/names-the-holders", test_timeout_names_the_holders);
  g_test_add_func ("/acquire/timeout/names-what-is-starting", test_timeout_names_what_is_starting);
  g_test_add_func ("/acquire/timeout/names-what-is-quarantined", test_timeout_names_what_is_quarantined);
  add ("timeout/each-has-its-own", test_each_has_its_own_deadline);
  g_test_add_func ("/acquire/timeout/huge-times-never-come", test_huge_times_never_come);
  add ("max-waiters/queue-full", test_max_waiters);
  add ("not-running/not-started", test_not_running);
  g_test_add_func ("/acquire/blocking/in-the-owners-loop", test_blocking_in_the_owners_loop);
  g_test_add_func ("/acquire/blocking/in-a-job", test_blocking_in_a_job);
  g_test_add_func ("/acquire/blocking/in-a-job-of-another-manager", test_blocking_in_a_job_of_another_manager);
  g_test_add_func ("/acquire/blocking/program-without-a-loop", test_program_without_a_loop_may_block);
  g_test_add_func ("/acquire/blocking/owner-with-own-context-without-a-loop",
                   test_owner_with_own_context_without_a_loop_may_block);
}

static void
add_lost_results (void)
{
  add ("cancel/before", test_cancelled_before);
  add ("cancel/while-waiting", test_cancelled_while_waiting);
  add ("cancel/after-finish", test_cancelled_after_finish);
  g_test_add_data_func ("/acquire/cancel/after-grant/at-once", GINT_TO_POINTER (FALSE), test_cancelled_after_grant);
  g_test_add_data_func ("/acquire/cancel/after-grant/waited", GINT_TO_POINTER (TRUE), test_cancelled_after_grant);
  g_test_add_data_func ("/acquire/cancel/after-grant-owner-blocked/at-once", GINT_TO_POINTER (FALSE),
                        test_cancelled_after_grant_owner_blocked);
  g_test_add_data_func ("/acquire/cancel/after-grant-owner-blocked/waited", GINT_TO_POINTER (TRUE),
                        test_cancelled_after_grant_owner_blocked);
  g_test_add_func ("/acquire/cancel/in-the-callback", test_cancelled_in_the_callback);
  g_test_add_data_func ("/acquire/result/callback-null", NULL, test_result_nobody_finishes);
  g_test_add_data_func ("/acquire/result/nobody-finishes", not_finishing_cb, test_result_nobody_finishes);
  g_test_add_func ("/acquire/result/stranded-lease-expires", test_stranded_lease_expires);
  g_test_add_func ("/acquire/result/finish-after-hard-expiry", test_finish_after_hard_expiry);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  add_grants ();
  add_refusals ();
  add_lost_results ();
  add ("request/checked", test_request_is_checked);
  g_test_add_func ("/acquire/request/may-be-used-again", test_request_may_be_used_again);
  g_test_add_func ("/acquire/request/null-is-all-defaults", test_no_request_is_all_defaults);
  g_test_add_func ("/acquire/id/release", test_release_by_id);
  g_test_add_func ("/acquire/id/unique", test_ids_are_unique);

  return g_test_run ();
}
