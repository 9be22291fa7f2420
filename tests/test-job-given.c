/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Jobs whose outcome is given while their function runs: they have ended, and a lease that
 * is released waits for the function, for as long as it would for a job. */

#include "config.h"

#include "lp-test-given.h"

static guint
pending_in_stats (LpManager *manager)
{
  g_autoptr (GVariant) stats = lp_manager_dup_stats (manager);
  g_autoptr (GVariant) leases = g_variant_lookup_value (stats, "leases", NULL);
  g_autoptr (GVariant) lease = g_variant_get_child_value (leases, 0);
  guint pending = 0;

  g_assert_true (g_variant_lookup (lease, "pending", "u", &pending));
  return pending;
}

/* There is one executor, which has been in use all the time. */
static void
assert_nothing_is_wrong (Fixture *self)
{
  g_assert_cmpuint (lp_test_counter (self->manager, "executors_created"), ==, 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "executors_retired"), ==, 0);
  g_assert_cmpuint (lp_test_stat (self->manager, "quarantined"), ==, 0);
  g_assert_cmpint (g_atomic_int_get (&n_messages), ==, 0);
  lp_test_check (self->manager);
}

/* --- Released --- */

static void
test_released_drains (Fixture *self, gconstpointer data)
{
  Given given;
  g_autoptr (LpJob) job = NULL;

  given_init (&given);
  job = submit_given (self, &given);
  lp_lease_release (self->lease);
  g_assert_cmpint (state_of (self), ==, LP_LEASE_STATE_DRAINING);
  g_assert_cmpuint (lp_test_stat (self->manager, "draining"), ==, 1);
  g_assert_null (lp_manager_try_acquire (self->manager, NULL, NULL));

  let_return (&given);
  lp_test_block_released (self->lease);
  g_assert_cmpuint (lp_test_stat (self->manager, "available"), ==, 1);
  assert_nothing_is_wrong (self);
  given_clear (&given);
}

static void
test_goes_to_who_waits (Fixture *self, gconstpointer data)
{
  Given given;
  g_autoptr (LpJob) job = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (LpLease) next = NULL;
  g_autoptr (GError) error = NULL;

  given_init (&given);
  job = submit_given (self, &given);
  lp_manager_acquire_async (self->manager, NULL, NULL, lp_test_result_cb, &result);
  lp_lease_release (self->lease);
  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 1);

  let_return (&given);
  next = lp_manager_acquire_finish (self->manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_assert_true (lp_lease_get_grant (next)->executor == lp_lease_get_grant (self->lease)->executor);
  assert_nothing_is_wrong (self);
  lp_lease_release (next);
  given_clear (&given);
}

static void
test_a_drain_is_told_then (Fixture *self, gconstpointer data)
{
  Given given;
  g_autoptr (LpJob) job = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  given_init (&given);
  job = submit_given (self, &given);
  lp_lease_drain_async (self->lease, NULL, lp_test_result_cb, &result);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_null (result);

  let_return (&given);
  g_assert_true (lp_lease_drain_finish (self->lease, lp_test_wait_result (&result), &error));
  g_assert_no_error (error);
  assert_nothing_is_wrong (self);
  given_clear (&given);
}

/* Jobs behind it run meanwhile, and do not end the lease. */
static void
test_others_drain_beside_it (Fixture *self, gconstpointer data)
{
  Given given;
  g_autoptr (LpJob) job = NULL;
  g_autoptr (LpJob) other = submit_gate_job (self);

  given_init (&given);
  job = submit_given (self, &given);
  lp_lease_release (self->lease);
  lp_test_gate_open (self->gate);
  lp_test_assert_done (other);
  g_assert_cmpint (state_of (self), ==, LP_LEASE_STATE_DRAINING);

  let_return (&given);
  lp_test_block_released (self->lease);
  assert_nothing_is_wrong (self);
  given_clear (&given);
}

/* Whatever the function does to its job then. What it returns is for nobody. */
static void
test_takes_next_when_released (Fixture *self, gconstpointer data)
{
  Given given;
  g_autoptr (LpJob) job = NULL;

  given_init (&given);
  given.takes_next = TRUE;
  job = submit_given (self, &given);
  lp_lease_release (self->lease);
  g_assert_cmpint (state_of (self), ==, LP_LEASE_STATE_DRAINING);

  /* From there on it is as if it had returned. */
  g_async_queue_push (given.go_on, &given);
  lp_test_block_for (is_set, &given.has_taken, "lp_job_take_next()");
  g_assert_cmpint (state_of (self), ==, LP_LEASE_STATE_RELEASED);
  assert_nothing_is_wrong (self);
  g_assert_cmpuint (lp_test_counter (self->manager, "results_discarded"), ==, 1);

  let_return (&given);
  given_clear (&given);
}

/* The call releases the lease itself, as soon as the job has ended. */
static void
test_run_in_one_call (Fixture *self, gconstpointer data)
{
  Given given;
  g_autoptr (LpJob) job = NULL;
  g_autoptr (LpJob) next = lp_test_value_job (7);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;

  lp_lease_release (self->lease);
  given_init (&given);
  job = lp_job_new_for_func (given_func, &given, given_destroy);
  lp_manager_run_async (self->manager, job, NULL, NULL, lp_test_result_cb, &result);
  g_object_unref (g_async_queue_pop (given.jobs));
  g_thread_join (g_thread_new ("gives", give_main, job));
  value = lp_manager_run_finish (self->manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_clear_object (&result);

  lp_manager_run_async (self->manager, next, NULL, NULL, lp_test_result_cb, &result);
  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 1);
  let_return (&given);
  g_variant_unref (lp_manager_run_finish (self->manager, lp_test_wait_result (&result), &error));
  g_assert_no_error (error);
  assert_nothing_is_wrong (self);
  given_clear (&given);
}

static void
gives_itself_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GThread *thread = g_thread_new ("gives", give_main, job);

  lp_job_defer (job);
  g_thread_join (thread);
}

/* As it happens: between the two ends is a moment, and who waited for the job is fast. */
static void
test_released_at_once (Fixture *self, gconstpointer data)
{
  guint n_rounds = lp_test_size (500, 20000, 50);

  lp_lease_release (self->lease);
  for (guint i = 0; i < n_rounds; i++)
    {
      g_autoptr (LpLease) lease = lp_test_acquire (self->manager, "given");
      g_autoptr (LpJob) job = lp_job_new_for_func (gives_itself_func, NULL, NULL);

      lp_test_submit (lease, job);
      assert_value (job, 11);
      lp_lease_release (lease);
    }
  assert_nothing_is_wrong (self);
}

/* --- Not released --- */

/* What a lease that drains waits for is not one of its jobs any more. */
static void
test_is_not_pending (Fixture *self, gconstpointer data)
{
  Given given;
  g_autoptr (LpJob) job = NULL;

  given_init (&given);
  job = submit_given (self, &given);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 0);
      g_assert_cmpuint (pending_in_stats (self->manager), ==, 0);
      lp_lease_release (self->lease);
    }

  let_return (&given);
  given_clear (&given);
}

/* A job that has ended cannot be cancelled, and so its function is told nothing; nor was it when
 * it counted as stuck. This sees that only the end of the lease is told. */
static void
test_is_not_cancelled (Fixture *self, gconstpointer data)
{
  Given given;
  g_autoptr (LpJob) job = NULL;
  g_autoptr (LpJob) next = lp_test_value_job (7);

  given_init (&given);
  job = submit_given (self, &given);
  lp_job_cancel (job);
  g_assert_false (g_cancellable_is_cancelled (lp_job_get_cancellable (job)));
  lp_test_submit (self->lease, next);

  let_return (&given);
  assert_value (next, 7);
  assert_nothing_is_wrong (self);
  given_clear (&given);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (count_messages, NULL, NULL);

  add_patient ("released/drains", 1, test_released_drains);
  add_patient ("released/goes-to-who-waits", 1, test_goes_to_who_waits);
  add_patient ("released/a-drain-is-told-then", 1, test_a_drain_is_told_then);
  add_patient ("released/others-drain-beside-it", 2, test_others_drain_beside_it);
  add_patient ("released/takes-next", 1, test_takes_next_when_released);
  add_patient ("released/run-in-one-call", 1, test_run_in_one_call);
  add_patient ("released/at-once", 1, test_released_at_once);
  add_patient ("is-not-pending", 1, test_is_not_pending);
  add_patient ("is-not-cancelled", 1, test_is_not_cancelled);

  return g_test_run ();
}
