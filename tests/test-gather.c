/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Short jobs that a thread lets gather: only where nobody waits for them, and nobody else comes late by that. */

#include "config.h"

#include <dlfcn.h>
#include <sys/prctl.h>

#include "lp-gather-private.h"
#include "lp-test.h"

#define ROUNDS 50
#define WORKER "gather"

/* --- How often --- */

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
test_at_once (void)
{
  LpGather gather = { 0 };

  for (guint i = 0; i < 10; i++)
    g_assert_true (lp_gather_begin_locked (&gather, 0));
}

static void
test_rests (void)
{
  LpGather gather = { 0 };

  g_assert_true (lp_gather_begin_locked (&gather, 0));
  lp_gather_awaited_locked (&gather);
  g_assert_cmpuint (count_rests (&gather), >=, LP_GATHER_RESTS);
  g_assert_true (lp_gather_begin_locked (&gather, 0));
}

/* It is not the fault of what is not done. */
static void
test_awaited_while_it_rests (void)
{
  LpGather gather = { 0 };
  guint n;

  g_assert_true (lp_gather_begin_locked (&gather, 0));
  lp_gather_awaited_locked (&gather);
  n = gather.n_rests;
  for (guint i = 0; i < 100; i++)
    lp_gather_awaited_locked (&gather);
  g_assert_cmpuint (count_rests (&gather), ==, n);
}

/* Who always sleeps until a job ends is hardly ever kept waiting. */
static void
test_rests_longer (void)
{
  LpGather gather = { 0 };
  guint before, n = 0;

  g_assert_true (lp_gather_begin_locked (&gather, 0));
  do
    {
      before = n;
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
  guint n;

  g_assert_true (lp_gather_begin_locked (&gather, 0));
  for (guint i = 0; i < 5; i++)
    {
      lp_gather_awaited_locked (&gather);
      n = count_rests (&gather);
    }
  g_assert_cmpuint (n, >, 4 * LP_GATHER_RESTS);

  for (guint i = 0; i < 20; i++)
    g_assert_true (lp_gather_begin_locked (&gather, 0));
  lp_gather_awaited_locked (&gather);
  g_assert_cmpuint (count_rests (&gather), <=, 4 * LP_GATHER_RESTS);
}

static void
test_no_room (void)
{
  LpGather gather = { 0 };

  g_assert_false (lp_gather_begin_locked (&gather, 1));
  g_assert_false (lp_gather_begin_locked (&gather, LP_GATHER_ROOM - 1));
  g_assert_true (lp_gather_begin_locked (&gather, LP_GATHER_ROOM));
}

static void
test_waits (void)
{
  gint64 began = g_get_monotonic_time ();

  lp_gather_wait ();
  g_assert_cmpint (g_get_monotonic_time () - began, >=, LP_GATHER_USEC);
}

/* --- Threads of the library --- */

/* In the place of GLib's. */
static LpJob *next_job;         /* (atomic) what is queued behind the one whose end the context is woken for */
static int next_state;          /* (atomic) its state then */
static int n_wakeups;           /* (atomic) of threads called WORKER */

void
g_main_context_wakeup (GMainContext *context)
{
  void (*real_wakeup) (GMainContext *) = (void (*) (GMainContext *)) dlsym (RTLD_NEXT, "g_main_context_wakeup");
  LpJob *job = g_atomic_pointer_get (&next_job);
  char name[16] = "";

  prctl (PR_GET_NAME, name);
  if (job != NULL && g_str_has_prefix (name, WORKER))
    {
      g_atomic_int_set (&next_state, lp_job_get_state (job));
      g_atomic_int_inc (&n_wakeups);
    }
  real_wakeup (context);
}

static int n_polls;             /* (atomic) that the main context has begun, with nothing to do */

static int
count_poll (GPollFD *fds, guint n_fds, int timeout_msec)
{
  if (timeout_msec != 0)
    g_atomic_int_inc (&n_polls);
  return g_poll (fds, n_fds, timeout_msec);
}

/* Opens the gate when the main context sleeps. */
static gpointer
open_asleep (gpointer gate)
{
  while (g_atomic_int_get (&n_polls) == 0)
    g_thread_yield ();
  lp_test_gate_open (gate);
  return NULL;
}

static void
ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GVariant) value = lp_lease_submit_finish (LP_LEASE (source), result, NULL);

  g_assert_nonnull (value);
  *(gboolean *) user_data = TRUE;
}

/* Who wakes somebody may lose the processor by that: the next job is not its own yet, and another worker can have it. */
static void
test_wakes_before_it_goes_on (void)
{
  char prefix[] = WORKER;
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, "name-prefix", prefix, NULL);
  LpLease *lease = lp_test_acquire (manager, "asleep");
  guint n_woken = 0;

  g_main_context_set_poll_func (NULL, count_poll);
  for (guint i = 0; i < ROUNDS; i++)
    {
      LpTestGate *gate = lp_test_gate_new ();
      g_autoptr (LpJob) first = lp_test_gate_job (gate);
      g_autoptr (LpJob) second = lp_test_value_job (1);
      gboolean ended = FALSE;
      GThread *thread;

      lp_lease_submit_async (lease, first, NULL, ended_cb, &ended);
      lp_test_gate_wait_entered (gate, 1);
      lp_test_submit (lease, second);
      g_atomic_int_set (&n_polls, 0);
      g_atomic_pointer_set (&next_job, second);

      thread = g_thread_new ("open-asleep", open_asleep, gate);
      while (!ended)
        g_main_context_iteration (NULL, TRUE);
      g_thread_join (thread);
      lp_test_assert_done (second);

      /* Unless something else had just woken it. */
      g_atomic_pointer_set (&next_job, NULL);
      if (g_atomic_int_get (&n_wakeups) > 0)
        g_assert_cmpint (g_atomic_int_get (&next_state), ==, LP_JOB_STATE_QUEUED);
      n_woken += (guint) g_atomic_int_and ((guint *) &n_wakeups, 0);
      lp_test_gate_unref (gate);
    }
  g_main_context_set_poll_func (NULL, NULL);
  g_assert_cmpuint (n_woken, >, 0);

  lp_lease_release (lease);
  g_object_unref (lease);
  lp_test_finish (manager);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/gather/at-once", test_at_once);
  g_test_add_func ("/gather/rests", test_rests);
  g_test_add_func ("/gather/rests/awaited-meanwhile", test_awaited_while_it_rests);
  g_test_add_func ("/gather/rests/longer", test_rests_longer);
  g_test_add_func ("/gather/rests/shorter", test_rests_shorter);
  g_test_add_func ("/gather/no-room", test_no_room);
  g_test_add_func ("/gather/waits", test_waits);
  g_test_add_func ("/gather/wakes-before-it-goes-on", test_wakes_before_it_goes_on);

  return g_test_run ();
}
