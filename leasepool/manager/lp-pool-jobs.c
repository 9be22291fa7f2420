/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The deadlines of running jobs: the time-out, then the grace. */

#include "config.h"

#include "lp-pool-private.h"

static void
due_cb (gpointer data, gpointer more)
{
  LpJob *job = data;
  LpExecutor *executor = job->executor;

  if (lp_job_interrupt (job, LP_INTERRUPT_TIMEOUT))
    lp_executor_job_interrupted (executor, job);
  else if (job->kind == LP_JOB_COMMAND)
    lp_command_job_signal (job, SIGKILL);
  else
    lp_executor_abandon_job (executor, job);

  g_object_unref (job);
}

/* Its worker holds the job until it has seen the mutex after this. */
void
lp_pool_job_due (LpDeadline *deadline, gint64 now, LpActions *actions)
{
  LpJob *job = (LpJob *) ((char *) deadline - G_STRUCT_OFFSET (LpJob, deadline));

  lp_actions_add (actions, due_cb, g_object_ref (job), NULL);
}
