/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-process-executor-private.h"

#include "lp-child-private.h"
#include "lp-executor-queue-private.h"
#include "lp-functions-private.h"
#include "lp-pool-private.h"
#include "lp-remote-functions-private.h"

/**
 * LpProcessExecutor:
 *
 * An executor whose workers are processes.
 *
 * They run the program of [property@Lp.Manager:worker-argv], or the one that
 * comes with the library and loads [property@Lp.Manager:function-module]. Each
 * runs one named function at a time. A function that does not end is killed with
 * its process, which is replaced; one that crashes breaks the executor, and only
 * its own job is blamed.
 *
 * Managers make its objects; see [property@Lp.Manager:backend].
 *
 * Since: 1.0
 */

/* How this works
 *
 * All is on the service thread, but the table of what functions there are, and
 * the shortest way of a job: the thread that submits it sends it itself to a
 * process that has nothing to do, so that the service thread need not be woken
 * for it, and a main loop that calls one function at a time reads the answers itself
 * (`lp-child-attend.c`). `children_lock` is what they have in common; who submits
 * never waits for it.
 *
 * The queue of the base class gives jobs to the children (`lp-child.c`), one that
 * runs for each and, where jobs are short, some more that wait in the process,
 * so that it need not wait for this one. Until it says that it runs a job, the
 * job is "sent": it can be called back, and is, when it waits too long behind
 * another one or a process has nothing to do. That is `lp-process-pump.c`.
 *
 * Who is in `children` has not been reaped. One that is killed keeps its place
 * until it is: it may run for a while, and there are never more that do than the
 * executor has workers. One that has done its number of jobs gets its replacement
 * at once. */

G_DEFINE_FINAL_TYPE (LpProcessExecutor, lp_process_executor, LP_TYPE_EXECUTOR)

/* --- What functions there are --- */

/* Once it is there it stays: any thread may read it then. */
static LpRemoteFunctions *
get_remote (LpProcessExecutor *self)
{
  LpRemoteFunctions *remote;

  g_mutex_lock (lp_executor_get_lock (LP_EXECUTOR (self)));
  remote = self->remote;
  g_mutex_unlock (lp_executor_get_lock (LP_EXECUTOR (self)));

  return remote;
}

/* All workers are the same program: what the first one says, counts. Returns
 * what is wrong with it, or NULL. */
char *
lp_process_executor_take_functions (LpProcessExecutor *self, GVariant *hello)
{
  g_autoptr (GVariant) list = g_variant_lookup_value (hello, "functions", G_VARIANT_TYPE ("a(sss)"));
  LpRemoteFunctions *remote;
  char *wrong = NULL;

  if (list == NULL || self->remote != NULL)
    return NULL;

  remote = lp_remote_functions_new (list, &wrong);
  g_mutex_lock (lp_executor_get_lock (LP_EXECUTOR (self)));
  self->remote = remote;
  g_mutex_unlock (lp_executor_get_lock (LP_EXECUTOR (self)));
  if (remote != NULL)
    lp_pool_take_remote_functions (lp_executor_get_private (LP_EXECUTOR (self))->pool, remote);

  return wrong;
}

static gboolean
check_job (LpExecutor *executor, LpJob *job, GError **error)
{
  LpRemoteFunctions *remote = get_remote (LP_PROCESS_EXECUTOR (executor));

  if (job->kind == LP_JOB_COMMAND)
    return TRUE;
  if (job->kind == LP_JOB_CALL)
    return remote == NULL || lp_remote_functions_check_call (remote, job, error);

  g_set_error_literal (error, LP_ERROR, LP_ERROR_NOT_SUPPORTED,
                       "A closure cannot run in another process; give the function a name in a function module or "
                       "a worker program, or use the backend “thread”");
  return FALSE;
}

/* Whether RESULT is what the function of JOB is declared to give; else what that
 * is, in DECLARED. */
gboolean
lp_process_executor_check_result (LpProcessExecutor *self, LpJob *job, GVariant *result, char **declared)
{
  const GVariantType *type = job->function != NULL ? job->function->result_type : NULL;

  if (type == NULL && self->remote != NULL)
    type = lp_remote_functions_get_result_type (self->remote, job->name);
  if (type == NULL || g_variant_is_of_type (result, type))
    return TRUE;

  *declared = g_variant_type_dup_string (type);
  return FALSE;
}

/* --- Children come and go --- */

static void child_ready (LpExecutor *executor, LpChild *child);
static void child_moved (LpExecutor *executor, LpChild *child);
static void child_ended (LpExecutor *executor, LpChild *child);

static const LpChildEvents child_events = { child_ready, child_moved, child_ended };

static guint
count_places (LpProcessExecutor *self)
{
  guint n = 0;

  for (guint i = 0; i < self->children->len; i++)
    n += !lp_child_is_worn_out (self->children->pdata[i]);

  return n;
}

/* Starts as many as are missing. */
static gboolean
fill_up (LpProcessExecutor *self, GError **error)
{
  while (!self->closing && !lp_process_executor_is_dead (self)
         && count_places (self) < (guint) lp_executor_get_workers (LP_EXECUTOR (self)))
    {
      LpChild *child = lp_child_new (LP_EXECUTOR (self), ++self->last_number, &child_events);

      if (!lp_child_start (child, error))
        {
          lp_child_unref (child);
          return FALSE;
        }
      g_ptr_array_add (self->children, child);
    }

  return TRUE;
}

void
lp_process_executor_fill_up (LpProcessExecutor *self)
{
  g_autoptr (GError) error = NULL;

  if (!fill_up (self, &error))
    lp_executor_report_died (LP_EXECUTOR (self), error);
}

static gboolean
all_ready (LpProcessExecutor *self)
{
  guint n = 0;

  for (guint i = 0; i < self->children->len; i++)
    n += ((LpChild *) self->children->pdata[i])->state == LP_CHILD_READY;

  return n >= (guint) lp_executor_get_workers (LP_EXECUTOR (self));
}

static void
child_ready (LpExecutor *executor, LpChild *child)
{
  LpProcessExecutor *self = LP_PROCESS_EXECUTOR (executor);

  if (!self->ready && all_ready (self) && !self->closing)
    {
      self->ready = TRUE;
      lp_executor_report_ready (executor);
    }

  lp_process_executor_pump (executor);
}

/* One that has done its number of jobs goes once it is idle. So does one that ended a job which had been given up when
 * all were to go, and before it was stopped for it. */
static void
dismiss (LpProcessExecutor *self, LpChild *child)
{
  if (child->state == LP_CHILD_READY && child->running == NULL
      && (self->closing || (lp_child_is_worn_out (child) && child->sent->len == 0)))
    lp_child_leave (child);
}

static void
child_moved (LpExecutor *executor, LpChild *child)
{
  LpProcessExecutor *self = LP_PROCESS_EXECUTOR (executor);

  self->doomed |= child->cause != NULL || (child->over && !child->asked);
  if (child->attendance.reading)
    {
      child->attendance.moved = TRUE;
      return;
    }

  dismiss (self, child);
  if (self->ready)
    lp_process_executor_fill_up (self);
  lp_process_executor_pump (executor);
}

/* The job that ran in a process that is no more. */
static void
end_job_of (LpProcessExecutor *self, LpChild *child, const GError *error)
{
  g_autoptr (LpJob) job = g_steal_pointer (&child->running);
  LpOutcome outcome = { NULL, NULL };

  if (job == NULL)
    return;

  if (lp_executor_job_gone (LP_EXECUTOR (self), job))
    return;

  outcome.error = g_error_copy (error);
  lp_executor_job_returned (LP_EXECUTOR (self), job, &outcome);
  g_clear_error (&outcome.error);
}

static void
child_ended (LpExecutor *executor, LpChild *child)
{
  LpProcessExecutor *self = LP_PROCESS_EXECUTOR (executor);
  g_autoptr (GError) error = lp_child_dup_cause (child);
  g_autoptr (LpChild) held = lp_child_ref (child);

  g_ptr_array_remove_fast (self->children, child);

  /* First the lease is broken, then its job fails. */
  if (!child->asked)
    lp_executor_report_died (executor, error);
  end_job_of (self, child, error);

  if (self->closing && self->children->len == 0)
    lp_executor_report_stopped (executor);
  else if (!self->closing)
    child_moved (executor, child);
}

/* --- Jobs that are to end --- */

/* When a process is looked at again of which a frame is being handled: a log writer iterates the context. */
#define AGAIN_MSEC 10

static LpChild *
find_child (LpProcessExecutor *self, LpJob *job)
{
  for (guint i = 0; i < self->children->len; i++)
    if (lp_child_has_job (self->children->pdata[i], job))
      return self->children->pdata[i];

  return NULL;
}

static void
lp_process_executor_cancel (LpExecutor *executor, LpJob *job)
{
  LpProcessExecutor *self = LP_PROCESS_EXECUTOR (executor);
  LP_PROCESS_EXECUTOR_ENTER (self);
  LpChild *child = find_child (self, job);

  if (child != NULL)
    lp_child_cancel (child, job);
}

static void abandoned_cb (gpointer data, gpointer more);

static gboolean
abandoned_again_cb (gpointer user_data)
{
  abandoned_cb (g_object_ref (user_data), NULL);
  return G_SOURCE_REMOVE;
}

static void
come_again_for (LpJob *job)
{
  GSource *source = g_timeout_source_new (AGAIN_MSEC);

  g_source_set_static_name (source, "[leasepool] job that was given up");
  g_source_set_callback (source, abandoned_again_cb, g_object_ref (job), g_object_unref);
  g_source_attach (source, g_main_context_get_thread_default ());
  g_source_unref (source);
}

/* The grace of JOB is over. What its process has said meanwhile comes first: it
 * may have ended the job, and run another one. One that runs nothing, and has not
 * even said what it does about the job, hangs. */
static void
abandoned_cb (gpointer data, gpointer more)
{
  g_autoptr (LpJob) job = data;
  LpProcessExecutor *self = LP_PROCESS_EXECUTOR (job->executor);
  LP_PROCESS_EXECUTOR_ENTER (self);
  LpChild *child = find_child (self, job);

  /* While a frame is handled it lies where the next ones would be read to. */
  if (child != NULL && child->n_handling > 0)
    come_again_for (job);
  else if (child != NULL)
    {
      g_autoptr (LpChild) held = lp_child_ref (child);

      lp_child_read (child, LP_CHILD_ALL_FRAMES);
      if (child->running == job && lp_job_get_interrupt (job) == LP_INTERRUPT_STOP)
        lp_child_kill (child);
      else
        lp_child_settle_stop (child);
    }
}

static void
abandoned (LpExecutor *executor, LpJob *job)
{
  lp_slot_post_object (lp_executor_get_private (executor)->slot, abandoned_cb, G_OBJECT (job));
}

static void
recall_cb (gpointer data, gpointer more)
{
  g_autoptr (LpProcessExecutor) self = data;
  LP_PROCESS_EXECUTOR_ENTER (self);

  for (guint i = 0; i < self->children->len; i++)
    lp_child_recall (self->children->pdata[i]);
}

static void
recall (LpExecutor *executor)
{
  lp_slot_post_object (lp_executor_get_private (executor)->slot, recall_cb, G_OBJECT (executor));
}

static const LpExecutorOps process_ops = {
  .kick_locked = lp_executor_default_kick_locked,
  .wake = lp_process_executor_wake,
  .pump = lp_process_executor_pump,
  .abandoned = abandoned,
  .recall = recall,
  .check_job = check_job,
  .holds_processes = TRUE,
};

/* --- Start and stop --- */

static gboolean
lp_process_executor_start (LpExecutor *executor, GError **error)
{
  LpProcessExecutor *self = LP_PROCESS_EXECUTOR (executor);
  LP_PROCESS_EXECUTOR_ENTER (self);

  return fill_up (self, error);
}

static void
close_child (LpChild *child, LpStopMode mode)
{
  if (mode == LP_STOP_MODE_KILL || child->state == LP_CHILD_STARTING)
    lp_child_kill (child);
  else if (child->running == NULL)
    lp_child_leave (child);
}

static void
lp_process_executor_shutdown (LpExecutor *executor, LpStopMode mode)
{
  LpProcessExecutor *self = LP_PROCESS_EXECUTOR (executor);
  LP_PROCESS_EXECUTOR_ENTER (self);

  self->closing = TRUE;
  for (guint i = 0; i < self->children->len; i++)
    close_child (self->children->pdata[i], mode);

  if (self->children->len == 0)
    lp_executor_report_stopped (executor);
}

static gboolean
lp_process_executor_has_died (LpExecutor *executor)
{
  LpProcessExecutor *self = LP_PROCESS_EXECUTOR (executor);
  LP_PROCESS_EXECUTOR_ENTER (self);

  for (guint i = 0; i < self->children->len; i++)
    {
      LpChild *child = self->children->pdata[i];

      if (child->state == LP_CHILD_READY && lp_child_looks_dead (child))
        return TRUE;
    }

  return lp_process_executor_is_dead (self);
}

static void
lp_process_executor_finalize (GObject *object)
{
  LpProcessExecutor *self = LP_PROCESS_EXECUTOR (object);

  g_ptr_array_unref (self->children);
  g_clear_pointer (&self->remote, lp_remote_functions_unref);
  if (self->overdue_source != NULL)
    {
      g_source_destroy (self->overdue_source);
      g_source_unref (self->overdue_source);
    }
  g_rec_mutex_clear (&self->children_lock);

  G_OBJECT_CLASS (lp_process_executor_parent_class)->finalize (object);
}

static void
lp_process_executor_class_init (LpProcessExecutorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lp_process_executor_finalize;

  LP_EXECUTOR_CLASS (klass)->start = lp_process_executor_start;
  LP_EXECUTOR_CLASS (klass)->cancel = lp_process_executor_cancel;
  LP_EXECUTOR_CLASS (klass)->shutdown = lp_process_executor_shutdown;
  LP_EXECUTOR_CLASS (klass)->has_died = lp_process_executor_has_died;
}

static void
lp_process_executor_init (LpProcessExecutor *self)
{
  g_rec_mutex_init (&self->children_lock);
  self->children = g_ptr_array_new_with_free_func ((GDestroyNotify) lp_child_unref);
  lp_executor_set_ops (LP_EXECUTOR (self), &process_ops);
}
