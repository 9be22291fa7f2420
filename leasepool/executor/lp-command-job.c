/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Commands as jobs: on every executor the program is spawned, watched and
 * signalled on the service thread; the executor only keeps the slot. */

#include "config.h"

#include "lp-command-private.h"
#include "lp-executor-private.h"
#include "lp-pool-private.h"

/* A program that ended well in spite of our signal has done its work; any other
 * end after one is the answer to it, and becomes the reason of the signal. */
static gboolean
ended_by_signal (LpCommand *command, GVariant *result)
{
  int status;

  if (!lp_command_was_signalled (command))
    return FALSE;

  g_variant_get_child (result, 0, "i", &status);
  return status != 0;
}

static void
command_done_cb (LpCommand *command, GVariant *result, const GError *error, gpointer user_data)
{
  LpJob *job = user_data;
  LpOutcome outcome = { NULL, NULL };

  job->command = NULL;

  if (error != NULL)
    outcome.error = g_error_copy (error);
  else if (ended_by_signal (command, result))
    outcome.error = lp_job_interrupt_error (job, LP_INTERRUPT_CANCEL);
  else
    outcome.result = g_variant_ref (result);

  lp_executor_job_returned (job->executor, job, &outcome);
  lp_outcome_clear (&outcome);
  g_object_unref (job);
}

static void
start_cb (gpointer data, gpointer more)
{
  LpJob *job = data;
  LpSettings *settings = lp_executor_get_settings (job->executor);
  LpOutcome outcome = { NULL, NULL };
  LpInterrupt interrupt = lp_job_get_interrupt (job);

  /* Told to end, or ended with its executor, before there was anything to
   * signal. Both the kill and this come here, so one of them sees the other. */
  if (interrupt != LP_INTERRUPT_NONE || lp_job_state_is_end (lp_job_peek_state (job)))
    outcome.error = lp_job_interrupt_error (job, interrupt);
  else
    job->command = lp_command_spawn (g_main_context_get_thread_default (), (const char * const *) job->argv, job->input,
                                     NULL, settings->max_message_size, command_done_cb, job, &outcome.error);

  /* A program that runs has the reference until it has ended. */
  if (job->command == NULL)
    {
      lp_executor_job_returned (job->executor, job, &outcome);
      g_clear_error (&outcome.error);
      g_object_unref (job);
    }
}

/* The job was claimed; its slot is taken until the program has ended. */
void
lp_command_job_start (LpJob *job)
{
  lp_slot_post_object (lp_executor_get_private (job->executor)->slot, start_cb, G_OBJECT (job));
}

static void
terminate_cb (gpointer data, gpointer more)
{
  LpJob *job = data;

  if (job->command != NULL)
    lp_command_signal (job->command, SIGTERM);
  g_object_unref (job);
}

static void
kill_cb (gpointer data, gpointer more)
{
  LpJob *job = data;

  if (job->command != NULL)
    lp_command_signal (job->command, SIGKILL);
  g_object_unref (job);
}

/* Sends SIGTERM or SIGKILL to the group of the program, if it still runs. */
void
lp_command_job_signal (LpJob *job, int signum)
{
  lp_slot_post_object (lp_executor_get_private (job->executor)->slot, signum == SIGKILL ? kill_cb : terminate_cb,
                       G_OBJECT (job));
}
