/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* lp_manager_run_async() under random cancels: of the call or of its job, by other threads, while it waits, is on its
 * way to a worker, runs, ends, or has ended. */

#include "config.h"

#include "lp-test-call.h"

#define N_CALLS 300
#define IN_FLIGHT 12
#define N_THREADS 4             /* that cancel, each after a time of its own: so not in the order of the calls */
#define MAX_DELAY_MICROSECONDS 3000

typedef enum
{
  KIND_VALUE,
  KIND_ERROR,
  KIND_UNKNOWN,
  KIND_POLITE,                  /* ends only when it is cancelled */
  KIND_DEAF,                    /* does not even then; in a process that is killed for it */
} Kind;

typedef struct
{
  Fixture *fixture;
  Kind kind;
  LpJob *job;
  GCancellable *cancellable;
  guint n_told;
  gboolean is_cancelled;        /* it is going to be, by another thread */
  gboolean cancels_job;
  guint delay;
} RandomCall;

/* How many were struck at which stage. */
typedef struct
{
  guint waiting;
  guint queued;
  guint running;
  guint late;
} Tally;

typedef struct
{
  Fixture *fixture;
  GRand *rand;
  GAsyncQueue *to_cancel;
  guint n_in_flight;
  Tally tally;
} Stress;

static gpointer
cancel_main (gpointer data)
{
  Stress *self = data;

  for (;;)
    {
      RandomCall *call = g_async_queue_pop (self->to_cancel);

      if ((gpointer) call == (gpointer) self)
        return NULL;

      g_usleep (call->delay);
      if (call->cancels_job)
        lp_job_cancel (call->job);
      else
        g_cancellable_cancel (call->cancellable);
    }
}

static void
assert_outcome (Stress *self, RandomCall *call, GVariant *value, const GError *error)
{
  LpJobState state = lp_job_get_state (call->job);
  gboolean cancelled = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  if (value != NULL)
    {
      g_assert_cmpint (call->kind, ==, KIND_VALUE);
      g_assert_cmpint (state, ==, LP_JOB_STATE_SUCCEEDED);
      self->tally.late += call->is_cancelled;
    }
  else if (!cancelled)
    {
      g_assert_true (call->kind == KIND_ERROR || call->kind == KIND_UNKNOWN);
      /* A refused job is new, so that a cancel that comes later ends it. */
      if (call->kind == KIND_ERROR)
        g_assert_cmpint (state, ==, LP_JOB_STATE_FAILED);
      else if (!(call->is_cancelled && call->cancels_job && state == LP_JOB_STATE_CANCELLED))
        g_assert_cmpint (state, ==, LP_JOB_STATE_NEW);
      self->tally.late += call->is_cancelled;
    }
  else
    {
      g_assert_true (call->is_cancelled);
      /* Whoever cancels the job ends it; whoever cancels the call before it is submitted does not. */
      if (state == LP_JOB_STATE_NEW)
        g_assert_false (call->cancels_job);
      else
        g_assert_cmpint (state, ==, LP_JOB_STATE_CANCELLED);
      if (lp_job_get_queued_at (call->job) == 0)
        self->tally.waiting++;
      else if (lp_job_get_started_at (call->job) == 0)
        self->tally.queued++;
      else
        self->tally.running++;
    }
}

typedef struct
{
  Stress *stress;
  RandomCall *call;
} Told;

static void
told_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autofree Told *told = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_manager_run_finish (LP_MANAGER (source), result, &error);

  g_assert_cmpuint (++told->call->n_told, ==, 1);
  assert_outcome (told->stress, told->call, value, error);
  told->stress->n_in_flight--;
}

static LpJob *
new_job (Stress *self, Kind kind)
{
  switch (kind)
    {
    case KIND_VALUE: return lp_test_value_job (1);
    case KIND_ERROR: return lp_test_error_job ();
    case KIND_POLITE: return lp_test_gate_polite_job (self->fixture->gate);
    case KIND_DEAF: return lp_test_gate_job (self->fixture->gate);
    case KIND_UNKNOWN:
    default: return lp_job_new_for_call ("nobody knows it", NULL);
    }
}

static Kind
random_kind (Stress *self)
{
  static const Kind kinds[]
    = { KIND_VALUE, KIND_VALUE, KIND_VALUE, KIND_ERROR, KIND_UNKNOWN, KIND_POLITE, KIND_POLITE };

  /* Each costs a process; threads cannot be killed. */
  if (lp_test_has_processes () && g_rand_int_range (self->rand, 0, 40) == 0)
    return KIND_DEAF;

  return kinds[g_rand_int_range (self->rand, 0, G_N_ELEMENTS (kinds))];
}

static void
begin_call (Stress *self, RandomCall *call)
{
  Told *told = g_new (Told, 1);

  call->kind = random_kind (self);
  call->job = new_job (self, call->kind);
  call->cancellable = g_cancellable_new ();
  call->is_cancelled = call->kind >= KIND_POLITE || g_rand_boolean (self->rand);
  call->cancels_job = g_rand_boolean (self->rand);
  call->delay = (guint) g_rand_int_range (self->rand, 0, MAX_DELAY_MICROSECONDS);
  *told = (Told) { self, call };

  self->n_in_flight++;
  /* Sometimes before the call is made. */
  if (call->is_cancelled && call->kind != KIND_DEAF && g_rand_int_range (self->rand, 0, 8) == 0)
    {
      call->delay = 0;
      g_async_queue_push (self->to_cancel, call);
      lp_manager_run_async (self->fixture->manager, call->job, NULL, call->cancellable, told_cb, told);
      return;
    }
  lp_manager_run_async (self->fixture->manager, call->job, NULL, call->cancellable, told_cb, told);
  if (call->is_cancelled)
    g_async_queue_push (self->to_cancel, call);
}

/* What was not submitted is as new: it can be run, and the end of that is its own. */
static void
assert_as_it_says (Stress *self, RandomCall *call)
{
  g_assert_cmpuint (call->n_told, ==, 1);
  if (call->kind == KIND_VALUE && lp_job_get_state (call->job) == LP_JOB_STATE_NEW)
    assert_runs (self->fixture, call->job);
}

static void
set_up_two (Fixture *self, gconstpointer data)
{
  self->manager = lp_test_start (2, "workers-per-pool", 1, "lease-grace-seconds", 0.0,
                                 "cancel-grace-seconds", lp_test_has_processes () ? 0.5 : PATIENCE_SECONDS, NULL);
  self->gate = lp_test_gate_new ();
}

static void
test_random_cancels (Fixture *fixture, gconstpointer data)
{
  Stress self = { .fixture = fixture };
  g_autofree RandomCall *calls = g_new0 (RandomCall, N_CALLS);
  GThread *threads[N_THREADS];

  self.rand = g_rand_new_with_seed (g_test_rand_int ());
  self.to_cancel = g_async_queue_new ();
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("cancels", cancel_main, &self);
  for (guint i = 0; i < N_CALLS; i++)
    {
      while (self.n_in_flight >= IN_FLIGHT)
        g_main_context_iteration (NULL, TRUE);
      begin_call (&self, &calls[i]);
    }
  while (self.n_in_flight > 0)
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < N_THREADS; i++)
    g_async_queue_push (self.to_cancel, &self);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);

  for (guint i = 0; i < N_CALLS; i++)
    assert_as_it_says (&self, &calls[i]);
  lp_test_wait_stat (fixture->manager, "leased", 0);
  lp_test_wait_stat (fixture->manager, "waiting", 0);
  g_assert_cmpuint (lp_test_counter (fixture->manager, "acquired"), ==,
                    lp_test_counter (fixture->manager, "released"));
  lp_test_check (fixture->manager);
  for (guint i = 0; i < N_CALLS; i++)
    {
      assert_let_go (calls[i].job);
      assert_let_go (calls[i].cancellable);
    }

  g_test_message ("cancelled: %u waited, %u queued, %u ran; %u too late", self.tally.waiting, self.tally.queued,
                  self.tally.running, self.tally.late);
  g_async_queue_unref (self.to_cancel);
  g_rand_free (self.rand);
}

/* --- A job that is refused just when its call is cancelled --- */

static gpointer
cancel_one_main (gpointer data)
{
  g_cancellable_cancel (data);
  return NULL;
}

static void
outcome_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  GError **error = data;

  g_assert_null (lp_manager_run_finish (LP_MANAGER (source), result, error));
}

/* It is the caller's again, or it is cancelled; and so it stays. */
static void
test_refused_and_cancelled (Fixture *self, gconstpointer data)
{
  guint n_calls = lp_test_size (1000, 1000, 60);
  guint n_refused = 0;

  for (guint i = 0; i < n_calls; i++)
    {
      g_autoptr (LpJob) job = lp_job_new_for_call ("nobody knows it", NULL);
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GError) error = NULL;
      GThread *thread = NULL;
      LpJobState state;

      /* Too early, just then, or too late. */
      if (i % 2 == 0)
        thread = g_thread_new ("cancels", cancel_one_main, cancellable);
      if (i % 4 == 0)
        g_usleep (i % 40);
      lp_manager_run_async (self->manager, job, NULL, cancellable, outcome_cb, &error);
      if (thread == NULL)
        thread = g_thread_new ("cancels", cancel_one_main, cancellable);
      while (error == NULL)
        g_main_context_iteration (NULL, TRUE);
      state = lp_job_get_state (job);
      g_thread_join (thread);

      g_assert_cmpint (lp_job_get_state (job), ==, state);
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        {
          g_assert_cmpint (state, ==, LP_JOB_STATE_NEW);
          n_refused++;
        }
    }
  g_test_message ("%u of %u were refused", n_refused, n_calls);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  lp_test_conform_add ("/run-call-stress/random-cancels", Fixture, NULL, set_up_two, test_random_cancels, tear_down);
  lp_test_conform_add ("/run-call-stress/refused-and-cancelled", Fixture, NULL, set_up_two, test_refused_and_cancelled,
                       tear_down);

  return g_test_run ();
}
