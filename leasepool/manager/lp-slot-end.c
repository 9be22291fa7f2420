/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How an executor ends: it leaves for a reason, its jobs end, it shuts down,
 * and reports that nothing is left. */

#include "config.h"

#include "lp-pool-private.h"

/* How much longer than the cancel grace a shutdown may take before the executor
 * is given up. A thread that is inside its init function is as stuck as one in a
 * job, and is not waited for; one that is not has at most not been scheduled. */
#define SHUTDOWN_SECONDS 5.0
#define INIT_SHUTDOWN_SECONDS 0.2

/* What a process that runs nothing has for leaving, if the grace is shorter. */
#define PROCESS_LEAVE_SECONDS 2.0

static void retire_locked (LpSlot *self, gint64 now, LpActions *actions);

static void
shutdown_cb (gpointer data, gpointer more)
{
  LpSlot *self = data;
  g_autoptr (LpExecutor) executor = lp_slot_dup_executor (self);

  if (executor != NULL)
    lp_executor_shutdown (executor, GPOINTER_TO_INT (more));
  lp_slot_unref (self);
}

/* Those that are, a stop waits for. */
static void
set_parting_locked (LpSlot *self, gboolean parting)
{
  if (self->parting != parting)
    self->pool->n_parting += parting ? 1 : -1;
  self->parting = parting;
}

static void
post_shutdown_locked (LpSlot *self, gint64 now, gboolean hard)
{
  LpPool *pool = self->pool;
  LpStopMode mode = hard || pool->stop_mode == LP_STOP_MODE_KILL ? LP_STOP_MODE_KILL : LP_STOP_MODE_CANCEL;

  if (self->shutdown_posted)
    return;

  self->shutdown_posted = TRUE;
  set_parting_locked (self, self->state != LP_SLOT_CLOSING);
  lp_service_post (self->service, shutdown_cb, lp_slot_ref (self), GINT_TO_POINTER (mode));
  self->closing_since = now;
  lp_slot_arm_shutdown_locked (self);
}

static gint64
shutdown_limit (LpSlot *self, double seconds)
{
  LpPool *pool = self->pool;
  double grace = pool->stop_mode == LP_STOP_MODE_KILL ? 0 : pool->settings->cancel_grace_seconds;

  /* Processes have one until SIGTERM, or the time to leave, and another one until
   * SIGKILL. */
  if (lp_executor_get_ops (self->executor)->holds_processes)
    grace = 2 * grace + PROCESS_LEAVE_SECONDS;

  return lp_clock_add (self->closing_since, grace + seconds);
}

/* When it is given up; sooner, once the stop has become a KILL. */
void
lp_slot_arm_shutdown_locked (LpSlot *self)
{
  gboolean initialises = lp_executor_get_ops (self->executor)->is_initialising != NULL;

  lp_pool_arm_locked (self->pool, &self->deadline,
                      shutdown_limit (self, initialises ? INIT_SHUTDOWN_SECONDS : SHUTDOWN_SECONDS));
}

static gboolean
is_initialising (LpSlot *self)
{
  const LpExecutorOps *ops = self->executor != NULL ? lp_executor_get_ops (self->executor) : NULL;

  return ops != NULL && ops->is_initialising != NULL && ops->is_initialising (self->executor);
}

static gboolean
quarantine_has_room (LpPool *pool)
{
  return pool->n_slots[LP_SLOT_QUARANTINED] < (guint) lp_settings_max_quarantined (pool->settings);
}

static void
quarantine_locked (LpSlot *self, const char *why, LpActions *actions)
{
  LpPool *pool = self->pool;
  gboolean room = quarantine_has_room (pool) && !lp_executor_get_ops (self->executor)->holds_processes;
  g_autofree char *seq = g_strdup_printf ("%" G_GUINT64_FORMAT, self->seq);
  LpLogField fields[] = { { "EXECUTOR_SEQ", seq }, { NULL, NULL } };

  if (self->state == LP_SLOT_QUARANTINED || self->state == LP_SLOT_STUCK)
    return;

  lp_slot_set_state_locked (self, room ? LP_SLOT_QUARANTINED : LP_SLOT_STUCK);
  lp_actions_log (actions, pool->settings->log_domain, G_LOG_LEVEL_MESSAGE, LP_DEBUG_EXECUTOR,
                  "executor-quarantined", fields,
                  "The executor %s is out of use, and %s: %s", seq,
                  room ? "is quarantined" : "keeps its place in the pool, since there is no room in quarantine", why);
}

/* Moves a leaving executor on as far as its jobs let it. */
void
lp_slot_settle_locked (LpSlot *self, gint64 now, LpActions *actions)
{
  LpExecutorLoad load;

  if (self->executor == NULL || self->state == LP_SLOT_RETIRED)
    return;

  lp_executor_get_load (self->executor, &load);

  if (!lp_executor_load_lets_go (&load))
    return;

  self->jobs_until = 0;
  if (load.commands > 0)
    {
      lp_pool_arm_locked (self->pool, &self->deadline, lp_clock_add (now, SHUTDOWN_SECONDS));
      return;
    }

  if (self->stopped)
    {
      retire_locked (self, now, actions);
      return;
    }

  if (load.stuck > 0 && lp_executor_get_ops (self->executor)->holds_threads)
    {
      g_autofree char *why = g_strdup_printf (load.stuck == 1 ? "%u job has ended, but its function does not return"
                                                              : "%u jobs have ended, but their functions do not return",
                                              load.stuck);

      quarantine_locked (self, why, actions);
    }
  else
    {
      if (self->state != LP_SLOT_QUARANTINED && self->state != LP_SLOT_STUCK)
        lp_slot_set_state_locked (self, LP_SLOT_CLOSING);
      /* Processes are killed for the job that they do not end, in time. */
      post_shutdown_locked (self, now, load.stuck > 0 && !lp_executor_get_ops (self->executor)->holds_processes);
    }

  lp_pool_settle_locked (self->pool, actions);
}

/* Takes the executor out of use for good. Its lease, if any, has ended. */
void
lp_slot_leave_locked (LpSlot *self, LpRetireReason reason, gint64 now, LpActions *actions)
{
  if (self->leaving)
    return;

  lp_deadlines_remove (&self->pool->deadlines, &self->deadline);
  self->reason = reason;
  lp_slot_set_state_locked (self, LP_SLOT_REVOKING);
  self->leaving = TRUE;
  self->pool->n_leaving++;

  lp_slot_settle_locked (self, now, actions);
}

typedef struct
{
  LpExecutor *executor;
  LpInterrupt reason;
} EndJobs;

static void
end_jobs_cb (gpointer data, gpointer more)
{
  EndJobs *end = data;
  g_autoptr (GError) error = NULL;

  /* With the ends of lp_job_interrupt_error(). */
  g_set_error_literal (&error, G_IO_ERROR, G_IO_ERROR_CANCELLED,
                       end->reason == LP_INTERRUPT_STOP
                         ? "The job was cancelled before it began because the manager stopped"
                         : "The job was cancelled before it began because its lease expired or was revoked");
  lp_executor_end_queued (end->executor, error);
  lp_executor_interrupt_all (end->executor, end->reason);

  g_object_unref (end->executor);
  g_free (end);
}

/* Has the jobs of the executor cancelled, queued and running ones. */
void
lp_slot_end_jobs_locked (LpSlot *self, LpInterrupt reason, LpActions *actions)
{
  EndJobs *end = g_new (EndJobs, 1);

  *end = (EndJobs) { g_object_ref (self->executor), reason };
  lp_actions_add (actions, end_jobs_cb, end, NULL);
}

static void
fail_jobs_cb (gpointer data, gpointer more)
{
  LpExecutor *executor = data;
  GError *error = more;

  lp_executor_end_queued (executor, error);

  /* Threads outlive what broke their executor, and so do the other processes of
   * one: they finish what they run. */
  if (!lp_executor_get_ops (executor)->holds_threads && !lp_executor_get_ops (executor)->holds_processes)
    lp_executor_fail_running (executor, error);

  g_object_unref (executor);
  g_error_free (error);
}

/* What still runs on a broken executor has no lease any more, and nobody who could
 * revoke it: it may take as long as it might have with one. */
void
lp_slot_jobs_due_locked (LpSlot *self, LpActions *actions)
{
  g_autofree char *seq = g_strdup_printf ("%" G_GUINT64_FORMAT, self->seq);
  LpLogField fields[] = { { "EXECUTOR_SEQ", seq }, { NULL, NULL } };

  self->jobs_until = 0;
  lp_actions_log (actions, self->pool->settings->log_domain, G_LOG_LEVEL_MESSAGE, LP_DEBUG_EXECUTOR, "jobs-revoked",
                  fields, "The jobs that still run on the broken executor %s are ended: the hard expiry of their lease "
                  "has passed", seq);
  lp_slot_end_jobs_locked (self, LP_INTERRUPT_REVOKE, actions);
}

/* Any state but STARTING, and not leaving. */
void
lp_slot_died_locked (LpSlot *self, const GError *error, gint64 now, LpActions *actions)
{
  LpPool *pool = self->pool;
  g_autofree char *seq = g_strdup_printf ("%" G_GUINT64_FORMAT, self->seq);
  LpLogField fields[] = {
    { "EXECUTOR_SEQ", seq },
    { "LEASE_ID", self->grant != NULL ? lp_grant_get_id (self->grant) : NULL },
    { "OWNER", self->grant != NULL ? self->grant->owner : NULL },
    { NULL, NULL }
  };
  LpExecutorLoad load;
  gint64 jobs_until = 0;

  lp_actions_log (actions, pool->settings->log_domain, G_LOG_LEVEL_MESSAGE, LP_DEBUG_EXECUTOR,
                  "executor-broken", fields, "The executor %s is broken: %s", seq, error->message);

  if (pool->state != LP_POOL_STARTING)
    lp_pool_note_breakage_locked (pool, self, error, now);
  if (self->grant != NULL)
    {
      jobs_until = self->grant->hard;
      lp_grant_end_locked (self->grant, LP_LEASE_STATE_BROKEN, now, actions);
    }

  lp_actions_add (actions, fail_jobs_cb, g_object_ref (self->executor),
                  lp_log_new_error (LP_ERROR, LP_ERROR_BROKEN_EXECUTOR, "The executor %s is broken: %s", seq,
                                    error->message));
  lp_slot_leave_locked (self, LP_RETIRE_REASON_BROKEN, now, actions);
  lp_executor_get_load (self->executor, &load);
  if (jobs_until != 0 && !lp_executor_load_lets_go (&load))
    {
      self->jobs_until = jobs_until;
      lp_pool_arm_locked (pool, &self->deadline, jobs_until);
    }

  /* It was counted as one of those that the start needs. */
  if (pool->state == LP_POOL_STARTING)
    lp_pool_undo_start_locked (pool,
                               lp_log_new_error (LP_ERROR, LP_ERROR_START_FAILED, "The executor %s is broken: %s", seq,
                                                 error->message),
                               now, actions);
}

void
lp_slot_died (LpSlot *self, const GError *error)
{
  LpPool *pool = self->pool;
  LpActions actions = LP_ACTIONS_INIT;
  gint64 now = lp_clock_now ();

  g_mutex_lock (&pool->lock);
  lp_pool_run_due_locked (pool, now, &actions);
  if (self->state == LP_SLOT_STARTING)
    {
      lp_slot_start_failed_locked (self, error, now, &actions);
      lp_pool_rebalance_locked (pool, now, &actions);
      lp_owner_counts_locked (pool, &actions);
    }
  else if (!self->leaving && self->state != LP_SLOT_RETIRED)
    {
      lp_slot_died_locked (self, error, now, &actions);
      lp_pool_rebalance_locked (pool, now, &actions);
      lp_owner_counts_locked (pool, &actions);
    }
  lp_pool_unlock (pool, &actions);
}

/* Its shutdown does not report. What is left of it is not known: it is taken
 * for quarantined, so that nobody waits for it for ever. */
void
lp_slot_shutdown_due_locked (LpSlot *self, gint64 now, LpActions *actions)
{
  gboolean initialising = is_initialising (self);
  gint64 limit = shutdown_limit (self, SHUTDOWN_SECONDS);

  /* The short limit was not for this one. */
  if (self->shutdown_posted && !initialising && now < limit)
    {
      lp_pool_arm_locked (self->pool, &self->deadline, limit);
      return;
    }

  set_parting_locked (self, FALSE);
  quarantine_locked (self, initialising ? "it was shut down, but its init function does not return"
                                        : "it was shut down, but has not reported that it stopped", actions);
  lp_pool_settle_locked (self->pool, actions);
  lp_owner_counts_locked (self->pool, actions);
}

/* As many of the executors that do not end as there is room for are in
 * quarantine, the others keep their places. */
void
lp_pool_fit_quarantine_locked (LpPool *pool)
{
  guint room = lp_settings_max_quarantined (pool->settings);

  while (pool->quarantined.length < room && pool->stuck.length > 0)
    lp_slot_set_state_locked (g_queue_peek_tail (&pool->stuck), LP_SLOT_QUARANTINED);
  while (pool->quarantined.length > room)
    lp_slot_set_state_locked (g_queue_peek_tail (&pool->quarantined), LP_SLOT_STUCK);
}

static void
let_go_cb (gpointer data, gpointer more)
{
  lp_executor_let_go (data);
}

static void
release_service_cb (gpointer data, gpointer more)
{
  lp_service_release (data);
}

static void
unref_slot_cb (gpointer data, gpointer more)
{
  lp_slot_unref (data);
}

static void
retire_locked (LpSlot *self, gint64 now, LpActions *actions)
{
  LpPool *pool = self->pool;

  lp_deadlines_remove (&pool->deadlines, &self->deadline);
  set_parting_locked (self, FALSE);
  lp_slot_set_state_locked (self, LP_SLOT_RETIRED);
  pool->n_slots[LP_SLOT_RETIRED]--;
  pool->slots->pdata[self->index] = NULL;
  g_array_append_val (pool->free_indexes, self->index);
  pool->counters.executors_retired++;
  lp_owner_retired_locked (self, actions);

  if (self->executor != NULL)
    {
      lp_executor_add_counters (self->executor, &pool->job_counters);
      lp_executor_merge_run_time (self->executor, &pool->run_time);
      lp_actions_add (actions, let_go_cb, g_steal_pointer (&self->executor), NULL);
    }

  lp_actions_add (actions, release_service_cb, g_steal_pointer (&self->service), NULL);
  lp_actions_add (actions, unref_slot_cb, self, NULL);

  lp_pool_fit_quarantine_locked (pool);
  lp_pool_settle_locked (pool, actions);
  lp_pool_rebalance_locked (pool, now, actions);
  lp_owner_counts_locked (pool, actions);
}

/* Nothing of the executor is left. Any thread. */
void
lp_slot_stopped (LpSlot *self)
{
  LpPool *pool = self->pool;
  LpActions actions = LP_ACTIONS_INIT;
  g_autoptr (LpExecutor) executor = lp_slot_dup_executor (self);
  gboolean asked;

  g_mutex_lock (&pool->lock);
  asked = self->leaving;
  g_mutex_unlock (&pool->lock);

  if (!asked)
    {
      g_autoptr (GError) error = g_error_new_literal (LP_ERROR, LP_ERROR_BROKEN_EXECUTOR, "it stopped by itself");

      lp_slot_died (self, error);
    }

  lp_slot_ref (self);
  if (executor != NULL)
    lp_executor_vacate_all (executor);

  g_mutex_lock (&pool->lock);
  self->stopped = TRUE;
  if (self->state != LP_SLOT_RETIRED && self->executor != NULL)
    lp_slot_settle_locked (self, lp_clock_now (), &actions);
  else if (self->state != LP_SLOT_RETIRED)
    retire_locked (self, lp_clock_now (), &actions);
  lp_pool_unlock (pool, &actions);
  lp_slot_unref (self);
}
