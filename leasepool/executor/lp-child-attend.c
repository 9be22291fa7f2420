/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How the answers of a worker process are read by who asks. */

#include "config.h"

#include "lp-child-private.h"

#include "lp-delivery-private.h"
#include "lp-executor-queue-private.h"
#include "lp-pool-private.h"
#include "lp-process-executor-private.h"

/* The service thread reads what workers say, whatever the main loops do, and wakes the
 * one that is to be told. To a loop that calls one function after the other, and waits
 * for each, that is a thread too many: what a call takes is then how long the system
 * takes to wake that thread, and to wake this one from there, of which the latter is
 * all that it would take if the loop read the answer itself.
 *
 * So a context that has called in that way for a while attends to the process: a source
 * of its own watches the stream, and that of the service thread does not. It reads what
 * becomes of jobs, and tells their ends; all else is left in the buffer, and to the
 * service thread, and the attendance is over. So it is when calls come otherwise: from
 * elsewhere, or more than the process can take one at a time.
 *
 * A loop may hang at any time. A timer of the service thread looks whether answers are
 * read: where none was since it looked last, because none came, or nobody reads them,
 * it takes over again. That is a wake-up every 2 ms while calls come at least as often,
 * and twice that the longest that an answer can be late for those who wait elsewhere. */

/* How many calls have to come alone, each within this time of the one before. */
#define ALONE 16
#define ALONE_USEC 1000

/* How often it is looked whether answers are read. */
#define LOOK_MSEC 2

/* What the source and the child have in common. The service thread does not touch a source of somebody else's context,
 * which may be about to go: the source goes by itself when it sees that the attendance is over, if it ever does. */
struct _LpAttendant
{
  gatomicrefcount ref_count;    /* (atomic) */
  guint fork_generation;        /* (construct-only) */
  GMutex lock;                  /* a leaf */
  LpChild *child;               /* (lock, tested without it) (owned) NULL: it is over */
};

typedef struct
{
  GSource parent;
  LpAttendant *attendant;       /* (owned) */
  gpointer tag;                 /* of the stream */
} AttendantSource;

static void
attendant_unref (LpAttendant *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_mutex_clear (&self->lock);
  g_free (self);
}

/* In a forked child the stream, and the lock, are the parent's. */
static gboolean
is_over (LpAttendant *self)
{
  return g_atomic_pointer_get (&self->child) == NULL || self->fork_generation != lp_fork_generation_now;
}

static LpChild *
dup_child (LpAttendant *self)
{
  LpChild *child = NULL;

  if (is_over (self))
    return NULL;

  g_mutex_lock (&self->lock);
  if (self->child != NULL)
    child = lp_child_ref (self->child);
  g_mutex_unlock (&self->lock);

  return child;
}

/* The caller holds a reference of the child. */
static void
end_attendant (LpAttendant *self)
{
  LpChild *child = self->child;

  g_mutex_lock (&self->lock);
  g_atomic_pointer_set (&self->child, NULL);
  g_mutex_unlock (&self->lock);

  lp_child_unref (child);
  attendant_unref (self);
}

/* Whether nothing but ends of jobs is to be expected, and no log writer is called for them: it would be while the lock
 * is held, and for it, on this thread, the service thread must not be needed. */
static gboolean
may_attend (LpChild *self)
{
  return self->state == LP_CHILD_READY && !self->over && !self->paused && self->n_handling == 0
         && lp_process_executor_may_help (LP_PROCESS_EXECUTOR (self->executor))
         && !lp_log_wants_still (lp_executor_get_private (self->executor)->logs_jobs);
}

/* FALSE: the service thread is to read. */
static gboolean
read_answers (LpChild *self)
{
  LpProcessExecutor *executor = LP_PROCESS_EXECUTOR (self->executor);
  LpProcessBatch batch;
  gboolean all;

  if (!may_attend (self))
    return FALSE;

  self->attendance.used = TRUE;
  lp_process_executor_begin_batch (executor, &batch);
  all = lp_child_read_answer (self);
  lp_process_executor_leave_batch (executor, &batch);

  return all;
}

/* --- The source --- */

static gboolean
attendant_prepare (GSource *source, int *timeout)
{
  *timeout = -1;
  return is_over (((AttendantSource *) source)->attendant);
}

static gboolean
attendant_check (GSource *source)
{
  AttendantSource *self = (AttendantSource *) source;

  return g_source_query_unix_fd (source, self->tag) != 0 || is_over (self->attendant);
}

/* Where the lock is taken, the service thread does something, and the loop comes again. */
static gboolean
attendant_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  LpAttendant *self = ((AttendantSource *) source)->attendant;
  g_autoptr (LpChild) child = dup_child (self);
  LpProcessExecutor *executor;
  LpDelivery *delivery;

  if (child == NULL)
    return G_SOURCE_REMOVE;

  executor = LP_PROCESS_EXECUTOR (child->executor);
  if (!g_rec_mutex_trylock (&executor->children_lock))
    return G_SOURCE_CONTINUE;
  if (child->attendance.attendant == self && !read_answers (child))
    lp_child_unattend (child);
  g_rec_mutex_unlock (&executor->children_lock);

  /* The callbacks are there by now. */
  delivery = lp_delivery_ref_current ();
  if (lp_delivery_get_context (delivery) == g_source_get_context (source))
    lp_delivery_run (delivery);
  lp_delivery_unref (delivery);

  return G_SOURCE_CONTINUE;
}

static void
attendant_finalize (GSource *source)
{
  attendant_unref (((AttendantSource *) source)->attendant);
}

static GSourceFuncs attendant_funcs = {
  .prepare = attendant_prepare,
  .check = attendant_check,
  .dispatch = attendant_dispatch,
  .finalize = attendant_finalize,
};

/* --- The attendance --- */

static gboolean
look_cb (gpointer user_data)
{
  g_autoptr (LpChild) self = lp_child_ref (user_data);
  LP_PROCESS_EXECUTOR_ENTER (LP_PROCESS_EXECUTOR (self->executor));

  if (self->attendance.timer != g_main_current_source ())
    return G_SOURCE_REMOVE;

  if (!self->attendance.used)
    {
      lp_child_unattend (self);
      return G_SOURCE_REMOVE;
    }

  self->attendance.used = FALSE;
  return G_SOURCE_CONTINUE;
}

static LpAttendant *
attendant_new (LpChild *child, GMainContext *context)
{
  LpAttendant *self = g_new (LpAttendant, 1);
  GSource *source = g_source_new (&attendant_funcs, sizeof (AttendantSource));

  *self = (LpAttendant) { .child = lp_child_ref (child), .fork_generation = lp_fork_generation_now };
  g_mutex_init (&self->lock);
  g_atomic_ref_count_init (&self->ref_count);
  g_atomic_ref_count_inc (&self->ref_count); /* the source's, and the child's */

  ((AttendantSource *) source)->attendant = self;
  ((AttendantSource *) source)->tag = g_source_add_unix_fd (source, lp_channel_get_in_fd (child->channel),
                                                            G_IO_IN | G_IO_HUP | G_IO_ERR);
  g_source_set_static_name (source, "[leasepool] worker stream, attended");
  g_source_set_can_recurse (source, TRUE); /* as that of the service thread */
  g_source_attach (source, context);
  g_source_unref (source);

  return self;
}

static void
attend (LpChild *self, GMainContext *context)
{
  LpAttendance *attendance = &self->attendance;

  g_source_destroy (self->in_source);
  g_clear_pointer (&self->in_source, g_source_unref);

  attendance->used = TRUE;      /* one whole turn of the timer */
  attendance->attendant = attendant_new (self, context);
  attendance->timer = g_timeout_source_new (LOOK_MSEC);
  g_source_set_static_name (attendance->timer, "[leasepool] attended worker");
  g_source_set_callback (attendance->timer, look_cb, lp_child_ref (self), (GDestroyNotify) lp_child_unref);
  g_source_attach (attendance->timer, self->context);
}

/* The service thread reads again. The caller holds the lock, and a reference. */
void
lp_child_unattend (LpChild *self)
{
  LpAttendance *attendance = &self->attendance;

  attendance->n_alone = 0;
  if (attendance->attendant == NULL)
    return;

  end_attendant (g_steal_pointer (&attendance->attendant));
  g_source_destroy (attendance->timer);
  g_clear_pointer (&attendance->timer, g_source_unref);
  if (self->channel == NULL)
    return;

  if (!self->over && !self->paused)
    lp_child_watch (self);
  lp_child_come_again (self);
}

/* JOB was sent by this thread, to a process that had nothing to do. */
void
lp_child_note_asked (LpChild *self, LpJob *job)
{
  LpAttendance *attendance = &self->attendance;
  LpDelivery *asker = lp_delivery_ref_current ();
  GMainContext *context = lp_delivery_get_context (asker);
  gint64 now = self->called_at;

  if (lp_job_is_told_in (job, asker) && asker == attendance->asker && now - attendance->asked_at < ALONE_USEC)
    attendance->n_alone++;
  else
    lp_child_unattend (self);
  attendance->asker = asker;
  attendance->asked_at = now;

  if (attendance->n_alone >= ALONE && attendance->attendant == NULL && self->in_source != NULL && may_attend (self)
      && g_main_context_is_owner (context))
    attend (self, context);
  lp_delivery_unref (asker);
}
