/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Whoever sleeps or watches is told of a job that got into the inbox of its executor, or nobody need be. */

#include "config.h"

#include <dlfcn.h>
#include <sys/prctl.h>

#include "lp-test-inbox.h"

#define WORKER "leasepool-"

/* --- Threads of which one works, one watches, and one sleeps --- */

/* In the place of GLib's: a clock that stands still in some cases, so that a job is short unless it says that it is
 * not; periods of a watch that last until the case says so; and one processor, where no thread looks out before it
 * sleeps. */
static gint64 fake_time;        /* (atomic) 0: the real one */
static int periods_pass;        /* (atomic) */
static int n_watching;          /* (atomic) threads called WORKER that sleep for a period */
static int n_sleeping;          /* (atomic) those that sleep for as long as it takes */

static gint64
real_time (void)
{
  gint64 (*get_time) (void) = (gint64 (*) (void)) dlsym (RTLD_NEXT, "g_get_monotonic_time");

  return get_time ();
}

gint64
g_get_monotonic_time (void)
{
  gint64 time = __atomic_load_n (&fake_time, __ATOMIC_SEQ_CST);

  return time != 0 ? time : real_time ();
}

guint
g_get_num_processors (void)
{
  return 1;
}

static gboolean
is_worker (void)
{
  char name[16] = "";

  prctl (PR_GET_NAME, name);
  return g_str_has_prefix (name, WORKER);
}

gboolean
g_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end_time)
{
  gboolean (*wait_until) (GCond *, GMutex *, gint64)
    = (gboolean (*) (GCond *, GMutex *, gint64)) dlsym (RTLD_NEXT, "g_cond_wait_until");
  gboolean woken = FALSE;

  if (__atomic_load_n (&fake_time, __ATOMIC_SEQ_CST) == 0 || !is_worker ())
    return wait_until (cond, mutex, end_time);

  g_atomic_int_inc (&n_watching);
  do
    woken = wait_until (cond, mutex, real_time () + 1000);
  while (!woken && !g_atomic_int_get (&periods_pass));
  g_atomic_int_add (&n_watching, -1);

  return woken;
}

void
g_cond_wait (GCond *cond, GMutex *mutex)
{
  void (*wait) (GCond *, GMutex *) = (void (*) (GCond *, GMutex *)) dlsym (RTLD_NEXT, "g_cond_wait");
  int sleeps = is_worker () ? 1 : 0;

  g_atomic_int_add (&n_sleeping, sleeps);
  wait (cond, mutex);
  g_atomic_int_add (&n_sleeping, -sleeps);
}

static void
set_up_watch (Fixture *self, gconstpointer data)
{
  start_inbox (self, 3, "max-queued-jobs", 0);
}

/* Starts N threads. When this returns none of them is inside a job. */
static void
meet (LpLease *lease, guint n)
{
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < n; i++)
    {
      g_ptr_array_add (jobs, lp_test_gate_job (gate));
      lp_test_submit (lease, jobs->pdata[i]);
    }
  lp_test_gate_wait_entered (gate, n);
  lp_test_gate_open (gate);
  for (guint i = 0; i < n; i++)
    lp_test_assert_done (jobs->pdata[i]);
  lp_test_gate_unref (gate);
}

/* No thread is on its way to another state. */
static gboolean
is_quiet (gpointer data)
{
  return g_atomic_int_get (&n_watching) + g_atomic_int_get (&n_sleeping) == 3;
}

static gboolean
all_sleep (gpointer data)
{
  return g_atomic_int_get (&n_sleeping) == 3;
}

static gboolean
has_ended_or_stays (gpointer job)
{
  return lp_job_get_state (job) == LP_JOB_STATE_SUCCEEDED || (is_quiet (NULL) && g_atomic_int_get (&n_watching) > 0);
}

/* Unless somebody watches, and none of that's periods ends: then it is left to nobody. */
static void
run_short_job (LpLease *lease)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);

  lp_test_submit (lease, job);
  lp_test_block_for (has_ended_or_stays, job, "a short job");
  lp_job_cancel (job);
  lp_test_block_for (is_quiet, NULL, "that job's thread");
}

/* All threads are there, one of them is inside a job that the gate holds (which is seen as asleep, too), one
 * watches, for jobs are short, and one sleeps. No period of the watch ends. */
static void
begin_to_watch (Fixture *self)
{
  __atomic_store_n (&fake_time, real_time (), __ATOMIC_SEQ_CST);
  g_atomic_int_set (&periods_pass, TRUE);
  meet (self->lease, 3);
  lp_test_block_for (all_sleep, NULL, "the threads to sleep");
  for (guint i = 0; i < 2 * LP_WATCH_MOST; i++)
    run_short_job (self->lease);
  occupy (self->lease, self->gate, 1);
  lp_test_block_for (all_sleep, NULL, "the other threads to sleep");

  g_atomic_int_set (&periods_pass, FALSE);
  while (g_atomic_int_get (&n_watching) == 0)
    run_short_job (self->lease);
}

static void
end_watch (LpTestGate *stays)
{
  lp_test_gate_open (stays);
  lp_test_gate_unref (stays);
  g_atomic_int_set (&periods_pass, TRUE);
  __atomic_store_n (&fake_time, 0, __ATOMIC_SEQ_CST);
}

static void
submit_staying (LpLease *lease, LpTestGate *gate)
{
  g_autoptr (LpJob) job = lp_test_gate_job (gate);

  lp_test_submit (lease, job);
}

/* None of them ends: who watches takes the one in the queue, and who sleeps must take the one in the inbox. */
static void
test_who_sleeps_is_woken (Fixture *self, gconstpointer data)
{
  LpTestGate *stays = lp_test_gate_new ();

  begin_to_watch (self);
  submit_staying (self->lease, stays);
  submit_staying (self->lease, stays);
  g_assert_cmpuint (count_inbox (self->lease), ==, 1);

  g_atomic_int_set (&periods_pass, TRUE);
  lp_test_gate_wait_entered (stays, 2);
  end_watch (stays);
}

/* The same where both are in the inbox, and nothing is in the queue. */
static void
test_queue_is_empty (Fixture *self, gconstpointer data)
{
  LpTestGate *stays = lp_test_gate_new ();

  begin_to_watch (self);
  for (guint i = 0; i < 3; i++)
    submit_staying (self->lease, stays);
  lp_test_gate_open (self->gate);
  lp_test_gate_wait_entered (stays, 1);
  g_assert_cmpuint (count_inbox (self->lease), ==, 2);

  g_atomic_int_set (&periods_pass, TRUE);
  lp_test_gate_wait_entered (stays, 3);
  end_watch (stays);
}

static void
long_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  __atomic_add_fetch (&fake_time, 10 * LP_WATCH_SHORT_USEC, __ATOMIC_SEQ_CST);
  *result = g_variant_new ("()");
}

/* Jobs turn out to be long. Nobody relies on who watches any more, so that it is not open, and the next job is
 * somebody's at once, without the end of a period. */
static void
test_jobs_get_long (Fixture *self, gconstpointer data)
{
  LpTestGate *stays = lp_test_gate_new ();

  begin_to_watch (self);
  for (guint i = 0; i < LP_WATCH_MOST / LP_WATCH_LONG_COUNTS; i++)
    {
      g_autoptr (LpJob) job = lp_job_new_for_func (long_func, NULL, NULL);

      lp_test_submit (self->lease, job);
    }
  submit_staying (self->lease, stays);
  g_assert_cmpuint (count_inbox (self->lease), >, 0);
  lp_test_gate_open (self->gate);
  lp_test_gate_wait_entered (stays, 1);
  g_assert_false (is_open (self->lease));

  submit_staying (self->lease, stays);
  lp_test_gate_wait_entered (stays, 2);
  end_watch (stays);
}

/* --- Threads that sleep, or have not been started --- */

static gboolean
n_sleep (gpointer n)
{
  return g_atomic_int_get (&n_sleeping) == GPOINTER_TO_INT (n);
}

/* A thread that has run out of jobs closes it before it sleeps. */
static void
test_closed_before_sleep (Fixture *self, gconstpointer data)
{
  for (int i = 0; i < 3; i++)
    {
      g_autoptr (LpJob) job = lp_test_value_job (i);

      lp_test_submit (self->lease, job);
      assert_value (job, i);
      lp_test_block_for (n_sleep, GINT_TO_POINTER (1), "the thread to sleep");
      g_assert_false (is_open (self->lease));
    }
}

/* The first job is for the thread that sleeps, and does not end: the second one needs one more thread. */
static void
test_closed_before_start (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);

  lp_test_submit (self->lease, job);
  assert_value (job, 1);
  lp_test_block_for (n_sleep, GINT_TO_POINTER (1), "the thread to sleep");
  occupy (self->lease, self->gate, 2);
}

/* One of two that sleep is woken, and the other one is not. */
static void
test_closed_while_others_sleep (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);

  meet (self->lease, 2);
  lp_test_block_for (n_sleep, GINT_TO_POINTER (2), "both threads to sleep");
  lp_test_submit (self->lease, job);
  g_assert_false (is_open (self->lease));
  assert_value (job, 1);
}

/* --- One thread, and who waits on it or does not end on it --- */

static void
defer_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_job_defer (job);
  g_async_queue_push (user_data, g_object_ref (job));
}

/* The thread is free, but its place is not, so that it has been woken in vain. The end of the deferred job is not on
 * it. */
static void
test_place_is_taken (Fixture *self, gconstpointer data)
{
  g_autoptr (GAsyncQueue) begun = g_async_queue_new_full (g_object_unref);
  g_autoptr (LpJob) deferred = lp_job_new_for_func (defer_func, begun, NULL);
  g_autoptr (LpJob) first = lp_test_value_job (0);
  g_autoptr (LpJob) begins = NULL;
  g_autoptr (GPtrArray) jobs = NULL;

  lp_test_submit (self->lease, deferred);
  begins = g_async_queue_pop (begun);
  lp_test_submit (self->lease, first);
  jobs = g_ptr_array_new_with_free_func (g_object_unref);
  for (int i = 0; i < 5; i++)
    {
      g_ptr_array_add (jobs, lp_test_value_job (i + 1));
      lp_test_submit (self->lease, jobs->pdata[i]);
    }
  lp_job_return_value (begins, g_variant_new ("()"));
  assert_value (first, 0);
  assert_all_done (jobs);
}

typedef struct
{
  LpLease *lease;
  LpJob *first;                 /* (owned) in the queue */
  GPtrArray *jobs;              /* (owned) in the inbox, before the one that is waited for */
  GThread *thread;              /* that ran this one */
} Nested;

static void
note_thread_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Nested *self = user_data;

  /* Who takes one out of the middle has taken all into the queue. */
  g_assert_cmpuint (count_inbox (self->lease), ==, 0);
  self->thread = g_thread_self ();
  *result = g_variant_new ("()");
}

/* Waits for the last of the jobs that it has put there. */
static void
nested_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Nested *self = user_data;
  g_autoptr (LpJob) last = lp_job_new_for_func (note_thread_func, self, NULL);

  self->first = lp_test_value_job (0);
  lp_test_submit (self->lease, self->first);
  self->jobs = put (self->lease, 2);
  lp_test_submit (self->lease, last);
  g_assert_cmpuint (count_inbox (self->lease), ==, 3);

  lp_test_assert_done (last);
  g_assert_true (self->thread == g_thread_self ());
  g_assert_cmpint (lp_job_get_state (self->first), ==, LP_JOB_STATE_QUEUED);
  g_assert_cmpint (lp_job_get_state (self->jobs->pdata[1]), ==, LP_JOB_STATE_QUEUED);
  *result = g_variant_new ("()");
}

/* It runs in place, before the others, which are not lost by that. */
static void
test_wait_inside_a_job (Fixture *self, gconstpointer data)
{
  Nested nested = { .lease = self->lease };
  g_autoptr (LpJob) job = lp_job_new_for_func (nested_func, &nested, NULL);

  lp_test_submit (self->lease, job);
  lp_test_assert_done (job);
  assert_value (nested.first, 0);
  assert_all_done (nested.jobs);
  g_object_unref (nested.first);
  g_ptr_array_unref (nested.jobs);
}

static void
stop_here_cb (gpointer stop, GObject *where_it_was)
{
  stop_here (stop);
}

/* A job whose thread stops when it drops it: after its end, and before it looks for the next one. It does not end
 * before nobody else has it. */
static void
submit_stopping_job (LpLease *lease, Stop *stop)
{
  LpTestGate *ends = lp_test_gate_new ();
  LpJob *job = lp_test_gate_job (ends);

  g_object_weak_ref (G_OBJECT (job), stop_here_cb, stop);
  lp_test_submit (lease, job);
  g_object_unref (job);
  lp_test_gate_open (ends);
  wait_reached (stop);
  lp_test_gate_unref (ends);
}

/* One thread has run its last job, the other one is inside one that does not end: what gets into the inbox before the
 * first has ended is left to another one. */
static void
test_worn_out (void)
{
  Stop stop = { 0 };
  g_autoptr (GPtrArray) jobs = NULL;
  Fixture self;

  start_inbox (&self, 2, "max-jobs-per-worker", 2);

  /* Each end closes the inbox, so these come first. */
  meet (self.lease, 2);
  submit_stopping_job (self.lease, &stop);
  occupy (self.lease, self.gate, 1);
  jobs = put (self.lease, 1);
  let_go (&stop);
  assert_all_done (jobs);

  tear_down_inbox (&self, NULL);
}

#define add_case(name, set_up_func, func) g_test_add ("/inbox/" name, Fixture, NULL, set_up_func, func, tear_down_inbox)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  add_case ("watch/who-sleeps-is-woken", set_up_watch, test_who_sleeps_is_woken);
  add_case ("watch/queue-is-empty", set_up_watch, test_queue_is_empty);
  add_case ("watch/jobs-get-long", set_up_watch, test_jobs_get_long);
  add_case ("closed/before-sleep", set_up_one, test_closed_before_sleep);
  add_case ("closed/before-start", set_up_two, test_closed_before_start);
  add_case ("closed/while-others-sleep", set_up_two, test_closed_while_others_sleep);
  add_case ("deferred", set_up_one, test_place_is_taken);
  add_case ("wait-inside-a-job", set_up_one, test_wait_inside_a_job);
  g_test_add_func ("/inbox/worn-out", test_worn_out);

  return g_test_run ();
}
