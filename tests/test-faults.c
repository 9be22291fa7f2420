/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Faults from below: a program that is suspended, a clock that jumps, signals that interrupt every call, and callers
 * that are gone when their result comes. */

#include "config.h"

#include "lp-test-remote.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* --- A clock that jumps --- */

static int offset_seconds;      /* (atomic) of the wall clock; the monotonic one never jumps */

/* In the place of the C library's, for all that the program loads. */
int
gettimeofday (struct timeval *now, void *zone)
{
  int result = (int) syscall (SYS_gettimeofday, now, zone);

  now->tv_sec += g_atomic_int_get (&offset_seconds);
  return result;
}

int
clock_gettime (clockid_t clock, struct timespec *now)
{
  int result = (int) syscall (SYS_clock_gettime, clock, now);

  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
    now->tv_sec += g_atomic_int_get (&offset_seconds);
  return result;
}

static gboolean
has_expired (gpointer data)
{
  return lp_lease_get_state (data) == LP_LEASE_STATE_EXPIRED;
}

/* Nothing is measured by it: a lease of an hour does not expire when it jumps a day ahead, one of a moment does when it
 * jumps back, and what waits for a time-out gets it. */
static void
check_jump (int seconds)
{
  LpManager *manager = lp_test_start (2, "min-pools", 2, "lease-grace-seconds", 0.0,
                                      "default-lease-seconds", 3600.0, NULL);
  g_autoptr (LpLease) lasting = lp_test_acquire (manager, "lasting");
  g_autoptr (LpLease) brief = lp_test_acquire (manager, "brief");
  g_autoptr (LpLease) next = NULL;
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GError) error = NULL;
  gint64 before = g_get_real_time ();

  g_atomic_int_set (&offset_seconds, seconds);
  g_assert_cmpint (ABS (g_get_real_time () - before), >, G_TIME_SPAN_HOUR);

  g_assert_true (lp_lease_renew (brief, 0.02, NULL));
  lp_test_block_for (has_expired, brief, "the expiry of a brief lease");
  next = lp_test_acquire (manager, "next");
  lp_request_set_timeout (request, 0.02);
  g_assert_null (lp_manager_acquire (manager, request, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);

  g_assert_cmpint (lp_lease_get_state (lasting), ==, LP_LEASE_STATE_ACTIVE);
  lp_test_submit (lasting, job);
  assert_value (job, 1);

  g_atomic_int_set (&offset_seconds, 0);
  g_assert_cmpint (lp_lease_get_state (lasting), ==, LP_LEASE_STATE_ACTIVE);
  lp_test_finish (manager);
}

static void
test_clock_jumps_ahead (void)
{
  check_jump (24 * 3600);
}

static void
test_clock_jumps_back (void)
{
  check_jump (-24 * 3600);
}

/* --- A program that is suspended --- */

/* Stops all threads of this process; a child that lives meanwhile has it go on. */
static void
be_suspended_for (const char *seconds)
{
  const char *argv[] = { "sh", "-c", "sleep $0; kill -CONT $PPID", seconds, NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) waker = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_NONE, &error);

  g_assert_no_error (error);
  g_assert_cmpint (kill (getpid (), SIGSTOP), ==, 0);
  lp_test_wait_process (waker);
  g_assert_true (g_subprocess_get_successful (waker));
}

static void
timed_out_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lp_manager_acquire_finish (LP_MANAGER (source), result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  (*(guint *) user_data)++;
}

static gboolean
is_one (gpointer data)
{
  return *(guint *) data == 1;
}

/* For longer than every deadline that is set: all come due at once afterwards, each is kept once, and the pool
 * works. */
static void
test_suspended (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 2, "lease-grace-seconds", 0.05,
                                      "cancel-grace-seconds", 0.05, "check-interval", 0.1,
                                      "idle-linger-seconds", 0.1, NULL);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "suspended");
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (LpJob) polite = lp_test_gate_polite_job (gate);
  g_autoptr (GError) error = NULL;
  guint n_told = 0;

  lp_job_set_timeout_seconds (polite, 0.3);
  lp_test_submit (lease, polite);
  lp_test_gate_wait_entered (gate, 1);
  lp_request_set_timeout (request, 0.2);
  lp_manager_acquire_async (manager, request, NULL, timed_out_cb, &n_told);
  g_assert_true (lp_lease_renew (lease, 0.5, NULL));

  be_suspended_for ("1.5");

  lp_test_block_for (has_expired, lease, "the expiry of a lease");
  g_assert_null (lp_job_wait (polite, PATIENCE_SECONDS, NULL, &error));
  lp_test_wait_for (is_one, &n_told, "a time-out");
  g_assert_cmpuint (lp_test_counter (manager, "revoked"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "timed_out"), ==, 1);

  lp_test_gate_open (gate);
  {
    g_autoptr (LpLease) next = lp_test_acquire (manager, "next");
    g_autoptr (LpJob) job = lp_test_value_job (1);

    lp_test_submit (next, job);
    assert_value (job, 1);
    lp_lease_release (next);
  }
  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

/* --- Signals that interrupt every call --- */

static int n_signals;           /* (atomic) */

static void
count_signal (int number)
{
  g_atomic_int_inc (&n_signals);
}

static void
start_storm (void)
{
  struct sigaction action = { .sa_handler = count_signal };     /* and no SA_RESTART */
  struct itimerval each = { { 0, 300 }, { 0, 300 } };

  g_assert_cmpint (sigaction (SIGALRM, &action, NULL), ==, 0);
  g_assert_cmpint (setitimer (ITIMER_REAL, &each, NULL), ==, 0);
}

static void
end_storm (void)
{
  struct itimerval never = { { 0, 0 }, { 0, 0 } };
  struct sigaction action = { .sa_handler = SIG_IGN };

  g_assert_cmpint (setitimer (ITIMER_REAL, &never, NULL), ==, 0);
  g_assert_cmpint (sigaction (SIGALRM, &action, NULL), ==, 0);
}

static LpJob *
new_bytes_job (guint64 size)
{
  return lp_job_new_for_call ("bytes", g_variant_new ("(t)", size));
}

static void
run_in_storm (LpLease *lease, int number)
{
  const char *argv[] = { "echo", "42", NULL };
  g_autoptr (LpJob) small = lp_test_value_job (number);
  g_autoptr (LpJob) large = new_bytes_job (number % 20 == 0 ? 3000000 : 30000);
  g_autoptr (LpJob) command = lp_job_new_for_command (argv, NULL);
  g_autoptr (GVariant) bytes = NULL;
  g_autoptr (GVariant) output = NULL;

  lp_test_submit (lease, small);
  lp_test_submit (lease, large);
  if (number % 20 == 0)
    {
      lp_test_submit (lease, command);
      output = get_value (command);
    }
  assert_value (small, number);
  bytes = get_value (large);
}

static void
test_interrupted (void)
{
  LpManager *manager;

  start_storm ();
  manager = lp_test_start (2, "workers-per-pool", 2, "start-timeout-seconds", PATIENCE_SECONDS, NULL);
  /* A machine that is quick does so much before there was a storm. */
  for (int i = 0; i < 10 || g_atomic_int_get (&n_signals) <= 100; i++)
    {
      LpLease *lease = lp_test_acquire (manager, "storm");

      for (int j = 0; j < 20; j++)
        run_in_storm (lease, j);
      lp_lease_release (lease);
      lp_test_wait_finalized (lease);
      if (i % 3 == 0)
        lp_manager_recycle (manager);
    }
  lp_test_finish (manager);
  end_storm ();
  g_test_message ("%d signals", g_atomic_int_get (&n_signals));
}

/* --- Callers that are gone --- */

static void
count_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  (*(guint *) user_data)++;
}

typedef struct
{
  LpManager *manager;
  guint n_told;
} Caller;

/* Returns its context, which nobody iterates for now. */
static gpointer
ask_and_go_main (gpointer data)
{
  Caller *self = data;
  GMainContext *context = g_main_context_new ();
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (LpJob) job = lp_test_value_job (1);

  lp_request_set_lease_seconds (request, 0.05);
  g_main_context_push_thread_default (context);
  lp_manager_acquire_async (self->manager, request, NULL, count_cb, &self->n_told);
  lp_manager_run_async (self->manager, job, request, NULL, count_cb, &self->n_told);
  g_main_context_pop_thread_default (context);

  return context;
}

/* Their leases end at their expiry and go to the next, and the results are there for whoever iterates later. */
static void
test_caller_is_gone (void)
{
  Caller self = { lp_test_start (1, "lease-grace-seconds", 0.0, NULL), 0 };
  LpLease *lease = lp_test_acquire (self.manager, "first");
  GMainContext *contexts[20];
  guint n_callers = lp_test_has_processes () ? 3 : G_N_ELEMENTS (contexts);     /* each costs a process its life */

  for (guint i = 0; i < n_callers; i++)
    contexts[i] = g_thread_join (g_thread_new ("gone", ask_and_go_main, &self));
  lp_lease_release (lease);
  g_object_unref (lease);

  /* Behind all of them. */
  lease = lp_test_acquire (self.manager, "last");
  lp_lease_release (lease);
  g_object_unref (lease);
  g_assert_cmpuint (self.n_told, ==, 0);

  for (guint i = 0; i < n_callers; i++)
    {
      /* A run gives its executor back before it is told. */
      while (self.n_told < 2 * (i + 1))
        g_main_context_iteration (contexts[i], TRUE);
      while (g_main_context_iteration (contexts[i], FALSE))
        ;
      g_main_context_unref (contexts[i]);
    }
  g_assert_cmpuint (self.n_told, ==, 2 * n_callers);
  lp_test_finish (self.manager);
}

int
main (int argc, char *argv[])
{
  lp_test_proc_init (&argc, &argv);

  lp_test_conform_add_func ("/faults/clock/jumps-ahead", test_clock_jumps_ahead);
  lp_test_conform_add_func ("/faults/clock/jumps-back", test_clock_jumps_back);
  lp_test_conform_add_func ("/faults/suspended", test_suspended);
  lp_test_conform_add_func ("/faults/interrupted", test_interrupted);
  lp_test_conform_add_func ("/faults/caller-is-gone", test_caller_is_gone);

  return g_test_run ();
}
