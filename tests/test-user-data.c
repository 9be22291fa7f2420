/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* User data is destroyed in the owner context, never on a worker, whatever has
 * become of what it belongs to; and once. That of jobs belongs to closures, which
 * need threads: on processes they are refused, and the data stays with the caller. */

#include "config.h"

#include "lp-test.h"
#include "lp-test-conform.h"

/* User data that knows where it must be destroyed. */
typedef struct
{
  GThread *owner;
  int n_destroyed;              /* (atomic) */
  GThread *destroyed_in;
} Data;

static void
data_destroy (gpointer data)
{
  Data *self = data;

  self->destroyed_in = g_thread_self ();
  g_atomic_int_inc (&self->n_destroyed);
}

static void
data_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Data *self = user_data;

  g_assert_cmpint (g_atomic_int_get (&self->n_destroyed), ==, 0);
  *result = g_variant_new ("()");
}

static gboolean
is_destroyed (gpointer data)
{
  Data *self = data;

  return g_atomic_int_get (&self->n_destroyed) > 0;
}

static void
iterate (void)
{
  while (g_main_context_iteration (g_main_context_get_thread_default (), FALSE))
    ;
}

static void
assert_destroyed (Data *data)
{
  lp_test_wait_for (is_destroyed, data, "the user data to be destroyed");
  iterate ();
  g_assert_cmpint (data->n_destroyed, ==, 1);
  g_assert_true (data->destroyed_in == data->owner);
}

/* A manager whose one worker runs a job that stays in its function. */
typedef struct
{
  LpManager *manager;
  LpLease *lease;
  LpTestGate *gate;
  LpJob *blocker;
  Data data;
} Fixture;

static void
set_up (Fixture *self, double cancel_grace)
{
  *self = (Fixture) { NULL };
  self->data.owner = g_thread_self ();
  self->manager = lp_test_start (1, "workers-per-pool", 1, "cancel-grace-seconds", cancel_grace, NULL);
  self->lease = lp_test_acquire (self->manager, "tester");
  self->gate = lp_test_gate_new ();
  self->blocker = lp_test_gate_job (self->gate);
  lp_test_submit (self->lease, self->blocker);
  lp_test_gate_wait_entered (self->gate, 1);
}

static void
tear_down (Fixture *self)
{
  lp_test_gate_open (self->gate);
  g_clear_object (&self->blocker);
  g_clear_object (&self->lease);
  lp_test_finish (self->manager);
  lp_test_gate_unref (self->gate);
}

static void
submit_data (Fixture *self)
{
  g_autoptr (LpJob) job = lp_job_new_for_func (data_func, &self->data, data_destroy);

  lp_test_submit (self->lease, job);
}

/* --- Jobs --- */

/* Nobody holds the job but its executor. */
static void
test_job_that_has_run (void)
{
  Fixture fixture;

  set_up (&fixture, 3600);
  submit_data (&fixture);
  lp_test_gate_open (fixture.gate);
  assert_destroyed (&fixture.data);

  tear_down (&fixture);
}

static gboolean
is_idle (gpointer lease)
{
  return lp_lease_get_pending_jobs (lease) == 0;
}

static void
test_job_not_before_the_owner_iterates (void)
{
  Fixture fixture;

  set_up (&fixture, 3600);
  submit_data (&fixture);
  lp_test_gate_open (fixture.gate);
  lp_test_block_for (is_idle, fixture.lease, "the jobs to end");
  g_assert_cmpint (g_atomic_int_get (&fixture.data.n_destroyed), ==, 0);
  assert_destroyed (&fixture.data);

  tear_down (&fixture);
}

static void
data_error_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "as asked");
}

static void
test_job_that_has_failed (void)
{
  Fixture fixture;
  LpJob *job;

  set_up (&fixture, 3600);
  job = lp_job_new_for_func (data_error_func, &fixture.data, data_destroy);
  lp_test_submit (fixture.lease, job);
  g_object_unref (job);
  lp_test_gate_open (fixture.gate);
  assert_destroyed (&fixture.data);

  tear_down (&fixture);
}

static gpointer
cancel_thread (gpointer job)
{
  lp_job_cancel (job);
  g_object_unref (job);
  return NULL;
}

static void
test_job_cancelled_by_another_thread (void)
{
  Fixture fixture;
  LpJob *job;

  set_up (&fixture, 3600);
  job = lp_job_new_for_func (data_func, &fixture.data, data_destroy);
  lp_test_submit (fixture.lease, job);
  g_thread_join (g_thread_new ("canceller", cancel_thread, job));
  assert_destroyed (&fixture.data);

  tear_down (&fixture);
}

/* The job keeps it no longer than its function can run. */
static void
test_job_that_is_kept (void)
{
  Fixture fixture;
  LpJob *job;

  set_up (&fixture, 3600);
  job = lp_job_new_for_func (data_func, &fixture.data, data_destroy);
  lp_test_submit (fixture.lease, job);
  lp_test_gate_open (fixture.gate);
  assert_destroyed (&fixture.data);

  tear_down (&fixture);
  g_assert_finalize_object (job);
  g_assert_cmpint (fixture.data.n_destroyed, ==, 1);
}

static void
stuck_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Data *self = user_data;

  /* Until it is given up: the data stays. */
  while (lp_job_get_state (job) == LP_JOB_STATE_RUNNING)
    g_thread_yield ();
  g_assert_cmpint (g_atomic_int_get (&self->n_destroyed), ==, 0);
  *result = g_variant_new ("()");
}

static gboolean
is_running (gpointer job)
{
  return lp_job_get_state (job) == LP_JOB_STATE_RUNNING;
}

static void
test_job_that_was_given_up (void)
{
  Fixture fixture;
  g_autoptr (LpJob) job = NULL;

  set_up (&fixture, 0);
  job = lp_job_new_for_func (stuck_func, &fixture.data, data_destroy);
  lp_test_gate_open (fixture.gate);
  lp_test_submit (fixture.lease, job);
  lp_test_block_for (is_running, job, "the job to run");
  lp_job_cancel (job);
  lp_lease_release (fixture.lease);
  assert_destroyed (&fixture.data);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_CANCELLED);

  tear_down (&fixture);
}

static void
test_job_of_a_stop (void)
{
  Fixture fixture;

  set_up (&fixture, 3600);
  submit_data (&fixture);
  lp_manager_stop (fixture.manager, LP_STOP_MODE_KILL, -1, NULL, NULL);
  assert_destroyed (&fixture.data);

  tear_down (&fixture);
}

static void
test_job_of_an_expired_lease (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, "default-lease-seconds", 0.05,
                                      "lease-grace-seconds", 0.0, "cancel-grace-seconds", 3600.0, NULL);
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) blocker = lp_test_gate_polite_job (gate);
  Data data = { g_thread_self () };
  LpJob *job = lp_job_new_for_func (data_func, &data, data_destroy);

  if (lp_lease_submit (lease, blocker, NULL))
    lp_lease_submit (lease, job, NULL);
  g_object_unref (job);
  assert_destroyed (&data);

  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

static gpointer
submit_thread (gpointer data)
{
  submit_data (data);
  return NULL;
}

static void
test_job_of_another_thread (void)
{
  Fixture fixture;

  set_up (&fixture, 3600);
  g_thread_join (g_thread_new ("submitter", submit_thread, &fixture));
  lp_test_gate_open (fixture.gate);
  assert_destroyed (&fixture.data);

  tear_down (&fixture);
}

/* A refused job is as new, and its data belongs to the one who drops it. */
static void
test_job_that_was_refused (void)
{
  Fixture fixture;
  LpJob *job;

  set_up (&fixture, 3600);
  lp_test_gate_open (fixture.gate);
  lp_lease_release (fixture.lease);
  job = lp_job_new_for_func (data_func, &fixture.data, data_destroy);
  g_assert_false (lp_lease_submit (fixture.lease, job, NULL));
  g_assert_cmpint (fixture.data.n_destroyed, ==, 0);
  g_object_unref (job);
  g_assert_cmpint (fixture.data.n_destroyed, ==, 1);

  tear_down (&fixture);
}

/* Its data does not go to another process, nor anywhere else. */
static void
test_job_that_processes_refuse (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "tester");
  Data data[2] = { { g_thread_self () }, { g_thread_self () } };
  LpJob *submitted = lp_job_new_for_func (data_func, &data[0], data_destroy);
  LpJob *run = lp_job_new_for_func (data_func, &data[1], data_destroy);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_lease_submit (lease, submitted, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_NOT_SUPPORTED);
  g_clear_error (&error);
  g_assert_cmpint (lp_job_get_state (submitted), ==, LP_JOB_STATE_NEW);
  lp_lease_release (lease);

  lp_manager_run_async (manager, run, NULL, NULL, lp_test_result_cb, &result);
  g_assert_null (lp_manager_run_finish (manager, lp_test_wait_result (&result), &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_NOT_SUPPORTED);
  g_assert_cmpint (lp_job_get_state (run), ==, LP_JOB_STATE_NEW);
  g_clear_object (&result);

  iterate ();
  g_assert_cmpint (data[0].n_destroyed + data[1].n_destroyed, ==, 0);
  g_assert_finalize_object (submitted);
  g_object_unref (run);
  assert_destroyed (&data[0]);
  assert_destroyed (&data[1]);

  g_assert_finalize_object (lease);
  lp_test_finish (manager);
}

static void
test_job_in_an_owner_context_of_its_own (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  Fixture fixture;

  g_main_context_push_thread_default (context);
  set_up (&fixture, 3600);
  submit_data (&fixture);
  lp_test_gate_open (fixture.gate);
  lp_test_block_for (is_idle, fixture.lease, "the jobs to end");

  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (g_atomic_int_get (&fixture.data.n_destroyed), ==, 0);
  assert_destroyed (&fixture.data);
  tear_down (&fixture);
  g_main_context_pop_thread_default (context);
}

/* --- Of the manager --- */

static gint64
size_func (LpManager *manager, gpointer user_data, GError **error)
{
  Data *self = user_data;

  g_assert_true (g_thread_self () == self->owner);
  g_assert_cmpint (g_atomic_int_get (&self->n_destroyed), ==, 0);
  return 1;
}

static gpointer
unref_thread (gpointer object)
{
  g_object_unref (object);
  return NULL;
}

static void
test_size_provider_replaced (void)
{
  Data first = { g_thread_self () };
  Data second = { g_thread_self () };
  LpManager *manager = lp_test_new (1);

  lp_manager_set_size_provider (manager, size_func, &first, data_destroy);
  g_assert_true (lp_manager_start (manager, NULL, NULL));
  lp_manager_set_size_provider (manager, size_func, &second, data_destroy);
  assert_destroyed (&first);
  g_assert_cmpint (second.n_destroyed, ==, 0);
  lp_manager_set_size_provider (manager, NULL, NULL, NULL);
  assert_destroyed (&second);

  lp_test_finish (manager);
}

static void
test_size_provider_of_a_manager_dropped_elsewhere (void)
{
  Data data = { g_thread_self () };
  LpManager *manager = lp_test_new (1);

  lp_manager_set_size_provider (manager, size_func, &data, data_destroy);
  g_assert_true (lp_manager_start (manager, NULL, NULL));
  g_thread_join (g_thread_new ("dropper", unref_thread, manager));
  g_assert_cmpint (g_atomic_int_get (&data.n_destroyed), ==, 0);
  assert_destroyed (&data);
}

/* A table that only the manager holds; processes have another one of their own. */
static void
test_functions_of_a_manager_dropped_elsewhere (void)
{
  Data data = { g_thread_self () };
  LpManager *manager = lp_test_new (1);
  LpFunctions *functions = lp_functions_new ();
  g_autoptr (LpJob) job = lp_test_has_processes () ? lp_test_value_job (1) : lp_job_new_for_call ("function", NULL);
  g_autoptr (GVariant) value = NULL;
  LpLease *lease;

  g_assert_true (lp_functions_add (functions, "function", NULL, NULL, data_func, &data, data_destroy, NULL));
  lp_manager_set_functions (manager, functions);
  g_object_unref (functions);
  g_assert_true (lp_manager_start (manager, NULL, NULL));
  lease = lp_test_acquire (manager, "tester");
  lp_test_submit (lease, job);
  value = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, NULL);
  g_assert_nonnull (value);
  g_clear_object (&job);
  g_object_unref (lease);

  g_thread_join (g_thread_new ("dropper", unref_thread, manager));
  assert_destroyed (&data);
}

/* The last who holds the function is a job that a worker drops. */
static void
test_functions_of_a_job_that_ends_last (void)
{
  Data data = { g_thread_self () };
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, 1);
  LpFunctions *functions = lp_functions_new ();
  LpTestGate *gate = lp_test_gate_new ();
  LpLease *lease;
  LpJob *blocker = lp_test_gate_job (gate);
  LpJob *job = lp_job_new_for_call ("function", NULL);

  g_assert_true (lp_functions_add (functions, "function", NULL, NULL, data_func, &data, data_destroy, NULL));
  lp_manager_set_functions (manager, functions);
  lp_manager_set_workers_per_pool (manager, 1);
  g_object_unref (functions);
  g_assert_true (lp_manager_start (manager, NULL, NULL));
  lease = lp_test_acquire (manager, "tester");
  lp_test_submit (lease, blocker);
  lp_test_submit (lease, job);
  g_object_unref (blocker);
  g_object_unref (job);

  lp_manager_stop_async (manager, LP_STOP_MODE_DRAIN, -1, NULL, NULL, NULL);
  g_object_unref (manager);
  g_object_unref (lease);
  lp_test_gate_open (gate);
  assert_destroyed (&data);

  lp_test_gate_unref (gate);
}

/* Many at once from many threads: each once, all here. */

typedef struct
{
  LpManager *manager;
  Data data[100];
} Many;

static gpointer
submit_many_thread (gpointer user_data)
{
  Many *self = user_data;
  g_autoptr (LpLease) lease = lp_test_acquire (self->manager, "submitter");

  for (guint i = 0; i < G_N_ELEMENTS (self->data); i++)
    {
      g_autoptr (LpJob) job = lp_job_new_for_func (data_func, &self->data[i], data_destroy);

      lp_test_submit (lease, job);
      if (i % 7 == 0)
        lp_job_cancel (job);
    }

  return NULL;
}

static void
test_many_jobs (void)
{
  LpManager *manager = lp_test_start (2, "workers-per-pool", 2, NULL);
  Many many[4] = { 0 };
  GThread *threads[G_N_ELEMENTS (many)];

  for (guint i = 0; i < G_N_ELEMENTS (many); i++)
    {
      many[i].manager = manager;
      for (guint j = 0; j < G_N_ELEMENTS (many[i].data); j++)
        many[i].data[j].owner = g_thread_self ();
      threads[i] = g_thread_new ("submitter", submit_many_thread, &many[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (many); i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < G_N_ELEMENTS (many); i++)
    for (guint j = 0; j < G_N_ELEMENTS (many[i].data); j++)
      assert_destroyed (&many[i].data[j]);

  lp_test_finish (manager);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/user-data/job/that-has-run", test_job_that_has_run);
  g_test_add_func ("/user-data/job/not-before-the-owner-iterates", test_job_not_before_the_owner_iterates);
  g_test_add_func ("/user-data/job/that-has-failed", test_job_that_has_failed);
  g_test_add_func ("/user-data/job/cancelled-by-another-thread", test_job_cancelled_by_another_thread);
  g_test_add_func ("/user-data/job/that-is-kept", test_job_that_is_kept);
  g_test_add_func ("/user-data/job/that-was-given-up", test_job_that_was_given_up);
  g_test_add_func ("/user-data/job/of-a-stop", test_job_of_a_stop);
  g_test_add_func ("/user-data/job/of-an-expired-lease", test_job_of_an_expired_lease);
  g_test_add_func ("/user-data/job/of-another-thread", test_job_of_another_thread);
  g_test_add_func ("/user-data/job/that-was-refused", test_job_that_was_refused);
  lp_test_conform_add_only (LP_BACKEND_PROCESS, "/user-data/job/refused", test_job_that_processes_refuse);
  g_test_add_func ("/user-data/job/in-an-owner-context-of-its-own", test_job_in_an_owner_context_of_its_own);

  g_test_add_func ("/user-data/job/many", test_many_jobs);
  lp_test_conform_add_func ("/user-data/size-provider/replaced", test_size_provider_replaced);
  lp_test_conform_add_func ("/user-data/size-provider/of-a-manager-dropped-elsewhere",
                            test_size_provider_of_a_manager_dropped_elsewhere);
  lp_test_conform_add_func ("/user-data/functions/of-a-manager-dropped-elsewhere",
                            test_functions_of_a_manager_dropped_elsewhere);
  g_test_add_func ("/user-data/functions/of-a-job-that-ends-last", test_functions_of_a_job_that_ends_last);

  return g_test_run ();
}
