/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Threads that stay out of short jobs while the others keep up: nothing is kept waiting by that, and nobody watches where
 * there is nothing to see. */

#include "config.h"

#include <dlfcn.h>
#include <sys/prctl.h>

#include "lp-test.h"
#include "lp-watch-private.h"

#define N_WORKERS 4
#define IN_FLIGHT 64
#define ROUNDS 300
#define MOST_BURSTS lp_test_size (200, 200, 3)
#define WORKER "watch"

/* Periods after which nobody watches who has no reason to: one in which there still was one, one more, and as many for
 * those that run out of jobs later. */
#define MOST_PERIODS (2 + N_WORKERS)

/* In the place of GLib's: how often threads called WORKER have begun to sleep for a while. */
static int n_periods;           /* (atomic) */

typedef gboolean (*WaitFunc) (GCond *, GMutex *, gint64);

gboolean
g_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end_time)
{
  WaitFunc real_wait = (WaitFunc) dlsym (RTLD_NEXT, "g_cond_wait_until");
  char name[16] = "";

  prctl (PR_GET_NAME, name);
  if (g_str_has_prefix (name, WORKER))
    g_atomic_int_inc (&n_periods);
  return real_wait (cond, mutex, end_time);
}

static LpWatch
after_short_jobs (void)
{
  LpWatch watch = { 0 };

  for (guint i = 0; i < LP_WATCH_ENOUGH; i++)
    {
      g_assert_false (lp_watch_begin_locked (&watch));
      lp_watch_job_ended_locked (&watch, LP_WATCH_SHORT_USEC - 1);
    }

  return watch;
}

static void
test_not_after_a_long_job (void)
{
  LpWatch watch = after_short_jobs ();

  lp_watch_job_ended_locked (&watch, LP_WATCH_SHORT_USEC);
  g_assert_false (lp_watch_begin_locked (&watch));

  for (guint i = 0; i < LP_WATCH_ENOUGH; i++)
    lp_watch_job_ended_locked (&watch, 0);
  g_assert_true (lp_watch_begin_locked (&watch));
}

static void
test_one_at_a_time (void)
{
  LpWatch watch = after_short_jobs ();

  g_assert_true (lp_watch_begin_locked (&watch));
  g_assert_false (lp_watch_begin_locked (&watch));
  lp_watch_end_locked (&watch);
  g_assert_true (lp_watch_begin_locked (&watch));
}

static void
test_relied_on_while_it_watches (void)
{
  LpWatch watch = after_short_jobs ();

  g_assert_false (lp_watch_rely_locked (&watch));
  g_assert_true (lp_watch_begin_locked (&watch));
  g_assert_true (lp_watch_rely_locked (&watch));
  lp_watch_end_locked (&watch);
  g_assert_false (lp_watch_rely_locked (&watch));
}

/* Then those that sleep are woken as ever, and whoever watches may be one of them. */
static void
test_not_relied_on_after_a_long_job (void)
{
  LpWatch watch = after_short_jobs ();

  g_assert_true (lp_watch_begin_locked (&watch));
  lp_watch_job_ended_locked (&watch, LP_WATCH_SHORT_USEC);
  g_assert_false (lp_watch_rely_locked (&watch));
}

static void
test_behind_if_nobody_ran_out (void)
{
  LpWatch watch = after_short_jobs ();

  lp_watch_ran_out_locked (&watch);
  g_assert_true (lp_watch_begin_locked (&watch));
  g_assert_true (lp_watch_is_behind_locked (&watch));
}

/* What was so in one period tells nothing about the next one. */
static void
test_behind_in_another_period (void)
{
  LpWatch watch = after_short_jobs ();

  g_assert_true (lp_watch_begin_locked (&watch));
  lp_watch_rely_locked (&watch);
  lp_watch_ran_out_locked (&watch);
  g_assert_false (lp_watch_is_behind_locked (&watch));
  g_assert_true (lp_watch_next_period_locked (&watch));
  g_assert_true (lp_watch_is_behind_locked (&watch));

  /* Then the others may be in jobs that do not end, and short ones are no promise any more. */
  g_assert_false (lp_watch_rely_locked (&watch));
  lp_watch_end_locked (&watch);
  g_assert_false (lp_watch_begin_locked (&watch));
}

static void
test_ends_if_nobody_relied_on_it (void)
{
  LpWatch watch = after_short_jobs ();

  g_assert_true (lp_watch_begin_locked (&watch));
  lp_watch_rely_locked (&watch);
  g_assert_true (lp_watch_next_period_locked (&watch));
  g_assert_false (lp_watch_next_period_locked (&watch));

  /* Nor is it because of one before. */
  lp_watch_rely_locked (&watch);
  lp_watch_end_locked (&watch);
  g_assert_true (lp_watch_begin_locked (&watch));
  g_assert_false (lp_watch_next_period_locked (&watch));
}

static gint64
period_after (gint64 lasted_usec)
{
  LpWatch watch = { .lasted_usec = lasted_usec };

  return lp_watch_get_period_locked (&watch);
}

/* What is held up by a job that is not short waits for two periods at most, about a quarter of the time that all went
 * well. */
static void
test_longer_periods (void)
{
  LpWatch watch = after_short_jobs ();

  g_assert_true (lp_watch_begin_locked (&watch));
  g_assert_cmpint (lp_watch_get_period_locked (&watch), ==, LP_WATCH_USEC);
  for (gint64 lasted = 0, period; lasted < 20 * LP_WATCH_LONGEST_USEC; lasted += period)
    {
      period = lp_watch_get_period_locked (&watch);
      g_assert_cmpint (watch.lasted_usec, ==, lasted);
      g_assert_cmpint (period, >=, LP_WATCH_USEC);
      g_assert_cmpint (period, <=, MAX (lasted / 8, LP_WATCH_USEC));
      g_assert_cmpint (period, <=, LP_WATCH_LONGEST_USEC);
      lp_watch_rely_locked (&watch);
      g_assert_true (lp_watch_next_period_locked (&watch));
    }
  g_assert_cmpint (lp_watch_get_period_locked (&watch), ==, LP_WATCH_LONGEST_USEC);
  g_assert_cmpint (period_after (G_MAXINT64), ==, LP_WATCH_LONGEST_USEC);

  /* Each watch begins anew. */
  lp_watch_end_locked (&watch);
  g_assert_true (lp_watch_begin_locked (&watch));
  g_assert_cmpint (lp_watch_get_period_locked (&watch), ==, LP_WATCH_USEC);
}

/* A long one now and then is the machine's fault; more of them are not. */
static void
test_not_after_some_long_jobs (void)
{
  LpWatch watch = after_short_jobs ();

  for (guint i = 0; i < 100 * LP_WATCH_LONG_COUNTS; i++)
    lp_watch_job_ended_locked (&watch, i % (2 * LP_WATCH_LONG_COUNTS) == 0 ? LP_WATCH_SHORT_USEC : 0);
  g_assert_true (lp_watch_begin_locked (&watch));
  lp_watch_end_locked (&watch);

  for (guint i = 0; i < 1 + (LP_WATCH_MOST - LP_WATCH_ENOUGH) / LP_WATCH_LONG_COUNTS; i++)
    lp_watch_job_ended_locked (&watch, LP_WATCH_SHORT_USEC);
  g_assert_false (lp_watch_begin_locked (&watch));
}

/* --- Threads of the library --- */

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  guint n_left;                 /* of the burst, to be submitted */
  guint n_in_flight;
} Fixture;

static void
fixture_init (Fixture *self)
{
  char prefix[] = WORKER;

  *self = (Fixture) { 0 };
  self->manager = lp_test_start (1, "workers-per-pool", N_WORKERS, "name-prefix", prefix, NULL);
  self->lease = lp_test_acquire (self->manager, "bursts");
}

static void
fixture_clear (Fixture *self)
{
  lp_lease_release (self->lease);
  g_object_unref (self->lease);
  lp_test_finish (self->manager);
}

static void submit_next (Fixture *self);

static void
short_job_ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_submit_finish (LP_LEASE (source), result, &error);

  g_assert_no_error (error);
  g_assert_nonnull (value);
  self->n_in_flight--;
  submit_next (self);
}

static void
submit_next (Fixture *self)
{
  g_autoptr (LpJob) job = NULL;

  if (self->n_left == 0)
    return;

  job = lp_test_value_job (1);
  self->n_left--;
  self->n_in_flight++;
  lp_lease_submit_async (self->lease, job, NULL, short_job_ended_cb, self);
}

/* Short jobs, as fast as they come. */
static void
burst (Fixture *self, guint n)
{
  self->n_left = n;
  for (guint i = 0; i < IN_FLIGHT; i++)
    submit_next (self);
  while (self->n_in_flight > 0)
    g_main_context_iteration (NULL, TRUE);
}

/* FALSE: nobody watched, which depends on the machine. */
static gboolean
burst_until_watched (Fixture *self)
{
  int before = g_atomic_int_get (&n_periods);

  for (guint i = 0; i < MOST_BURSTS && g_atomic_int_get (&n_periods) == before; i++)
    burst (self, lp_test_size (10 * IN_FLIGHT, 10 * IN_FLIGHT, IN_FLIGHT));
  if (g_atomic_int_get (&n_periods) > before)
    return TRUE;

  g_test_skip ("No thread has watched: the jobs are not short on this machine as it is now");
  return FALSE;
}

/* As many jobs as there are workers, none of which ends before all have begun. */
static void
meet (Fixture *self)
{
  LpTestGate *gate = lp_test_gate_new ();
  LpJob *jobs[N_WORKERS];

  for (guint i = 0; i < N_WORKERS; i++)
    {
      jobs[i] = lp_test_gate_job (gate);
      lp_test_submit (self->lease, jobs[i]);
    }
  lp_test_gate_wait_entered (gate, N_WORKERS);
  lp_test_gate_open (gate);
  for (guint i = 0; i < N_WORKERS; i++)
    {
      lp_test_assert_done (jobs[i]);
      g_object_unref (jobs[i]);
    }
  lp_test_gate_unref (gate);
}

/* Short jobs, and at once as many as there are workers that are not: nobody is woken for those, yet each of them has to
 * be run beside the others. */
static void
test_long_jobs_after_short_ones (void)
{
  Fixture fixture;
  guint n_rounds = lp_test_size (ROUNDS, 10 * ROUNDS, ROUNDS / 50);

  fixture_init (&fixture);
  for (guint i = 0; i < n_rounds; i++)
    {
      burst (&fixture, 2 * IN_FLIGHT + i % IN_FLIGHT);
      meet (&fixture);
    }
  fixture_clear (&fixture);
}

/* The same while other threads have not been started yet. */
static void
test_long_jobs_start_threads (void)
{
  for (guint i = 0; i < lp_test_size (ROUNDS / 10, ROUNDS, 2); i++)
    {
      Fixture fixture;

      fixture_init (&fixture);
      burst (&fixture, 1 + i % IN_FLIGHT);
      meet (&fixture);
      fixture_clear (&fixture);
    }
}

static void
note_periods_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *(int *) user_data = g_atomic_int_get (&n_periods);
  *result = g_variant_new ("()");
}

/* One that blocks, and others that go on coming: who watches sees at the end of the first whole period that nobody keeps
 * up with those. */
static void
test_stream_behind_a_long_job (void)
{
  Fixture fixture;

  fixture_init (&fixture);
  for (guint i = 0; i < lp_test_size (ROUNDS / 10, ROUNDS, 2) && burst_until_watched (&fixture); i++)
    {
      LpTestGate *gate = lp_test_gate_new ();
      g_autoptr (LpJob) blocks = lp_test_gate_job (gate);
      int before = g_atomic_int_get (&n_periods), after = before;
      g_autoptr (LpJob) behind = lp_job_new_for_func (note_periods_func, &after, NULL);

      lp_test_submit (fixture.lease, blocks);
      lp_test_submit (fixture.lease, behind);
      while (lp_job_get_state (behind) != LP_JOB_STATE_SUCCEEDED)
        {
          g_autoptr (LpJob) more = lp_test_value_job (1);

          lp_test_submit (fixture.lease, more);
          g_usleep (LP_WATCH_USEC / 5);
        }
      g_assert_cmpint (after - before, <=, MOST_PERIODS);
      lp_test_gate_open (gate);
      lp_test_assert_done (blocks);
      lp_test_gate_unref (gate);
    }
  fixture_clear (&fixture);
}

/* A job that blocks keeps its thread awake, for all that is known of it; that is no reason to watch. */
static void
test_ends_beside_a_long_job (void)
{
  Fixture fixture;
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) blocks = lp_test_gate_job (gate);

  fixture_init (&fixture);
  lp_test_submit (fixture.lease, blocks);
  lp_test_gate_wait_entered (gate, 1);
  for (guint i = 0; i < 10 && burst_until_watched (&fixture); i++)
    {
      int before = g_atomic_int_get (&n_periods);

      g_usleep (20 * 1000);
      g_assert_cmpint (g_atomic_int_get (&n_periods) - before, <=, MOST_PERIODS);
    }
  lp_test_gate_open (gate);
  lp_test_assert_done (blocks);
  lp_test_gate_unref (gate);
  fixture_clear (&fixture);
}

/* Slots are taken by jobs that have deferred their end: who watches cannot join, and one is to be woken when they end. */
static void
deferred_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_job_defer (job);
  g_async_queue_push (user_data, job);
}

static void
test_deferred_jobs_after_short_ones (void)
{
  Fixture fixture;
  g_autoptr (GAsyncQueue) begun = g_async_queue_new ();

  fixture_init (&fixture);
  for (guint i = 0; i < lp_test_size (ROUNDS / 10, ROUNDS, 2); i++)
    {
      g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);

      burst (&fixture, 2 * IN_FLIGHT);
      for (guint j = 0; j < 3 * N_WORKERS; j++)
        {
          g_ptr_array_add (jobs, lp_job_new_for_func (deferred_func, begun, NULL));
          lp_test_submit (fixture.lease, jobs->pdata[j]);
        }
      for (guint j = 0; j < jobs->len; j++)
        {
          LpJob *job = g_async_queue_timeout_pop (begun, LP_TEST_PATIENCE_SECONDS * G_TIME_SPAN_SECOND);

          if (job == NULL)
            g_error ("a job was not begun, though there is a worker for it");
          if (j % 3 == 0)
            g_usleep (2 * LP_WATCH_USEC);
          lp_job_return_value (job, g_variant_new ("()"));
        }
      for (guint j = 0; j < jobs->len; j++)
        lp_test_assert_done (jobs->pdata[j]);
    }
  fixture_clear (&fixture);
}

static void
test_stops_while_it_watches (void)
{
  for (guint i = 0; i < lp_test_size (ROUNDS / 10, ROUNDS, 2); i++)
    {
      Fixture fixture;

      gboolean watched;

      fixture_init (&fixture);
      watched = burst_until_watched (&fixture);
      fixture_clear (&fixture);
      if (!watched)
        break;
    }
}

/* Without jobs it does not go on. */
static void
test_ends_with_the_jobs (void)
{
  Fixture fixture;

  fixture_init (&fixture);
  for (guint i = 0; i < 10 && burst_until_watched (&fixture); i++)
    {
      int before = g_atomic_int_get (&n_periods);

      g_usleep (20 * 1000);
      g_assert_cmpint (g_atomic_int_get (&n_periods) - before, <=, MOST_PERIODS);
    }
  fixture_clear (&fixture);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/watch/not/after-a-long-job", test_not_after_a_long_job);
  g_test_add_func ("/watch/not/after-some-long-jobs", test_not_after_some_long_jobs);
  g_test_add_func ("/watch/one-at-a-time", test_one_at_a_time);
  g_test_add_func ("/watch/relied-on/while-it-watches", test_relied_on_while_it_watches);
  g_test_add_func ("/watch/relied-on/not-after-a-long-job", test_not_relied_on_after_a_long_job);
  g_test_add_func ("/watch/behind/if-nobody-ran-out", test_behind_if_nobody_ran_out);
  g_test_add_func ("/watch/behind/in-another-period", test_behind_in_another_period);
  g_test_add_func ("/watch/ends/if-nobody-relied-on-it", test_ends_if_nobody_relied_on_it);
  g_test_add_func ("/watch/longer-periods", test_longer_periods);
  g_test_add_func ("/watch/ends/with-the-jobs", test_ends_with_the_jobs);
  g_test_add_func ("/watch/ends/beside-a-long-job", test_ends_beside_a_long_job);
  g_test_add_func ("/watch/stops", test_stops_while_it_watches);
  g_test_add_func ("/watch/after-short-ones/long-jobs", test_long_jobs_after_short_ones);
  g_test_add_func ("/watch/after-short-ones/stream", test_stream_behind_a_long_job);
  g_test_add_func ("/watch/after-short-ones/start-threads", test_long_jobs_start_threads);
  g_test_add_func ("/watch/after-short-ones/deferred-jobs", test_deferred_jobs_after_short_ones);

  return g_test_run ();
}
