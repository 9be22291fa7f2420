/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The DEBUG records of jobs. Whether anybody wants them is asked once for each
 * executor; without that they cost a job two tests of a flag. */

#include "config.h"

#include "lp-executor-queue-private.h"

#include "lp-log-private.h"
#include "lp-pool-private.h"

/* What it runs, for people. */
static const char *
describe (LpJob *job)
{
  switch (job->kind)
    {
    case LP_JOB_CALL: return job->name;
    case LP_JOB_COMMAND: return job->argv[0];
    case LP_JOB_FUNC: return "a function";
    case LP_JOB_TASK: return "a task";
    default: return "something";
    }
}

static void
log_job (LpExecutor *self, LpJob *job, const char *event, const char *how)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT, priv->seq, job->number);
  g_autofree char *seq = g_strdup_printf ("%" G_GUINT64_FORMAT, priv->seq);
  const char *owner = lp_job_peek_owner (job);
  LpLogField fields[] = { { "JOB_ID", number }, { "OWNER", owner }, { "EXECUTOR_SEQ", seq }, { NULL, NULL } };

  lp_log (priv->settings->log_domain, G_LOG_LEVEL_DEBUG, LP_DEBUG_JOB, event, fields,
          "The job %s (%s) of “%s” on the executor %s %s", number, describe (job),
          owner != NULL ? owner : "nobody in particular", seq, how);
}

/* JOB has been claimed; no lock is held. */
void
lp_executor_log_begun (LpExecutor *self, LpJob *job)
{
  g_autofree char *how = g_strdup_printf ("has begun after %.3f s in the queue",
                                          lp_clock_seconds (job->started_at - job->queued_at));

  log_job (self, job, "job-begun", how);
}

static char *
describe_end (LpJob *job)
{
  g_autofree char *why = NULL;
  g_autofree char *when = NULL;
  gint64 ended_at;

  g_mutex_lock (&job->lock);
  ended_at = job->ended_at;
  if (job->error != NULL)
    why = g_strdup (job->error->message);
  g_mutex_unlock (&job->lock);

  if (job->started_at != 0)
    when = g_strdup_printf ("after %.3f s", lp_clock_seconds (ended_at - job->started_at));
  else
    when = g_strdup ("before it began");

  switch (lp_job_peek_state (job))
    {
    case LP_JOB_STATE_SUCCEEDED: return g_strdup_printf ("has succeeded %s", when);
    case LP_JOB_STATE_CANCELLED: return g_strdup_printf ("was cancelled %s: %s", when, why);
    case LP_JOB_STATE_FAILED: return g_strdup_printf ("has failed %s: %s", when, why);
    case LP_JOB_STATE_NEW:
    case LP_JOB_STATE_QUEUED:
    case LP_JOB_STATE_RUNNING:
    default: return g_strdup ("has ended");
    }
}

/* JOB has ended, and nobody has been told yet; no lock is held. */
void
lp_executor_log_ended (LpExecutor *self, LpJob *job)
{
  g_autofree char *how = describe_end (job);

  log_job (self, job, "job-ended", how);
}
