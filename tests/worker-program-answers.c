/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Functions for what a job may answer, and when: at once, when it is told to, later, or never. */

#include "config.h"

#include "worker-program.h"

#include <signal.h>
#include <string.h>
#ifdef HAVE_PRCTL
#include <sys/prctl.h>
#endif
#include <unistd.h>

/* --- Values --- */

static void
double_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  int number;

  g_variant_get (lp_job_get_parameters (job), "(i)", &number);
  *result = g_variant_new ("(i)", 2 * number);
}

void
echo_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GVariant *parameters = lp_job_get_parameters (job);

  *result = parameters != NULL ? g_variant_ref (parameters) : g_variant_new_string ("none");
}

static void
wrong_type_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(s)", "a string");
}

static void
nothing_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
}

static void
fail_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  const char *message;

  g_variant_get (lp_job_get_parameters (job), "(&s)", &message);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, message);
}

static void
fail_badly_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_set_error_literal (error, g_quark_from_string ("a-domain-of-ours"), -7, "not \xff UTF-8");
}

static void
large_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  guint64 size;
  char *bytes;

  g_variant_get (lp_job_get_parameters (job), "(t)", &size);
  bytes = g_malloc (size);
  memset (bytes, 'x', size);
  *result = g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, bytes, size, TRUE, g_free, bytes);
}

static void
large_error_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_autofree char *message = g_strnfill (100000, 'e');

  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, message);
}

/* What the worker itself looks like. */
static void
describe_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GVariantBuilder builder;
  int death_signal = 0;
  char byte;

#ifdef HAVE_PRCTL
  prctl (PR_GET_PDEATHSIG, &death_signal);
#else
  death_signal = SIGKILL;
#endif
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "death-signal", g_variant_new_int32 (death_signal));
  g_variant_builder_add (&builder, "{sv}", "pid", g_variant_new_uint32 ((guint32) getpid ()));
  g_variant_builder_add (&builder, "{sv}", "main-thread", g_variant_new_boolean (g_thread_self () == main_thread));
  g_variant_builder_add (&builder, "{sv}", "name-variable", g_variant_new_boolean (g_getenv ("LP_WORKER_NAME") != NULL));
  g_variant_builder_add (&builder, "{sv}", "stdin-ends", g_variant_new_boolean (read (STDIN_FILENO, &byte, 1) == 0));
  g_variant_builder_add (&builder, "{sv}", "dispatched", g_variant_new_uint32 (n_dispatched));
  g_variant_builder_add (&builder, "{sv}", "state", g_variant_new_int32 ((int) lp_job_get_state (job)));
  g_variant_builder_add (&builder, "{sv}", "owner", g_variant_new_boolean (lp_job_get_owner (job) != NULL));
  g_variant_builder_add (&builder, "{sv}", "started", g_variant_new_boolean (lp_job_get_started_at (job) > 0));
  *result = g_variant_builder_end (&builder);
}

/* --- The library in odd places --- */

static void
run_again_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_worker_run (the_worker, error);
}

static void
wait_for_itself_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = lp_job_wait (job, -1, NULL, error);
}

static void
cancel_itself_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_job_cancel (job);
  *result = g_variant_new ("(b)", g_cancellable_is_cancelled (lp_job_get_cancellable (job)));
}

/* --- Time --- */

static void
count_cb (GCancellable *cancellable, gpointer user_data)
{
  g_atomic_int_inc ((int *) user_data);
}

/* Returns whether a handler has run, and whether that was on another thread. */
static void
until_cancelled_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GCancellable *cancellable = lp_job_get_cancellable (job);
  int n_calls = 0;
  gulong id = g_cancellable_connect (cancellable, G_CALLBACK (count_cb), &n_calls, NULL);
  GPollFD pollfd;

  if (g_cancellable_make_pollfd (cancellable, &pollfd))
    {
      while (!g_cancellable_is_cancelled (cancellable))
        g_poll (&pollfd, 1, -1);
      g_cancellable_release_fd (cancellable);
    }

  g_cancellable_disconnect (cancellable, id);
  *result = g_variant_new ("(i)", g_atomic_int_get (&n_calls));
}

/* Without asking for its cancellable before the signal. */
static void
until_signal_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  wait_for_signal ();
  *result = g_variant_new ("(b)", g_cancellable_is_cancelled (lp_job_get_cancellable (job)));
}

/* The same, after the loop had its turn within the function. */
static void
iterate_until_signal_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  for (guint i = 0; i < 10; i++)
    g_main_context_iteration (NULL, FALSE);
  until_signal_func (job, result, user_data, error);
}

static void
progress_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  guint n;

  g_variant_get (lp_job_get_parameters (job), "(u)", &n);
  lp_job_set_progress (job, 0, "begun");
  for (guint i = 1; i <= n; i++)
    lp_job_set_progress (job, (double) i / n, NULL);
  *result = g_variant_new ("()");
}

static void
progress_and_wait_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_job_set_progress (job, 0.25, "begun");
  lp_job_set_progress (job, 0.5, NULL);
  until_cancelled_func (job, result, user_data, error);
}

static gboolean
sleep_cb (gpointer data)
{
  g_usleep (200 * G_TIME_SPAN_MILLISECOND);
  return G_SOURCE_REMOVE;
}

/* The main thread is busy, but with no job. */
static void
sleep_later_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_idle_add_full (G_PRIORITY_HIGH, sleep_cb, NULL, NULL);
  *result = g_variant_new ("()");
}

/* --- Deferred --- */

static gpointer
answer_main (gpointer data)
{
  g_autoptr (LpJob) job = data;

  lp_job_return_value (job, g_variant_new ("(s)", "from a thread"));
  /* The first one stands. */
  lp_job_return_value (job, g_variant_new ("(s)", "once more"));

  return NULL;
}

static gboolean
answer_cb (gpointer data)
{
  lp_job_return_value (data, g_variant_new ("(s)", "from a source"));
  return G_SOURCE_REMOVE;
}

static gboolean
fail_cb (gpointer data)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_BUSY, "from a source");

  lp_job_return_error (data, error);
  return G_SOURCE_REMOVE;
}

static gboolean
answer_wrongly_cb (gpointer data)
{
  lp_job_return_value (data, g_variant_new ("(i)", 1));
  return G_SOURCE_REMOVE;
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  lp_job_return_value (user_data, g_variant_new ("(s)", g_thread_self () == main_thread ? "main" : "other"));
}

static void
defer_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  const char *how;

  g_variant_get (lp_job_get_parameters (job), "(&s)", &how);
  lp_job_defer (job);

  if (g_str_equal (how, "thread"))
    g_thread_unref (g_thread_new ("answer", answer_main, g_object_ref (job)));
  else if (g_str_equal (how, "source"))
    g_idle_add_full (G_PRIORITY_LOW, answer_cb, g_object_ref (job), g_object_unref);
  else if (g_str_equal (how, "error"))
    g_idle_add_full (G_PRIORITY_LOW, fail_cb, g_object_ref (job), g_object_unref);
  else if (g_str_equal (how, "wrong"))
    g_idle_add_full (G_PRIORITY_LOW, answer_wrongly_cb, g_object_ref (job), g_object_unref);
  else if (g_str_equal (how, "before"))
    lp_job_return_value (job, g_variant_new ("(s)", "before"));
  else if (g_str_equal (how, "before-a-value"))
    {
      lp_job_return_value (job, g_variant_new ("(s)", "before"));
      *result = g_variant_new ("(s)", "after");
    }
  else if (g_str_equal (how, "before-an-error"))
    {
      lp_job_return_value (job, g_variant_new ("(s)", "before"));
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY, "after");
    }
  else if (g_str_equal (how, "cancel"))
    {
      g_signal_connect_object (lp_job_get_cancellable (job), "cancelled", G_CALLBACK (cancelled_cb), job, 0);
      g_log ("defer", G_LOG_LEVEL_INFO, "deferred");
    }
}

/* --- The functions --- */

void
add_answers (LpFunctions *functions)
{
  add (functions, "double", "(i)", "(i)", double_func);
  add (functions, "echo", NULL, NULL, echo_func);
  add (functions, "wrong-type", NULL, "(i)", wrong_type_func);
  add (functions, "nothing", "()", NULL, nothing_func);
  add (functions, "fail", "(s)", NULL, fail_func);
  add (functions, "fail-badly", NULL, NULL, fail_badly_func);
  add (functions, "large", "(t)", "ay", large_func);
  add (functions, "large-error", NULL, NULL, large_error_func);
  add (functions, "describe", NULL, "a{sv}", describe_func);
  add (functions, "run-again", NULL, NULL, run_again_func);
  add (functions, "wait-for-itself", NULL, NULL, wait_for_itself_func);
  add (functions, "cancel-itself", NULL, "(b)", cancel_itself_func);
  add (functions, "until-cancelled", NULL, "(i)", until_cancelled_func);
  add (functions, "until-signal", NULL, "(b)", until_signal_func);
  add (functions, "iterate-until-signal", NULL, "(b)", iterate_until_signal_func);
  add (functions, "sleep-later", NULL, "()", sleep_later_func);
  add (functions, "progress", "(u)", "()", progress_func);
  add (functions, "progress-and-wait", NULL, NULL, progress_and_wait_func);
  add (functions, "defer", "(s)", "(s)", defer_func);
}
