/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* LpGrinder: start and stop, in all modes and from wherever a program may call
 * them; the stop of the manager; disposing. */

#include "config.h"

#include "lp-test-grinder.h"

/* --- Start --- */

static void
test_start_twice_and_stop_before (Fixture *self, gconstpointer data)
{
  g_autoptr (LpGrinder) other = lp_grinder_new (self->manager);
  g_autoptr (LpJob) job = lp_test_value_job (1);

  assert_grinder_stops (other, LP_STOP_MODE_CANCEL);
  assert_refused (other, job, LP_ERROR, LP_ERROR_NOT_STARTED);
  assert_grinder_starts (other);
  assert_grinder_starts (other);
  assert_grinder_stops (other, LP_STOP_MODE_DRAIN);
  assert_grinder_stops (other, LP_STOP_MODE_DRAIN);
  assert_refused (other, job, LP_ERROR, LP_ERROR_NOT_STARTED);

  /* Refused, it is as new. */
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_NEW);
  g_assert_cmpint (lp_job_get_queued_at (job), ==, 0);
  enqueued (self->grinder, job);
}

static void
test_start_needs_a_running_manager (void)
{
  LpManager *manager = lp_test_new (1);
  LpGrinder *grinder = lp_grinder_new (manager);
  LpGrinder *lonely = g_object_new (LP_TYPE_GRINDER, NULL);
  g_autoptr (LpJob) job = lp_test_value_job (1);

  assert_start_fails (grinder, LP_ERROR, LP_ERROR_NOT_STARTED);
  g_assert_true (lp_grinder_get_manager (grinder) == manager);
  assert_start_fails (lonely, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  assert_refused (lonely, job, LP_ERROR, LP_ERROR_NOT_STARTED);
  g_assert_finalize_object (lonely);
  g_assert_finalize_object (grinder);
  g_assert_finalize_object (manager);
}

static void
test_start_cancelled (Fixture *self, gconstpointer data)
{
  g_autoptr (LpGrinder) other = lp_grinder_new (self->manager);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  lp_grinder_start_async (other, cancellable, lp_test_result_cb, &result);
  g_assert_false (lp_grinder_start_finish (other, lp_test_wait_result (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (lp_grinder_is_running (other));
}

static gpointer
other_context_main (gpointer data)
{
  Fixture *self = data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GAsyncResult) started = NULL;
  g_autoptr (GAsyncResult) stopped = NULL;
  g_autoptr (GError) start_error = NULL;
  g_autoptr (GError) stop_error = NULL;

  g_main_context_push_thread_default (context);
  lp_grinder_start_async (self->grinder, NULL, lp_test_result_cb, &started);
  g_assert_false (lp_grinder_start_finish (self->grinder, lp_test_wait_result (&started), &start_error));
  g_assert_error (start_error, LP_ERROR, LP_ERROR_WRONG_CONTEXT);
  lp_grinder_stop_async (self->grinder, LP_STOP_MODE_KILL, NULL, lp_test_result_cb, &stopped);
  g_assert_false (lp_grinder_stop_finish (self->grinder, lp_test_wait_result (&stopped), &stop_error));
  g_assert_error (stop_error, LP_ERROR, LP_ERROR_WRONG_CONTEXT);
  g_main_context_pop_thread_default (context);

  return NULL;
}

static void
test_wrong_context (Fixture *self, gconstpointer data)
{
  g_thread_join (g_thread_new ("other", other_context_main, self));
  g_assert_true (lp_grinder_is_running (self->grinder));
}

static void
test_restart (Fixture *self, gconstpointer data)
{
  for (int run = 0; run < 3; run++)
    {
      LpJob *job = enqueued (self->grinder, lp_test_value_job (run));

      assert_grinder_stops (self->grinder, LP_STOP_MODE_DRAIN);
      g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);
      g_assert_cmpstr (lp_job_get_owner (job), ==, "work-grinder-batch-1");
      assert_job_value (job, run);
      lp_grinder_set_max_pending (self->grinder, run + 1);
      assert_grinder_starts (self->grinder);
    }
  g_assert_cmpuint (grinder_counter (self->grinder, "batches"), ==, 3);
  g_assert_cmpuint (grinder_stat (self->grinder, "max_pending"), ==, 3);
}

/* --- Modes --- */

static void
set_up_large (Fixture *self, gconstpointer data)
{
  set_up_with (self, 2, 1000, "max-batch-size", 2, NULL);
}

static void
test_drain_runs_all_in_batches (Fixture *self, gconstpointer data)
{
  LpJob *jobs[7];

  for (int i = 0; i < 7; i++)
    jobs[i] = enqueued (self->grinder, lp_test_value_job (i));
  assert_grinder_stops (self->grinder, LP_STOP_MODE_DRAIN);
  for (int i = 0; i < 7; i++)
    assert_job_value (jobs[i], i);
  g_assert_cmpuint (grinder_counter (self->grinder, "batches"), ==, 4);
  assert_accounted (self->grinder);
}

static void
set_up_two (Fixture *self, gconstpointer data)
{
  set_up_with (self, 1, 2, "max-batch-size", 2, NULL);
}

static void
test_cancel_ends_what_waits_and_what_runs (Fixture *self, gconstpointer data)
{
  LpJob *running[2];
  LpJob *waiting[3];

  for (int i = 0; i < 2; i++)
    running[i] = enqueued (self->grinder, lp_test_gate_polite_job (self->gate));
  lp_test_gate_wait_entered (self->gate, 2);
  for (int i = 0; i < 3; i++)
    waiting[i] = enqueued (self->grinder, lp_test_value_job (i));

  assert_grinder_stops (self->grinder, LP_STOP_MODE_CANCEL);
  for (int i = 0; i < 2; i++)
    assert_job_cancelled (running[i]);
  for (int i = 0; i < 3; i++)
    {
      g_assert_cmpint (lp_job_get_started_at (waiting[i]), ==, 0);
      assert_job_cancelled (waiting[i]);
    }
  assert_accounted (self->grinder);
}

/* A function that does not return has no time to. */
static void
test_kill_leaves_no_grace (Fixture *self, gconstpointer data)
{
  LpJob *running = enqueued (self->grinder, lp_test_gate_job (self->gate));
  LpJob *other = enqueued (self->grinder, lp_test_gate_job (self->gate));

  lp_test_gate_wait_entered (self->gate, 2);
  assert_grinder_stops (self->grinder, LP_STOP_MODE_KILL);
  assert_job_cancelled (running);
  assert_job_cancelled (other);
}

static void
test_second_stop_hardens (Fixture *self, gconstpointer data)
{
  LpJob *running = enqueued (self->grinder, lp_test_gate_polite_job (self->gate));
  LpJob *other = enqueued (self->grinder, lp_test_gate_polite_job (self->gate));
  LpJob *waiting = NULL;
  GAsyncResult *drain = NULL;
  GAsyncResult *cancel = NULL;
  GAsyncResult *softer = NULL;
  gboolean stopping;
  g_autoptr (GVariant) stats = NULL;

  lp_test_gate_wait_entered (self->gate, 2);
  waiting = enqueued (self->grinder, lp_test_value_job (1));
  lp_grinder_stop_async (self->grinder, LP_STOP_MODE_DRAIN, NULL, lp_test_result_cb, &drain);
  g_assert_false (lp_grinder_is_running (self->grinder));
  stats = lp_grinder_dup_stats (self->grinder);
  g_assert_true (g_variant_lookup (stats, "stopping", "b", &stopping) && stopping);
  g_assert_cmpuint (grinder_stat (self->grinder, "pending"), ==, 1);
  assert_start_fails (self->grinder, LP_ERROR, LP_ERROR_UNAVAILABLE);

  lp_grinder_stop_async (self->grinder, LP_STOP_MODE_CANCEL, NULL, lp_test_result_cb, &cancel);
  lp_grinder_stop_async (self->grinder, LP_STOP_MODE_DRAIN, NULL, lp_test_result_cb, &softer);
  assert_stop_result (self->grinder, &drain);
  assert_stop_result (self->grinder, &cancel);
  assert_stop_result (self->grinder, &softer);
  assert_job_cancelled (running);
  assert_job_cancelled (other);
  assert_job_cancelled (waiting);
}

static void
test_wait_cancelled (Fixture *self, gconstpointer data)
{
  LpJob *running = enqueued (self->grinder, lp_test_gate_job (self->gate));
  LpJob *other = enqueued (self->grinder, lp_test_value_job (1));
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  lp_test_gate_wait_entered (self->gate, 1);
  lp_grinder_stop_async (self->grinder, LP_STOP_MODE_DRAIN, cancellable, lp_test_result_cb, &result);
  g_cancellable_cancel (cancellable);
  g_assert_false (lp_grinder_stop_finish (self->grinder, lp_test_wait_result (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  lp_test_gate_open (self->gate);
  assert_grinder_stops (self->grinder, LP_STOP_MODE_DRAIN);
  assert_job_done (running);
  assert_job_value (other, 1);
}

/* In the same context the end of each item is told before that of the stop. */
static void
test_items_are_told_first (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GAsyncResult) item = NULL;
  g_autoptr (GError) error = NULL;
  GAsyncResult *stop = NULL;

  lp_grinder_submit_async (self->grinder, job, NULL, lp_test_result_cb, &item);
  lp_grinder_stop_async (self->grinder, LP_STOP_MODE_CANCEL, NULL, lp_test_result_cb, &stop);
  assert_stop_result (self->grinder, &stop);
  g_assert_nonnull (item);
  g_assert_null (lp_grinder_submit_finish (self->grinder, item, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_unknown_mode (Fixture *self, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  lp_grinder_stop_async (self->grinder, (LpStopMode) 17, NULL, lp_test_result_cb, &result);
  g_assert_false (lp_grinder_stop_finish (self->grinder, lp_test_wait_result (&result), &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_assert_true (lp_grinder_is_running (self->grinder));
}

/* --- While it is blocked on an acquire --- */

static void
test_drain_while_acquiring (Fixture *self, gconstpointer data)
{
  LpLease *lease = lp_test_acquire (self->manager, "holder");
  LpJob *first = enqueued (self->grinder, lp_test_value_job (1));
  LpJob *second = enqueued (self->grinder, lp_test_value_job (2));
  GAsyncResult *result = NULL;

  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 1);
  lp_grinder_stop_async (self->grinder, LP_STOP_MODE_DRAIN, NULL, lp_test_result_cb, &result);
  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 1);
  g_assert_cmpint (lp_job_get_state (first), ==, LP_JOB_STATE_QUEUED);
  lp_lease_release (lease);
  assert_stop_result (self->grinder, &result);
  assert_job_value (first, 1);
  assert_job_value (second, 2);
  g_object_unref (lease);
}

static void
test_cancel_while_acquiring (Fixture *self, gconstpointer data)
{
  LpLease *lease = lp_test_acquire (self->manager, "holder");
  LpJob *first = enqueued (self->grinder, lp_test_value_job (1));
  LpJob *second = enqueued (self->grinder, lp_test_value_job (2));

  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 1);
  assert_grinder_stops (self->grinder, LP_STOP_MODE_CANCEL);
  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 0);
  assert_job_cancelled (first);
  assert_job_cancelled (second);
  lp_lease_release (lease);
  g_object_unref (lease);
}

/* --- The manager stops first --- */

static void
stop_manager (Fixture *self, LpStopMode mode)
{
  g_autoptr (GError) error = NULL;

  lp_manager_stop (self->manager, mode, -1, NULL, &error);
  g_assert_no_error (error);
}

static void
test_manager_stops_first (Fixture *self, gconstpointer data)
{
  LpJob *running[2];
  LpJob *waiting;

  for (int i = 0; i < 2; i++)
    running[i] = enqueued (self->grinder, lp_test_gate_polite_job (self->gate));
  lp_test_gate_wait_entered (self->gate, 2);
  waiting = enqueued (self->grinder, lp_test_value_job (1));

  stop_manager (self, LP_STOP_MODE_CANCEL);
  g_assert_false (lp_grinder_is_running (self->grinder));
  for (int i = 0; i < 2; i++)
    assert_job_cancelled (running[i]);
  assert_job_error (waiting, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_NOT_STARTED);
  assert_grinder_stops (self->grinder, LP_STOP_MODE_DRAIN);
  assert_accounted (self->grinder);

  /* And both again. */
  assert_start_fails (self->grinder, LP_ERROR, LP_ERROR_NOT_STARTED);
  g_assert_true (lp_manager_start (self->manager, NULL, NULL));
  assert_grinder_starts (self->grinder);
  enqueued (self->grinder, waiting = lp_test_value_job (2));
  assert_grinder_stops (self->grinder, LP_STOP_MODE_DRAIN);
  assert_job_value (waiting, 2);
}

static void
test_manager_stops_while_acquiring (Fixture *self, gconstpointer data)
{
  LpLease *lease = lp_test_acquire (self->manager, "holder");
  LpJob *first = enqueued (self->grinder, lp_test_value_job (1));
  LpJob *second = enqueued (self->grinder, lp_test_value_job (2));
  GAsyncResult *result = NULL;

  lp_grinder_stop_async (self->grinder, LP_STOP_MODE_DRAIN, NULL, lp_test_result_cb, &result);
  stop_manager (self, LP_STOP_MODE_DRAIN);
  assert_stop_result (self->grinder, &result);
  assert_job_error (first, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_NOT_STARTED);
  assert_job_error (second, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_NOT_STARTED);
  g_object_unref (lease);
}

/* A draining manager has the batch that runs end well. */
static void
test_manager_drains_first (Fixture *self, gconstpointer data)
{
  LpJob *first = enqueued (self->grinder, lp_test_gate_polite_job (self->gate));
  LpJob *second = enqueued (self->grinder, lp_test_gate_polite_job (self->gate));
  g_autoptr (GAsyncResult) result = NULL;

  lp_test_gate_wait_entered (self->gate, 2);
  lp_manager_stop_async (self->manager, LP_STOP_MODE_DRAIN, -1, NULL, lp_test_result_cb, &result);
  g_assert_false (lp_grinder_is_running (self->grinder));
  lp_test_gate_open (self->gate);
  g_assert_true (lp_manager_stop_finish (self->manager, lp_test_wait_result (&result), NULL));
  assert_job_done (first);
  assert_job_done (second);
}

/* --- From a callback --- */

typedef struct
{
  LpGrinder *grinder;
  gboolean armed;
  GAsyncResult *result;
} FromCallback;

static void
stop_from_callback (FromCallback *self)
{
  if (!self->armed)
    return;

  self->armed = FALSE;
  lp_grinder_stop_async (self->grinder, LP_STOP_MODE_CANCEL, NULL, lp_test_result_cb, &self->result);
}

static void
submitted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GVariant) value = lp_grinder_submit_finish (LP_GRINDER (source), result, NULL);

  stop_from_callback (user_data);
}

static void
drained_cb (LpGrinder *grinder, gpointer user_data)
{
  stop_from_callback (user_data);
}

static void
lease_ended_cb (LpManager *manager, LpLeaseInfo *info, gpointer user_data)
{
  stop_from_callback (user_data);
}

static void
notify_cb (GObject *object, GParamSpec *pspec, gpointer user_data)
{
  stop_from_callback (user_data);
}

static gboolean
has_result (gpointer data)
{
  return ((FromCallback *) data)->result != NULL;
}

static void
stop_from (Fixture *self, const char *where)
{
  FromCallback from = { self->grinder, TRUE, NULL };
  g_autoptr (LpJob) job = lp_test_value_job (1);

  if (g_str_equal (where, "drained"))
    g_signal_connect (self->grinder, where, G_CALLBACK (drained_cb), &from);
  else if (g_str_equal (where, "lease-ended"))
    g_signal_connect (self->manager, where, G_CALLBACK (lease_ended_cb), &from);
  else if (!g_str_equal (where, "item"))
    g_signal_connect (self->grinder, where, G_CALLBACK (notify_cb), &from);

  if (g_str_equal (where, "item"))
    lp_grinder_submit_async (self->grinder, job, NULL, submitted_cb, &from);
  else
    enqueued (self->grinder, job);

  lp_test_wait_for (has_result, &from, where);
  assert_stop_result (self->grinder, &from.result);
  g_signal_handlers_disconnect_by_data (self->grinder, &from);
  g_signal_handlers_disconnect_by_data (self->manager, &from);
}

static void
set_up_eager (Fixture *self, gconstpointer data)
{
  set_up_with (self, 2, 1, NULL);
}

static void
test_stop_from_callbacks (Fixture *self, gconstpointer data)
{
  static const char * const places[] = { "item", "drained", "lease-ended", "notify::pending-count" };

  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    {
      stop_from (self, places[i]);
      assert_accounted (self->grinder);
      assert_grinder_starts (self->grinder);
    }
}

/* --- Disposing --- */

static void
assert_disposed (Fixture *self)
{
  g_assert_finalize_object (self->grinder);
  lp_test_gate_open (self->gate);
  lp_test_wait_stat (self->manager, "quarantined", 0);
  lp_test_finish (self->manager);
  lp_test_gate_unref (self->gate);
}

static void
test_dispose (void)
{
  Fixture self = { NULL };
  LpJob *running[2];
  LpJob *waiting;

  set_up_with (&self, 1, 2, NULL);
  for (int i = 0; i < 2; i++)
    running[i] = enqueued (self.grinder, lp_test_gate_job (self.gate));
  lp_test_gate_wait_entered (self.gate, 2);
  waiting = enqueued (self.grinder, lp_test_value_job (1));

  assert_disposed (&self);
  assert_job_cancelled (running[0]);
  assert_job_cancelled (running[1]);
  assert_job_cancelled (waiting);
}

static gpointer
unref_main (gpointer data)
{
  g_assert_finalize_object (data);
  return NULL;
}

static void
test_dispose_on_another_thread (void)
{
  Fixture self = { NULL };
  LpJob *waiting;

  set_up_with (&self, 1, 2, NULL);
  waiting = enqueued (self.grinder, lp_test_value_job (1));
  g_thread_join (g_thread_new ("other", unref_main, g_steal_pointer (&self.grinder)));
  assert_job_cancelled (waiting);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  lp_test_finish (self.manager);
  lp_test_gate_unref (self.gate);
}

static void
destroy_cb (gpointer data)
{
  *(GThread **) data = g_thread_self ();
}

static void
unused_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_assert_not_reached ();
}

/* The user data of an item that never ran goes in the owner context, too. */
static void
test_user_data (void)
{
  Fixture self = { NULL };
  GThread *destroyed_in = NULL;
  LpJob *job;

  set_up_with (&self, 1, 2, NULL);
  job = enqueued (self.grinder, lp_job_new_for_func (unused_func, &destroyed_in, destroy_cb));
  lp_job_cancel (job);
  g_assert_true (destroyed_in == g_thread_self ());
  assert_job_cancelled (job);
  tear_down (&self, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("/start/twice-and-stop-before", set_up, test_start_twice_and_stop_before);
  lp_test_conform_add_func ("/grinder/start/needs-a-running-manager", test_start_needs_a_running_manager);
  ADD ("/start/cancelled", set_up, test_start_cancelled);
  ADD ("/wrong-context", set_up, test_wrong_context);
  ADD ("/restart", set_up, test_restart);
  ADD ("/stop/drain", set_up_large, test_drain_runs_all_in_batches);
  ADD ("/stop/cancel", set_up_two, test_cancel_ends_what_waits_and_what_runs);
  ADD ("/stop/kill", set_up_two, test_kill_leaves_no_grace);
  ADD ("/stop/second-hardens", set_up_two, test_second_stop_hardens);
  ADD ("/stop/wait-cancelled", set_up_two, test_wait_cancelled);
  ADD ("/stop/items-are-told-first", set_up_two, test_items_are_told_first);
  ADD ("/stop/unknown-mode", set_up_two, test_unknown_mode);
  ADD ("/stop/drain-while-acquiring", set_up_two, test_drain_while_acquiring);
  ADD ("/stop/cancel-while-acquiring", set_up_two, test_cancel_while_acquiring);
  ADD ("/manager/stops-first", set_up_two, test_manager_stops_first);
  ADD ("/manager/stops-while-acquiring", set_up_two, test_manager_stops_while_acquiring);
  ADD ("/manager/drains-first", set_up_two, test_manager_drains_first);
  ADD ("/stop/from-callbacks", set_up_eager, test_stop_from_callbacks);
  lp_test_conform_add_func ("/grinder/dispose", test_dispose);
  lp_test_conform_add_func ("/grinder/dispose-on-another-thread", test_dispose_on_another_thread);
  g_test_add_func ("/grinder/user-data", test_user_data);

  return g_test_run ();
}
