/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Managers and their leases: how a test starts, uses and ends them, and what it sees of them meanwhile: statistics,
 * threads, invariants. */

#include "config.h"

#include "lp-test.h"

#include <glib-unix.h>
#include <stdio.h>
#include <string.h>

#include "lp-manager-private.h"
#include "lp-test-conform.h"

/* --- Statistics and states --- */

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

/* --- Start, use, end --- */

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

/* --- Threads --- */

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

/* --- Invariants --- */

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
