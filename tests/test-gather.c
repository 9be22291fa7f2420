/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Short jobs that a thread lets gather: only where nobody waits for them, and nobody else comes late by that. */

#include "config.h"

#include <dlfcn.h>
#include <sys/prctl.h>

#include "lp-executor-private.h"
#include "lp-lease-private.h"
#include "lp-test.h"

#define ROUNDS 50
#define WORKER "gather"

/* --- How often, and how long --- */

/* In the place of GLib's: while it is set, the clock, which then goes on by one with each look at it. */
static gint64 fake_time;
static guint n_looks;

gint64
g_get_monotonic_time (void)
{
  gint64 (*real_time) (void) = (gint64 (*) (void)) dlsym (RTLD_NEXT, "g_get_monotonic_time");

  if (fake_time == 0)
    return real_time ();

  n_looks++;
  return fake_time++;
}

static void
test_waits (void)
{
  gint64 usec;

  fake_time = 1000;
  usec = lp_gather_wait ();
  fake_time = 0;

  g_assert_cmpint (usec, ==, LP_GATHER_USEC);
  g_assert_cmpuint (n_looks, ==, LP_GATHER_USEC + 1);
}

/* As often as it is not in vain. */
static void
test_at_once (void)
{
  LpGather gather = { 0 };

  for (guint i = 0; i < 10; i++)
    {
      g_assert_true (lp_gather_begin_locked (&gather, 0));
      lp_gather_end_locked (&gather, LP_GATHER_FEW, LP_GATHER_LOST_USEC - 1);
    }
}

static void
test_no_room (void)
{
  LpGather gather = { 0 };

  g_assert_false (lp_gather_begin_locked (&gather, 1));
  g_assert_false (lp_gather_begin_locked (&gather, LP_GATHER_ROOM - 1));
  g_assert_true (lp_gather_begin_locked (&gather, LP_GATHER_ROOM));
}

/* Looks until it gathers again. */
static guint
count_rests (LpGather *gather)
{
  guint n = 0;

  while (!lp_gather_begin_locked (gather, 0))
    n++;
  return n;
}

static void
test_rests_after_few (void)
{
  LpGather gather = { 0 };

  lp_gather_end_locked (&gather, LP_GATHER_FEW - 1, LP_GATHER_USEC);
  g_assert_cmpuint (count_rests (&gather), ==, LP_GATHER_RESTS);
}

static void
test_rests_after_it_lost_the_processor (void)
{
  LpGather gather = { 0 };

  lp_gather_end_locked (&gather, 100 * LP_GATHER_FEW, LP_GATHER_LOST_USEC);
  g_assert_cmpuint (count_rests (&gather), ==, LP_GATHER_RESTS);
}

/* It is not the fault of what is not done. */
static void
test_awaited_while_it_rests (void)
{
  LpGather gather = { 0 };

  lp_gather_awaited_locked (&gather);
  for (guint i = 0; i < 100; i++)
    lp_gather_awaited_locked (&gather);
  lp_gather_end_locked (&gather, 0, LP_GATHER_USEC);
  g_assert_cmpuint (count_rests (&gather), ==, LP_GATHER_RESTS);
}

/* Who always sleeps until a job ends is hardly ever kept waiting. */
static void
test_rests_longer (void)
{
  LpGather gather = { 0 };
  guint before, n = 0;

  do
    {
      before = n;
      lp_gather_end_locked (&gather, LP_GATHER_FEW, LP_GATHER_USEC);
      lp_gather_awaited_locked (&gather);
      n = count_rests (&gather);
      g_assert_cmpuint (n, >=, before);
    }
  while (n > before);

  g_assert_cmpuint (n, ==, LP_GATHER_MOST_RESTS);
}

/* One who did so once is not for ever. */
static void
test_rests_shorter (void)
{
  LpGather gather = { 0 };

  while (gather.last_rests < LP_GATHER_MOST_RESTS)
    {
      gather.n_rests = 0;
      lp_gather_awaited_locked (&gather);
    }
  g_assert_cmpuint (count_rests (&gather), ==, LP_GATHER_MOST_RESTS);

  for (guint n = LP_GATHER_MOST_RESTS; n > 0; n /= 2)
    lp_gather_end_locked (&gather, LP_GATHER_FEW, LP_GATHER_USEC);
  lp_gather_awaited_locked (&gather);
  g_assert_cmpuint (count_rests (&gather), ==, LP_GATHER_RESTS);
}

/* --- Threads of the library --- */

#define BURST (2 * LP_GATHER_FEW)

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  guint n_left;                 /* to be told of */
} Fixture;

static void
fixture_init (Fixture *self, const char *setting, int value)
{
  char prefix[] = WORKER;

  *self = (Fixture) { 0 };
  self->manager = lp_test_start (1, "workers-per-pool", 1, "name-prefix", prefix, setting, value, NULL);
  self->lease = lp_test_acquire (self->manager, "bursts");
}

static void
fixture_clear (Fixture *self)
{
  lp_lease_release (self->lease);
  g_object_unref (self->lease);
  lp_test_finish (self->manager);
}

static LpGather
get_gather (Fixture *self)
{
  LpExecutor *executor = lp_lease_get_grant (self->lease)->executor;
  LpGather gather;

  g_mutex_lock (lp_executor_get_lock (executor));
  gather = lp_executor_get_private (executor)->gather;
  g_mutex_unlock (lp_executor_get_lock (executor));

  return gather;
}

static void
told_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *self = user_data;
  g_autoptr (GVariant) value = lp_lease_submit_finish (LP_LEASE (source), result, NULL);

  g_assert_nonnull (value);
  self->n_left--;
}

/* Enough jobs to gather, and the main context sleeps until they have ended. */
static void
burst (Fixture *self, LpJobFunc func)
{
  self->n_left = BURST;
  for (guint i = 0; i < BURST; i++)
    {
      g_autoptr (LpJob) job = lp_job_new_for_func (func, NULL, NULL);

      lp_lease_submit_async (self->lease, job, NULL, told_cb, self);
    }
  while (self->n_left > 0)
    g_main_context_iteration (NULL, TRUE);
}

static void
short_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("()");
}

static void
given_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_job_defer (job);
  lp_job_return_value (job, g_variant_new ("()"));
}

static void
long_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  gint64 end = g_get_monotonic_time () + 2 * LP_WATCH_SHORT_USEC;

  while (g_get_monotonic_time () < end)
    ;
  *result = g_variant_new ("()");
}

static guint
n_bursts (void)
{
  return lp_test_size (40 * ROUNDS, 400 * ROUNDS, 2 * ROUNDS);
}

/* Until it is noticed that somebody sleeps until the jobs end. */
static void
burst_until_awaited (Fixture *self, LpJobFunc func)
{
  for (guint i = 0; i < n_bursts () && get_gather (self).n_rests == 0; i++)
    burst (self, func);
  g_assert_cmpuint (get_gather (self).n_rests, >, 0);
}

/* Whatever the way in which they run and end. */
static void
awaited (const char *setting, int value, LpJobFunc func)
{
  Fixture fixture;

  fixture_init (&fixture, setting, value);
  burst_until_awaited (&fixture, func);
  fixture_clear (&fixture);
}

static void
test_awaited (void)
{
  awaited ("max-jobs-per-worker", 0, short_func);
}

static void
test_awaited_of_workers_that_wear_out (void)
{
  awaited ("max-jobs-per-worker", G_MAXINT, short_func);
}

static void
test_awaited_of_given_ends (void)
{
  awaited ("max-jobs-per-worker", 0, given_func);
}

/* It is never asked whether jobs are to gather: so the rest is not used up. */
static void
never (const char *setting, int value, LpJobFunc func)
{
  Fixture fixture;

  fixture_init (&fixture, setting, value);
  burst_until_awaited (&fixture, func);
  for (guint i = 0; i < n_bursts (); i++)
    burst (&fixture, func);
  g_assert_cmpuint (get_gather (&fixture).n_rests, ==, LP_GATHER_RESTS);
  fixture_clear (&fixture);
}

static void
test_never_without_room (void)
{
  never ("max-queued-jobs", LP_GATHER_ROOM - 1, short_func);
}

static void
test_never_long_jobs (void)
{
  never ("max-queued-jobs", 0, long_func);
}

/* Short jobs that nobody waits for are the ones. */
static void
test_gathers (void)
{
  Fixture fixture;

  fixture_init (&fixture, "max-queued-jobs", 0);
  burst_until_awaited (&fixture, short_func);
  for (guint i = 0; i < n_bursts () && get_gather (&fixture).n_rests == LP_GATHER_RESTS; i++)
    burst (&fixture, short_func);
  if (get_gather (&fixture).n_rests == LP_GATHER_RESTS)
    g_test_skip ("No thread has looked out for short jobs: there is one processor, or it is too slow for that now");
  fixture_clear (&fixture);
}

/* --- Who is woken, and when --- */

/* In the place of GLib's. */
static LpJob *next_job;         /* (atomic) what is queued behind the one whose end somebody is woken for */
static int next_state;          /* (atomic) its state then */
static int n_wakeups;           /* (atomic) by threads called WORKER */

static void
note_wakeup (void)
{
  LpJob *job = g_atomic_pointer_get (&next_job);
  char name[16] = "";

  prctl (PR_GET_NAME, name);
  if (job == NULL || !g_str_has_prefix (name, WORKER))
    return;

  g_atomic_int_set (&next_state, lp_job_get_state (job));
  g_atomic_int_inc (&n_wakeups);
}

void
g_main_context_wakeup (GMainContext *context)
{
  void (*real_wakeup) (GMainContext *) = (void (*) (GMainContext *)) dlsym (RTLD_NEXT, "g_main_context_wakeup");

  note_wakeup ();
  real_wakeup (context);
}

void
g_cond_broadcast (GCond *cond)
{
  void (*real_broadcast) (GCond *) = (void (*) (GCond *)) dlsym (RTLD_NEXT, "g_cond_broadcast");

  note_wakeup ();
  real_broadcast (cond);
}

static int n_sleeps;            /* (atomic) that the main thread has begun */

static int
count_poll (GPollFD *fds, guint n_fds, int timeout_msec)
{
  if (timeout_msec != 0)
    g_atomic_int_inc (&n_sleeps);
  return g_poll (fds, n_fds, timeout_msec);
}

gboolean
g_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end_time)
{
  gboolean (*real_wait) (GCond *, GMutex *, gint64)
    = (gboolean (*) (GCond *, GMutex *, gint64)) dlsym (RTLD_NEXT, "g_cond_wait_until");

  if (g_main_context_is_owner (NULL))
    g_atomic_int_inc (&n_sleeps);
  return real_wait (cond, mutex, end_time);
}

static void
sleep_in_loop (Fixture *self, LpJob *job)
{
  while (self->n_left > 0)
    g_main_context_iteration (NULL, TRUE);
}

static void
sleep_in_wait (Fixture *self, LpJob *job)
{
  lp_test_assert_done (job);
}

/* Opens the gate when the main thread sleeps. */
static gpointer
open_asleep (gpointer gate)
{
  while (g_atomic_int_get (&n_sleeps) == 0)
    g_thread_yield ();
  lp_test_gate_open (gate);
  return NULL;
}

static void
submit_first (Fixture *self, LpJob *job, gboolean in_loop)
{
  self->n_left = in_loop ? 1 : 0;
  if (in_loop)
    lp_lease_submit_async (self->lease, job, NULL, told_cb, self);
  else
    lp_test_submit (self->lease, job);
}

/* Who wakes somebody may lose the processor by that: the next job is not its own yet, and another worker can have it. */
static void
wakes_before_it_goes_on (gboolean in_loop)
{
  Fixture fixture;
  guint n_woken = 0;

  fixture_init (&fixture, "max-queued-jobs", 0);
  g_main_context_set_poll_func (NULL, count_poll);
  g_assert_true (g_main_context_acquire (NULL));
  for (guint i = 0; i < ROUNDS; i++)
    {
      LpTestGate *gate = lp_test_gate_new ();
      g_autoptr (LpJob) first = lp_test_gate_job (gate);
      g_autoptr (LpJob) second = lp_test_value_job (1);
      GThread *thread;

      submit_first (&fixture, first, in_loop);
      lp_test_gate_wait_entered (gate, 1);
      lp_test_submit (fixture.lease, second);
      g_atomic_int_set (&n_wakeups, 0);
      g_atomic_int_set (&n_sleeps, 0);
      g_atomic_pointer_set (&next_job, second);

      thread = g_thread_new ("open-asleep", open_asleep, gate);
      (in_loop ? sleep_in_loop : sleep_in_wait) (&fixture, first);
      g_thread_join (thread);
      g_atomic_pointer_set (&next_job, NULL);
      lp_test_assert_done (second);

      /* Unless something else had just woken it. */
      if (g_atomic_int_get (&n_wakeups) > 0)
        g_assert_cmpint (g_atomic_int_get (&next_state), ==, LP_JOB_STATE_QUEUED);
      n_woken += (guint) g_atomic_int_get (&n_wakeups);
      lp_test_gate_unref (gate);
    }
  g_main_context_release (NULL);
  g_main_context_set_poll_func (NULL, NULL);
  g_assert_cmpuint (n_woken, >, 0);

  fixture_clear (&fixture);
}

static void
test_wakes_the_loop (void)
{
  wakes_before_it_goes_on (TRUE);
}

static void
test_wakes_who_blocks (void)
{
  wakes_before_it_goes_on (FALSE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/gather/waits", test_waits);
  g_test_add_func ("/gather/at-once", test_at_once);
  g_test_add_func ("/gather/no-room", test_no_room);
  g_test_add_func ("/gather/rests/after-few", test_rests_after_few);
  g_test_add_func ("/gather/rests/after-it-lost-the-processor", test_rests_after_it_lost_the_processor);
  g_test_add_func ("/gather/rests/awaited-meanwhile", test_awaited_while_it_rests);
  g_test_add_func ("/gather/rests/longer", test_rests_longer);
  g_test_add_func ("/gather/rests/shorter", test_rests_shorter);
  g_test_add_func ("/gather/threads", test_gathers);
  g_test_add_func ("/gather/awaited", test_awaited);
  g_test_add_func ("/gather/awaited/workers-that-wear-out", test_awaited_of_workers_that_wear_out);
  g_test_add_func ("/gather/awaited/given-ends", test_awaited_of_given_ends);
  g_test_add_func ("/gather/never/without-room", test_never_without_room);
  g_test_add_func ("/gather/never/long-jobs", test_never_long_jobs);
  g_test_add_func ("/gather/wakes-first/loop", test_wakes_the_loop);
  g_test_add_func ("/gather/wakes-first/who-blocks", test_wakes_who_blocks);

  return g_test_run ();
}
