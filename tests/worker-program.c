/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The worker program of the tests: a function for each thing that a worker may
 * do, good or bad. Each says its parameters and result where it is added. */

#include "config.h"

#include <leasepool.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_PRCTL
#include <sys/prctl.h>
#endif
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static LpWorker *the_worker;
static GThread *main_thread;
static guint n_dispatched;      /* of a source in the main context */

/* --- Values --- */

static void
double_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  int number;

  g_variant_get (lp_job_get_parameters (job), "(i)", &number);
  *result = g_variant_new ("(i)", 2 * number);
}

static void
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

/* main() blocks it. */
static void
wait_for_signal (void)
{
  sigset_t set;
  int number;

  sigemptyset (&set);
  sigaddset (&set, SIGUSR1);
  sigwait (&set, &number);
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

/* --- The poll of the main context --- */

static GPollFunc poll_before;

static int
own_poll (GPollFD *fds, guint n_fds, int timeout)
{
  return poll_before (fds, n_fds, timeout);
}

/* From here on with a poll function of the program's own, which calls the one
 * that was there, or does not. */
static void
own_poll_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  gboolean chained;

  g_variant_get (lp_job_get_parameters (job), "(b)", &chained);
  poll_before = chained ? g_main_context_get_poll_func (NULL) : g_poll;
  g_main_context_set_poll_func (NULL, own_poll);
  *result = g_variant_new ("()");
}

/* As another context may on its own thread. Returns whether its descriptors are still the same. */
static gpointer
poll_elsewhere_main (gpointer data)
{
  g_autoptr (LpJob) job = data;
  GPollFD fds[] = { { STDERR_FILENO, 0, 0 }, { STDERR_FILENO, 0, 0 } };

  g_main_context_get_poll_func (NULL) (fds, G_N_ELEMENTS (fds), 100);
  lp_job_return_value (job, g_variant_new ("(b)", fds[0].fd == STDERR_FILENO && fds[1].fd == STDERR_FILENO));

  return NULL;
}

static void
poll_elsewhere_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_job_defer (job);
  g_thread_unref (g_thread_new ("elsewhere", poll_elsewhere_main, g_object_ref (job)));
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

/* --- Records --- */

static void
log_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  guint level, n;

  g_variant_get (lp_job_get_parameters (job), "(uu)", &level, &n);
  for (guint i = 0; i < n; i++)
    g_log ("flood", (GLogLevelFlags) level, "record %u", i);
  *result = g_variant_new ("()");
}

static gpointer
log_main (gpointer data)
{
  for (guint i = 0; i < 1000; i++)
    g_log ("flood", G_LOG_LEVEL_INFO, "%u %u", GPOINTER_TO_UINT (data), i);

  return NULL;
}

static void
log_threads_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("log", log_main, GUINT_TO_POINTER (i));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  *result = g_variant_new ("()");
}

static void
log_fields_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  static const guint8 binary[] = { 0xff, 0, 1 };
  g_autofree char *long_text = g_strnfill (100000, 'l');
  const GLogField fields[] = {
    { "MESSAGE", "caf\xe9", -1 },
    { "PRIORITY", "4", -1 },
    { "GLIB_DOMAIN", "fields", -1 },
    { "CODE_FILE", "odd.c", -1 },
    { "CODE_LINE", "12", -1 },
    { "CODE_FUNC", "odd_func", -1 },
    { "COUNTED", "three more", 5 },
    { "BINARY", binary, sizeof binary },
    { "LONG", long_text, -1 },
    { "AFTER", "it", -1 },
  };

  g_log_structured_array (G_LOG_LEVEL_WARNING, fields, G_N_ELEMENTS (fields));
  g_log ("long", G_LOG_LEVEL_INFO, "%s", long_text);
  *result = g_variant_new ("()");
}

/* The child writes a record, too; it must not get into the stream of its parent. */
static void
log_forked_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  pid_t child = fork ();

  if (child == 0)
    {
      g_log ("forked", G_LOG_LEVEL_MESSAGE, "of the child");
      _exit (0);
    }

  waitpid (child, NULL, 0);
  g_log ("forked", G_LOG_LEVEL_MESSAGE, "of the parent");
  *result = g_variant_new ("()");
}

/* Both return. */
static void
fork_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  pid_t child = fork ();

  if (child > 0)
    waitpid (child, NULL, 0);
  *result = g_variant_new ("()");
}

static void
log_and_crash_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  guint n;

  g_variant_get (lp_job_get_parameters (job), "(u)", &n);
  for (guint i = 0; i < n; i++)
    g_log ("flood", G_LOG_LEVEL_INFO, "record %u", i);
  raise (SIGKILL);
}

static void
log_fatal_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  const char *how;

  g_variant_get (lp_job_get_parameters (job), "(&s)", &how);
  if (g_str_equal (how, "error"))
    g_log ("fatal", G_LOG_LEVEL_ERROR, "the end");
  else if (g_str_equal (how, "structured"))
    g_log_structured ("fatal", G_LOG_LEVEL_CRITICAL, "MESSAGE", "the end");
  else
    g_log ("fatal", G_LOG_LEVEL_CRITICAL, "the end");
}

/* --- Output and end --- */

static void
print_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  const char *text;

  g_variant_get (lp_job_get_parameters (job), "(&s)", &text);
  printf ("%s\n", text);
  *result = g_variant_new ("()");
}

/* Never returns, blocks all signals, and has a child that does not either. */
static void
busy_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  sigset_t all;
  pid_t child = fork ();

  if (child == 0)
    while (TRUE)
      pause ();

  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, NULL);
  g_log ("busy", G_LOG_LEVEL_INFO, "%d", child);
  while (TRUE)
    ;
}

/* --- Start --- */

static void
init_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  const char *how;

  g_variant_get (lp_job_get_parameters (job), "(&s)", &how);
  g_log ("init", G_LOG_LEVEL_INFO, "%s", how);
  if (g_str_equal (how, "fail"))
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "as asked");
  else if (g_str_equal (how, "busy"))
    busy_func (job, result, user_data, error);
  else
    *result = g_variant_new ("()");
}

static gboolean
dispatch_cb (gpointer data)
{
  n_dispatched++;
  return G_SOURCE_CONTINUE;
}

static void
add (LpFunctions *functions, const char *name, const char *parameter_type, const char *result_type, LpJobFunc func)
{
  lp_functions_add (functions, name, parameter_type != NULL ? G_VARIANT_TYPE (parameter_type) : NULL,
                    result_type != NULL ? G_VARIANT_TYPE (result_type) : NULL, func, NULL, NULL, NULL);
}

static void
add_functions (LpFunctions *functions)
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
  add (functions, "own-poll", "(b)", "()", own_poll_func);
  add (functions, "poll-elsewhere", NULL, "(b)", poll_elsewhere_func);
  add (functions, "progress", "(u)", "()", progress_func);
  add (functions, "progress-and-wait", NULL, NULL, progress_and_wait_func);
  add (functions, "defer", "(s)", "(s)", defer_func);
  add (functions, "log", "(uu)", "()", log_func);
  add (functions, "log-threads", NULL, "()", log_threads_func);
  add (functions, "log-fields", NULL, "()", log_fields_func);
  add (functions, "log-forked", NULL, "()", log_forked_func);
  add (functions, "fork", NULL, "()", fork_func);
  add (functions, "log-and-crash", "(u)", NULL, log_and_crash_func);
  add (functions, "log-fatal", "(s)", NULL, log_fatal_func);
  add (functions, "print", "(s)", "()", print_func);
  add (functions, "busy", NULL, NULL, busy_func);
  add (functions, "init", "(s)", NULL, init_func);
}

static gpointer
own_context_main (gpointer data)
{
  GMutex *mutex = data;

  g_main_context_acquire (NULL);
  g_mutex_unlock (mutex);
  while (TRUE)
    pause ();

  return NULL;
}

/* All but two are taken, until the limit is as before. */
static struct rlimit limit_before;

static void
take_descriptors (void)
{
  struct rlimit limit;
  int fd, last[2] = { -1, -1 };

  getrlimit (RLIMIT_NOFILE, &limit_before);
  limit = (struct rlimit) { 100, limit_before.rlim_max };
  setrlimit (RLIMIT_NOFILE, &limit);
  while ((fd = dup (STDERR_FILENO)) != -1)
    {
      last[0] = last[1];
      last[1] = fd;
    }
  close (last[0]);
  close (last[1]);
}

/* worker-program [foreign-context | many-functions | two-descriptors | never-polls | polls-afterwards] */
int
main (int argc, char **argv)
{
  const char *mode = argc > 1 ? argv[1] : "";
  g_autoptr (LpFunctions) functions = lp_functions_new ();
  g_autoptr (GError) error = NULL;
  GMutex mutex;
  sigset_t set;
  int status;

  sigemptyset (&set);
  sigaddset (&set, SIGUSR1);
  pthread_sigmask (SIG_BLOCK, &set, NULL);

  the_worker = lp_worker_new (functions);
  main_thread = g_thread_self ();
  add_functions (functions);
  g_timeout_add (1, dispatch_cb, NULL);

  for (int i = 0; g_str_equal (mode, "many-functions") && i < 1000; i++)
    {
      g_autofree char *name = g_strdup_printf ("function-%d", i);

      lp_functions_add (functions, name, NULL, NULL, echo_func, NULL, NULL, NULL);
    }

  if (g_str_equal (mode, "foreign-context"))
    {
      g_mutex_init (&mutex);
      g_mutex_lock (&mutex);
      g_thread_unref (g_thread_new ("owner", own_context_main, &mutex));
      g_mutex_lock (&mutex);
    }

  /* GLib polls nothing that is less urgent than what is ready, so nothing at all. */
  if (g_str_equal (mode, "never-polls"))
    g_idle_add_full (G_PRIORITY_HIGH, dispatch_cb, NULL, NULL);

  if (g_str_equal (mode, "two-descriptors"))
    take_descriptors ();

  status = lp_worker_run (the_worker, &error);
  /* Leak checkers open files. */
  if (g_str_equal (mode, "two-descriptors"))
    setrlimit (RLIMIT_NOFILE, &limit_before);
  if (error != NULL)
    fprintf (stderr, "%s:%d: %s\n", g_quark_to_string (error->domain), error->code, error->message);

  if (g_str_equal (mode, "polls-afterwards"))
    {
      fprintf (stderr, "The run is over\n");
      wait_for_signal ();
      g_main_context_iteration (NULL, FALSE);
    }

  g_object_unref (the_worker);

  return status;
}
