/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-worker-private.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef HAVE_PRCTL
#include <sys/prctl.h>
#endif

#include "lp-service-private.h"

/**
 * LpWorker:
 *
 * What makes a program a worker process: it runs named functions for the
 * manager that started it.
 *
 * ```c
 * #include <leasepool.h>
 *
 * static void
 * double_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
 * {
 *   int number;
 *
 *   g_variant_get (lp_job_get_parameters (job), "(i)", &number);
 *   *result = g_variant_new ("(i)", 2 * number);
 * }
 *
 * static int
 * run_worker (void)
 * {
 *   g_autoptr (LpFunctions) functions = lp_functions_new ();
 *   g_autoptr (LpWorker) worker = lp_worker_new (functions);
 *   g_autoptr (GError) error = NULL;
 *   int status;
 *
 *   lp_functions_add (functions, "double", G_VARIANT_TYPE ("(i)"), G_VARIANT_TYPE ("(i)"), double_func, NULL, NULL,
 *                     NULL);
 *   status = lp_worker_run (worker, &error);
 *   if (error != NULL)
 *     g_printerr ("%s\n", error->message);
 *   return status;
 * }
 * ```
 *
 * Programs whose functions are in a function module need none of their own:
 * `leasepool-worker` is installed with the library.
 *
 * The worker talks to the manager over descriptors 0 and 1, which it moves
 * away: for the program, 0 is then `/dev/null`, and 1 is a copy of 2, standard
 * error, which the manager reads, too. It does so when it is made, if a manager
 * started the process, which it tells by the variable `LP_WORKER_NAME`, else when
 * it is run; so make it before anything is printed. Standard output of C is then
 * buffered by lines; languages with a buffer of their own, as Python, should
 * flush what they print.
 *
 * When the manager is gone, however it ended, the process is killed together
 * with its process group, whatever it is doing.
 *
 * Since: 1.0
 */

/* Set by a manager for the program that it starts. */
#define NAME_VARIABLE "LP_WORKER_NAME"

enum
{
  PROP_FUNCTIONS = 1,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

G_DEFINE_FINAL_TYPE (LpWorker, lp_worker, G_TYPE_OBJECT)

/* The one that runs, or did: standard descriptors and log writer are there once.
 * It is kept for ever, for the log writer, and for jobs that somebody keeps. */
static LpWorker *the_worker;    /* (owned) (atomic) set once */

static void
lp_worker_finalize (GObject *object)
{
  LpWorker *self = LP_WORKER (object);

  /* What was run is never finalized. */
  lp_worker_close_stream (self);
  g_clear_object (&self->functions);
  lp_serial_clear (&self->record);
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->reading_lock);

  G_OBJECT_CLASS (lp_worker_parent_class)->finalize (object);
}

static void
lp_worker_get_property (GObject *object, guint prop_id, GValue *value, GParamSpec *pspec)
{
  LpWorker *self = LP_WORKER (object);

  switch (prop_id)
    {
    case PROP_FUNCTIONS: g_value_set_object (value, self->functions); break;
    default: G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lp_worker_set_property (GObject *object, guint prop_id, const GValue *value, GParamSpec *pspec)
{
  LpWorker *self = LP_WORKER (object);

  switch (prop_id)
    {
    case PROP_FUNCTIONS: self->functions = g_value_dup_object (value); break;
    default: G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

/* Not SIGKILL, which would end this process before the thread that ends its
 * group, with what the functions have started, sees the end of the stream. */
#define DEATH_SIGNAL SIGRTMAX

static void
end_group (int signum)
{
  kill (0, SIGKILL);
}

/* The second line, should the first, the end of the stream, fail. Only where the
 * manager itself is the parent, which made this process the leader of a group:
 * a launcher may end before the worker. The signal is bound to the thread that
 * started this process; that of the manager lives as long as its workers. */
static void
die_with_parent (void)
{
#ifdef HAVE_PRCTL
  struct sigaction action = { .sa_handler = end_group };
  pid_t parent = getppid ();

  if (getpgrp () != getpid () || getsid (0) == getpid ())
    return;

  sigaction (DEATH_SIGNAL, &action, NULL);
  prctl (PR_SET_PDEATHSIG, DEATH_SIGNAL);
  if (getppid () != parent)
    _exit (EXIT_FAILURE);
#endif
}

static void
lp_worker_constructed (GObject *object)
{
  LpWorker *self = LP_WORKER (object);

  if (self->functions == NULL)
    self->functions = lp_functions_new ();

  if (g_getenv (NAME_VARIABLE) != NULL && !isatty (STDIN_FILENO) && lp_worker_move_stream (self))
    {
      /* Not for the programs that this one starts. */
      g_unsetenv (NAME_VARIABLE);
      die_with_parent ();
    }

  G_OBJECT_CLASS (lp_worker_parent_class)->constructed (object);
}

static void
lp_worker_class_init (LpWorkerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = lp_worker_constructed;
  object_class->finalize = lp_worker_finalize;
  object_class->get_property = lp_worker_get_property;
  object_class->set_property = lp_worker_set_property;

  /**
   * LpWorker:functions: (getter get_functions)
   *
   * The functions that jobs call. Those of a function module are added when the
   * worker runs.
   *
   * Since: 1.0
   */
  properties[PROP_FUNCTIONS] = g_param_spec_object ("functions", NULL, NULL, LP_TYPE_FUNCTIONS,
                                                    G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY
                                                    | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
lp_worker_init (LpWorker *self)
{
  g_mutex_init (&self->lock);
  g_mutex_init (&self->reading_lock);
  g_queue_init (&self->calls);
  self->in_fd = self->out_fd = -1;
  self->wake_fds[0] = self->wake_fds[1] = self->timer_fd = -1;
}

/* --- Running --- */

static gboolean
await_hello (LpWorker *self, GError **error)
{
  gboolean has_hello = FALSE;
  GError *refusal = NULL;

  while (!has_hello && refusal == NULL)
    {
      lp_worker_lock (self);
      has_hello = self->hello != NULL;
      refusal = g_steal_pointer (&self->refusal);
      lp_worker_unlock (self);

      if (!has_hello && refusal == NULL)
        lp_worker_iterate (self, TRUE);
    }

  if (refusal != NULL)
    g_propagate_error (error, refusal);
  return refusal == NULL;
}

static gboolean
open_stream (LpWorker *self, GError **error)
{
  if (isatty (STDIN_FILENO) || !lp_worker_move_stream (self))
    {
      g_set_error_literal (error, LP_ERROR, LP_ERROR_NOT_STARTED, "This program is a worker: a manager starts it");
      return FALSE;
    }

  self->fork_generation = lp_fork_generation ();
  self->channel = lp_channel_new (self->in_fd, self->out_fd, LP_WORKER_MAX_BODY);
  self->in_fd = self->out_fd = -1;

  return lp_worker_start_io (self, error);
}

static gboolean
claim_run (LpWorker *self, GError **error)
{
  if (!g_main_context_acquire (NULL))
    g_set_error_literal (error, LP_ERROR, LP_ERROR_WRONG_CONTEXT,
                         "A worker iterates the default main context, which another thread does already");
  else if (!g_atomic_pointer_compare_and_exchange (&the_worker, NULL, self))
    {
      g_main_context_release (NULL);
      g_set_error_literal (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT, "A process runs a worker once");
    }
  else
    {
      g_object_ref (self);
      return TRUE;
    }

  return FALSE;
}

static gboolean
run (LpWorker *self, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  if (!open_stream (self, error) || !await_hello (self, error))
    return FALSE;

  if (!lp_worker_configure (self, &local_error) || !lp_worker_greet (self, &local_error))
    {
      lp_worker_farewell (self, local_error);
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }

  lp_worker_serve (self);
  lp_worker_farewell (self, NULL);

  return TRUE;
}

/**
 * lp_worker_new:
 * @functions: the functions that jobs call
 *
 * Creates the worker of this process. If a manager started the process,
 * descriptors 0 and 1 are moved away now, so make it before anything is printed.
 *
 * Returns: (transfer full): a new worker
 *
 * Since: 1.0
 */
LpWorker *
lp_worker_new (LpFunctions *functions)
{
  g_return_val_if_fail (LP_IS_FUNCTIONS (functions), NULL);

  return g_object_new (LP_TYPE_WORKER, "functions", functions, NULL);
}

/**
 * lp_worker_run:
 * @self: a worker
 * @error: return location for a #GError
 *
 * Runs functions on the calling thread until the manager says goodbye. In
 * between, and while a job is deferred, it iterates the default main context.
 * It is called once in a process, by the thread that owns that context.
 *
 * It loads the function module that the manager names, calls the
 * worker-init-function, and sets the log writer of the process
 * (g_log_set_writer_func()), which the program must therefore not do itself, if
 * the manager wants the records.
 *
 * It reads what the manager sends as the default main context polls, by a poll
 * function (g_main_context_set_poll_func()) that calls the one which was there. A
 * program that sets another one afterwards, and does not call it, is served as
 * well, only more slowly.
 *
 * The cancellable of a job fires on a thread of the library's, while the main
 * thread is in the function; in the default main context if the job is
 * deferred. Where handlers must not run on another thread, as in JavaScript,
 * look at [method@Gio.Cancellable.is_cancelled] instead, or defer the job before
 * connecting.
 *
 * If the manager ends without a goodbye, the call does not return: the process
 * group is killed.
 *
 * It fails with %LP_ERROR_NOT_STARTED if no manager started the process; with
 * %LP_ERROR_PROTOCOL if the manager is of another version, or sends something
 * that is not allowed; with %LP_ERROR_START_FAILED if the init function fails, or
 * the max-message-size of the manager is too small to tell what functions there
 * are, and %LP_ERROR_INVALID_ARGUMENT if the module cannot be loaded, which the
 * manager is told, too; with %G_IO_ERROR_TOO_MANY_OPEN_FILES if the process has no
 * descriptor free when the manager says hello; with %LP_ERROR_WRONG_CONTEXT if
 * another thread owns the default main context; and with %LP_ERROR_INVALID_ARGUMENT if a worker was run in this
 * process before.
 *
 * Returns: the exit status of the process: 0, or 1 with an error
 *
 * Since: 1.0
 */
int
lp_worker_run (LpWorker *self, GError **error)
{
  gboolean success;

  g_return_val_if_fail (LP_IS_WORKER (self), EXIT_FAILURE);
  g_return_val_if_fail (error == NULL || *error == NULL, EXIT_FAILURE);

  if (!claim_run (self, error))
    return EXIT_FAILURE;

  success = run (self, error);
  lp_worker_stop_io (self);
  g_main_context_release (NULL);

  return success ? EXIT_SUCCESS : EXIT_FAILURE;
}

/**
 * lp_worker_get_functions:
 * @self: a worker
 *
 * Gets the functions that jobs call.
 *
 * Returns: (transfer none): the functions
 *
 * Since: 1.0
 */
LpFunctions *
lp_worker_get_functions (LpWorker *self)
{
  g_return_val_if_fail (LP_IS_WORKER (self), NULL);

  return self->functions;
}
