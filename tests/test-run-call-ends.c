/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* lp_manager_run_async() and lp_manager_call_async() that are ended: cancelled in
 * each phase, stuck, expired, stopped. What needs an executor of one's own is in
 * test-run-call-executor.c. */

#include "config.h"

#include "lp-test-call.h"

/* --- Cancelled before it has an executor: the job is as new --- */

static void
test_cancelled_before (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LpJob) job = lp_test_value_job (1);
  GAsyncResult *result = NULL;

  g_cancellable_cancel (cancellable);
  run (self, job, cancellable, &result);
  g_assert_null (result);
  assert_cancelled (self, &result);
  assert_given_back (self, 0);
  g_assert_cmpuint (lp_test_counter (self->manager, "cancelled"), ==, 0);
  assert_runs (self, job);
}

static void
test_cancel_while_waiting (Fixture *self, gconstpointer data)
{
  g_autoptr (LpLease) lease = lp_test_acquire (self->manager, "holder");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LpJob) job = lp_test_value_job (1);
  GAsyncResult *result = NULL;

  run (self, job, cancellable, &result);
  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 1);
  g_cancellable_cancel (cancellable);
  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 0);
  assert_cancelled (self, &result);

  lp_lease_release (lease);
  assert_runs (self, job);
  assert_given_back (self, 2);
}

/* Released and cancelled before anybody is told: the job has run, or it is as
 * new, and what is told says which. */
static void
test_cancel_after_the_grant (Fixture *self, gconstpointer data)
{
  g_autoptr (LpLease) lease = lp_test_acquire (self->manager, "holder");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;
  GAsyncResult *result = NULL;

  run (self, job, cancellable, &result);
  lp_lease_release (lease);
  g_cancellable_cancel (cancellable);
  value = finish (self, &result, &error);
  g_assert_true ((value != NULL) == (lp_job_get_state (job) == LP_JOB_STATE_SUCCEEDED));
  assert_given_back (self, 2);
}

/* A job that is cancelled leaves the queue at once, too. */
static void
test_cancel_the_job_while_waiting (Fixture *self, gconstpointer data)
{
  g_autoptr (LpLease) lease = lp_test_acquire (self->manager, "holder");
  g_autoptr (LpJob) job = lp_test_value_job (1);
  GAsyncResult *result = NULL;

  run (self, job, NULL, &result);
  lp_job_cancel (job);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_CANCELLED);
  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 0);
  assert_cancelled (self, &result);
  lp_lease_release (lease);
  assert_given_back (self, 1);
}

static void
test_cancel_the_job_before (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  GAsyncResult *result = NULL;

  lp_job_cancel (job);
  run (self, job, NULL, &result);
  assert_cancelled (self, &result);
  assert_given_back (self, 0);
}

/* Refused and cancelled before anybody is told: the refusal stands, the job is new. */
static void
test_cancel_after_a_refusal (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LpJob) job = lp_job_new_for_call ("nobody knows it", NULL);
  GAsyncResult *result = NULL;

  run (self, job, cancellable, &result);
  g_cancellable_cancel (cancellable);
  assert_fails (self, &result, LP_ERROR, LP_ERROR_UNKNOWN_FUNCTION);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_NEW);
  assert_given_back (self, 1);
}

typedef struct
{
  GThread *owner;
  int n_destroyed;              /* (atomic) */
} Data;

static void
data_destroyed (gpointer user_data)
{
  Data *data = user_data;

  g_assert_true (g_thread_self () == data->owner);
  g_atomic_int_inc (&data->n_destroyed);
}

static void
data_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("()");
}

static gpointer
cancel_main (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return NULL;
}

static gboolean
is_destroyed (gpointer data)
{
  return g_atomic_int_get (&((Data *) data)->n_destroyed) == 1;
}

/* Whoever ends the wait may drop the job; its data still goes to the owner. */
static void
test_user_data_of_what_never_ran (Fixture *self, gconstpointer data)
{
  g_autoptr (LpLease) lease = lp_test_acquire (self->manager, "holder");
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Data of_cancelled = { g_thread_self (), 0 };
  Data of_late = { g_thread_self (), 0 };
  LpJob *cancelled = lp_job_new_for_func (data_func, &of_cancelled, data_destroyed);
  LpJob *late = lp_job_new_for_func (data_func, &of_late, data_destroyed);

  lp_manager_run_async (self->manager, cancelled, NULL, cancellable, NULL, NULL);
  lp_request_set_timeout (request, SHORT_SECONDS);
  lp_manager_run_async (self->manager, late, request, NULL, NULL, NULL);
  g_object_unref (cancelled);
  g_object_unref (late);

  g_thread_join (g_thread_new ("cancels", cancel_main, cancellable));
  lp_test_block_stat (self->manager, "waiting", 0);
  lp_test_wait_for (is_destroyed, &of_cancelled, "the data of the cancelled job");
  lp_test_wait_for (is_destroyed, &of_late, "the data of the late job");
  lp_lease_release (lease);
}

/* --- Cancelled while it runs --- */

static void
test_cancel_while_running (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LpJob) job = lp_test_gate_polite_job (self->gate);
  GAsyncResult *result = NULL;

  run (self, job, cancellable, &result);
  lp_test_gate_wait_entered (self->gate, 1);
  g_cancellable_cancel (cancellable);
  assert_cancelled (self, &result);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_CANCELLED);
  assert_given_back (self, 1);
}

/* A value that comes in time stands. */
static void
test_cancel_unheeded (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LpJob) job = lp_test_gate_job (self->gate);
  GAsyncResult *result = NULL;

  run (self, job, cancellable, &result);
  lp_test_gate_wait_entered (self->gate, 1);
  g_cancellable_cancel (cancellable);
  lp_test_gate_open (self->gate);
  assert_done (self, &result);
  assert_given_back (self, 1);
}

static void
test_cancel_the_job_while_running (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_gate_polite_job (self->gate);
  GAsyncResult *result = NULL;

  run (self, job, NULL, &result);
  lp_test_gate_wait_entered (self->gate, 1);
  lp_job_cancel (job);
  assert_cancelled (self, &result);
  assert_given_back (self, 1);
}

/* The end has come, and nobody was told yet: it stands. */
static void
test_cancel_after_the_end (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LpJob) job = lp_test_value_job (1);
  GAsyncResult *result = NULL;

  run (self, job, cancellable, &result);
  lp_test_block_for (has_ended, job, "the end of the job");
  g_cancellable_cancel (cancellable);
  assert_value (self, &result, 1);
}

/* After the grace the call ends as the job does; the executor goes into
 * quarantine, and another takes its place; a process is killed. */
static void
test_stuck (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LpJob) job = lp_test_gate_job (self->gate);
  g_autoptr (LpJob) next = lp_test_value_job (2);
  GAsyncResult *result = NULL;

  run (self, job, cancellable, &result);
  lp_test_gate_wait_entered (self->gate, 1);
  g_cancellable_cancel (cancellable);
  assert_cancelled (self, &result);
  if (!lp_test_has_processes ())
    {
      lp_test_wait_stat (self->manager, "leased", 0);
      lp_test_wait_stat (self->manager, "quarantined", 1);
    }

  run (self, next, NULL, &result);
  assert_value (self, &result, 2);
  assert_given_back (self, 2);
}

static void
test_timeout_of_the_job (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_gate_polite_job (self->gate);
  GAsyncResult *result = NULL;

  lp_job_set_timeout_seconds (job, SHORT_SECONDS);
  run (self, job, NULL, &result);
  assert_fails (self, &result, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_FAILED);
  assert_given_back (self, 1);
}

/* --- The lease that the call holds ends as any other --- */

static void
test_lease_expires (Fixture *self, gconstpointer data)
{
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (LpJob) job = lp_test_gate_polite_job (self->gate);
  g_autoptr (GError) error = NULL;
  GAsyncResult *result = NULL;

  lp_request_set_lease_seconds (request, 0.3);
  lp_request_set_owner (request, "too slow");
  lp_manager_run_async (self->manager, job, request, NULL, lp_test_result_cb, &result);
  g_assert_null (finish (self, &result, &error));

  /* Unless the machine was so slow that it was refused. */
  if (!g_error_matches (error, LP_ERROR, LP_ERROR_EXPIRED))
    {
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_assert_nonnull (strstr (error->message, "too slow"));
      g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_CANCELLED);
    }
  g_assert_cmpuint (lp_test_counter (self->manager, "revoked"), ==, 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "released"), ==, 0);
}

static void
note_id_cb (LpManager *manager, LpLeaseInfo *info, gpointer user_data)
{
  g_free (*(char **) user_data);
  *(char **) user_data = g_strdup (lp_lease_info_get_id (info));
}

static gboolean
is_string (gpointer string)
{
  return *(char **) string != NULL;
}

/* By its id it can be released early: the job still runs to its end. */
static void
test_lease_is_released_by_id (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_gate_job (self->gate);
  g_autofree char *id = NULL;
  GAsyncResult *result = NULL;

  g_signal_connect (self->manager, "lease-acquired", G_CALLBACK (note_id_cb), &id);
  run (self, job, NULL, &result);
  lp_test_wait_for (is_string, &id, "the signal lease-acquired");
  lp_test_gate_wait_entered (self->gate, 1);
  g_assert_true (lp_manager_release (self->manager, id));
  g_assert_cmpuint (lp_test_stat (self->manager, "draining"), ==, 1);
  lp_test_gate_open (self->gate);
  assert_done (self, &result);
  assert_given_back (self, 1);
}

static void
count_ended_cb (LpManager *manager, LpLeaseInfo *info, gpointer user_data)
{
  g_assert_cmpint (lp_lease_info_get_state (info), ==, LP_LEASE_STATE_RELEASED);
  ++*(guint *) user_data;
}

static void
test_lease_is_signalled_once (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  GAsyncResult *result = NULL;
  guint n_ended = 0;

  g_signal_connect (self->manager, "lease-ended", G_CALLBACK (count_ended_cb), &n_ended);
  run (self, job, NULL, &result);
  assert_value (self, &result, 1);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (n_ended, ==, 1);
}

/* --- Stopped meanwhile --- */

static void
test_stop_cancels (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_gate_polite_job (self->gate);
  g_autoptr (LpJob) waiting = lp_test_value_job (1);
  GAsyncResult *result = NULL;
  GAsyncResult *waiting_result = NULL;

  run (self, job, NULL, &result);
  lp_test_gate_wait_entered (self->gate, 1);
  run (self, waiting, NULL, &waiting_result);
  g_assert_true (lp_manager_stop (self->manager, LP_STOP_MODE_CANCEL, -1, NULL, NULL));
  assert_cancelled (self, &result);
  assert_fails (self, &waiting_result, LP_ERROR, LP_ERROR_NOT_STARTED);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_CANCELLED);
  g_assert_cmpint (lp_job_get_state (waiting), ==, LP_JOB_STATE_NEW);
}

static void
test_stop_drains (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_gate_job (self->gate);
  g_autoptr (GAsyncResult) stopped = NULL;
  GAsyncResult *result = NULL;

  run (self, job, NULL, &result);
  lp_test_gate_wait_entered (self->gate, 1);
  lp_manager_stop_async (self->manager, LP_STOP_MODE_DRAIN, -1, NULL, lp_test_result_cb, &stopped);
  lp_test_gate_open (self->gate);
  g_assert_true (lp_manager_stop_finish (self->manager, lp_test_wait_result (&stopped), NULL));
  assert_done (self, &result);
}

/* --- Everything at once --- */

#define N_RACES 400

typedef struct
{
  GCancellable *cancellables[N_RACES];
  GRand *rand;
  int over;                     /* (atomic) */
} Race;

static gpointer
race_main (gpointer data)
{
  Race *race = data;

  while (!g_atomic_int_get (&race->over))
    g_cancellable_cancel (race->cancellables[g_rand_int_range (race->rand, 0, N_RACES)]);

  return NULL;
}

/* Whenever it is cancelled, each call is told once, what it is told is true, and
 * no executor is lost. */
static void
test_cancel_at_any_moment (Fixture *self, gconstpointer data)
{
  Race race = { .rand = g_rand_new_with_seed (g_test_rand_int ()) };
  GAsyncResult *results[N_RACES] = { NULL };
  LpJob *jobs[N_RACES];
  GThread *thread;

  for (guint i = 0; i < N_RACES; i++)
    race.cancellables[i] = g_cancellable_new ();
  thread = g_thread_new ("races", race_main, &race);
  for (guint i = 0; i < N_RACES; i++)
    {
      jobs[i] = i % 3 == 0 ? lp_job_new_for_call ("nobody knows it", NULL) : lp_test_value_job (i);
      run (self, jobs[i], race.cancellables[i], &results[i]);
    }

  for (guint i = 0; i < N_RACES; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) value = finish (self, &results[i], &error);
      LpJobState state = lp_job_get_state (jobs[i]);

      if (value != NULL)
        g_assert_cmpint (state, ==, LP_JOB_STATE_SUCCEEDED);
      else if (g_error_matches (error, LP_ERROR, LP_ERROR_UNKNOWN_FUNCTION))
        g_assert_cmpint (i % 3, ==, 0);
      else
        {
          g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
          g_assert_true (state == LP_JOB_STATE_NEW || state == LP_JOB_STATE_CANCELLED);
        }
    }

  g_atomic_int_set (&race.over, TRUE);
  g_thread_join (thread);
  lp_test_wait_stat (self->manager, "leased", 0);
  g_assert_cmpuint (lp_test_counter (self->manager, "acquired"), ==,
                    lp_test_counter (self->manager, "released"));
  for (guint i = 0; i < N_RACES; i++)
    {
      assert_let_go (jobs[i]);
      assert_let_go (race.cancellables[i]);
    }
  g_rand_free (race.rand);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define add(name, set_up, func) \
  lp_test_conform_add ("/run-call-ends/" name, Fixture, NULL, set_up, func, tear_down)
/* These need a closure, or an executor that is granted at once; a process is first asked whether it lives. */
#define add_closure(name, set_up, func) \
  g_test_add ("/run-call-ends/" name, Fixture, NULL, set_up, func, tear_down)
  add ("cancel/before", set_up, test_cancelled_before);
  add ("cancel/while-waiting", set_up, test_cancel_while_waiting);
  add_closure ("cancel/after-the-grant", set_up, test_cancel_after_the_grant);
  add ("cancel/the-job-while-waiting", set_up, test_cancel_the_job_while_waiting);
  add ("cancel/the-job-before", set_up, test_cancel_the_job_before);
  add_closure ("cancel/after-a-refusal", set_up, test_cancel_after_a_refusal);
  add_closure ("cancel/user-data-of-what-never-ran", set_up, test_user_data_of_what_never_ran);
  add ("cancel/while-running", set_up, test_cancel_while_running);
  add ("cancel/unheeded", set_up, test_cancel_unheeded);
  add ("cancel/the-job-while-running", set_up, test_cancel_the_job_while_running);
  add ("cancel/after-the-end", set_up, test_cancel_after_the_end);
  add ("cancel/at-any-moment", set_up, test_cancel_at_any_moment);
  add ("stuck", set_up_short, test_stuck);
  add ("timeout-of-the-job", set_up, test_timeout_of_the_job);
  add ("lease/expires", set_up, test_lease_expires);
  add ("lease/is-released-by-id", set_up, test_lease_is_released_by_id);
  add ("lease/is-signalled-once", set_up, test_lease_is_signalled_once);
  add ("stop/cancels", set_up, test_stop_cancels);
  add ("stop/drains", set_up, test_stop_drains);
#undef add

  return g_test_run ();
}
