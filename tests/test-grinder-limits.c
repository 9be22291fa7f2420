/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* LpGrinder: items that are cancelled, max-pending, the signal drained, the
 * notifications. */

#include "config.h"

#include "lp-test-grinder.h"
#include "lp-test-proc.h"

#include <signal.h>

/* --- Cancel --- */

static void
test_waiting_item_leaves_at_once (Fixture *self, gconstpointer data)
{
  LpJob *first = enqueued (self->grinder, lp_test_value_job (1));
  LpJob *second = enqueued (self->grinder, lp_test_value_job (2));

  lp_job_cancel (first);
  g_assert_cmpint (lp_job_get_state (first), ==, LP_JOB_STATE_CANCELLED);
  g_assert_cmpuint (lp_grinder_get_pending_count (self->grinder), ==, 1);
  g_assert_null (lp_job_get_owner (first));
  g_assert_cmpint (lp_job_get_started_at (first), ==, 0);
  assert_job_cancelled (first);

  /* It does not count for the threshold any more. */
  first = enqueued (self->grinder, lp_test_value_job (3));
  g_assert_cmpuint (lp_grinder_get_pending_count (self->grinder), ==, 2);
  assert_job_value (enqueued (self->grinder, lp_test_value_job (4)), 4);
  assert_job_value (first, 3);
  assert_job_value (second, 2);
}

static void
test_running_item_is_cancelled (Fixture *self, gconstpointer data)
{
  LpJob *first = enqueued (self->grinder, lp_test_gate_polite_job (self->gate));
  LpJob *second = enqueued (self->grinder, lp_test_gate_polite_job (self->gate));
  LpJob *third = enqueued (self->grinder, lp_test_value_job (3));

  lp_test_gate_wait_entered (self->gate, 2);
  lp_job_cancel (first);
  assert_job_cancelled (first);
  assert_job_value (third, 3);
  g_assert_cmpint (lp_job_get_state (second), ==, LP_JOB_STATE_RUNNING);
  lp_test_gate_open (self->gate);
  assert_job_done (second);
}

/* Queued on its executor, behind others of its batch. */
static void
test_queued_item_of_a_batch (Fixture *self, gconstpointer data)
{
  LpJob *first = enqueued (self->grinder, lp_test_gate_job (self->gate));
  LpJob *second = enqueued (self->grinder, lp_test_gate_job (self->gate));
  LpJob *third = enqueued (self->grinder, lp_test_value_job (3));

  lp_test_gate_wait_entered (self->gate, 2);
  g_assert_cmpint (lp_job_get_state (third), ==, LP_JOB_STATE_QUEUED);
  lp_job_cancel (third);
  assert_job_cancelled (third);
  lp_test_gate_open (self->gate);
  assert_job_done (first);
  assert_job_done (second);
}

static void
set_up_one (Fixture *self, gconstpointer data)
{
  set_up_with (self, 1, 1, NULL);
}

/* The executor goes to those who need it. */
static void
test_empty_batch_gives_up_its_acquire (Fixture *self, gconstpointer data)
{
  LpLease *lease = lp_test_acquire (self->manager, "holder");
  LpJob *job = enqueued (self->grinder, lp_test_value_job (1));

  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 1);
  g_assert_cmpuint (grinder_stat (self->grinder, "batches_in_flight"), ==, 1);
  lp_job_cancel (job);
  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 0);
  g_assert_cmpuint (grinder_stat (self->grinder, "batches_in_flight"), ==, 0);
  assert_job_cancelled (job);
  lp_lease_release (lease);
  g_object_unref (lease);
  assert_job_value (enqueued (self->grinder, lp_test_value_job (2)), 2);
}

static void
test_cancellable_of_the_submit (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) waiting = lp_test_value_job (1);
  g_autoptr (LpJob) late = lp_test_value_job (2);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) late_result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) late_error = NULL;

  lp_grinder_submit_async (self->grinder, waiting, cancellable, lp_test_result_cb, &result);
  g_cancellable_cancel (cancellable);
  g_assert_cmpint (lp_job_get_state (waiting), ==, LP_JOB_STATE_CANCELLED);
  g_assert_null (lp_grinder_submit_finish (self->grinder, lp_test_wait_result (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  lp_grinder_submit_async (self->grinder, late, cancellable, lp_test_result_cb, &late_result);
  g_assert_null (lp_grinder_submit_finish (self->grinder, lp_test_wait_result (&late_result), &late_error));
  g_assert_error (late_error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_job_get_state (late), ==, LP_JOB_STATE_NEW);
}

static void
test_cancelled_before (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);

  lp_job_cancel (job);
  assert_refused (self->grinder, job, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (lp_grinder_get_pending_count (self->grinder), ==, 0);
}

/* --- Back-pressure --- */

static void
set_up_bounded (Fixture *self, gconstpointer data)
{
  set_up_with (self, 1, 2, "max-pending", 2, NULL);
}

static void
count_cb (LpGrinder *grinder, gpointer user_data)
{
  (*(guint *) user_data)++;
}

static gboolean
is_positive (gpointer data)
{
  return *(guint *) data > 0;
}

static gboolean
is_empty (gpointer data)
{
  return lp_grinder_get_pending_count (data) == 0;
}

/* What a program does whose work is refused: it connects right after that. The
 * queue has drained meanwhile, on other threads. */
static void
test_drained_cannot_be_missed (Fixture *self, gconstpointer data)
{
  LpLease *lease = lp_test_acquire (self->manager, "holder");
  LpJob *first = enqueued (self->grinder, lp_test_value_job (1));
  LpJob *second = enqueued (self->grinder, lp_test_value_job (2));
  LpJob *third = lp_test_value_job (3);
  guint n_drained = 0;

  assert_refused (self->grinder, third, LP_ERROR, LP_ERROR_QUEUE_FULL);
  g_assert_cmpint (lp_job_get_state (third), ==, LP_JOB_STATE_NEW);
  g_assert_cmpuint (grinder_counter (self->grinder, "items_refused"), ==, 1);
  lp_lease_release (lease);
  lp_test_block_for (is_empty, self->grinder, "the queue to drain");

  g_signal_connect (self->grinder, "drained", G_CALLBACK (count_cb), &n_drained);
  lp_test_wait_for (is_positive, &n_drained, "drained");
  enqueued (self->grinder, third);
  lp_job_cancel (third);

  assert_job_value (first, 1);
  assert_job_value (second, 2);
  assert_job_cancelled (third);
  g_signal_handlers_disconnect_by_data (self->grinder, &n_drained);
  g_object_unref (lease);
}

/* Each time the number falls to zero. */
static void
test_drained_each_time (Fixture *self, gconstpointer data)
{
  guint n_drained = 0;

  g_signal_connect (self->grinder, "drained", G_CALLBACK (count_cb), &n_drained);
  for (guint i = 1; i <= 5; i++)
    {
      LpJob *first = enqueued (self->grinder, lp_test_value_job (1));
      LpJob *second;

      while (g_main_context_iteration (NULL, FALSE))
        ;
      g_assert_cmpuint (n_drained, ==, 0);
      second = enqueued (self->grinder, lp_test_value_job (2));
      lp_test_wait_for (is_positive, &n_drained, "drained");
      assert_job_value (first, 1);
      assert_job_value (second, 2);
      g_assert_cmpuint (n_drained, ==, 1);
      n_drained = 0;
    }
  g_signal_handlers_disconnect_by_data (self->grinder, &n_drained);
}

/* Also if what was in the way is cancelled, or stopped. */
static void
test_drained_by_a_cancel (Fixture *self, gconstpointer data)
{
  LpJob *job = enqueued (self->grinder, lp_test_value_job (1));
  guint n_drained = 0;

  g_signal_connect (self->grinder, "drained", G_CALLBACK (count_cb), &n_drained);
  lp_job_cancel (job);
  lp_test_wait_for (is_positive, &n_drained, "drained");
  assert_job_cancelled (job);

  n_drained = 0;
  job = enqueued (self->grinder, lp_test_value_job (1));
  assert_grinder_stops (self->grinder, LP_STOP_MODE_CANCEL);
  lp_test_wait_for (is_positive, &n_drained, "drained");
  assert_job_cancelled (job);
  g_signal_handlers_disconnect_by_data (self->grinder, &n_drained);
}

typedef struct
{
  Fixture *fixture;
  guint n_drained;
  guint n_left;
} Feed;

static void
feed_cb (LpGrinder *grinder, gpointer user_data)
{
  Feed *feed = user_data;

  feed->n_drained++;
  while (feed->n_left > 0)
    {
      g_autoptr (LpJob) job = lp_test_value_job (1);

      if (!lp_grinder_enqueue (grinder, job, NULL))
        break;
      feed->n_left--;
    }
}

static gboolean
is_fed (gpointer data)
{
  return ((Feed *) data)->n_left == 0;
}

/* A producer that only goes on when it is told to gets all its work through. */
static void
test_producer (Fixture *self, gconstpointer data)
{
  Feed feed = { self, 0, 200 };

  g_signal_connect (self->grinder, "drained", G_CALLBACK (feed_cb), &feed);
  feed_cb (self->grinder, &feed);
  lp_test_wait_for (is_fed, &feed, "all work to be accepted");
  assert_grinder_stops (self->grinder, LP_STOP_MODE_DRAIN);
  g_assert_cmpuint (grinder_counter (self->grinder, "items_succeeded"), ==, 200);
  g_signal_handlers_disconnect_by_data (self->grinder, &feed);
}

/* --- An acquire that fails --- */

static void
set_up_few_waiters (Fixture *self, gconstpointer data)
{
  self->manager = lp_test_start (1, "max-waiters", 1, NULL);
  self->gate = lp_test_gate_new ();
  self->grinder = lp_grinder_new (self->manager);
  g_object_set (self->grinder, "max-wait-seconds", LONG_SECONDS, "batch-size-threshold", 1, NULL);
  assert_grinder_starts (self->grinder);
}

/* The items of the batch end with its error, and the next batch is another one. */
static void
test_acquire_is_refused (Fixture *self, gconstpointer data)
{
  LpLease *lease = lp_test_acquire (self->manager, "holder");
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (LpLease) other = NULL;

  lp_manager_acquire_async (self->manager, NULL, NULL, lp_test_result_cb, &result);
  assert_job_error (enqueued (self->grinder, lp_test_value_job (1)), LP_JOB_STATE_FAILED, LP_ERROR,
                    LP_ERROR_QUEUE_FULL);
  g_assert_cmpuint (grinder_stat (self->grinder, "batches_in_flight"), ==, 0);

  lp_lease_release (lease);
  other = lp_manager_acquire_finish (self->manager, lp_test_wait_result (&result), NULL);
  lp_lease_release (other);
  assert_job_value (enqueued (self->grinder, lp_test_value_job (2)), 2);
  g_object_unref (lease);
}

/* --- A worker that dies --- */

static int
ask_pid (LpManager *manager)
{
  LpLease *lease = lp_test_acquire (manager, "asks");
  int pid = lp_test_ask_pid (lease);

  lp_lease_release (lease);
  g_object_unref (lease);
  return pid;
}

/* Only the item that ran is lost; those that had not begun say so. Nobody waits for ever, and the next batch has another
 * executor. */
static void
test_worker_dies (void)
{
  Fixture self = { NULL };
  LpJob *jobs[3];
  int pid;

  self.manager = lp_test_start (1, "workers-per-pool", 1, NULL);
  self.gate = lp_test_gate_new ();
  self.grinder = lp_grinder_new (self.manager);
  g_object_set (self.grinder, "max-wait-seconds", LONG_SECONDS, "batch-size-threshold", 3, NULL);
  assert_grinder_starts (self.grinder);
  pid = ask_pid (self.manager);

  jobs[0] = enqueued (self.grinder, lp_test_gate_job (self.gate));
  jobs[1] = enqueued (self.grinder, lp_test_value_job (1));
  jobs[2] = enqueued (self.grinder, lp_test_value_job (2));
  lp_test_gate_wait_entered (self.gate, 1);
  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  for (int i = 0; i < 3; i++)
    {
      g_autoptr (GVariant) value = lp_job_wait (jobs[i], -1, NULL, NULL);

      g_assert_null (value);
      g_assert_true ((lp_job_get_started_at (jobs[i]) == 0) == (i > 0));
      assert_job_error (jobs[i], LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
    }
  wait_grinder_stat (self.grinder, "batches_in_flight", 0);

  for (int i = 0; i < 3; i++)
    jobs[i] = enqueued (self.grinder, lp_test_value_job (i));
  for (int i = 0; i < 3; i++)
    assert_job_value (jobs[i], i);
  tear_down (&self, NULL);
}

/* --- Notifications --- */

static void
notify_cb (GObject *object, GParamSpec *pspec, gpointer user_data)
{
  (*(guint *) user_data)++;
}

static void
test_notifications (Fixture *self, gconstpointer data)
{
  guint n_pending = 0;
  guint n_running = 0;
  LpJob *job;

  g_signal_connect (self->grinder, "notify::pending-count", G_CALLBACK (notify_cb), &n_pending);
  g_signal_connect (self->grinder, "notify::running", G_CALLBACK (notify_cb), &n_running);
  job = enqueued (self->grinder, lp_test_value_job (1));
  g_assert_cmpuint (n_pending, ==, 0); /* never within the call */
  lp_test_wait_for (is_positive, &n_pending, "the count");
  n_running = 0;
  assert_grinder_stops (self->grinder, LP_STOP_MODE_DRAIN);
  lp_test_wait_for (is_positive, &n_running, "the end");
  assert_job_value (job, 1);
  g_signal_handlers_disconnect_by_data (self->grinder, &n_pending);
  g_signal_handlers_disconnect_by_data (self->grinder, &n_running);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("/cancel/waiting", set_up, test_waiting_item_leaves_at_once);
  ADD ("/cancel/running", set_up, test_running_item_is_cancelled);
  ADD ("/cancel/queued-in-a-batch", set_up, test_queued_item_of_a_batch);
  ADD ("/cancel/empty-batch", set_up_one, test_empty_batch_gives_up_its_acquire);
  ADD ("/cancel/cancellable-of-the-submit", set_up, test_cancellable_of_the_submit);
  ADD ("/cancel/before", set_up, test_cancelled_before);
  ADD ("/drained/cannot-be-missed", set_up_bounded, test_drained_cannot_be_missed);
  ADD ("/drained/each-time", set_up_bounded, test_drained_each_time);
  ADD ("/drained/by-a-cancel", set_up_bounded, test_drained_by_a_cancel);
  ADD ("/drained/producer", set_up_bounded, test_producer);
  ADD ("/acquire-is-refused", set_up_few_waiters, test_acquire_is_refused);
  lp_test_conform_add_only (LP_BACKEND_PROCESS, "/grinder/worker-dies", test_worker_dies);
  ADD ("/notify", set_up, test_notifications);

  return g_test_run ();
}
