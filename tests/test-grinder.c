/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* LpGrinder: what starts a batch, what is in it, and how its items end. */

#include "config.h"

#include "lp-test-grinder.h"

/* --- Batches --- */

static void
test_threshold_starts_a_batch (Fixture *self, gconstpointer data)
{
  LpJob *jobs[3];

  for (int i = 0; i < 2; i++)
    jobs[i] = enqueued (self->grinder, lp_test_value_job (i));
  g_assert_cmpuint (lp_grinder_get_pending_count (self->grinder), ==, 2);
  g_assert_cmpuint (grinder_stat (self->grinder, "batches_in_flight"), ==, 0);

  jobs[2] = enqueued (self->grinder, lp_test_value_job (2));
  for (int i = 0; i < 3; i++)
    {
      g_object_ref (jobs[i]);
      assert_job_value (jobs[i], i);
      g_assert_cmpstr (lp_job_get_owner (jobs[i]), ==, "work-grinder-batch-1");
      g_object_unref (jobs[i]);
    }
  wait_grinder_stat (self->grinder, "batches_in_flight", 0);
  g_assert_cmpuint (lp_test_counter (self->manager, "acquired"), ==, 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "released"), ==, 1);
}

static void
set_up_short (Fixture *self, gconstpointer data)
{
  set_up_with (self, 2, 1000, "max-wait-seconds", SHORT_SECONDS, NULL);
}

/* The main loop does not run meanwhile. */
static void
test_age_starts_a_batch (Fixture *self, gconstpointer data)
{
  for (int i = 0; i < 3; i++)
    assert_job_value (enqueued (self->grinder, lp_test_value_job (i)), i);

  wait_grinder_stat (self->grinder, "batches_in_flight", 0);
  g_assert_cmpuint (grinder_counter (self->grinder, "batches"), ==, 3);
}

static void
set_up_capped (Fixture *self, gconstpointer data)
{
  set_up_with (self, 2, 2, "max-batch-size", 2, NULL);
}

static void
test_cap (Fixture *self, gconstpointer data)
{
  LpLease *first = lp_test_acquire (self->manager, "holder");
  LpLease *second = lp_test_acquire (self->manager, "holder");
  LpJob *jobs[6];

  for (int i = 0; i < 6; i++)
    jobs[i] = enqueued (self->grinder, lp_test_value_job (i));
  g_assert_cmpuint (lp_grinder_get_pending_count (self->grinder), ==, 6);
  g_assert_cmpuint (grinder_stat (self->grinder, "batches_in_flight"), ==, 1);
  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 1);
  lp_lease_release (first);
  lp_lease_release (second);

  for (int i = 0; i < 6; i++)
    {
      g_autofree char *owner = g_strdup_printf ("work-grinder-batch-%d", i / 2 + 1);

      g_object_ref (jobs[i]);
      assert_job_value (jobs[i], i);
      g_assert_cmpstr (lp_job_get_owner (jobs[i]), ==, owner);
      g_object_unref (jobs[i]);
    }
  wait_grinder_stat (self->grinder, "batches_in_flight", 0);
  g_assert_cmpuint (grinder_counter (self->grinder, "batches"), ==, 3);
  g_object_unref (first);
  g_object_unref (second);
}

/* Without a cap a batch takes what has come while it waited for its executor. */
static void
test_batch_is_what_waits_at_the_grant (Fixture *self, gconstpointer data)
{
  LpLease *first = lp_test_acquire (self->manager, "holder");
  LpLease *second = lp_test_acquire (self->manager, "holder");
  LpJob *jobs[10];

  for (int i = 0; i < 10; i++)
    jobs[i] = enqueued (self->grinder, lp_test_value_job (i));
  lp_lease_release (first);
  lp_lease_release (second);
  for (int i = 0; i < 10; i++)
    assert_job_value (jobs[i], i);
  g_assert_cmpuint (grinder_counter (self->grinder, "batches"), ==, 1);
  g_object_unref (first);
  g_object_unref (second);
}

static void
set_up_wide (Fixture *self, gconstpointer data)
{
  set_up_with (self, 2, 3, "max-batches-in-flight", 5, NULL);
}

/* Items that an acquire under way is going to take do not start another one. */
static void
test_items_that_are_provided_for (Fixture *self, gconstpointer data)
{
  LpLease *first = lp_test_acquire (self->manager, "holder");
  LpLease *second = lp_test_acquire (self->manager, "holder");
  LpJob *jobs[10];

  for (int i = 0; i < 10; i++)
    jobs[i] = enqueued (self->grinder, lp_test_value_job (i));
  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 1);
  g_assert_cmpuint (grinder_stat (self->grinder, "batches_in_flight"), ==, 1);
  lp_lease_release (first);
  lp_lease_release (second);
  for (int i = 0; i < 10; i++)
    assert_job_value (jobs[i], i);
  g_object_unref (first);
  g_object_unref (second);
}

static void
set_up_two_in_flight (Fixture *self, gconstpointer data)
{
  set_up_with (self, 3, 1, "max-batches-in-flight", 2, NULL);
}

static void
test_batches_in_flight (Fixture *self, gconstpointer data)
{
  LpJob *jobs[4];

  for (int i = 0; i < 2; i++)
    {
      jobs[i] = enqueued (self->grinder, lp_test_gate_job (self->gate));
      lp_test_gate_wait_entered (self->gate, i + 1);
    }
  g_assert_cmpuint (grinder_stat (self->grinder, "batches_in_flight"), ==, 2);

  /* There is an executor left, but no third batch. */
  for (int i = 2; i < 4; i++)
    jobs[i] = enqueued (self->grinder, lp_test_gate_job (self->gate));
  g_assert_cmpuint (lp_grinder_get_pending_count (self->grinder), ==, 2);
  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 0);

  lp_test_gate_open (self->gate);
  for (int i = 0; i < 4; i++)
    assert_job_done (jobs[i]);
}

/* The numbers of a run are not used again, also if a batch came to nothing. */
static void
test_numbers_are_not_used_again (Fixture *self, gconstpointer data)
{
  LpLease *first = lp_test_acquire (self->manager, "holder");
  LpLease *second = lp_test_acquire (self->manager, "holder");
  LpLease *third = lp_test_acquire (self->manager, "holder");
  LpJob *job = enqueued (self->grinder, lp_test_value_job (1));

  lp_test_block_stat (self->manager, "waiting", 1);
  lp_job_cancel (job);
  lp_test_block_stat (self->manager, "waiting", 0);
  assert_job_cancelled (job);
  wait_grinder_stat (self->grinder, "batches_in_flight", 0);
  g_assert_cmpuint (grinder_counter (self->grinder, "batches"), ==, 0);

  lp_lease_release (first);
  lp_lease_release (second);
  lp_lease_release (third);
  job = enqueued (self->grinder, lp_test_value_job (2));
  assert_job_value (g_object_ref (job), 2);
  g_assert_cmpstr (lp_job_get_owner (job), ==, "work-grinder-batch-2");

  g_object_unref (job);
  g_object_unref (first);
  g_object_unref (second);
  g_object_unref (third);
}

/* --- Items --- */

static void
test_items_end_on_their_own (Fixture *self, gconstpointer data)
{
  LpJob *waiting = enqueued (self->grinder, lp_test_gate_job (self->gate));
  LpJob *good = enqueued (self->grinder, lp_test_value_job (1));
  LpJob *bad = enqueued (self->grinder, lp_test_error_job ());

  assert_job_value (good, 1);
  assert_job_error (bad, LP_JOB_STATE_FAILED, G_IO_ERROR, G_IO_ERROR_EXISTS);
  lp_test_gate_wait_entered (self->gate, 1);
  g_assert_cmpint (lp_job_get_state (waiting), ==, LP_JOB_STATE_RUNNING);
  g_assert_cmpuint (grinder_stat (self->grinder, "items_in_flight"), ==, 1);
  g_assert_cmpuint (grinder_stat (self->grinder, "batches_in_flight"), ==, 1);

  lp_test_gate_open (self->gate);
  assert_job_done (waiting);
}

static void
test_waiting_item_is_queued (Fixture *self, gconstpointer data)
{
  LpJob *job = enqueued (self->grinder, lp_test_value_job (1));
  g_autoptr (GError) error = NULL;
  gint64 queued_at = lp_job_get_queued_at (job);

  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_QUEUED);
  g_assert_cmpint (queued_at, >, 0);
  g_assert_cmpint (lp_job_get_started_at (job), ==, 0);
  g_assert_null (lp_job_get_owner (job));
  g_assert_null (lp_job_wait (job, 0, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);

  for (int i = 2; i < 4; i++)
    g_object_unref (enqueued (self->grinder, lp_test_value_job (i)));
  assert_job_value (g_object_ref (job), 1);
  g_assert_cmpint (lp_job_get_queued_at (job), ==, queued_at);
  g_assert_cmpint (lp_job_get_started_at (job), >=, queued_at);
  g_object_unref (job);
}

static void
test_submitted_once (Fixture *self, gconstpointer data)
{
  LpJob *job = enqueued (self->grinder, lp_test_value_job (1));
  g_autoptr (LpLease) lease = lp_test_acquire (self->manager, "holder");
  g_autoptr (GError) error = NULL;

  assert_refused (self->grinder, job, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_assert_false (lp_lease_submit (lease, job, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  lp_lease_release (lease);
  lp_job_cancel (job);
  assert_refused (self->grinder, job, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  assert_job_cancelled (job);
}

static void
set_up_eager (Fixture *self, gconstpointer data)
{
  set_up_with (self, 2, 1, NULL);
}

static void
test_submit_and_wait (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) good = lp_test_value_job (42);
  g_autoptr (LpJob) bad = lp_test_error_job ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) bad_result = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;
  int number;

  lp_grinder_submit_async (self->grinder, good, NULL, lp_test_result_cb, &result);
  lp_grinder_submit_async (self->grinder, bad, NULL, lp_test_result_cb, &bad_result);
  g_assert_null (result);       /* never within the call */
  value = lp_grinder_submit_finish (self->grinder, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_variant_get (value, "(i)", &number);
  g_assert_cmpint (number, ==, 42);

  g_assert_null (lp_grinder_submit_finish (self->grinder, lp_test_wait_result (&bad_result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
}

static void
test_unknown_function_is_its_own_end (Fixture *self, gconstpointer data)
{
  LpJob *good = enqueued (self->grinder, lp_test_value_job (1));
  LpJob *unknown = enqueued (self->grinder, lp_job_new_for_call ("no-such-function", NULL));
  LpJob *later = enqueued (self->grinder, lp_test_value_job (3));

  assert_job_value (good, 1);
  assert_job_error (unknown, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_UNKNOWN_FUNCTION);
  assert_job_value (later, 3);
}

static void
set_up_few_queued (Fixture *self, gconstpointer data)
{
  self->manager = lp_test_start (1, "workers-per-pool", 1, "max-queued-jobs", 1, NULL);
  self->gate = lp_test_gate_new ();
  self->grinder = lp_grinder_new (self->manager);
  g_object_set (self->grinder, "max-wait-seconds", LONG_SECONDS, "batch-size-threshold", 8, NULL);
  assert_grinder_starts (self->grinder);
}

/* Those that the lease took end as they do, only the others fail. */
static void
test_part_of_a_batch_is_refused (Fixture *self, gconstpointer data)
{
  LpJob *jobs[8];
  guint n_full = 0;

  for (int i = 0; i < 8; i++)
    jobs[i] = enqueued (self->grinder, lp_test_gate_job (self->gate));
  lp_test_gate_wait_entered (self->gate, 1);
  lp_test_gate_open (self->gate);

  for (int i = 0; i < 8; i++)
    {
      g_autoptr (LpJob) job = jobs[i];
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) value = lp_job_wait (job, -1, NULL, &error);

      if (value != NULL)
        continue;
      g_assert_error (error, LP_ERROR, LP_ERROR_QUEUE_FULL);
      g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_FAILED);
      g_assert_cmpint (lp_job_get_started_at (job), ==, 0);
      n_full++;
    }
  g_assert_cmpuint (n_full, >=, 1);
  g_assert_cmpuint (n_full, <, 8);
}

static LpJob *
command_job (void)
{
  const char * const argv[] = { "echo", "ground", NULL };

  return lp_job_new_for_command (argv, NULL);
}

static void
test_functions_and_commands_mixed (Fixture *self, gconstpointer data)
{
  LpJob *command = enqueued (self->grinder, command_job ());
  LpJob *call = enqueued (self->grinder, lp_test_value_job (7));
  LpJob *other = enqueued (self->grinder, command_job ());
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GVariant) output = NULL;

  assert_job_value (call, 7);
  assert_job_done (other);
  assert_job_done (g_object_ref (command));
  result = lp_job_dup_result (command);
  output = g_variant_get_child_value (result, 1);
  g_assert_cmpmem (g_variant_get_data (output), g_variant_get_size (output), "ground\n", 7);
  g_object_unref (command);
}

static void
closure_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(i)", GPOINTER_TO_INT (user_data));
}

static void
test_closures (void)
{
  Fixture self = { NULL };
  LpJob *jobs[3];

  set_up_with (&self, 1, 3, NULL);
  jobs[0] = enqueued (self.grinder, lp_job_new_for_func (closure_func, GINT_TO_POINTER (1), NULL));
  jobs[1] = enqueued (self.grinder, command_job ());
  jobs[2] = enqueued (self.grinder, lp_job_new_for_func (closure_func, GINT_TO_POINTER (3), NULL));
  assert_job_value (jobs[0], 1);
  assert_job_done (jobs[1]);
  assert_job_value (jobs[2], 3);
  tear_down (&self, NULL);
}

/* A closure cannot run in a process: only it fails. */
static void
test_closure_on_processes (void)
{
  Fixture self = { NULL };
  LpJob *closure;
  LpJob *call;

  set_up_with (&self, 1, 2, NULL);
  closure = enqueued (self.grinder, lp_job_new_for_func (closure_func, NULL, NULL));
  call = enqueued (self.grinder, lp_test_value_job (4));
  assert_job_error (closure, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_NOT_SUPPORTED);
  assert_job_value (call, 4);
  tear_down (&self, NULL);
}

/* --- Time and waits --- */

/* Items that have not run when the lease expires are cancelled. */
static void
test_lease_expires (void)
{
  Fixture self = { NULL };
  LpJob *jobs[6];

  self.manager = lp_test_start (1, "workers-per-pool", 1, "lease-grace-seconds", 0.0, NULL);
  self.gate = lp_test_gate_new ();
  self.grinder = lp_grinder_new (self.manager);
  g_object_set (self.grinder, "batch-size-threshold", 6, NULL);
  assert_grinder_starts (self.grinder);

  for (int i = 0; i < 6; i++)
    jobs[i] = enqueued (self.grinder, lp_test_gate_polite_job (self.gate));
  expire_batch_soon (self.manager, 6);
  for (int i = 0; i < 6; i++)
    assert_job_cancelled (jobs[i]);
  wait_grinder_stat (self.grinder, "batches_in_flight", 0);
  g_assert_cmpuint (lp_test_counter (self.manager, "revoked"), ==, 1);
  tear_down (&self, NULL);
}

typedef struct
{
  LpGrinder *grinder;
  LpJob *inner;
} Nested;

static void
waits_inside_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Nested *nested = user_data;

  if (lp_grinder_enqueue (nested->grinder, nested->inner, error))
    *result = lp_job_wait (nested->inner, -1, NULL, error);
}

/* The one executor may be that of the job that would wait. */
static void
test_wait_inside_an_item (void)
{
  Fixture self = { NULL };
  Nested nested;
  LpJob *outer;

  set_up_with (&self, 1, 1, NULL);
  nested.grinder = self.grinder;
  nested.inner = lp_test_value_job (5);
  outer = enqueued (self.grinder, lp_job_new_for_func (waits_inside_func, &nested, NULL));
  assert_job_error (outer, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_WOULD_DEADLOCK);
  assert_job_value (nested.inner, 5);
  tear_down (&self, NULL);
}

/* --- Statistics --- */

static void
test_stats (Fixture *self, gconstpointer data)
{
  g_autoptr (GVariant) stats = NULL;
  LpJob *job = enqueued (self->grinder, lp_test_value_job (1));
  gboolean started, stopping;
  double oldest, max_wait, lease_seconds;

  stats = lp_grinder_dup_stats (self->grinder);
  g_assert_true (g_variant_lookup (stats, "started", "b", &started) && started);
  g_assert_true (g_variant_lookup (stats, "stopping", "b", &stopping) && !stopping);
  g_assert_true (g_variant_lookup (stats, "oldest_wait_seconds", "d", &oldest));
  g_assert_cmpfloat (oldest, >=, 0);
  g_assert_true (g_variant_lookup (stats, "max_wait_seconds", "d", &max_wait));
  g_assert_cmpfloat (max_wait, ==, LONG_SECONDS);
  g_assert_true (g_variant_lookup (stats, "lease_seconds", "d", &lease_seconds));
  g_assert_cmpfloat (lease_seconds, ==, 60);
  g_assert_cmpuint (grinder_stat (self->grinder, "pending"), ==, 1);
  g_assert_cmpuint (grinder_stat (self->grinder, "batches_in_flight"), ==, 0);
  g_assert_cmpuint (grinder_stat (self->grinder, "batch_size_threshold"), ==, 3);

  lp_job_cancel (job);
  assert_job_cancelled (job);
  g_assert_cmpuint (grinder_counter (self->grinder, "items_cancelled"), ==, 1);
}

typedef struct
{
  Fixture *fixture;
  guint n_told;
} Told;

static void
told_cb (LpCompletion *completion, gpointer data)
{
  Told *told = data;
  LpGrinder *grinder = told->fixture->grinder;

  g_assert_cmpuint (grinder_counter (grinder, "items_cancelled"), ==, 1);
  g_assert_cmpuint (grinder_stat (grinder, "pending"), ==, 1);
  told->n_told++;
}

/* Also if they wait since before the item was submitted. */
static void
test_counted_before_the_waiters_are_told (Fixture *self, gconstpointer data)
{
  Told told = { self, 0 };
  LpJob *job = lp_test_value_job (1);
  LpJob *other;

  lp_job_add_waiter (job, lp_completion_new_step (told_cb, &told));
  enqueued (self->grinder, job);
  other = enqueued (self->grinder, lp_test_value_job (2));
  lp_job_cancel (job);
  g_assert_cmpuint (told.n_told, ==, 1);
  assert_job_cancelled (job);
  lp_job_cancel (other);
  assert_job_cancelled (other);
}

static void
destroyed_cb (gpointer data)
{
  Told *told = data;

  g_assert_cmpuint (grinder_counter (told->fixture->grinder, "items_cancelled"), ==, 1);
  told->n_told++;
}

/* Whoever sees the end of an item, waiting or not, finds it counted. */
static void
test_counted_with_the_end (void)
{
  Fixture self = { NULL };
  Told told = { &self, 0 };
  LpJob *job;

  set_up_with (&self, 1, 2, NULL);
  job = enqueued (self.grinder, lp_job_new_for_func (closure_func, &told, destroyed_cb));
  lp_job_cancel (job);
  g_assert_cmpuint (told.n_told, ==, 1);
  assert_job_cancelled (job);
  tear_down (&self, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("/batch/threshold", set_up, test_threshold_starts_a_batch);
  ADD ("/batch/age", set_up_short, test_age_starts_a_batch);
  ADD ("/batch/cap", set_up_capped, test_cap);
  ADD ("/batch/decided-at-the-grant", set_up, test_batch_is_what_waits_at_the_grant);
  ADD ("/batch/provided-for", set_up_wide, test_items_that_are_provided_for);
  ADD ("/batch/in-flight", set_up_two_in_flight, test_batches_in_flight);
  ADD ("/batch/numbers-are-not-used-again", set_up_two_in_flight, test_numbers_are_not_used_again);
  ADD ("/item/ends-on-its-own", set_up, test_items_end_on_their_own);
  ADD ("/item/is-queued-while-it-waits", set_up, test_waiting_item_is_queued);
  ADD ("/item/submitted-once", set_up, test_submitted_once);
  ADD ("/item/submit-and-wait", set_up_eager, test_submit_and_wait);
  ADD ("/item/unknown-function", set_up, test_unknown_function_is_its_own_end);
  ADD ("/item/part-of-a-batch-refused", set_up_few_queued, test_part_of_a_batch_is_refused);
  ADD ("/item/functions-and-commands", set_up, test_functions_and_commands_mixed);
  g_test_add_func ("/grinder/item/closures-and-commands", test_closures);
  lp_test_conform_add_only (LP_BACKEND_PROCESS, "/grinder/item/closure-is-refused", test_closure_on_processes);
  lp_test_conform_add_func ("/grinder/lease-expires", test_lease_expires);
  g_test_add_func ("/grinder/wait-inside-an-item", test_wait_inside_an_item);
  ADD ("/stats", set_up, test_stats);
  ADD ("/stats/counted-before-the-waiters-are-told", set_up, test_counted_before_the_waiters_are_told);
  g_test_add_func ("/grinder/stats/counted-with-the-end", test_counted_with_the_end);

  return g_test_run ();
}
