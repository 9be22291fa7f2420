/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-test.h"

#include <string.h>

#define PATIENCE_SECONDS 30.0
#define GRACE_SECONDS 0.02
#define LONG_SECONDS 300.0

/* Jobs here stay in their function until the gate is opened, whatever they are
 * told. Threads are counted by a prefix of their own. */
#define PREFIX "quar"

/* --- What most cases do --- */

static LpManager *
start (int max_pools, int max_quarantined, int workers)
{
  return lp_test_start (max_pools,
                        "max-quarantined", max_quarantined,
                        "workers-per-pool", workers,
                        "cancel-grace-seconds", GRACE_SECONDS,
                        "lease-grace-seconds", 0.0,
                        "name-prefix", PREFIX,
                        NULL);
}

static void
assert_ends (LpJob *job, GIOErrorEnum code, LpJobState state)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = lp_job_wait (job, PATIENCE_SECONDS, NULL, &error);

  g_assert_error (error, G_IO_ERROR, (int) code);
  g_assert_null (result);
  g_assert_cmpint (lp_job_get_state (job), ==, state);
}

/* A worker of LEASE enters the gate and stays; its job ends cancelled. */
static void
get_stuck (LpLease *lease, LpTestGate *gate)
{
  guint n_entered = lp_test_gate_get_entered (gate);
  g_autoptr (LpJob) job = lp_test_gate_job (gate);

  lp_test_submit (lease, job);
  lp_test_gate_wait_entered (gate, n_entered + 1);
  lp_job_cancel (job);
  assert_ends (job, G_IO_ERROR_CANCELLED, LP_JOB_STATE_CANCELLED);
}

/* One executor gets stuck and its lease is released. */
static void
add_stuck_executor (LpManager *manager, LpTestGate *gate)
{
  LpLease *lease = lp_test_acquire (manager, "stuck");

  get_stuck (lease, gate);
  lp_lease_release (lease);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_RELEASED);
  g_assert_finalize_object (lease);
}

static void
assert_counts (LpManager *manager, guint total, guint quarantined)
{
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, total);
  g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, quarantined);
  g_assert_cmpuint (lp_manager_get_quarantined_count (manager), ==, quarantined);
  lp_test_check (manager);
}

static void
assert_unavailable (LpManager *manager)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lp_manager_try_acquire (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_UNAVAILABLE);
}

static gboolean
has_no_threads (gpointer prefix)
{
  return lp_test_count_threads (prefix) == 0;
}

/* Lets them all return, and waits until nothing of them is left. */
static void
finish (LpManager *manager, LpTestGate *gate)
{
  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "quarantined", 0);
  lp_test_finish (manager);
  lp_test_block_for (has_no_threads, (gpointer) PREFIX, "the end of the threads");
  lp_test_gate_unref (gate);
}

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

static gboolean
has_expired (gpointer lease)
{
  return lp_lease_get_state (lease) == LP_LEASE_STATE_EXPIRED;
}

/* The grace of the running job comes between. */
static void
test_begins_when_revoked (void)
{
  LpManager *manager = start (1, -1, 1);
  g_autoptr (LpRequest) request = lp_request_new ();
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) job = lp_test_gate_job (gate);
  LpLease *lease;

  lp_request_set_lease_seconds (request, 0.2);
  lease = lp_manager_acquire (manager, request, NULL, NULL);
  lp_test_submit (lease, job);
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
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_RELEASED);
  g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, 1);

  g_assert_finalize_object (lease);
  finish (manager, gate);
  lp_test_gate_unref (other);
}

static int n_messages;          /* (atomic) */

static GLogWriterOutput
count_messages (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "LEASEPOOL_EVENT") && g_str_equal (fields[i].value, "executor-quarantined"))
      {
        g_assert_cmpint (level, ==, G_LOG_LEVEL_MESSAGE);
        g_atomic_int_inc (&n_messages);
      }

  return g_log_writer_default (level, fields, n_fields, user_data);
}

static void
test_is_told_by_a_message (void)
{
  LpManager *manager = start (1, -1, 1);
  LpTestGate *gate = lp_test_gate_new ();
  int before = g_atomic_int_get (&n_messages);

  add_stuck_executor (manager, gate);
  g_assert_cmpint (g_atomic_int_get (&n_messages), ==, before + 1);

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

/* --- The bound: total + quarantined <= max-pools + max-quarantined --- */

static void
test_max_0_keeps_the_place (void)
{
  LpManager *manager = start (1, 0, 1);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  add_stuck_executor (manager, gate);
  assert_counts (manager, 1, 0);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 0);
  assert_unavailable (manager);

  /* When the function returns, its place goes to who waits. */
  lp_manager_acquire_async (manager, NULL, NULL, lp_test_result_cb, &result);
  lp_test_wait_stat (manager, "waiting", 1);
  g_assert_null (result);
  lp_test_gate_open (gate);
  lease = lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 2);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 1);

  g_clear_object (&result);
  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  finish (manager, gate);
}

static void
test_max_1_takes_one (void)
{
  LpManager *manager = start (2, 1, 1);
  LpTestGate *gate = lp_test_gate_new ();

  add_stuck_executor (manager, gate);
  lp_test_wait_stat (manager, "available", 1);
  assert_counts (manager, 1, 1);
  add_stuck_executor (manager, gate);
  lp_test_wait_stat (manager, "available", 1);
  assert_counts (manager, 2, 1);
  add_stuck_executor (manager, gate);
  assert_counts (manager, 2, 1);
  assert_unavailable (manager);

  finish (manager, gate);
}

static void
test_max_minus_one_is_max_pools (void)
{
  LpManager *manager = start (2, -1, 1);
  LpTestGate *gate = lp_test_gate_new ();

  for (guint i = 1; i <= 4; i++)
    {
      add_stuck_executor (manager, gate);
      g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, MIN (i, 2));
      lp_test_check (manager);
    }
  assert_counts (manager, 2, 2);
  assert_unavailable (manager);

  finish (manager, gate);
}

/* Counted in /proc, while leases with stuck jobs expire. */
static void
test_bound_of_real_threads (void)
{
  const guint bound = 2 + 1;
  LpManager *manager = start (2, 1, 1);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpRequest) request = lp_request_new ();
  guint n_granted = 0;

  lp_request_set_lease_seconds (request, GRACE_SECONDS);
  lp_request_set_timeout (request, 0.3);
  for (guint i = 0; i < 2 * bound; i++)
    {
      g_autoptr (LpLease) lease = lp_manager_acquire (manager, request, NULL, NULL);
      g_autoptr (LpJob) job = lp_test_gate_job (gate);

      if (lease != NULL)
        {
          n_granted++;
          /* Too late, perhaps; then nothing of it is stuck. */
          if (!lp_lease_submit (lease, job, NULL))
            g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_EXPIRED);
          lp_test_block_for (has_expired, lease, "the hard expiry");
        }
      g_assert_cmpuint (lp_test_count_threads (PREFIX), <=, bound);
      g_assert_cmpuint (lp_test_stat (manager, "total") + lp_test_stat (manager, "quarantined"), <=, bound);
      lp_test_check (manager);
    }
  g_assert_cmpuint (n_granted, >=, bound);

  finish (manager, gate);
}

static void
test_moves_in_when_there_is_room (void)
{
  LpManager *manager = start (2, 1, 1);
  LpTestGate *first = lp_test_gate_new ();
  LpTestGate *second = lp_test_gate_new ();

  add_stuck_executor (manager, first);
  add_stuck_executor (manager, second);
  lp_test_wait_stat (manager, "available", 1);
  assert_counts (manager, 2, 1);

  /* The second takes the place in quarantine of the first and leaves the pool. */
  lp_test_gate_open (first);
  lp_test_wait_stat (manager, "total", 1);
  assert_counts (manager, 1, 1);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 1);

  finish (manager, second);
  lp_test_gate_unref (first);
}

/* --- Out of quarantine --- */

static void
retired_cb (LpManager *manager, guint64 seq, LpRetireReason reason, gpointer user_data)
{
  GArray *seqs = user_data;

  g_assert_cmpint (reason, ==, LP_RETIRE_REASON_BROKEN);
  g_array_append_val (seqs, seq);
}

static gboolean
is_retired (gpointer seqs)
{
  return ((GArray *) seqs)->len > 0;
}

static void
test_retired_when_the_thread_returns (void)
{
  LpManager *manager = start (1, -1, 3);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (GArray) seqs = g_array_new (FALSE, FALSE, sizeof (guint64));
  gulong id = g_signal_connect (manager, "executor-retired", G_CALLBACK (retired_cb), seqs);

  add_stuck_executor (manager, gate);
  g_assert_cmpuint (lp_test_count_threads (PREFIX "-1-"), ==, 1);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (seqs->len, ==, 0);

  lp_test_gate_open (gate);
  lp_test_wait_for (is_retired, seqs, "executor-retired");
  g_assert_cmpuint (seqs->len, ==, 1);
  g_assert_cmpuint (g_array_index (seqs, guint64, 0), ==, 1);
  assert_counts (manager, 1, 0);
  lp_test_block_for (has_no_threads, (gpointer) PREFIX "-1-", "the end of its thread");

  g_signal_handler_disconnect (manager, id);
  finish (manager, gate);
}

/* --- Stop and restart --- */

static void
stop (LpManager *manager, LpStopMode mode)
{
  g_autoptr (GError) error = NULL;

  lp_manager_stop (manager, mode, -1, NULL, &error);
  g_assert_no_error (error);
  g_assert_false (lp_manager_is_running (manager));
}

static void
test_stop_leaves_them (gconstpointer data)
{
  LpManager *manager = start (2, -1, 1);
  LpTestGate *gate = lp_test_gate_new ();
  LpLease *lease;
  g_autoptr (LpJob) job = lp_test_gate_job (gate);

  add_stuck_executor (manager, gate);
  lease = lp_test_acquire (manager, "runs");
  lp_test_submit (lease, job);
  lp_test_gate_wait_entered (gate, 2);

  /* One is quarantined already, one gets stuck by the stop. */
  stop (manager, GPOINTER_TO_INT (data));
  assert_ends (job, G_IO_ERROR_CANCELLED, LP_JOB_STATE_CANCELLED);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_STOPPED);
  assert_counts (manager, 0, 2);
  g_assert_cmpuint (lp_test_count_threads (PREFIX), ==, 2);

  /* Nothing of the manager runs, but it sees to them. */
  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "quarantined", 0);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 2);

  g_assert_finalize_object (lease);
  finish (manager, gate);
}

static void
test_stop_leaves_those_without_room (void)
{
  LpManager *manager = start (1, 0, 1);
  LpTestGate *gate = lp_test_gate_new ();

  add_stuck_executor (manager, gate);
  stop (manager, LP_STOP_MODE_CANCEL);
  assert_counts (manager, 1, 0);

  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "total", 0);
  finish (manager, gate);
}

static void
test_restart_with_places_occupied (void)
{
  LpManager *manager = start (1, 0, 1);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (GError) error = NULL;

  add_stuck_executor (manager, gate);
  stop (manager, LP_STOP_MODE_CANCEL);
  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_UNAVAILABLE);
  g_assert_false (lp_manager_is_running (manager));
  assert_counts (manager, 1, 0);

  g_clear_error (&error);
  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "total", 0);
  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  assert_counts (manager, 1, 0);

  finish (manager, gate);
}

/* Those of the last run count against the bound of this one. */
static void
test_restart_with_room_left (void)
{
  LpManager *manager = start (2, 1, 1);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (GError) error = NULL;

  add_stuck_executor (manager, gate);
  add_stuck_executor (manager, gate);
  stop (manager, LP_STOP_MODE_CANCEL);
  assert_counts (manager, 1, 1);

  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  assert_counts (manager, 2, 1);
  add_stuck_executor (manager, gate);
  assert_counts (manager, 2, 1);
  assert_unavailable (manager);

  /* The new run lives on when those of the old one return. */
  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "available", 1);
  lp_test_wait_stat (manager, "quarantined", 0);
  finish (manager, gate);
}

/* The bound holds for the settings of the new run, or it does not start. */
static void
test_restart_with_a_lower_bound (void)
{
  LpManager *manager = start (2, 2, 1);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (GError) error = NULL;

  add_stuck_executor (manager, gate);
  add_stuck_executor (manager, gate);
  stop (manager, LP_STOP_MODE_CANCEL);
  assert_counts (manager, 0, 2);

  lp_manager_set_max_pools (manager, 1);
  lp_manager_set_max_quarantined (manager, 0);
  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_UNAVAILABLE);
  g_assert_false (lp_manager_is_running (manager));

  finish (manager, gate);
}

static GThread *destroyed_on;   /* (atomic) */

static void
note_thread (gpointer data)
{
  g_atomic_pointer_set (&destroyed_on, g_thread_self ());
}

static gboolean
is_noted (gpointer data)
{
  return g_atomic_pointer_get (&destroyed_on) != NULL;
}

static void
named_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("()");
}

/* The functions of the last run live as long as its executors do, and die in
 * the owner context like all user data. */
static void
test_restart_with_other_functions (void)
{
  g_autoptr (LpFunctions) functions = lp_functions_new ();
  LpManager *manager;
  LpTestGate *gate = lp_test_gate_new ();

  g_atomic_pointer_set (&destroyed_on, NULL);
  lp_functions_add (functions, "named", NULL, NULL, named_func, NULL, note_thread, NULL);
  manager = lp_test_start (2, "functions", functions, "cancel-grace-seconds", GRACE_SECONDS,
                           "name-prefix", PREFIX, NULL);
  g_clear_object (&functions);
  add_stuck_executor (manager, gate);
  stop (manager, LP_STOP_MODE_KILL);
  lp_manager_set_functions (manager, NULL);
  g_assert_true (lp_manager_start (manager, NULL, NULL));
  while (g_main_context_iteration (NULL, FALSE))
    ;

  lp_test_gate_open (gate);
  lp_test_wait_for (is_noted, NULL, "the destroy notify of the function");
  g_assert_true (g_atomic_pointer_get (&destroyed_on) == g_thread_self ());
  finish (manager, gate);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (count_messages, NULL, NULL);

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
  g_test_add_func ("/quarantine/is-named-in-a-time-out", test_is_named_in_a_time_out);
  g_test_add_func ("/quarantine/bound/max-0-keeps-the-place", test_max_0_keeps_the_place);
  g_test_add_func ("/quarantine/bound/max-1-takes-one", test_max_1_takes_one);
  g_test_add_func ("/quarantine/bound/max-minus-one-is-max-pools", test_max_minus_one_is_max_pools);
  g_test_add_func ("/quarantine/bound/of-real-threads", test_bound_of_real_threads);
  g_test_add_func ("/quarantine/bound/moves-in-when-there-is-room", test_moves_in_when_there_is_room);
  g_test_add_func ("/quarantine/retired-when-the-thread-returns", test_retired_when_the_thread_returns);
  g_test_add_data_func ("/quarantine/stop/cancel-leaves-them", GINT_TO_POINTER (LP_STOP_MODE_CANCEL),
                        test_stop_leaves_them);
  g_test_add_data_func ("/quarantine/stop/kill-leaves-them", GINT_TO_POINTER (LP_STOP_MODE_KILL),
                        test_stop_leaves_them);
  g_test_add_func ("/quarantine/stop/leaves-those-without-room", test_stop_leaves_those_without_room);
  g_test_add_func ("/quarantine/restart/with-places-occupied", test_restart_with_places_occupied);
  g_test_add_func ("/quarantine/restart/with-room-left", test_restart_with_room_left);
  g_test_add_func ("/quarantine/restart/with-a-lower-bound", test_restart_with_a_lower_bound);
  g_test_add_func ("/quarantine/restart/with-other-functions", test_restart_with_other_functions);

  return g_test_run ();
}
