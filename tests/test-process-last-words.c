/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What a worker process said before it ended, of which more is read only when it is known that it has ended. */

#include "config.h"

#include "lp-test-proc.h"

#include <sys/wait.h>

#include "lp-clock-private.h"
#include "lp-manager-private.h"
#include "lp-pool-private.h"

static GMutex service_gate;

static void
hold_up_cb (gpointer data, gpointer more)
{
  g_mutex_lock (&service_gate);
  g_mutex_unlock (&service_gate);
}

/* Lets the process PID go on to its end, which comes before the service thread reads what it said last. */
static void
end_before_it_is_read (LpTestProc *self, int pid)
{
  siginfo_t info;

  g_mutex_lock (&service_gate);
  lp_service_post (self->manager->pool->service, hold_up_cb, NULL, NULL);
  lp_test_let_go (&self->first);
  waitid (P_PID, (id_t) pid, &info, WEXITED | WNOWAIT); /* or it has been reaped */
  g_mutex_unlock (&service_gate);
}

typedef struct
{
  LpTestProc proc;
  LpLease *lease;
  LpTestOutcome *last;          /* runs, and has a result when the process ends */
  int pid;                      /* of the only process */
} LastWords;

static void
last_words_init (LastWords *self, const char *mode, int max_jobs)
{
  lp_test_proc_set_up (&self->proc, mode);
  g_object_set (self->proc.manager, "workers-per-pool", 1, "max-jobs-per-worker", max_jobs,
                "forward-process-logs", FALSE, NULL);
  lp_test_proc_start (&self->proc);
  self->lease = lp_test_acquire (self->proc.manager, "last-words");
  self->pid = lp_test_get_child (0);
  self->last = lp_test_call (self->lease, "misbehave", g_variant_new ("(s)", self->proc.first.path));
  lp_test_wait_started (self->last);
}

static void
last_words_clear (LastWords *self)
{
  lp_test_outcome_free (self->last);
  lp_lease_release (self->lease);
  lp_test_wait_finalized (self->lease);
  lp_manager_stop (self->proc.manager, LP_STOP_MODE_DRAIN, -1, NULL, NULL);
  g_assert_cmpint (lp_deadlines_next (&self->proc.manager->pool->deadlines), ==, LP_TIME_NEVER);
  lp_test_proc_tear_down (&self->proc);
}

/* Of one that has ended, and then is read to the end, nothing is expected any more: not that it leaves, either, though
 * what is read is the result of the last job that it may have. */
static void
test_leave_no_deadline (void)
{
  LastWords self;

  last_words_init (&self, "burst-answer-and-die", 1);
  end_before_it_is_read (&self.proc, self.pid);
  lp_test_assert_succeeds (self.last);
  last_words_clear (&self);
}

/* Nor is that a fault: what waits goes to the next one. */
static void
test_are_no_fault (void)
{
  LastWords self;
  LpTestOutcome *next;

  last_words_init (&self, "burst-answer-and-die", 1);
  next = lp_test_double (self.lease, 21);
  end_before_it_is_read (&self.proc, self.pid);
  lp_test_assert_succeeds (self.last);
  lp_test_assert_int (next, 42);
  g_assert_cmpuint (lp_test_counter (self.proc.manager, "executors_retired"), ==, 0);
  lp_test_outcome_free (next);
  last_words_clear (&self);
}

/* One that has ended is sent no job, so that none is blamed: not where it is late to say what it began, either. */
static void
test_blame_no_job (gconstpointer mode)
{
  LastWords self;
  LpTestOutcome *next;

  last_words_init (&self, mode, 0);
  next = lp_test_double (self.lease, 21);
  end_before_it_is_read (&self.proc, self.pid);
  lp_test_assert_succeeds (self.last);
  lp_test_assert_untouched (next);
  lp_test_outcome_free (next);
  last_words_clear (&self);
}

int
main (int argc, char *argv[])
{
  lp_test_proc_init (&argc, &argv);

  g_test_add_func ("/process/last-words/leave-no-deadline", test_leave_no_deadline);
  g_test_add_func ("/process/last-words/are-no-fault", test_are_no_fault);
  g_test_add_data_func ("/process/last-words/blame-no-job/started", "burst-answer-and-die", test_blame_no_job);
  g_test_add_data_func ("/process/last-words/blame-no-job/late", "--late burst-answer-and-die", test_blame_no_job);

  return g_test_run ();
}
