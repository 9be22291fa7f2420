/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The functions of the cases that run on each backend:
 *
 * value (i) -> (i)             returns it
 * error () -> ()               fails with G_IO_ERROR_EXISTS
 * echo, any -> any             returns its parameters
 * size (ay) -> (t)             how long they are
 * bytes (t) -> (ay)            that many
 * gate (ay) -> ()              stays until the gate in that directory is open, also when it is cancelled
 * polite (ay) -> ()            the same, but ends with G_IO_ERROR_CANCELLED when it is cancelled
 * tolerant (ay) -> (b)         the same, but ends well, and says whether it was cancelled
 * grumpy (ay) -> ()            the same, but fails with G_IO_ERROR_EXISTS then
 * uncancelled (i) -> (i)       returns it, unless it is cancelled
 * cancel-itself () -> ()       cancels itself
 * nothing () -> ()             neither a value nor an error
 * progress (u) -> ()           reports progress that many times
 * defer (i) -> (i)             returns it from another thread, after it has returned
 * defer-gate (ay) -> ()        as gate, from another thread
 * add (ii) -> (i)              adds
 * liar, any -> (i)             returns (s)
 * untyped, any -> any          returns (s)
 * unit () -> any               returns (i) 9
 * family (ay) -> ()            as gate, after it has started a program that sleeps for a minute
 * deaf (ay) -> ()              the same, and both ignore the signals that ask a process to end
 * pid () -> (i)                of the process
 * environment (s) -> (s)       a variable, "" if it is not set
 * directory () -> (s)          the working directory
 * nice () -> (i)               how nice the process is
 * thread () -> (s)             the name of the thread
 * init (iay) -> ()             notes the number in the worker; adds a byte to the file "count" in the directory, and fails
 *                              if there are more than the file "limit" says; also when it was called before
 * initialised () -> (i)        the number
 * worn () -> (i)               how often it was called in this worker
 * say (s) -> ()               logs it
 * say-and-stay (s) -> ()      the same, and does not end
 * print-and-stay (s) -> ()    prints it to the standard error, and does not end
 * wait-itself (d) -> ()        waits so long for its own end
 */

#include <errno.h>
#include <fcntl.h>
#include <leasepool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

G_MODULE_EXPORT void lp_module_register (LpFunctions *functions);

static GPrivate initialised;    /* in a worker: the number that init() was given */
static GPrivate n_run;          /* in a worker: how often worn() has run */

static void
value_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_ref (lp_job_get_parameters (job));
}

static void
error_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "as asked");
}

static void
echo_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GVariant *parameters = lp_job_get_parameters (job);

  *result = parameters != NULL ? g_variant_ref (parameters) : g_variant_new ("()");
}

static void
size_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_autoptr (GVariant) bytes = g_variant_get_child_value (lp_job_get_parameters (job), 0);

  *result = g_variant_new ("(t)", (guint64) g_variant_get_size (bytes));
}

static void
bytes_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  guint64 size;

  g_variant_get (lp_job_get_parameters (job), "(t)", &size);
  bytes = g_bytes_new_take (g_malloc0 (size), size);
  *result = g_variant_new ("(@ay)", g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE));
}

/* --- Gates --- */

static int
open_fifo (const char *directory, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  int fd = open (path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

  if (fd < 0)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no gate at “%s”: %s", path, g_strerror (errno));

  return fd;
}

static gboolean
enter (const char *directory, GError **error)
{
  int fd = open_fifo (directory, "entered", error);
  gssize n;

  if (fd < 0)
    return FALSE;

  n = write (fd, "e", 1);
  close (fd);
  return n == 1;
}

/* FALSE: it was cancelled before the gate was open; never without CANCELLABLE. */
static gboolean
stand_at (int fd, GCancellable *cancellable)
{
  GPollFD poll_fds[2] = { { fd, G_IO_IN, 0 } };
  guint n_fds = 1;

  if (cancellable != NULL && g_cancellable_make_pollfd (cancellable, &poll_fds[1]))
    n_fds = 2;

  while (g_poll (poll_fds, n_fds, -1) <= 0)
    ;
  if (n_fds == 2)
    g_cancellable_release_fd (cancellable);

  return (poll_fds[0].revents & G_IO_IN) != 0;
}

/* Returns whether the gate was opened. */
static gboolean
pass_gate (GVariant *parameters, GCancellable *cancellable, GError **error)
{
  const char *directory;
  gboolean opened;
  int fd;

  g_variant_get (parameters, "(^&ay)", &directory);
  fd = open_fifo (directory, "open", error);
  if (fd < 0)
    return FALSE;

  opened = enter (directory, error) && stand_at (fd, cancellable);
  close (fd);
  return opened;
}

static void
gate_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  if (pass_gate (lp_job_get_parameters (job), NULL, error))
    *result = g_variant_new ("()");
}

static void
polite_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GCancellable *cancellable = lp_job_get_cancellable (job);

  pass_gate (lp_job_get_parameters (job), cancellable, error);
  if (*error == NULL && !g_cancellable_set_error_if_cancelled (cancellable, error))
    *result = g_variant_new ("()");
}

static void
tolerant_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GCancellable *cancellable = lp_job_get_cancellable (job);

  pass_gate (lp_job_get_parameters (job), cancellable, error);
  if (*error == NULL)
    *result = g_variant_new ("(b)", g_cancellable_is_cancelled (cancellable));
}

static void
grumpy_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GCancellable *cancellable = lp_job_get_cancellable (job);

  pass_gate (lp_job_get_parameters (job), cancellable, error);
  if (*error == NULL)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "of its own");
}

static void
uncancelled_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GCancellable *cancellable = lp_job_get_cancellable (job);

  for (int i = 0; i < 2; i++)
    {
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return;
      g_thread_yield ();
    }
  *result = g_variant_ref (lp_job_get_parameters (job));
}

static void
cancel_itself_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_job_cancel (job);
  lp_job_cancel (job);
  if (!g_cancellable_set_error_if_cancelled (lp_job_get_cancellable (job), error))
    *result = g_variant_new ("()");
}

static void
nothing_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
}

static void
progress_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  guint32 n_steps;

  g_variant_get (lp_job_get_parameters (job), "(u)", &n_steps);
  for (guint32 i = 1; i <= n_steps; i++)
    {
      g_autofree char *status = g_strdup_printf ("%u of %u", i, n_steps);

      lp_job_set_progress (job, (double) i / n_steps, status);
    }
  *result = g_variant_new ("()");
}

static void
add_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  int a, b;

  g_variant_get (lp_job_get_parameters (job), "(ii)", &a, &b);
  *result = g_variant_new ("(i)", a + b);
}

static void
string_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(s)", "not a number");
}

/* A result that is not floating. */
static void
unit_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_ref_sink (g_variant_new ("(i)", 9));
}

/* --- Later, from another thread --- */

static gpointer
return_value_main (gpointer data)
{
  g_autoptr (LpJob) job = data;

  lp_job_return_value (job, lp_job_get_parameters (job));
  return NULL;
}

static gpointer
pass_gate_main (gpointer data)
{
  g_autoptr (LpJob) job = data;
  g_autoptr (GError) error = NULL;

  if (pass_gate (lp_job_get_parameters (job), NULL, &error))
    lp_job_return_value (job, g_variant_new ("()"));
  else
    lp_job_return_error (job, error);

  return NULL;
}

static void
defer_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_job_defer (job);
  g_thread_unref (g_thread_new ("defer", user_data, g_object_ref (job)));
}

/* --- Programs --- */

static void
family_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  const char * const argv[] = { "sleep", "60", NULL };
  g_autoptr (GSubprocess) program = NULL;

  if (user_data != NULL)
    {
      /* A program inherits what is ignored, not what is handled. */
      signal (SIGTERM, SIG_IGN);
      signal (SIGHUP, SIG_IGN);
      signal (SIGINT, SIG_IGN);
    }

  program = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_NONE, error);
  if (program != NULL && pass_gate (lp_job_get_parameters (job), NULL, error))
    *result = g_variant_new ("()");
}

/* --- The worker --- */

static void
pid_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(i)", (int) getpid ());
}

static void
environment_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  const char *name, *value;

  g_variant_get (lp_job_get_parameters (job), "(&s)", &name);
  value = g_getenv (name);
  *result = g_variant_new ("(s)", value != NULL ? value : "");
}

static void
directory_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_autofree char *directory = g_get_current_dir ();

  *result = g_variant_new ("(s)", directory);
}

static void
say_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  const char *text;

  g_variant_get (lp_job_get_parameters (job), "(&s)", &text);
  g_message ("%s", text);
  *result = g_variant_new ("()");
}

static void
say_and_stay_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  say_func (job, result, user_data, error);
  while (TRUE)
    pause ();
}

static void
print_and_stay_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  const char *text;

  g_variant_get (lp_job_get_parameters (job), "(&s)", &text);
  fprintf (stderr, "%s\n", text);
  while (TRUE)
    pause ();
}

static void
nice_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(i)", getpriority (PRIO_PROCESS, 0));
}

static void
thread_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  char name[16] = "";

  prctl (PR_GET_NAME, name);
  *result = g_variant_new ("(s)", name);
}

/* A byte more in the file; returns how many there are, or -1. */
static int
count_up (const char *directory)
{
  g_autofree char *path = g_build_filename (directory, "count", NULL);
  int fd = open (path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  int n = -1;

  if (fd >= 0 && write (fd, "i", 1) == 1)
    n = lseek (fd, 0, SEEK_CUR);
  if (fd >= 0)
    close (fd);

  return n;
}

static void
init_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_autofree char *path = NULL;
  g_autofree char *limit = NULL;
  const char *directory;
  int number, n;

  g_variant_get (lp_job_get_parameters (job), "(i^&ay)", &number, &directory);
  n = count_up (directory);
  path = g_build_filename (directory, "limit", NULL);
  if (n < 0 || g_private_get (&initialised) != NULL
      || (g_file_get_contents (path, &limit, NULL, NULL) && n > atoi (limit)))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "no room to initialise");
      return;
    }

  g_private_set (&initialised, GINT_TO_POINTER (number));
  *result = g_variant_new ("()");
}

static void
initialised_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(i)", GPOINTER_TO_INT (g_private_get (&initialised)));
}

static void
worn_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  int n = GPOINTER_TO_INT (g_private_get (&n_run)) + 1;

  g_private_set (&n_run, GINT_TO_POINTER (n));
  *result = g_variant_new ("(i)", n);
}

/* --- Waits --- */

static void
wait_itself_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  double timeout_seconds;

  g_variant_get (lp_job_get_parameters (job), "(d)", &timeout_seconds);
  *result = lp_job_wait (job, timeout_seconds, NULL, error);
}

/* --- The table --- */

static const struct
{
  const char *name;
  const char *parameter_type;
  const char *result_type;
  LpJobFunc func;
  gpointer data;
} table[] = {
  { "value", "(i)", "(i)", value_func },
  { "error", "()", "()", error_func },
  { "echo", NULL, NULL, echo_func },
  { "size", "(ay)", "(t)", size_func },
  { "bytes", "(t)", "(ay)", bytes_func },
  { "gate", "(ay)", "()", gate_func },
  { "polite", "(ay)", "()", polite_func },
  { "tolerant", "(ay)", "(b)", tolerant_func },
  { "grumpy", "(ay)", "()", grumpy_func },
  { "uncancelled", "(i)", "(i)", uncancelled_func },
  { "cancel-itself", "()", "()", cancel_itself_func },
  { "nothing", "()", "()", nothing_func },
  { "progress", "(u)", "()", progress_func },
  { "defer", "(i)", "(i)", defer_func, return_value_main },
  { "defer-gate", "(ay)", "()", defer_func, pass_gate_main },
  { "add", "(ii)", "(i)", add_func },
  { "liar", NULL, "(i)", string_func },
  { "untyped", NULL, NULL, string_func },
  { "unit", "()", NULL, unit_func },
  { "family", "(ay)", "()", family_func },
  { "deaf", "(ay)", "()", family_func, GINT_TO_POINTER (1) },
  { "pid", "()", "(i)", pid_func },
  { "environment", "(s)", "(s)", environment_func },
  { "directory", "()", "(s)", directory_func },
  { "nice", "()", "(i)", nice_func },
  { "thread", "()", "(s)", thread_func },
  { "init", "(iay)", "()", init_func },
  { "worn", "()", "(i)", worn_func },
  { "initialised", "()", "(i)", initialised_func },
  { "say", "(s)", "()", say_func },
  { "say-and-stay", "(s)", "()", say_and_stay_func },
  { "print-and-stay", "(s)", "()", print_and_stay_func },
  { "wait-itself", "(d)", "()", wait_itself_func },
};

void
lp_module_register (LpFunctions *functions)
{
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (GError) error = NULL;

      if (!lp_functions_add (functions, table[i].name,
                             table[i].parameter_type != NULL ? G_VARIANT_TYPE (table[i].parameter_type) : NULL,
                             table[i].result_type != NULL ? G_VARIANT_TYPE (table[i].result_type) : NULL,
                             table[i].func, table[i].data, NULL, &error))
        g_critical ("%s", error->message);
    }
}
