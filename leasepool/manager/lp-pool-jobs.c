/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The deadlines of running jobs: the time-out, then the grace. */

#include "config.h"

#include "lp-pool-private.h"

/* How long a killed program may take to be reaped. */
#define REAP_SECONDS 5.0

/* What was due, by what the job was then. */
enum
{
  GRACE_OVER = 1 << 0,
  FUNCTION_TOLD = 1 << 1,
};

static void
due_cb (gpointer data, gpointer more)
{
  LpJob *job = data;
  LpExecutor *executor = job->executor;
  int due = GPOINTER_TO_INT (more);

  if (!(due & GRACE_OVER))
    lp_executor_interrupt_job (executor, job, LP_INTERRUPT_TIMEOUT);
  else if (job->kind == LP_JOB_COMMAND && !job->killed)
    {
      /* It ends when it is reaped; what even this does not end is abandoned. */
      job->killed = TRUE;
      lp_command_job_signal (job, SIGKILL);
      lp_job_arm (job, TRUE, lp_clock_add (lp_clock_now (), REAP_SECONDS));
    }
  else
    lp_executor_abandon_job (executor, job, (due & FUNCTION_TOLD) != 0);

  g_object_unref (job);
}

/* Its worker holds the job until it has seen the mutex after this. */
void
lp_pool_job_due (LpDeadline *deadline, gint64 now, LpActions *actions)
{
  LpJob *job = (LpJob *) ((char *) deadline - G_STRUCT_OFFSET (LpJob, deadline));
  GMutex *executor_lock = lp_executor_get_lock (job->executor);
  int due = job->in_grace ? GRACE_OVER : 0;

  g_mutex_lock (executor_lock);
  if (job->function_told)
    due |= FUNCTION_TOLD;
  g_mutex_unlock (executor_lock);

  lp_actions_add (actions, due_cb, g_object_ref (job), GINT_TO_POINTER (due));
}
