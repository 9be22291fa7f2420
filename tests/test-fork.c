/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* In a forked child nothing of the parent's managers is touched: every call
 * returns at once, and the parent goes on working. */

#include "config.h"

#include "lp-test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "lp-grinder-private.h"
#include "lp-lease-private.h"
#include "lp-manager-private.h"

/* Whoever takes a lock that a thread held at the fork waits for ever: this
 * brings the child to an end. */
#define CHILD_SECONDS 20

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  LpTestGate *gate;
  LpJob *running;
  LpJob *queued;
  LpGrinder *grinder;
  LpJob *waiting;               /* in the grinder */
  guint n_destroyed;            /* of the data below */

  GMutex lock;
  GCond cond;
  gboolean held;                /* (lock) */
  gboolean forked;              /* (lock) */
} Fixture;

static void
destroyed_cb (gpointer data)
{
  (*(guint *) data)++;
}

static gint64
size_func (LpManager *manager, gpointer user_data, GError **error)
{
  return 1;
}

/* Nothing makes it start a batch. */
static void
set_up_grinder (Fixture *self)
{
  g_autoptr (GAsyncResult) result = NULL;

  self->grinder = lp_grinder_new (self->manager);
  lp_grinder_set_max_wait_seconds (self->grinder, 3600);
  lp_grinder_start_async (self->grinder, NULL, lp_test_result_cb, &result);
  g_assert_true (lp_grinder_start_finish (self->grinder, lp_test_wait_result (&result), NULL));
  self->waiting = lp_test_value_job (1);
  g_assert_true (lp_grinder_enqueue (self->grinder, self->waiting, NULL));
}

static void
set_up (Fixture *self)
{
  *self = (Fixture) { NULL };
  self->manager = lp_manager_new (LP_BACKEND_THREAD, 1);
  lp_manager_set_workers_per_pool (self->manager, 1);
  lp_manager_set_size_provider (self->manager, size_func, &self->n_destroyed, destroyed_cb);
  g_assert_true (lp_manager_start (self->manager, NULL, NULL));
  self->lease = lp_test_acquire (self->manager, "tester");
  self->gate = lp_test_gate_new ();
  self->running = lp_test_gate_job (self->gate);
  self->queued = lp_test_value_job (1);
  lp_test_submit (self->lease, self->running);
  lp_test_submit (self->lease, self->queued);
  lp_test_gate_wait_entered (self->gate, 1);
  set_up_grinder (self);
}

/* Another thread is in the middle of everything while the process forks. */
static gpointer
hold_locks_thread (gpointer data)
{
  Fixture *self = data;
  GMutex *executor_lock = lp_executor_get_lock (lp_lease_get_grant (self->lease)->executor);

  g_mutex_lock (&self->manager->pool->lock);
  g_mutex_lock (executor_lock);
  g_mutex_lock (&self->grinder->grind->lock);

  g_mutex_lock (&self->lock);
  self->held = TRUE;
  g_cond_broadcast (&self->cond);
  while (!self->forked)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);

  g_mutex_unlock (&self->grinder->grind->lock);
  g_mutex_unlock (executor_lock);
  g_mutex_unlock (&self->manager->pool->lock);

  return NULL;
}

typedef void (*ChildFunc) (Fixture *self);

/* Exits with 0, as another program: a leak checker would blame this one for what
 * the fork left it and nobody may touch. */
static void
exit_child (void)
{
  execlp ("true", "true", NULL);
  _exit (127);
}

static void
run_child (Fixture *self, ChildFunc func)
{
  g_autoptr (GMainContext) context = g_main_context_new ();

  alarm (CHILD_SECONDS);

  /* Not the context that the child shares a wake-up with its parent in. */
  g_main_context_push_thread_default (context);
  func (self);
  g_main_context_pop_thread_default (context);
  exit_child ();
}

static void
fork_and_run (Fixture *self, ChildFunc func)
{
  GThread *thread = g_thread_new ("holder", hold_locks_thread, self);
  int status = 0;
  pid_t pid;

  g_mutex_lock (&self->lock);
  while (!self->held)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);

  pid = fork ();
  if (pid == 0)
    run_child (self, func);

  g_mutex_lock (&self->lock);
  self->forked = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  g_thread_join (thread);

  g_assert_cmpint (pid, >, 0);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  if (WIFSIGNALED (status))
    g_error ("the child was ended by signal %d%s", WTERMSIG (status),
             WTERMSIG (status) == SIGALRM ? ": a call did not return" : "");
  g_assert_cmpint (status, ==, 0);
}

static void
assert_job_succeeds (LpJob *job)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (value);
}

static void
stop_grinder (Fixture *self)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_assert_true (lp_grinder_is_running (self->grinder));
  g_assert_cmpuint (lp_grinder_get_pending_count (self->grinder), ==, 1);
  lp_grinder_stop_async (self->grinder, LP_STOP_MODE_DRAIN, NULL, lp_test_result_cb, &result);
  g_assert_true (lp_grinder_stop_finish (self->grinder, lp_test_wait_result (&result), NULL));
  g_clear_object (&result);
  assert_job_succeeds (self->waiting);
  g_object_unref (self->waiting);
  g_assert_finalize_object (self->grinder);
}

/* The parent has noticed nothing. */
static void
tear_down (Fixture *self)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  LpLease *other;

  lp_test_check (self->manager);
  g_assert_true (lp_manager_is_running (self->manager));
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_ACTIVE);
  g_assert_cmpint (lp_job_get_state (self->running), ==, LP_JOB_STATE_RUNNING);
  g_assert_cmpint (lp_job_get_state (self->queued), ==, LP_JOB_STATE_QUEUED);
  g_assert_cmpuint (self->n_destroyed, ==, 0);

  lp_test_submit (self->lease, job);
  lp_test_gate_open (self->gate);
  assert_job_succeeds (self->running);
  assert_job_succeeds (self->queued);
  assert_job_succeeds (job);
  lp_lease_release (self->lease);
  other = lp_test_acquire (self->manager, "other");
  lp_lease_release (other);
  stop_grinder (self);

  g_object_unref (other);
  g_object_unref (self->running);
  g_object_unref (self->queued);
  g_object_unref (self->lease);
  lp_test_finish (self->manager);
  g_assert_cmpuint (self->n_destroyed, ==, 1);
  lp_test_gate_unref (self->gate);
}

static void
run_case (gconstpointer func)
{
  Fixture fixture;

  set_up (&fixture);
  fork_and_run (&fixture, (ChildFunc) func);
  tear_down (&fixture);
}

/* --- In the child --- */

static void
assert_not_started (GError **error)
{
  g_assert_error (*error, LP_ERROR, LP_ERROR_NOT_STARTED);
  g_clear_error (error);
}

static void
acquire_in_child (Fixture *self)
{
  g_autoptr (LpRequest) request = lp_request_new ();
  GError *error = NULL;

  g_assert_null (lp_manager_acquire (self->manager, NULL, NULL, &error));
  assert_not_started (&error);
  lp_request_set_timeout (request, 10);
  g_assert_null (lp_manager_acquire (self->manager, request, NULL, &error));
  assert_not_started (&error);
  lp_request_set_timeout (request, 0);
  g_assert_null (lp_manager_acquire (self->manager, request, NULL, &error));
  assert_not_started (&error);
  g_assert_null (lp_manager_try_acquire (self->manager, NULL, &error));
  assert_not_started (&error);
}

static void
acquire_async_in_child (Fixture *self)
{
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;

  lp_manager_acquire_async (self->manager, NULL, NULL, lp_test_result_cb, &result);
  g_assert_null (lp_manager_acquire_finish (self->manager, lp_test_wait_result (&result), &error));
  assert_not_started (&error);
}

static void
submit_in_child (Fixture *self)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  GError *error = NULL;

  g_assert_false (lp_lease_submit (self->lease, job, &error));
  assert_not_started (&error);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_NEW);
}

static void
submit_async_in_child (Fixture *self)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;

  lp_lease_submit_async (self->lease, job, NULL, lp_test_result_cb, &result);
  g_assert_null (lp_lease_submit_finish (self->lease, lp_test_wait_result (&result), &error));
  assert_not_started (&error);

  g_clear_object (&result);
  lp_lease_call_async (self->lease, "function", NULL, NULL, lp_test_result_cb, &result);
  g_assert_null (lp_lease_call_finish (self->lease, lp_test_wait_result (&result), &error));
  assert_not_started (&error);
}

static void
run_and_call_in_child (Fixture *self)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;

  lp_manager_run_async (self->manager, job, NULL, cancellable, lp_test_result_cb, &result);
  g_cancellable_cancel (cancellable);
  g_assert_null (lp_manager_run_finish (self->manager, lp_test_wait_result (&result), &error));
  assert_not_started (&error);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_NEW);

  g_clear_object (&result);
  lp_manager_call_async (self->manager, "function", NULL, NULL, NULL, lp_test_result_cb, &result);
  g_assert_null (lp_manager_call_finish (self->manager, lp_test_wait_result (&result), &error));
  assert_not_started (&error);
}

static void
release_in_child (Fixture *self)
{
  lp_lease_release (self->lease);
  g_assert_false (lp_manager_release (self->manager, lp_lease_get_id (self->lease)));
}

static void
renew_and_drain_in_child (Fixture *self)
{
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;

  g_assert_false (lp_lease_renew (self->lease, 10, &error));
  assert_not_started (&error);

  lp_lease_drain_async (self->lease, NULL, lp_test_result_cb, &result);
  g_assert_false (lp_lease_drain_finish (self->lease, lp_test_wait_result (&result), &error));
  assert_not_started (&error);
}

static void
drop_lease_in_child (Fixture *self)
{
  g_clear_object (&self->lease);
}

static void
dispose_in_child (Fixture *self)
{
  g_clear_object (&self->manager);

  /* User data is destroyed by its owner, which is the parent. */
  g_assert_cmpuint (self->n_destroyed, ==, 0);
}

static void
drop_all_in_child (Fixture *self)
{
  g_clear_object (&self->manager);
  g_clear_object (&self->queued);
  g_clear_object (&self->running);
  g_clear_object (&self->lease);
  g_clear_object (&self->waiting);
  g_clear_object (&self->grinder);
}

static void
grind_in_child (Fixture *self)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;

  g_assert_false (lp_grinder_enqueue (self->grinder, job, &error));
  assert_not_started (&error);
  lp_grinder_submit_async (self->grinder, job, NULL, lp_test_result_cb, &result);
  g_assert_null (lp_grinder_submit_finish (self->grinder, lp_test_wait_result (&result), &error));
  assert_not_started (&error);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_NEW);
}

static void
start_and_stop_grinder_in_child (Fixture *self)
{
  g_autoptr (GAsyncResult) start = NULL;
  g_autoptr (GAsyncResult) stop = NULL;
  GError *error = NULL;

  lp_grinder_start_async (self->grinder, NULL, lp_test_result_cb, &start);
  g_assert_false (lp_grinder_start_finish (self->grinder, lp_test_wait_result (&start), &error));
  assert_not_started (&error);
  lp_grinder_stop_async (self->grinder, LP_STOP_MODE_KILL, NULL, lp_test_result_cb, &stop);
  g_assert_false (lp_grinder_stop_finish (self->grinder, lp_test_wait_result (&stop), &error));
  assert_not_started (&error);
}

static void
ask_grinder_in_child (Fixture *self)
{
  g_autoptr (GVariant) stats = lp_grinder_dup_stats (self->grinder);

  g_assert_cmpuint (g_variant_n_children (stats), ==, 0);
  g_assert_false (lp_grinder_is_running (self->grinder));
  g_assert_cmpuint (lp_grinder_get_pending_count (self->grinder), ==, 0);
}

/* As one that waits in the queue of an executor. */
static void
item_in_child (Fixture *self)
{
  GError *error = NULL;

  lp_job_cancel (self->waiting);
  g_assert_cmpint (lp_job_get_state (self->waiting), ==, LP_JOB_STATE_QUEUED);
  g_assert_null (lp_job_wait (self->waiting, -1, NULL, &error));
  assert_not_started (&error);
}

static void
start_and_stop_in_child (Fixture *self)
{
  g_autoptr (GAsyncResult) start = NULL;
  g_autoptr (GAsyncResult) stop = NULL;
  GError *error = NULL;

  g_assert_false (lp_manager_start (self->manager, NULL, &error));
  assert_not_started (&error);
  g_assert_false (lp_manager_stop (self->manager, LP_STOP_MODE_KILL, 0, NULL, &error));
  assert_not_started (&error);
  lp_manager_start_async (self->manager, NULL, lp_test_result_cb, &start);
  g_assert_false (lp_manager_start_finish (self->manager, lp_test_wait_result (&start), &error));
  assert_not_started (&error);
  lp_manager_stop_async (self->manager, LP_STOP_MODE_DRAIN, -1, NULL, lp_test_result_cb, &stop);
  g_assert_false (lp_manager_stop_finish (self->manager, lp_test_wait_result (&stop), &error));
  assert_not_started (&error);
}

static void
ask_manager_in_child (Fixture *self)
{
  g_autoptr (GVariant) stats = lp_manager_dup_stats (self->manager);

  g_assert_cmpstr (g_variant_get_type_string (stats), ==, "a{sv}");
  g_assert_false (lp_manager_is_running (self->manager));
  g_assert_cmpuint (lp_manager_get_total_count (self->manager), ==, 0);
  g_assert_cmpuint (lp_manager_get_waiting_count (self->manager), ==, 0);
  g_assert_cmpuint (lp_manager_get_desired_executor_count (self->manager), ==, 0);
  g_assert_cmpuint (g_list_model_get_n_items (lp_manager_get_leases (self->manager)), ==, 0);
  lp_manager_recycle (self->manager);
  lp_manager_notify_scale_changed (self->manager);
  lp_manager_set_units (self->manager, 50);
}

static void
ask_lease_in_child (Fixture *self)
{
  g_autoptr (LpManager) manager = lp_lease_dup_manager (self->lease);

  g_assert_cmpstr (lp_lease_get_owner (self->lease), ==, "tester");
  g_assert_nonnull (lp_lease_get_id (self->lease));
  g_assert_cmpint (lp_lease_get_leased_at (self->lease), >, 0);
  lp_lease_get_state (self->lease);
  lp_lease_get_pending_jobs (self->lease);
  lp_lease_get_lease_seconds (self->lease);
  lp_lease_get_soft_expires_at (self->lease);
  lp_lease_get_hard_expires_at (self->lease);
}

static void
job_in_child (Fixture *self)
{
  GError *error = NULL;

  lp_job_cancel (self->queued);
  lp_job_cancel (self->running);
  lp_job_get_state (self->running);
  lp_job_get_queued_at (self->running);
  lp_job_get_started_at (self->running);

  /* It ends in the parent only. */
  g_assert_null (lp_job_wait (self->running, -1, NULL, &error));
  assert_not_started (&error);
}

/* The error says “make one after the fork”. */
static void
new_manager_in_child (Fixture *self)
{
  LpManager *manager = lp_test_start (1, "lease-grace-seconds", 0.0, "cancel-grace-seconds", 0.0, NULL);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "child");
  g_autoptr (LpJob) job = lp_test_gate_job (gate);
  g_autoptr (GError) error = NULL;
  LpLease *other;

  /* Its own service thread revokes the lease and ends the job. */
  lp_test_submit (lease, job);
  lp_test_gate_wait_entered (gate, 1);
  g_assert_true (lp_lease_renew (lease, 0.05, NULL));
  g_assert_null (lp_job_wait (job, -1, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  lp_test_gate_open (gate);
  other = lp_test_acquire (manager, "child");
  g_object_unref (other);
  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

/* A child of a child, and a manager that is not running. */
static void
grandchild_in_child (Fixture *self)
{
  LpManager *manager = lp_test_start (1, "min-pools", 1, NULL);
  GError *error = NULL;
  int status = 0;
  pid_t pid = fork ();

  if (pid == 0)
    {
      alarm (CHILD_SECONDS);
      g_assert_null (lp_manager_acquire (manager, NULL, NULL, &error));
      assert_not_started (&error);
      g_assert_null (lp_manager_acquire (self->manager, NULL, NULL, &error));
      assert_not_started (&error);
      exit_child ();
    }

  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (status, ==, 0);
  lp_test_finish (manager);
}

/* --- Before the start --- */

static void
test_fork_before_the_start (void)
{
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, 1);
  g_autoptr (GError) error = NULL;
  int status = 0;
  pid_t pid = fork ();

  if (pid == 0)
    {
      alarm (CHILD_SECONDS);
      g_assert_false (lp_manager_start (manager, NULL, &error));
      g_assert_error (error, LP_ERROR, LP_ERROR_NOT_STARTED);
      g_object_unref (manager);
      exit_child ();
    }

  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (status, ==, 0);
  g_assert_true (lp_manager_start (manager, NULL, NULL));
  lp_test_finish (manager);
}

int
main (int argc, char **argv)
{
  static const struct { const char *path; ChildFunc func; } cases[] = {
    { "/fork/acquire", acquire_in_child },
    { "/fork/acquire-async", acquire_async_in_child },
    { "/fork/submit", submit_in_child },
    { "/fork/submit-async", submit_async_in_child },
    { "/fork/run-and-call", run_and_call_in_child },
    { "/fork/release", release_in_child },
    { "/fork/renew-and-drain", renew_and_drain_in_child },
    { "/fork/drop-lease", drop_lease_in_child },
    { "/fork/dispose", dispose_in_child },
    { "/fork/drop-all", drop_all_in_child },
    { "/fork/start-and-stop", start_and_stop_in_child },
    { "/fork/ask-manager", ask_manager_in_child },
    { "/fork/ask-lease", ask_lease_in_child },
    { "/fork/job", job_in_child },
    { "/fork/grind", grind_in_child },
    { "/fork/start-and-stop-grinder", start_and_stop_grinder_in_child },
    { "/fork/ask-grinder", ask_grinder_in_child },
    { "/fork/item", item_in_child },
    { "/fork/new-manager", new_manager_in_child },
    { "/fork/grandchild", grandchild_in_child },
  };

  g_test_init (&argc, &argv, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    g_test_add_data_func (cases[i].path, (gconstpointer) cases[i].func, run_case);
  g_test_add_func ("/fork/before-the-start", test_fork_before_the_start);

  return g_test_run ();
}
