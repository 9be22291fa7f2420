/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* lp_lease_run_task() is what g_task_run_in_thread() is, but for the thread. How a
 * task is cancelled is in test-run-task-cancel.c. A task function needs threads. */

#include "config.h"

#include "lp-test-task.h"

#include "lp-test-conform.h"

/* --- As its model --- */

static void
test_result (Fixture *self, gconstpointer data)
{
  Work work = { .open = TRUE };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *result = NULL;
  GTask *task = run_work (self, &work, cancellable, &result);

  g_assert_null (result);
  assert_returns_7 (&result);
  g_assert_nonnull (work.thread);
  g_assert_true (work.thread != g_thread_self ());
  g_assert_true (work.source_object == self->manager);
  g_assert_nonnull (work.cancellable);
  g_assert_false (g_cancellable_is_cancelled (work.cancellable));

  assert_freed (task, &result);
  work_clear (&work);
}

static void
error_func (GTask *task, gpointer source_object, gpointer task_data, GCancellable *cancellable)
{
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_EXISTS, "as asked");
}

static void
test_error (Fixture *self, gconstpointer data)
{
  GAsyncResult *result = NULL;
  GTask *task = g_task_new (NULL, NULL, lp_test_result_cb, &result);

  lp_lease_run_task (self->lease, task, error_func);
  assert_returns_error (&result, G_IO_ERROR, G_IO_ERROR_EXISTS);
  assert_freed (task, &result);
}

static void
test_without_a_callback (Fixture *self, gconstpointer data)
{
  Work work = { .open = TRUE };
  GTask *task = g_task_new (NULL, NULL, NULL, NULL);
  int gone = FALSE;             /* (atomic) */

  g_task_set_task_data (task, &work, NULL);
  lp_test_watch (task, &gone);
  lp_lease_run_task (self->lease, task, work_func);
  g_object_unref (task);
  while (!lp_test_is_gone (&gone))
    g_main_context_iteration (NULL, FALSE);
  g_assert_true (is_set (&work.entered));
  work_clear (&work);
}

static void
check_context_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_assert_true (g_main_context_get_thread_default () == g_task_get_context (G_TASK (result)));
  lp_test_result_cb (source, result, user_data);
}

static void
test_returns_in_its_context (Fixture *self, gconstpointer data)
{
  GMainContext *context = g_main_context_new ();
  Work work = { .open = TRUE };
  GAsyncResult *result = NULL;
  GTask *task;
  int gone = FALSE;

  g_main_context_push_thread_default (context);
  task = g_task_new (NULL, NULL, check_context_cb, &result);
  lp_test_watch (task, &gone);
  g_task_set_task_data (task, &work, NULL);
  lp_lease_run_task (self->lease, task, work_func);
  assert_returns_7 (&result);
  g_clear_object (&result);
  g_object_unref (task);

  /* What tells the end of the job comes after the task has returned, and has the last references. */
  while (!lp_test_is_gone (&gone))
    g_main_context_iteration (context, FALSE);
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);
  work_clear (&work);
}

static void
test_runs_as_a_job (Fixture *self, gconstpointer data)
{
  Work first = { .open = FALSE };
  Work second = { .open = TRUE };
  GAsyncResult *first_result = NULL;
  GAsyncResult *second_result = NULL;
  GTask *first_task = run_work (self, &first, NULL, &first_result);
  GTask *second_task = run_work (self, &second, NULL, &second_result);

  lp_test_block_for (is_set, &first.entered, "the function to enter");
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 2);
  g_assert_false (is_set (&second.entered));

  g_atomic_int_set (&first.open, TRUE);
  assert_returns_7 (&first_result);
  assert_returns_7 (&second_result);
  g_assert_true (first.thread == second.thread);

  assert_freed (first_task, &first_result);
  assert_freed (second_task, &second_result);
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 0);
  work_clear (&first);
  work_clear (&second);
}

/* --- Refusals come through the task --- */

static void
test_refused_by_a_released_lease (Fixture *self, gconstpointer data)
{
  Work work = { .open = TRUE };
  GAsyncResult *result = NULL;
  GTask *task;

  lp_lease_release (self->lease);
  task = run_work (self, &work, NULL, &result);
  g_assert_null (result);
  assert_returns_error (&result, LP_ERROR, LP_ERROR_EXPIRED);
  g_assert_false (is_set (&work.entered));
  assert_freed (task, &result);
}

static void
test_refused_by_a_full_queue (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) blocker = lp_test_gate_job (self->gate);
  Work work[3] = { { .open = TRUE }, { .open = TRUE }, { .open = TRUE } };
  GAsyncResult *results[3] = { NULL };
  GTask *tasks[3];

  lp_test_submit (self->lease, blocker);
  lp_test_gate_wait_entered (self->gate, 1);
  for (guint i = 0; i < 3; i++)
    tasks[i] = run_work (self, &work[i], NULL, &results[i]);
  assert_returns_error (&results[2], LP_ERROR, LP_ERROR_QUEUE_FULL);
  g_assert_null (results[0]);

  lp_test_gate_open (self->gate);
  assert_returns_7 (&results[0]);
  assert_returns_7 (&results[1]);
  g_assert_false (is_set (&work[2].entered));
  for (guint i = 0; i < 3; i++)
    {
      assert_freed (tasks[i], &results[i]);
      work_clear (&work[i]);
    }
}

static void
test_refused_by_a_stopped_manager (Fixture *self, gconstpointer data)
{
  Work work = { .open = TRUE };
  GAsyncResult *result = NULL;
  GTask *task;

  g_assert_true (lp_manager_stop (self->manager, LP_STOP_MODE_CANCEL, -1, NULL, NULL));
  task = run_work (self, &work, NULL, &result);
  assert_returns_error (&result, LP_ERROR, LP_ERROR_EXPIRED);
  g_assert_false (is_set (&work.entered));
  assert_freed (task, &result);
}

/* The function of a task is a closure: on processes it cannot run. */
static void
test_refused_by_processes (void)
{
  Fixture fixture = { NULL };
  Work work = { .open = TRUE };
  GAsyncResult *result = NULL;
  GTask *task;

  start (&fixture, 300.0, PATIENCE_SECONDS);
  task = run_work (&fixture, &work, NULL, &result);
  g_assert_null (result);
  assert_returns_error (&result, LP_ERROR, LP_ERROR_NOT_SUPPORTED);
  g_assert_false (is_set (&work.entered));
  g_assert_cmpuint (lp_lease_get_pending_jobs (fixture.lease), ==, 0);
  assert_freed (task, &result);
  tear_down (&fixture, NULL);
}

/* --- A lease that ends before its tasks --- */

static gboolean
has_expired (gpointer lease)
{
  return lp_lease_get_state (lease) == LP_LEASE_STATE_EXPIRED;
}

/* The running one is told by the cancellable it was given; the other never runs. */
static void
test_revoked (Fixture *self, gconstpointer data)
{
  Work running = { .polite = TRUE };
  Work queued = { .polite = TRUE };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *running_result = NULL;
  GAsyncResult *queued_result = NULL;
  GTask *running_task = run_work (self, &running, cancellable, &running_result);
  GTask *queued_task = run_work (self, &queued, NULL, &queued_result);

  /* Unless the machine was so slow that both were refused. */
  lp_test_block_for (has_expired, self->lease, "the hard expiry");
  g_assert_false (g_cancellable_is_cancelled (cancellable));
  if (is_set (&running.entered))
    {
      assert_returns_error (&running_result, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT);
      assert_returns_error (&queued_result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    }
  else
    {
      lp_test_wait_result (&running_result);
      lp_test_wait_result (&queued_result);
    }
  g_assert_false (is_set (&queued.entered));

  assert_freed (running_task, &running_result);
  assert_freed (queued_task, &queued_result);
  work_clear (&running);
  work_clear (&queued);
}

static void
test_stopped (Fixture *self, gconstpointer data)
{
  Work running = { .polite = TRUE };
  Work queued = { .polite = TRUE };
  GAsyncResult *running_result = NULL;
  GAsyncResult *queued_result = NULL;
  GTask *running_task = run_work (self, &running, NULL, &running_result);
  GTask *queued_task = run_work (self, &queued, NULL, &queued_result);

  lp_test_block_for (is_set, &running.entered, "the function to enter");
  g_assert_true (lp_manager_stop (self->manager, LP_STOP_MODE_CANCEL, -1, NULL, NULL));
  assert_returns_error (&running_result, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT);
  assert_returns_error (&queued_result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (is_set (&queued.entered));

  assert_freed (running_task, &running_result);
  assert_freed (queued_task, &queued_result);
  work_clear (&running);
  work_clear (&queued);
}

/* Released, it runs what it was given. */
static void
test_draining (Fixture *self, gconstpointer data)
{
  Work running = { .open = FALSE };
  Work queued = { .open = TRUE };
  GAsyncResult *running_result = NULL;
  GAsyncResult *queued_result = NULL;
  GTask *running_task = run_work (self, &running, NULL, &running_result);
  GTask *queued_task = run_work (self, &queued, NULL, &queued_result);

  lp_lease_release (self->lease);
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_DRAINING);
  g_atomic_int_set (&running.open, TRUE);
  assert_returns_7 (&running_result);
  assert_returns_7 (&queued_result);

  assert_freed (running_task, &running_result);
  assert_freed (queued_task, &queued_result);
  work_clear (&running);
  work_clear (&queued);
}

/* --- The caller's context is not the task's --- */

typedef struct
{
  LpLease *lease;
  GTask *task;
} Elsewhere;

static gpointer
run_elsewhere_main (gpointer data)
{
  Elsewhere *elsewhere = data;
  GMainContext *context = g_main_context_new ();

  /* Nobody will ever iterate it. */
  g_main_context_push_thread_default (context);
  lp_lease_run_task (elsewhere->lease, elsewhere->task, work_func);
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);

  return NULL;
}

/* A task returns where it was made, also one that never ran; what the thread
 * that ran it does afterwards has nothing to do with that. */
static void
test_from_a_thread_without_a_loop (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) blocker = lp_test_gate_job (self->gate);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Work good = { .open = TRUE };
  Work bad = { .open = TRUE };
  GAsyncResult *good_result = NULL;
  GAsyncResult *bad_result = NULL;
  GTask *good_task = g_task_new (NULL, NULL, lp_test_result_cb, &good_result);
  GTask *bad_task = g_task_new (NULL, cancellable, lp_test_result_cb, &bad_result);
  Elsewhere elsewhere[] = { { self->lease, good_task }, { self->lease, bad_task } };

  g_task_set_task_data (good_task, &good, NULL);
  g_task_set_task_data (bad_task, &bad, NULL);
  lp_test_submit (self->lease, blocker);
  lp_test_gate_wait_entered (self->gate, 1);
  g_thread_join (g_thread_new ("elsewhere", run_elsewhere_main, &elsewhere[0]));
  g_thread_join (g_thread_new ("elsewhere", run_elsewhere_main, &elsewhere[1]));

  g_cancellable_cancel (cancellable);
  assert_returns_error (&bad_result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  lp_test_gate_open (self->gate);
  assert_returns_7 (&good_result);

  assert_freed (good_task, &good_result);
  assert_freed (bad_task, &bad_result);
  work_clear (&good);
  work_clear (&bad);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define add(name, set_up, func) g_test_add ("/run-task/" name, Fixture, NULL, set_up, func, tear_down)
  add ("result", set_up, test_result);
  add ("error", set_up, test_error);
  add ("without-a-callback", set_up, test_without_a_callback);
  add ("returns-in-its-context", set_up, test_returns_in_its_context);
  add ("runs-as-a-job", set_up, test_runs_as_a_job);
  add ("refused/by-a-released-lease", set_up, test_refused_by_a_released_lease);
  add ("refused/by-a-full-queue", set_up, test_refused_by_a_full_queue);
  add ("refused/by-a-stopped-manager", set_up, test_refused_by_a_stopped_manager);
  add ("lease/revoked", set_up_revoked, test_revoked);
  add ("lease/stopped", set_up, test_stopped);
  add ("lease/draining", set_up, test_draining);
  add ("from-a-thread-without-a-loop", set_up, test_from_a_thread_without_a_loop);
#undef add
  lp_test_conform_add_only (LP_BACKEND_PROCESS, "/run-task/refused", test_refused_by_processes);

  return g_test_run ();
}
