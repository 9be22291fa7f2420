/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* lp_lease_run_task(): how a task is cancelled. Task functions need threads. */

#include "config.h"

#include "lp-test-task.h"

/* --- Cancelling: the cancellable is the task's own --- */

static void
test_cancel_while_running (Fixture *self, gconstpointer data)
{
  Work work = { .polite = TRUE };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *result = NULL;
  GTask *task = run_work (self, &work, cancellable, &result);

  /* The function sees its cancellable fire; what the task returns is what it
   * returns for any cancelled task. */
  lp_test_block_for (is_set, &work.entered, "the function to enter");
  g_cancellable_cancel (cancellable);
  assert_returns_error (&result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_true (g_cancellable_is_cancelled (work.cancellable));

  assert_freed (task, &result);
  work_clear (&work);
}

/* What it does with that is its own affair. */
static void
test_cancel_unheeded (Fixture *self, gconstpointer data)
{
  Work work = { .polite = FALSE };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *result = NULL;
  GTask *task = run_unchecked_work (self, &work, cancellable, &result);

  lp_test_block_for (is_set, &work.entered, "the function to enter");
  g_cancellable_cancel (cancellable);
  g_atomic_int_set (&work.open, TRUE);
  assert_returns_7 (&result);

  assert_freed (task, &result);
  work_clear (&work);
}

static void
test_cancel_while_queued (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) blocker = lp_test_gate_job (self->gate);
  Work work = { .open = TRUE };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *result = NULL;
  GTask *task;

  lp_test_submit (self->lease, blocker);
  lp_test_gate_wait_entered (self->gate, 1);
  task = run_unchecked_work (self, &work, cancellable, &result);
  g_cancellable_cancel (cancellable);

  /* While the worker is busy. */
  assert_returns_error (&result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 1);
  assert_freed (task, &result);
  lp_test_gate_open (self->gate);
  g_variant_unref (lp_job_wait (blocker, PATIENCE_SECONDS, NULL, NULL));
  g_assert_false (is_set (&work.entered));
}

static void
test_cancelled_before (Fixture *self, gconstpointer data)
{
  Work work = { .open = TRUE };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *result = NULL;
  GTask *task;

  g_cancellable_cancel (cancellable);
  task = run_work (self, &work, cancellable, &result);
  g_assert_null (result);
  assert_returns_error (&result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (is_set (&work.entered));
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 0);
  assert_freed (task, &result);
}

/* --- Return-on-cancel --- */

/* What a function that heeds it does, with what it is told. */
typedef struct
{
  Work work;
  gboolean may_go_on;           /* it was told that nobody is told before it returns */
} Heeding;

static void
heeding_func (GTask *task, gpointer source_object, gpointer task_data, GCancellable *cancellable)
{
  Heeding *heeding = task_data;

  g_atomic_int_set (&heeding->work.entered, TRUE);
  while (!g_atomic_int_get (&heeding->work.open))
    g_thread_yield ();
  heeding->may_go_on = g_task_set_return_on_cancel (task, FALSE);
  if (heeding->may_go_on)
    g_task_return_int (task, 7);
}

/* As soon as it is cancelled, it would be returned. */
static GTask *
run_heeding (Fixture *self, Heeding *heeding, GCancellable *cancellable, GAsyncResult **result)
{
  GTask *task = g_task_new (NULL, cancellable, lp_test_result_cb, result);

  g_task_set_task_data (task, heeding, NULL);
  g_task_set_return_on_cancel (task, TRUE);
  lp_lease_run_task (self->lease, task, heeding_func);

  return task;
}

/* GIO can return a task over the head of its function only if it runs that on a
 * thread of its own. Here the function comes first, and what it is told when it
 * wants to go on undisturbed is true. */
static void
test_return_on_cancel_while_running (Fixture *self, gconstpointer data)
{
  Heeding heeding = { .work = { .open = FALSE } };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *result = NULL;
  GTask *task = run_heeding (self, &heeding, cancellable, &result);

  lp_test_block_for (is_set, &heeding.work.entered, "the function to enter");
  g_cancellable_cancel (cancellable);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_null (result);

  g_atomic_int_set (&heeding.work.open, TRUE);
  assert_returns_error (&result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_true (heeding.may_go_on);
  assert_freed (task, &result);
}

static void
test_return_on_cancel_uncancelled (Fixture *self, gconstpointer data)
{
  Heeding heeding = { .work = { .open = TRUE } };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *result = NULL;
  GTask *task = run_heeding (self, &heeding, cancellable, &result);

  assert_returns_7 (&result);
  assert_freed (task, &result);
}

static void
test_return_on_cancel_while_queued (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) blocker = lp_test_gate_job (self->gate);
  Heeding heeding = { .work = { .open = TRUE } };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *result = NULL;
  GTask *task;

  lp_test_submit (self->lease, blocker);
  lp_test_gate_wait_entered (self->gate, 1);
  task = run_heeding (self, &heeding, cancellable, &result);
  g_cancellable_cancel (cancellable);
  assert_returns_error (&result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_freed (task, &result);

  lp_test_gate_open (self->gate);
  g_variant_unref (lp_job_wait (blocker, PATIENCE_SECONDS, NULL, NULL));
  g_assert_false (is_set (&heeding.work.entered));
}

static void
test_return_on_cancel_before (Fixture *self, gconstpointer data)
{
  Heeding heeding = { .work = { .open = TRUE } };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *result = NULL;
  GTask *task;

  g_cancellable_cancel (cancellable);
  task = run_heeding (self, &heeding, cancellable, &result);
  g_assert_null (result);
  assert_returns_error (&result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (is_set (&heeding.work.entered));
  assert_freed (task, &result);
}

/* After the grace the job has ended; the task has not before its function. */
static void
test_stuck_returns_late (Fixture *self, gconstpointer data)
{
  Work work = { .polite = FALSE };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *result = NULL;
  GTask *task = run_unchecked_work (self, &work, cancellable, &result);

  lp_test_block_for (is_set, &work.entered, "the function to enter");
  g_cancellable_cancel (cancellable);
  lp_lease_release (self->lease);
  lp_test_wait_stat (self->manager, "quarantined", 1);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_null (result);

  g_atomic_int_set (&work.open, TRUE);
  assert_returns_7 (&result);
  assert_freed (task, &result);
  work_clear (&work);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define add(name, set_up, func) g_test_add ("/run-task/" name, Fixture, NULL, set_up, func, tear_down)
  add ("cancel/while-running", set_up, test_cancel_while_running);
  add ("cancel/unheeded", set_up, test_cancel_unheeded);
  add ("cancel/while-queued-never-runs", set_up, test_cancel_while_queued);
  add ("cancel/before", set_up, test_cancelled_before);
  add ("cancel/stuck-returns-late", set_up_short, test_stuck_returns_late);
  add ("return-on-cancel/uncancelled", set_up, test_return_on_cancel_uncancelled);
  add ("return-on-cancel/while-running", set_up, test_return_on_cancel_while_running);
  add ("return-on-cancel/while-queued", set_up, test_return_on_cancel_while_queued);
  add ("return-on-cancel/before", set_up, test_return_on_cancel_before);
#undef add

  return g_test_run ();
}
