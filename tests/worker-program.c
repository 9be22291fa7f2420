/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The program itself: its main context, how it starts, and its modes. */

#include "config.h"

#include "worker-program.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

LpWorker *the_worker;
GThread *main_thread;
guint n_dispatched;

/* main() blocks it. */
void
wait_for_signal (void)
{
  sigset_t set;
  int number;

  sigemptyset (&set);
  sigaddset (&set, SIGUSR1);
  sigwait (&set, &number);
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

void
add (LpFunctions *functions, const char *name, const char *parameter_type, const char *result_type, LpJobFunc func)
{
  lp_functions_add (functions, name, parameter_type != NULL ? G_VARIANT_TYPE (parameter_type) : NULL,
                    result_type != NULL ? G_VARIANT_TYPE (result_type) : NULL, func, NULL, NULL, NULL);
}

static void
add_functions (LpFunctions *functions)
{
  add_answers (functions);
  add_output (functions);
  add (functions, "own-poll", "(b)", "()", own_poll_func);
  add (functions, "poll-elsewhere", NULL, "(b)", poll_elsewhere_func);
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
