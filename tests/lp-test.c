/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-test.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "lp-manager-private.h"
#include "lp-test-conform.h"

guint
lp_test_size (guint usual, guint thorough, guint slow)
{
  if (g_getenv ("LP_TEST_THOROUGH") != NULL)
    return thorough;

  return g_getenv ("LP_TEST_SLOW") != NULL ? slow : usual;
}

struct _LpTestGate
{
  gatomicrefcount ref_count;
  GMutex lock;
  GCond cond;
  guint n_entered;
  gboolean open;
  LpTestRemoteGate *remote;     /* (nullable) (constant) then all is there */
};

LpTestGate *
lp_test_gate_new (void)
{
  LpTestGate *gate = g_new0 (LpTestGate, 1);

  g_atomic_ref_count_init (&gate->ref_count);
  g_mutex_init (&gate->lock);
  g_cond_init (&gate->cond);
  if (lp_test_get_backend () != NULL)
    gate->remote = lp_test_remote_gate_new ();

  return gate;
}

LpTestGate *
lp_test_gate_ref (LpTestGate *gate)
{
  g_atomic_ref_count_inc (&gate->ref_count);
  return gate;
}

void
lp_test_gate_unref (LpTestGate *gate)
{
  if (!g_atomic_ref_count_dec (&gate->ref_count))
    return;

  g_mutex_clear (&gate->lock);
  g_cond_clear (&gate->cond);
  g_clear_pointer (&gate->remote, lp_test_remote_gate_free);
  g_free (gate);
}

static void
enter (LpTestGate *gate)
{
  g_mutex_lock (&gate->lock);
  gate->n_entered++;
  g_cond_broadcast (&gate->cond);
}

static void
gate_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  LpTestGate *gate = user_data;

  enter (gate);
  while (!gate->open)
    g_cond_wait (&gate->cond, &gate->lock);
  g_mutex_unlock (&gate->lock);

  *result = g_variant_new ("()");
}

static void
wake_gate_cb (GCancellable *cancellable, gpointer user_data)
{
  LpTestGate *gate = user_data;

  g_mutex_lock (&gate->lock);
  g_cond_broadcast (&gate->cond);
  g_mutex_unlock (&gate->lock);
}

static void
polite_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  LpTestGate *gate = user_data;
  GCancellable *cancellable = lp_job_get_cancellable (job);
  gulong id = g_cancellable_connect (cancellable, G_CALLBACK (wake_gate_cb), gate, NULL);

  enter (gate);
  while (!gate->open && !g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&gate->cond, &gate->lock);
  g_mutex_unlock (&gate->lock);

  g_cancellable_disconnect (cancellable, id);
  if (!g_cancellable_set_error_if_cancelled (cancellable, error))
    *result = g_variant_new ("()");
}

LpJob *
lp_test_gate_job (LpTestGate *gate)
{
  if (gate->remote != NULL)
    return lp_test_remote_gate_job (gate->remote, "gate");

  return lp_job_new_for_func (gate_func, lp_test_gate_ref (gate), (GDestroyNotify) lp_test_gate_unref);
}

LpJob *
lp_test_gate_polite_job (LpTestGate *gate)
{
  if (gate->remote != NULL)
    return lp_test_remote_gate_job (gate->remote, "polite");

  return lp_job_new_for_func (polite_func, lp_test_gate_ref (gate), (GDestroyNotify) lp_test_gate_unref);
}

LpJob *
lp_test_gate_function_job (LpTestGate *gate, const char *function)
{
  return lp_test_remote_gate_job (gate->remote, function);
}

void
lp_test_gate_wait_entered (LpTestGate *gate, guint n)
{
  gint64 end = g_get_monotonic_time () + LP_TEST_PATIENCE_SECONDS * G_TIME_SPAN_SECOND;

  if (gate->remote != NULL)
    {
      lp_test_remote_gate_wait_entered (gate->remote, n);
      return;
    }

  g_mutex_lock (&gate->lock);
  while (gate->n_entered < n)
    g_assert_true (g_cond_wait_until (&gate->cond, &gate->lock, end));
  g_mutex_unlock (&gate->lock);
}

guint
lp_test_gate_get_entered (LpTestGate *gate)
{
  guint n_entered;

  if (gate->remote != NULL)
    return lp_test_remote_gate_wait_entered (gate->remote, 0);

  g_mutex_lock (&gate->lock);
  n_entered = gate->n_entered;
  g_mutex_unlock (&gate->lock);

  return n_entered;
}

void
lp_test_gate_open (LpTestGate *gate)
{
  if (gate->remote != NULL)
    {
      lp_test_remote_gate_open (gate->remote);
      return;
    }

  g_mutex_lock (&gate->lock);
  gate->open = TRUE;
  g_cond_broadcast (&gate->cond);
  g_mutex_unlock (&gate->lock);
}

static void
value_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(i)", GPOINTER_TO_INT (user_data));
}

LpJob *
lp_test_value_job (int value)
{
  if (lp_test_get_backend () != NULL)
    return lp_job_new_for_call ("value", g_variant_new ("(i)", value));

  return lp_job_new_for_func (value_func, GINT_TO_POINTER (value), NULL);
}

static void
error_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "as asked");
}

LpJob *
lp_test_error_job (void)
{
  if (lp_test_get_backend () != NULL)
    return lp_job_new_for_call ("error", NULL);

  return lp_job_new_for_func (error_func, NULL, NULL);
}

void
lp_test_assert_same_bytes (GVariant *value, GVariant *expected)
{
  g_autoptr (GVariant) bytes = NULL;
  g_autoptr (GVariant) expected_bytes = NULL;
  gconstpointer data, expected_data;
  gsize size, expected_size;

  g_assert_cmpstr (g_variant_get_type_string (value), ==, "(ay)");
  bytes = g_variant_get_child_value (value, 0);
  expected_bytes = g_variant_get_child_value (expected, 0);
  data = g_variant_get_fixed_array (bytes, &size, 1);
  expected_data = g_variant_get_fixed_array (expected_bytes, &expected_size, 1);
  g_assert_cmpmem (data, size, expected_data, expected_size);
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

guint
lp_test_stat (LpManager *manager, const char *name)
{
  g_autoptr (GVariant) stats = lp_manager_dup_stats (manager);
  guint value;

  g_assert_true (g_variant_lookup (stats, name, "u", &value));
  return value;
}

guint64
lp_test_counter (LpManager *manager, const char *name)
{
  g_autoptr (GVariant) stats = lp_manager_dup_stats (manager);
  guint64 value;

  g_assert_true (g_variant_lookup (stats, name, "t", &value));
  return value;
}

typedef struct
{
  LpManager *manager;
  const char *name;
  guint value;
} StatCondition;

static gboolean
stat_is (gpointer data)
{
  StatCondition *condition = data;

  return lp_test_stat (condition->manager, condition->name) == condition->value;
}

void
lp_test_wait_stat (LpManager *manager, const char *name, guint value)
{
  StatCondition condition = { manager, name, value };

  lp_test_wait_for (stat_is, &condition, name);
}

void
lp_test_block_stat (LpManager *manager, const char *name, guint value)
{
  StatCondition condition = { manager, name, value };

  lp_test_block_for (stat_is, &condition, name);
}

static gboolean
is_released (gpointer lease)
{
  return lp_lease_get_state (lease) == LP_LEASE_STATE_RELEASED;
}

void
lp_test_block_released (LpLease *lease)
{
  lp_test_block_for (is_released, lease, "a lease to be released");
}

/* A surplus executor goes at once unless a case says otherwise, as with threads. The default time for a start, 10 s, is
 * short for a sanitizer on a machine that is busy; where a case sets none, it only guards against hanging. */
static void
adapt (LpManager *manager)
{
  if (lp_test_get_backend () == NULL)
    return;

  lp_manager_set_backend (manager, lp_test_get_backend ());
  if (lp_manager_get_start_timeout_seconds (manager) == 10.0)
    lp_manager_set_start_timeout_seconds (manager, LP_TEST_PATIENCE_SECONDS);
  if (lp_manager_get_function_module (manager) == NULL)
    lp_manager_set_function_module (manager, "conform-module");
  if (lp_manager_get_idle_linger_seconds (manager) == -1)
    lp_manager_set_idle_linger_seconds (manager, 0);
}

void
lp_test_start_thread_of_glib (void)
{
  g_source_unref (g_unix_signal_source_new (SIGWINCH));
}

/* That thread never ends. If it came later, it could get the stack of one of ours that has ended, and valgrind would
 * tell of it under that name. */
static void
start_thread_of_glib_once (void)
{
  static gsize is_done;

  if (g_getenv ("LP_TEST_SLOW") != NULL && g_once_init_enter (&is_done))
    {
      lp_test_start_thread_of_glib ();
      g_once_init_leave (&is_done, 1);
    }
}

LpManager *
lp_test_new (int max_pools)
{
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, max_pools);

  start_thread_of_glib_once ();
  adapt (manager);
  return manager;
}

LpManager *
lp_test_start (int max_pools, const char *first_property, ...)
{
  g_autoptr (GError) error = NULL;
  LpManager *manager;
  va_list args;

  va_start (args, first_property);
  manager = LP_MANAGER (g_object_new_valist (LP_TYPE_MANAGER, first_property, args));
  va_end (args);
  lp_manager_set_max_pools (manager, max_pools);
  start_thread_of_glib_once ();
  adapt (manager);

  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);

  return manager;
}

LpLease *
lp_test_acquire (LpManager *manager, const char *owner)
{
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  lp_request_set_owner (request, owner);
  lp_request_set_timeout (request, LP_TEST_PATIENCE_SECONDS);
  lease = lp_manager_acquire (manager, request, NULL, &error);
  g_assert_no_error (error);

  return lease;
}

void
lp_test_set_start_timeout (LpManager *manager, double seconds)
{
  LpPool *pool = manager->pool;

  g_mutex_lock (&pool->lock);
  pool->settings->start_timeout_seconds = seconds;
  g_mutex_unlock (&pool->lock);
}

void
lp_test_submit (LpLease *lease, LpJob *job)
{
  g_autoptr (GError) error = NULL;

  lp_lease_submit (lease, job, &error);
  g_assert_no_error (error);
}

void
lp_test_assert_done (LpJob *job)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (result);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);
}

void
lp_test_finish (LpManager *manager)
{
  g_autoptr (GError) error = NULL;

  lp_test_check (manager);
  lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, &error);
  g_assert_no_error (error);
  lp_test_check (manager);
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 0);

  /* What was posted to the owner is dropped with its references. */
  while (g_main_context_iteration (g_main_context_get_thread_default (), FALSE))
    ;
  g_assert_finalize_object (manager);
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

#define PF_EXITING 0x4         /* of the kernel */

/* One that has ended is there for a moment longer, even when it was joined. */
static gboolean
is_thread (const char *id, const char *prefix, gboolean awake_only)
{
  g_autofree char *path = g_build_filename ("/proc/self/task", id, "stat", NULL);
  g_autofree char *stat = NULL;
  const char *name, *end;
  guint flags;
  char state;

  /* Its name may have anything in it. */
  if (!g_file_get_contents (path, &stat, NULL, NULL) || (name = strchr (stat, '(')) == NULL
      || (end = strrchr (stat, ')')) == NULL || sscanf (end + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
    return FALSE;

  return g_str_has_prefix (name + 1, prefix) && (flags & PF_EXITING) == 0 && !(awake_only && state == 'S');
}

static guint
count_threads (const char *prefix, gboolean awake_only)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  const char *name;
  guint n_threads = 0;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    if (g_ascii_isdigit (name[0]) && is_thread (name, prefix, awake_only))
      n_threads++;

  return n_threads;
}

guint
lp_test_count_threads_awake (const char *prefix)
{
  return count_threads (prefix, TRUE);
}

guint
lp_test_count_threads (const char *prefix)
{
  guint n_threads = count_threads (prefix, FALSE);

#ifdef __SANITIZE_THREAD__
  /* The sanitizer has one of its own, under the name of the program, from the first that is made. */
  if (n_threads > 1 && prefix[0] == '\0')
    n_threads--;
#endif

  return n_threads;
}

void
lp_test_check (LpManager *manager)
{
  LpPool *pool = manager->pool;

  g_mutex_lock (&pool->lock);
  lp_pool_check_locked (pool);
  g_mutex_unlock (&pool->lock);
}

/* Executors that are asked whether they have died before they are handed over are on their way, too. */
void
lp_test_check_waiters (LpManager *manager)
{
  LpPool *pool = manager->pool;
  guint n_coming;

  g_mutex_lock (&pool->lock);
  n_coming = pool->n_slots[LP_SLOT_STARTING] + pool->n_slots[LP_SLOT_VETTING];
  if (pool->state == LP_POOL_RUNNING && pool->waiters.n_waiters > n_coming)
    {
      g_assert_cmpuint (pool->idle.length, ==, 0);
      g_assert_true (lp_pool_total_locked (pool) == (guint) pool->settings->max_pools
                     || lp_clock_now () < pool->backoff_until || lp_deadline_is_set (&pool->backoff_deadline));
    }
  g_mutex_unlock (&pool->lock);
}
