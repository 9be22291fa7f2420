/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Threads that run what nobody can kill: their jobs, and the way into quarantine. */

#include "config.h"

#include "lp-test-quarantine.h"

/* --- The job --- */

static void
test_job_is_cancelled_after_the_grace (void)
{
  LpManager *manager = start (1, -1, 1);
  LpLease *lease = lp_test_acquire (manager, "stuck");
  LpTestGate *gate = lp_test_gate_new ();
  LpJob *job = lp_test_gate_job (gate);
  gint64 cancelled_at;

  lp_test_submit (lease, job);
  lp_test_gate_wait_entered (gate, 1);
  cancelled_at = g_get_monotonic_time ();
  lp_job_cancel (job);
  assert_ends (job, G_IO_ERROR_CANCELLED, LP_JOB_STATE_CANCELLED);
  g_assert_cmpint (lp_job_get_ended_at (job), >=, cancelled_at + (gint64) (GRACE_SECONDS * G_USEC_PER_SEC));
  g_assert_cmpuint (lp_test_counter (manager, "jobs_cancelled"), ==, 1);

  /* Its lease goes on. */
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
  g_assert_cmpuint (lp_lease_get_pending_jobs (lease), ==, 0);
  assert_counts (manager, 1, 0);

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  finish (manager, gate);
  g_assert_finalize_object (job);
}

static void
test_job_times_out_after_the_grace (void)
{
  LpManager *manager = start (1, -1, 1);
  LpLease *lease = lp_test_acquire (manager, "stuck");
  LpTestGate *gate = lp_test_gate_new ();
  LpJob *job = lp_test_gate_job (gate);

  lp_job_set_timeout_seconds (job, GRACE_SECONDS);
  lp_test_submit (lease, job);
  assert_ends (job, G_IO_ERROR_TIMED_OUT, LP_JOB_STATE_FAILED);
  g_assert_cmpint (lp_job_get_ended_at (job) - lp_job_get_started_at (job), >=,
                   (gint64) (2 * GRACE_SECONDS * G_USEC_PER_SEC));
  g_assert_cmpuint (lp_test_counter (manager, "jobs_failed"), ==, 1);

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  finish (manager, gate);
  g_assert_finalize_object (job);
}

/* Its own late result changes nothing about it. */
static void
test_job_late_result_is_counted (void)
{
  LpManager *manager = start (1, -1, 1);
  LpLease *lease = lp_test_acquire (manager, "stuck");
  LpTestGate *gate = lp_test_gate_new ();
  LpJob *job = lp_test_gate_job (gate);
  g_autoptr (LpJob) next = lp_test_value_job (1);
  g_autoptr (GVariant) value = NULL;

  lp_test_submit (lease, job);
  lp_test_gate_wait_entered (gate, 1);
  lp_job_cancel (job);
  assert_ends (job, G_IO_ERROR_CANCELLED, LP_JOB_STATE_CANCELLED);
  g_assert_cmpuint (lp_test_counter (manager, "results_discarded"), ==, 0);

  /* The next one runs on the same thread, after it. */
  lp_test_submit (lease, next);
  lp_test_gate_open (gate);
  value = lp_job_wait (next, PATIENCE_SECONDS, NULL, NULL);
  g_assert_nonnull (value);
  g_assert_cmpuint (lp_test_counter (manager, "results_discarded"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_cancelled"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_succeeded"), ==, 1);
  assert_ends (job, G_IO_ERROR_CANCELLED, LP_JOB_STATE_CANCELLED);
  g_assert_null (lp_job_dup_result (job));

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  finish (manager, gate);
  g_assert_finalize_object (job);
}

/* --- The thread --- */

static void
test_thread_stays_occupied (void)
{
  LpManager *manager = start (1, -1, 1);
  LpLease *lease = lp_test_acquire (manager, "stuck");
  LpTestGate *gate = lp_test_gate_new ();
  LpTestGate *other = lp_test_gate_new ();
  g_autoptr (LpJob) next = lp_test_gate_job (other);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = NULL;

  get_stuck (lease, gate);
  lp_test_submit (lease, next);
  g_assert_null (lp_job_wait (next, GRACE_SECONDS, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (lp_job_get_state (next), ==, LP_JOB_STATE_QUEUED);
  g_assert_cmpuint (lp_test_gate_get_entered (other), ==, 0);
  g_assert_cmpuint (lp_test_count_threads (PREFIX), ==, 1);

  lp_test_gate_open (gate);
  lp_test_gate_wait_entered (other, 1);
  lp_test_gate_open (other);
  value = lp_job_wait (next, PATIENCE_SECONDS, NULL, NULL);
  g_assert_nonnull (value);

  /* It has returned, so there is nothing to quarantine. */
  lp_lease_release (lease);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 1);

  g_assert_finalize_object (lease);
  finish (manager, gate);
  lp_test_gate_unref (other);
}

static void
test_thread_others_of_the_executor_work (void)
{
  LpManager *manager = start (1, -1, 2);
  LpLease *lease = lp_test_acquire (manager, "stuck");
  LpTestGate *gate = lp_test_gate_new ();

  get_stuck (lease, gate);
  for (int i = 0; i < 10; i++)
    {
      g_autoptr (LpJob) job = lp_test_value_job (i);
      g_autoptr (GVariant) value = NULL;

      lp_test_submit (lease, job);
      value = lp_job_wait (job, PATIENCE_SECONDS, NULL, NULL);
      g_assert_nonnull (value);
    }
  g_assert_cmpuint (lp_test_count_threads (PREFIX), ==, 2);

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  finish (manager, gate);
}

typedef struct
{
  GAsyncQueue *entered;
  GAsyncQueue *go_on;
  GThread *owner;
  int n_destroyed;              /* (atomic) */
  int n_returned;               /* (atomic) */
} Data;

static void
data_init (Data *self)
{
  *self = (Data) { g_async_queue_new (), g_async_queue_new (), g_thread_self (), 0, 0 };
}

static void
data_clear (Data *self)
{
  g_async_queue_unref (self->entered);
  g_async_queue_unref (self->go_on);
}

static void
data_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Data *data = user_data;

  g_async_queue_push (data->entered, data);
  g_async_queue_pop (data->go_on);
  g_assert_cmpint (g_atomic_int_get (&data->n_destroyed), ==, 0);
  g_atomic_int_inc (&data->n_returned);
  *result = g_variant_new ("()");
}

static void
data_destroy (gpointer user_data)
{
  Data *data = user_data;

  g_assert_true (g_thread_self () == data->owner);
  g_assert_cmpint (g_atomic_int_get (&data->n_returned), ==, 1);
  g_atomic_int_inc (&data->n_destroyed);
}

static gboolean
is_destroyed (gpointer user_data)
{
  return g_atomic_int_get (&((Data *) user_data)->n_destroyed) == 1;
}

static void
submit_data_job (LpLease *lease, Data *data)
{
  g_autoptr (LpJob) job = lp_job_new_for_func (data_func, data, data_destroy);

  lp_test_submit (lease, job);
  g_async_queue_pop (data->entered);
  lp_job_cancel (job);
  assert_ends (job, G_IO_ERROR_CANCELLED, LP_JOB_STATE_CANCELLED);
}

static void
test_thread_keeps_the_user_data (void)
{
  LpManager *manager = start (1, -1, 1);
  LpLease *lease = lp_test_acquire (manager, "stuck");
  Data data;

  data_init (&data);
  submit_data_job (lease, &data);
  lp_lease_release (lease);
  g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, 1);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (g_atomic_int_get (&data.n_destroyed), ==, 0);

  g_async_queue_push (data.go_on, &data);
  lp_test_wait_for (is_destroyed, &data, "the destroy notify");

  g_assert_finalize_object (lease);
  finish (manager, lp_test_gate_new ());
  data_clear (&data);
}

/* Also when the manager is stopped and gone. */
static void
test_thread_outlives_the_manager (void)
{
  LpManager *manager = start (1, -1, 1);
  LpLease *lease = lp_test_acquire (manager, "stuck");
  Data data;

  data_init (&data);
  submit_data_job (lease, &data);
  g_assert_finalize_object (lease);
  lp_test_finish (manager);
  g_assert_cmpint (g_atomic_int_get (&data.n_destroyed), ==, 0);
  g_assert_cmpuint (lp_test_count_threads (PREFIX), ==, 1);

  g_async_queue_push (data.go_on, &data);
  lp_test_wait_for (is_destroyed, &data, "the destroy notify");
  lp_test_block_for (has_no_threads, (gpointer) PREFIX, "the end of the thread");
  data_clear (&data);
}

/* --- Into quarantine --- */

static void
test_begins_when_released (void)
{
  LpManager *manager = start (2, -1, 1);
  LpLease *lease = lp_test_acquire (manager, "stuck");
  LpTestGate *gate = lp_test_gate_new ();

  get_stuck (lease, gate);
  g_assert_cmpuint (lp_test_stat (manager, "leased"), ==, 1);
  assert_counts (manager, 1, 0);

  lp_lease_release (lease);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_RELEASED);

  /* It is replaced as desired asks, at once. */
  lp_test_wait_stat (manager, "available", 1);
  assert_counts (manager, 1, 1);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 2);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 0);

  g_assert_finalize_object (lease);
  finish (manager, gate);
}

/* The grace of the running job comes between. */
static void
test_begins_when_revoked (void)
{
  LpManager *manager = start (1, -1, 1);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) job = lp_test_gate_job (gate);
  LpLease *lease = lp_test_acquire (manager, "stuck");

  lp_test_submit (lease, job);
  lp_test_gate_wait_entered (gate, 1);
  g_assert_true (lp_lease_renew (lease, 0.05, NULL));
  lp_test_block_for (has_expired, lease, "the hard expiry");
  assert_ends (job, G_IO_ERROR_CANCELLED, LP_JOB_STATE_CANCELLED);
  lp_test_wait_stat (manager, "quarantined", 1);
  lp_test_wait_stat (manager, "available", 1);
  assert_counts (manager, 1, 1);

  g_assert_finalize_object (lease);
  finish (manager, gate);
}

/* With a job behind the stuck one it drains, and that job runs if it can. */
static void
test_begins_after_the_draining (void)
{
  LpManager *manager = start (1, -1, 2);
  LpLease *lease = lp_test_acquire (manager, "stuck");
  LpTestGate *gate = lp_test_gate_new ();
  LpTestGate *other = lp_test_gate_new ();
  g_autoptr (LpJob) job = lp_test_gate_job (other);
  g_autoptr (GVariant) value = NULL;

  get_stuck (lease, gate);
  lp_test_submit (lease, job);
  lp_lease_release (lease);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_DRAINING);
  assert_counts (manager, 1, 0);

  lp_test_gate_open (other);
  value = lp_job_wait (job, PATIENCE_SECONDS, NULL, NULL);
  g_assert_nonnull (value);
  lp_test_block_released (lease);
  g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, 1);

  g_assert_finalize_object (lease);
  finish (manager, gate);
  lp_test_gate_unref (other);
}

static GMutex messages_lock;
static GPtrArray *messages;     /* (messages_lock) texts of executor-quarantined */

static GLogWriterOutput
keep_messages (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  const char *text = NULL;
  gboolean told = FALSE;

  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "LEASEPOOL_EVENT"))
      told = g_str_equal (fields[i].value, "executor-quarantined");
    else if (g_str_equal (fields[i].key, "MESSAGE"))
      text = fields[i].value;

  if (told)
    {
      g_assert_cmpint (level, ==, G_LOG_LEVEL_MESSAGE);
      g_mutex_lock (&messages_lock);
      g_ptr_array_add (messages, g_strdup (text));
      g_mutex_unlock (&messages_lock);
    }

  return g_log_writer_default (level, fields, n_fields, user_data);
}

static void
forget_messages (void)
{
  g_mutex_lock (&messages_lock);
  g_ptr_array_set_size (messages, 0);
  g_mutex_unlock (&messages_lock);
}

/* The only one there is. */
static void
assert_message (const char *expected)
{
  g_mutex_lock (&messages_lock);
  g_assert_cmpuint (messages->len, ==, 1);
  g_assert_cmpstr (messages->pdata[0], ==, expected);
  g_mutex_unlock (&messages_lock);
}

static void
test_is_told_by_a_message (void)
{
  LpManager *manager = start (1, -1, 1);
  LpTestGate *gate = lp_test_gate_new ();

  forget_messages ();
  add_stuck_executor (manager, gate);
  assert_message ("The executor 1 is out of use, and is quarantined: 1 job has ended, but its function does not return");

  finish (manager, gate);
}

/* It is not in quarantine then, and not said to be. */
static void
test_a_kept_place_is_told_by_a_message (void)
{
  LpManager *manager = start (1, 0, 2);
  LpTestGate *gate = lp_test_gate_new ();
  LpLease *lease = lp_test_acquire (manager, "tester");

  forget_messages ();
  get_stuck (lease, gate);
  get_stuck (lease, gate);
  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  assert_counts (manager, 1, 0);
  assert_message ("The executor 1 is out of use, and keeps its place in the pool, since there is no room in "
                  "quarantine: 2 jobs have ended, but their functions do not return");

  finish (manager, gate);
}

/* Who waits in vain is told. */
static void
test_is_named_in_a_time_out (void)
{
  LpManager *manager = start (1, 1, 1);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GError) error = NULL;

  add_stuck_executor (manager, gate);
  add_stuck_executor (manager, gate);
  lp_request_set_timeout (request, GRACE_SECONDS);
  g_assert_null (lp_manager_acquire (manager, request, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_nonnull (strstr (error->message, "quarantine"));

  finish (manager, gate);
}

int
main (int argc, char *argv[])
{
  int result;

  g_test_init (&argc, &argv, NULL);
  messages = g_ptr_array_new_with_free_func (g_free);
  g_log_set_writer_func (keep_messages, NULL, NULL);

  g_test_add_func ("/quarantine/job/is-cancelled-after-the-grace", test_job_is_cancelled_after_the_grace);
  g_test_add_func ("/quarantine/job/times-out-after-the-grace", test_job_times_out_after_the_grace);
  g_test_add_func ("/quarantine/job/late-result-is-dropped-and-counted", test_job_late_result_is_counted);
  g_test_add_func ("/quarantine/thread/stays-occupied", test_thread_stays_occupied);
  g_test_add_func ("/quarantine/thread/others-of-the-executor-work", test_thread_others_of_the_executor_work);
  g_test_add_func ("/quarantine/thread/keeps-the-user-data-until-it-returns", test_thread_keeps_the_user_data);
  g_test_add_func ("/quarantine/thread/may-outlive-the-manager", test_thread_outlives_the_manager);
  g_test_add_func ("/quarantine/begins/when-the-lease-is-released", test_begins_when_released);
  g_test_add_func ("/quarantine/begins/when-the-lease-is-revoked", test_begins_when_revoked);
  g_test_add_func ("/quarantine/begins/after-the-draining", test_begins_after_the_draining);
  g_test_add_func ("/quarantine/is-told-by-a-message", test_is_told_by_a_message);
  g_test_add_func ("/quarantine/a-kept-place-is-told-by-a-message", test_a_kept_place_is_told_by_a_message);
  g_test_add_func ("/quarantine/is-named-in-a-time-out", test_is_named_in_a_time_out);

  result = g_test_run ();
  g_ptr_array_unref (messages);

  return result;
}
