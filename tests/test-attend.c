/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Answers of a worker process that are read by the main loop which waits for them: when that begins, and that nothing
 * depends on it. */

#include "config.h"

#include "lp-test-proc.h"

#include <dlfcn.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lp-child-private.h"
#include "lp-lease-private.h"
#include "lp-pool-private.h"
#include "lp-process-executor-private.h"

/* So many calls alone make the context attend. */
#define CALLS 17

/* In the place of GLib's: what this thread is told that the time is, however slow the machine is. */
static __thread gint64 told_time;

gint64
g_get_monotonic_time (void)
{
  gint64 (*real_time) (void) = (gint64 (*) (void)) dlsym (RTLD_NEXT, "g_get_monotonic_time");

  return told_time != 0 ? told_time : real_time ();
}

/* One worker, and a thread, this one at first, that calls it. */
typedef struct
{
  LpTestProc proc;
  LpLease *lease;
  LpProcessExecutor *executor;
  LpChild *child;
  gint64 now;                   /* when calls are made */
} Attend;

static void
set_up (Attend *self, const char *arguments)
{
  LpLease *lease;

  lp_test_proc_set_up (&self->proc, arguments);
  g_object_set (self->proc.manager, "workers-per-pool", 1, "forward-process-logs", TRUE, NULL);
  lp_test_proc_start (&self->proc);
  lease = self->lease = lp_test_acquire (self->proc.manager, "attend");
  self->executor = g_object_ref (LP_PROCESS_EXECUTOR (lp_lease_get_grant (lease)->executor));
  g_rec_mutex_lock (&self->executor->children_lock);
  self->child = lp_child_ref (self->executor->children->pdata[0]);
  g_rec_mutex_unlock (&self->executor->children_lock);
  self->now = g_get_monotonic_time ();

  /* As in a callback of the loop. */
  g_assert_true (g_main_context_acquire (NULL));
}

static void
tear_down (Attend *self)
{
  g_main_context_release (NULL);
  lp_child_unref (self->child);
  g_object_unref (self->executor);
  lp_lease_release (self->lease);
  lp_test_wait_finalized (self->lease);
  lp_test_proc_tear_down (&self->proc);
}

static gboolean
is_attended (Attend *self)
{
  gboolean attended;

  g_rec_mutex_lock (&self->executor->children_lock);
  attended = self->child->attendance.attendant != NULL;
  g_rec_mutex_unlock (&self->executor->children_lock);

  return attended;
}

static gboolean
is_not_attended (gpointer data)
{
  return !is_attended (data);
}

static void
assert_doubled (LpTestOutcome *outcome, int value)
{
  lp_test_assert_int (outcome, 2 * value);
  lp_test_outcome_free (outcome);
}

/* The service thread keeps out of it meanwhile: whether the call is ATTENDED (nullable) does not depend on how fast the
 * machine is. */
static LpTestOutcome *
call_looking (Attend *self, const char *name, GVariant *parameters, gboolean *attended)
{
  LpTestOutcome *outcome;

  g_rec_mutex_lock (&self->executor->children_lock);
  told_time = self->now;
  outcome = lp_test_call (self->lease, name, parameters);
  told_time = 0;
  if (attended != NULL)
    *attended = self->child->attendance.attendant != NULL;
  g_rec_mutex_unlock (&self->executor->children_lock);

  return outcome;
}

static LpTestOutcome *
call (Attend *self, const char *name, GVariant *parameters)
{
  return call_looking (self, name, parameters, NULL);
}

static LpTestOutcome *
call_double (Attend *self, int value)
{
  return call (self, "double", g_variant_new ("(i)", value));
}

static gboolean
call_is_attended (Attend *self, int value)
{
  gboolean attended;

  assert_doubled (call_looking (self, "double", g_variant_new ("(i)", value), &attended), value);
  return attended;
}

/* A call is under way then, whose answer this context reads. */
static LpTestOutcome *
call_attended (Attend *self)
{
  for (int i = 0;; i++)
    {
      gboolean attended;
      LpTestOutcome *outcome = call_looking (self, "double", g_variant_new ("(i)", i), &attended);

      if (attended)
        return outcome;
      lp_test_assert_succeeds (outcome);
      lp_test_outcome_free (outcome);
    }
}

/* The context attends and no call is under way. On a machine that is too slow to call twice while it is looked once
 * whether somebody does, it may have ended again. */
static void
attend (Attend *self)
{
  LpTestOutcome *outcome = call_attended (self);

  lp_test_assert_succeeds (outcome);
  lp_test_outcome_free (outcome);
}

/* Makes the call NAME when it is attended. */
static LpTestOutcome *
attend_and_call (Attend *self, const char *name, GVariant *parameters)
{
  attend (self);
  return call (self, name, parameters);
}

/* --- When --- */

static void
test_begins (void)
{
  Attend self;

  set_up (&self, "good");
  for (int i = 0; i < CALLS; i++)
    g_assert_true (call_is_attended (&self, i) == (i == CALLS - 1));
  for (int i = 0; i < 1000; i++)
    assert_doubled (call_double (&self, i), i);
  tear_down (&self);
}

/* Each of USEC after the one before. */
static guint
count_attended (gint64 usec)
{
  Attend self;
  guint n = 0;

  set_up (&self, "good");
  for (int i = 0; i < 3 * CALLS; i++)
    {
      n += call_is_attended (&self, i);
      self.now += usec;
    }
  tear_down (&self);

  return n;
}

static void
test_not_with_pauses (void)
{
  g_assert_cmpuint (count_attended (999), >, 0);
  g_assert_cmpuint (count_attended (1000), ==, 0);
}

static gpointer
call_elsewhere (gpointer data)
{
  Attend *self = data;
  GMainContext *context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  g_assert_false (call_is_attended (self, 1));
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);

  return NULL;
}

/* Two that take turns wait for each other no longer than before. */
static void
test_not_of_several_threads (void)
{
  Attend self;

  set_up (&self, "good");
  for (int i = 0; i < 3 * CALLS; i++)
    {
      g_assert_false (call_is_attended (&self, i));
      g_thread_join (g_thread_new ("elsewhere", call_elsewhere, &self));
    }
  tear_down (&self);
}

/* Who does not run the context does not read. */
static void
test_not_of_who_runs_no_loop (void)
{
  Attend self;

  set_up (&self, "good");
  g_main_context_release (NULL);
  for (int i = 0; i < 3 * CALLS; i++)
    g_assert_false (call_is_attended (&self, i));
  g_main_context_acquire (NULL);
  tear_down (&self);
}

/* --- And when not any more --- */

static int
count_polled (void)
{
  GMainContext *context = g_main_context_default ();
  GPollFD fds[64];
  int priority, timeout;

  g_main_context_prepare (context, &priority);
  return g_main_context_query (context, G_MAXINT, &timeout, fds, G_N_ELEMENTS (fds));
}

/* Nothing of it stays in the context. */
static void
test_ends_with_the_calls (void)
{
  Attend self;
  int n_before;

  set_up (&self, "good");
  n_before = count_polled ();
  attend (&self);
  lp_test_block_for (is_not_attended, &self, "the service thread to read again");
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (count_polled (), ==, n_before);
  assert_doubled (call_double (&self, 21), 21);
  tear_down (&self);
}

/* A loop that hangs keeps an answer from nobody else. */
static void
test_ends_where_nobody_reads (void)
{
  Attend self;
  LpTestOutcome *outcome;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;

  set_up (&self, "good");
  outcome = call_attended (&self);
  value = lp_job_wait (outcome->job, LP_TEST_PATIENCE_SECONDS, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (outcome->n_callbacks, ==, 0);
  lp_test_assert_succeeds (outcome);
  lp_test_outcome_free (outcome);
  tear_down (&self);
}

/* Those that come together are left to the service thread. */
static void
test_ends_with_many (void)
{
  Attend self;
  LpTestOutcome *outcomes[50];

  set_up (&self, "--depth=4 good");
  for (guint round = 0; round < 20; round++)
    {
      attend (&self);
      for (int i = 0; i < (int) G_N_ELEMENTS (outcomes); i++)
        outcomes[i] = call_double (&self, i);
      lp_test_wait_for (is_not_attended, &self, "the service thread to read again");
      for (int i = 0; i < (int) G_N_ELEMENTS (outcomes); i++)
        assert_doubled (outcomes[i], i);
    }
  tear_down (&self);
}

static gpointer
attend_elsewhere (gpointer data)
{
  Attend *self = data;
  GMainContext *context = g_main_context_new ();
  int later;

  g_main_context_push_thread_default (context);
  attend (self);
  later = g_random_int_range (0, 4);
  g_usleep ((gulong) later * 1000);
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);

  return NULL;
}

/* At any time, also while it is being taken over. */
static void
test_ends_with_the_context (void)
{
  Attend self;

  set_up (&self, "good");
  for (guint round = 0; round < lp_test_size (50, 1000, 10); round++)
    g_thread_join (g_thread_new ("elsewhere", attend_elsewhere, &self));
  assert_doubled (call_double (&self, 21), 21);
  tear_down (&self);
}

static gpointer
attend_and_keep_context (gpointer data)
{
  Attend *self = data;
  GMainContext *context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  attend (self);
  g_main_context_pop_thread_default (context);

  return context;
}

/* A context that is there, and never runs again, keeps nothing. */
static void
test_context_that_does_not_run_again (void)
{
  Attend self;
  GMainContext *context;

  set_up (&self, "good");
  context = g_thread_join (g_thread_new ("elsewhere", attend_and_keep_context, &self));
  g_main_context_release (NULL);
  lp_child_unref (self.child);
  lp_lease_release (self.lease);
  lp_test_wait_finalized (self.lease);
  lp_manager_stop (self.proc.manager, LP_STOP_MODE_DRAIN, -1, NULL, NULL);
  lp_test_wait_finalized (self.executor);
  g_main_context_unref (context);
  lp_test_proc_tear_down (&self.proc);
}

/* The parent's answer is not for the child, which does not wait for it for ever. */
static void
test_forked (void)
{
  Attend self;
  LpTestOutcome *outcome;
  pid_t pid;
  int status;

  set_up (&self, "good");
  attend (&self);
  outcome = call (&self, "hold", g_variant_new ("(s)", self.proc.first.path));
  pid = fork ();
  if (pid == 0)
    {
      lp_test_let_go (&self.proc.first);
      for (guint i = 0; i < 100; i++)
        {
          g_usleep (100);
          g_main_context_iteration (NULL, FALSE);
        }
      /* What is left of the parent's threads is nobody's leak. */
      execlp ("true", "true", NULL);
      _exit (127);
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (status, ==, 0);
  lp_test_assert_succeeds (outcome);
  lp_test_outcome_free (outcome);
  tear_down (&self);
}

/* --- How late it is known that a job has started --- */

#define FROZEN_USEC 30000

/* A worker that says that it is late to say so was not at work for longer than it may be late. */
static void
test_late_start (void)
{
  Attend self;
  LpTestOutcome *outcome;
  int pid;

  set_up (&self, "--late good");
  pid = lp_test_ask_pid (self.lease);
  kill (pid, SIGSTOP);
  outcome = lp_test_double (self.lease, 21);
  g_usleep (FROZEN_USEC);
  kill (pid, SIGCONT);
  lp_test_assert_int (outcome, 42);
  g_assert_cmpint (lp_job_get_started_at (outcome->job) - lp_job_get_queued_at (outcome->job), >=,
                   FROZEN_USEC - LP_CHILD_LATE_USEC);
  lp_test_outcome_free (outcome);
  tear_down (&self);
}

/* --- What comes in the place of an answer --- */

static void
test_cancelled (void)
{
  Attend self;
  LpTestOutcome *outcome;

  set_up (&self, "good");
  outcome = attend_and_call (&self, "hold", g_variant_new ("(s)", self.proc.first.path));
  lp_test_wait_started (outcome);
  lp_job_cancel (outcome->job);
  lp_test_assert_cancelled (outcome);
  lp_test_outcome_free (outcome);
  assert_doubled (call_double (&self, 21), 21);
  tear_down (&self);
}

/* Without a single turn of the loop. */
static void
test_killed (void)
{
  Attend self;
  LpTestOutcome *outcome;
  int pid;

  set_up (&self, "good");
  pid = lp_test_ask_pid (self.lease);
  outcome = attend_and_call (&self, "hold", g_variant_new ("(s)", self.proc.first.path));
  lp_test_wait_started (outcome);
  kill (pid, SIGKILL);
  lp_test_assert_fails (outcome, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  lp_test_outcome_free (outcome);
  g_assert_cmpint (lp_lease_get_state (self.lease), ==, LP_LEASE_STATE_BROKEN);
  lp_test_assert_works (self.proc.manager);
  tear_down (&self);
}

/* What follows for the lease is decided elsewhere, and it ends. */
static void
test_released_meanwhile (void)
{
  Attend self;
  LpTestOutcome *outcome;

  set_up (&self, "good");
  for (guint round = 0; round < 20; round++)
    {
      outcome = call_attended (&self);
      lp_lease_release (self.lease);
      lp_test_assert_succeeds (outcome);
      lp_test_outcome_free (outcome);
      lp_test_block_released (self.lease);
      g_object_unref (self.lease);
      self.lease = lp_test_acquire (self.proc.manager, "next");
    }
  tear_down (&self);
}

static void
test_stopped_meanwhile (void)
{
  Attend self;
  LpTestOutcome *outcome;
  g_autoptr (GAsyncResult) stopped = NULL;

  set_up (&self, "good");
  outcome = attend_and_call (&self, "hold", g_variant_new ("(s)", self.proc.first.path));
  lp_test_wait_started (outcome);
  lp_manager_stop_async (self.proc.manager, LP_STOP_MODE_CANCEL, 0, NULL, lp_test_result_cb, &stopped);
  lp_test_assert_cancelled (outcome);
  lp_test_outcome_free (outcome);
  lp_test_wait_result (&stopped);
  g_clear_object (&stopped);
  tear_down (&self);
}

/* With what a bad worker does when it is asked to. */
static void
check_bad (const LpTestBreak *self, Attend *attend)
{
  LpTestOutcome *bad = attend_and_call (attend, "misbehave", g_variant_new ("(i)", 1));

  lp_test_assert_fails (bad, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_assert_cmpint (lp_job_get_started_at (bad->job) != 0, ==, self->fate == LP_TEST_BLAMED);
  lp_test_assert_says (bad->error, self->says);
  lp_test_outcome_free (bad);
  g_assert_cmpint (lp_lease_get_state (attend->lease), ==, LP_LEASE_STATE_BROKEN);
  lp_test_assert_works (attend->proc.manager);
}

static void
test_bad (gconstpointer data)
{
  const LpTestBreak *self = data;
  Attend attend;

  set_up (&attend, self->arguments);
  check_bad (self, &attend);
  tear_down (&attend);
}

static const LpTestBreak breaks[] = {
  { "exit", "exit --argument=3", "status 3" },
  { "segv", "segv", "signal 11" },
  { "exit-before-started", "exit-before-started --argument=3", "status 3", LP_TEST_UNTOUCHED },
  { "late-to-say-started", "--late exit-before-started --argument=3", "status 3" },
  { "cut-started", "cut-started --argument=9", "status 3", LP_TEST_UNTOUCHED },
  { "cut-result", "cut-result --argument=20", "status 3" },
  { "stderr-last-line", "stderr-last-line", "the last line that it wrote" },
  { "close-stream", "close-stream", "closed its stream" },
  { "unknown-type", "unknown-type", "broke the protocol" },
  { "unknown-flags", "unknown-flags", "broke the protocol" },
  { "result-of-nobody", "result-of-nobody", "broke the protocol" },
  { "wrong-result-type", "--functions wrong-result-type", "is declared to return" },
};

/* --- Records --- */

typedef struct
{
  guint n_told;
  guint n_records;
} Order;

static void
record_cb (LpManager *manager, GVariant *record, gpointer user_data)
{
  Order *order = user_data;

  order->n_records++;
}

static void
order_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Order *order = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_call_finish (LP_LEASE (source), result, &error);

  g_assert_no_error (error);
  order->n_told++;
}

static gboolean
is_told (gpointer data)
{
  return ((Order *) data)->n_told == 1;
}

static void
call_in_order (Attend *self, Order *order, const char *name, GVariant *parameters)
{
  order->n_told = order->n_records = 0;
  told_time = self->now;
  lp_lease_call_async (self->lease, name, parameters, NULL, order_cb, order);
  told_time = 0;
  lp_test_wait_for (is_told, order, "an answer");
}

/* What a function writes and logs is told before its end, by whomever that is read. */
static void
test_records_in_order (void)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "worker-program", NULL);
  const char * const argv[] = { program, NULL };
  Attend self;
  Order order;

  lp_test_proc_set_up (&self.proc, "good");
  g_object_set (self.proc.manager, "worker-argv", argv, "workers-per-pool", 1, "forward-process-logs", TRUE, NULL);
  g_signal_connect (self.proc.manager, "worker-record", G_CALLBACK (record_cb), &order);
  lp_test_proc_start (&self.proc);
  self.lease = lp_test_acquire (self.proc.manager, "records");
  self.now = g_get_monotonic_time ();
  g_main_context_acquire (NULL);

  for (guint round = 0; round < lp_test_size (100, 1000, 5); round++)
    {
      for (guint i = 0; i < CALLS + 3; i++)
        {
          call_in_order (&self, &order, "double", g_variant_new ("(i)", 1));
          g_assert_cmpuint (order.n_records, ==, 0);
        }
      if (round % 2 == 0)
        call_in_order (&self, &order, "print", g_variant_new ("(s)", "a line"));
      else
        call_in_order (&self, &order, "log", g_variant_new ("(uu)", G_LOG_LEVEL_MESSAGE, 1));
      g_assert_cmpuint (order.n_records, ==, 1);
    }

  g_main_context_release (NULL);
  lp_lease_release (self.lease);
  lp_test_wait_finalized (self.lease);
  lp_test_proc_tear_down (&self.proc);
}

/* --- What callbacks do --- */

typedef struct
{
  Attend attend;
  guint n_left;
  gboolean done;
  GMainLoop *loop;
} Chain;

static void call_next (Chain *self);

static void
chain_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Chain *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_call_finish (LP_LEASE (source), result, &error);

  g_assert_no_error (error);
  if (--self->n_left > 0)
    call_next (self);
  else
    g_main_loop_quit (self->loop);
}

static void
call_next (Chain *self)
{
  told_time = self->attend.now;
  lp_lease_call_async (self->attend.lease, "double", g_variant_new ("(i)", 1), NULL, chain_cb, self);
  told_time = 0;
}

static void
nested_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Chain *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_call_finish (LP_LEASE (source), result, &error);

  g_assert_no_error (error);
  self->n_left = 100;
  call_next (self);
  g_main_loop_run (self->loop);
  self->done = TRUE;
}

/* A callback may run the loop, and what is called in it is answered there. */
static void
test_nested (void)
{
  Chain self = { .loop = g_main_loop_new (NULL, FALSE) };

  set_up (&self.attend, "good");
  attend (&self.attend);
  told_time = self.attend.now;
  lp_lease_call_async (self.attend.lease, "double", g_variant_new ("(i)", 1), NULL, nested_cb, &self);
  told_time = 0;
  while (!self.done)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (self.n_left, ==, 0);
  g_main_loop_unref (self.loop);
  tear_down (&self.attend);
}

static void
stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  lp_manager_stop_finish (LP_MANAGER (source), result, &error);
  g_assert_no_error (error);
  g_main_loop_quit (user_data);
}

static void
stop_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Chain *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_call_finish (LP_LEASE (source), result, &error);

  g_assert_no_error (error);
  lp_manager_stop_async (self->attend.proc.manager, LP_STOP_MODE_DRAIN, 0, NULL, stopped_cb, self->loop);
}

static void
test_stop_from_a_callback (void)
{
  Chain self = { .loop = g_main_loop_new (NULL, FALSE) };

  set_up (&self.attend, "good");
  attend (&self.attend);
  told_time = self.attend.now;
  lp_lease_call_async (self.attend.lease, "double", g_variant_new ("(i)", 1), NULL, stop_cb, &self);
  told_time = 0;
  g_main_loop_run (self.loop);
  g_main_loop_unref (self.loop);
  tear_down (&self.attend);
}

int
main (int argc, char *argv[])
{
  lp_test_proc_init (&argc, &argv);

  g_test_add_func ("/attend/begins", test_begins);
  g_test_add_func ("/attend/not-with-pauses", test_not_with_pauses);
  g_test_add_func ("/attend/not-of-several-threads", test_not_of_several_threads);
  g_test_add_func ("/attend/not-of-who-runs-no-loop", test_not_of_who_runs_no_loop);
  g_test_add_func ("/attend/ends-with-the-calls", test_ends_with_the_calls);
  g_test_add_func ("/attend/ends-where-nobody-reads", test_ends_where_nobody_reads);
  g_test_add_func ("/attend/ends-with-many", test_ends_with_many);
  g_test_add_func ("/attend/ends-with-the-context", test_ends_with_the_context);
  g_test_add_func ("/attend/context-that-does-not-run-again", test_context_that_does_not_run_again);
  g_test_add_func ("/attend/forked", test_forked);
  g_test_add_func ("/attend/late-start", test_late_start);
  g_test_add_func ("/attend/cancelled", test_cancelled);
  g_test_add_func ("/attend/killed", test_killed);
  g_test_add_func ("/attend/released-meanwhile", test_released_meanwhile);
  g_test_add_func ("/attend/stopped-meanwhile", test_stopped_meanwhile);
  for (guint i = 0; i < G_N_ELEMENTS (breaks); i++)
    {
      g_autofree char *path = g_strconcat ("/attend/bad/", breaks[i].name, NULL);

      g_test_add_data_func (path, &breaks[i], test_bad);
    }
  g_test_add_func ("/attend/records-in-order", test_records_in_order);
  g_test_add_func ("/attend/nested", test_nested);
  g_test_add_func ("/attend/stop-from-a-callback", test_stop_from_a_callback);

  return g_test_run ();
}
