/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Waiting, for as long as the sizes of the tests allow: for a result, a condition, a descriptor, the end of an object
 * or of a process. */

#include "config.h"

#include "lp-test.h"

#include <errno.h>
#include <poll.h>

guint
lp_test_size (guint usual, guint thorough, guint slow)
{
  if (g_getenv ("LP_TEST_THOROUGH") != NULL)
    return thorough;

  return g_getenv ("LP_TEST_SLOW") != NULL ? slow : usual;
}

void
lp_test_result_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **out = user_data;

  g_assert_null (*out);
  *out = g_object_ref (result);
}

static gboolean
has_result (gpointer data)
{
  return *(GAsyncResult **) data != NULL;
}

GAsyncResult *
lp_test_wait_result (GAsyncResult **result)
{
  lp_test_wait_for (has_result, result, "an asynchronous result");
  return *result;
}

static gboolean
tick_cb (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

/* The state may change on a thread that does not wake this context, so it is
 * looked at every millisecond, too. Whether the condition came to hold. */
static gboolean
wait_for (LpTestCondition condition, gpointer data)
{
  GMainContext *context = g_main_context_get_thread_default ();
  gboolean holds;
  gint64 end = g_get_monotonic_time () + LP_TEST_PATIENCE_SECONDS * G_TIME_SPAN_SECOND;
  GSource *tick = g_timeout_source_new (1);

  g_source_set_callback (tick, tick_cb, NULL, NULL);
  g_source_attach (tick, context);
  while (!(holds = condition (data)) && g_get_monotonic_time () <= end)
    g_main_context_iteration (context, TRUE);
  g_source_destroy (tick);
  g_source_unref (tick);

  return holds;
}

void
lp_test_wait_for (LpTestCondition condition, gpointer data, const char *what)
{
  if (!wait_for (condition, data))
    g_error ("waited %u s in vain for %s", LP_TEST_PATIENCE_SECONDS, what);
}

void
lp_test_block_for (LpTestCondition condition, gpointer data, const char *what)
{
  gint64 end = g_get_monotonic_time () + LP_TEST_PATIENCE_SECONDS * G_TIME_SPAN_SECOND;

  while (!condition (data))
    {
      if (g_get_monotonic_time () > end)
        g_error ("waited %u s in vain for %s", LP_TEST_PATIENCE_SECONDS, what);
      g_thread_yield ();
    }
}

void
lp_test_block_fd (int fd, short events, const char *what)
{
  gint64 end = g_get_monotonic_time () + LP_TEST_PATIENCE_SECONDS * G_TIME_SPAN_SECOND;
  struct pollfd pollfd = { fd, events, 0 };
  int n_ready;

  /* Without pidfds (an old kernel, valgrind) GLib hears of children by signals. */
  do
    n_ready = poll (&pollfd, 1, (int) (MAX (end - g_get_monotonic_time (), 0) / 1000));
  while (n_ready == -1 && errno == EINTR);
  if (n_ready == 0)
    g_error ("waited %u s in vain for %s", LP_TEST_PATIENCE_SECONDS, what);
  g_assert_cmpint (n_ready, ==, 1);
}

static void
gone_cb (gpointer data, GObject *where_it_was)
{
  g_atomic_int_set ((int *) data, TRUE);
}

void
lp_test_watch (gpointer object, int *gone)
{
  g_object_weak_ref (object, gone_cb, gone);
}

gboolean
lp_test_is_gone (gpointer gone)
{
  return g_atomic_int_get ((int *) gone);
}

/* A line for each thread. A zombie has ended, and GLib does not know. */
static char *
describe_process (const char *pid)
{
  g_autofree char *tasks = g_build_filename ("/proc", pid, "task", NULL);
  g_autoptr (GDir) dir = g_dir_open (tasks, 0, NULL);
  GString *text = g_string_new (NULL);
  const char *id;

  while (dir != NULL && (id = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *stat_path = g_build_filename (tasks, id, "stat", NULL);
      g_autofree char *wchan_path = g_build_filename (tasks, id, "wchan", NULL);
      g_autofree char *stat = NULL;
      g_autofree char *wchan = NULL;

      g_file_get_contents (stat_path, &stat, NULL, NULL);
      g_file_get_contents (wchan_path, &wchan, NULL, NULL);
      g_string_append_printf (text, "\nthread %s, in %s: %s", id, wchan != NULL ? wchan : "?",
                              stat != NULL ? g_strchomp (stat) : "?");
    }

  return g_string_free (text, FALSE);
}

void
lp_test_wait_process (GSubprocess *process)
{
  GMainContext *context = g_main_context_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_main_context_push_thread_default (context);
  g_subprocess_wait_async (process, NULL, lp_test_result_cb, &result);
  if (!wait_for (has_result, &result))
    {
      const char *pid = g_subprocess_get_identifier (process);
      g_autofree char *state = pid != NULL ? describe_process (pid) : g_strdup ("GLib has seen its end");

      g_error ("waited %u s in vain for the end of a process: %s", LP_TEST_PATIENCE_SECONDS, state);
    }
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);

  g_subprocess_wait_finish (process, result, &error);
  g_assert_no_error (error);
}
