/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Random schedules: a driver does one random thing after the other with managers
 * of random settings and short leases, and looks after each step at what must
 * always be true. --seed repeats the driver's decisions; the threads' own timing
 * it cannot repeat. LP_TEST_THOROUGH=1 runs for minutes. Threads run closures, with
 * user data, processes named functions; and processes are killed now and then. */

#include "config.h"

#include "lp-test-stress-steps.h"

#include <errno.h>
#include <sys/wait.h>

/* --- Helpers: threads that use the same manager as fast as they can --- */

typedef struct
{
  Run *run;
  GRand *rand;
} Helper;

static LpJob *
helper_submit (Helper *self, LpLease *lease)
{
  Payload *payload = lp_test_has_processes () ? NULL : payload_new (4711);
  LpJob *job = payload == NULL ? lp_test_value_job (4711) : lp_job_new_for_func (value_func, payload, payload_free);

  if (lp_lease_submit (lease, job, NULL))
    {
      g_atomic_int_inc (&self->run->n_accepted);
      return job;
    }

  if (payload != NULL)
    g_atomic_int_set (&payload->refused, TRUE);
  g_object_unref (job);
  return NULL;
}

/* Whatever becomes of the lease, a job that was accepted ends. */
static void
helper_use (Helper *self, LpLease *lease)
{
  LpJob *jobs[4] = { NULL };
  guint n_jobs = g_rand_int_range (self->rand, 0, 5);

  for (guint i = 0; i < n_jobs; i++)
    jobs[i] = helper_submit (self, lease);
  if (n_jobs > 0 && jobs[0] != NULL && g_rand_boolean (self->rand))
    lp_job_cancel (jobs[0]);
  if (g_rand_int_range (self->rand, 0, 3) == 0)
    lp_lease_release (lease);
  if (g_rand_int_range (self->rand, 0, 20) == 0)
    g_usleep (g_rand_int_range (self->rand, 0, 50000));
  g_object_unref (lease);

  for (guint i = 0; i < n_jobs; i++)
    if (jobs[i] != NULL)
      {
        g_autoptr (GVariant) result = lp_job_wait (jobs[i], -1, NULL, NULL);

        g_assert_true ((result != NULL) == (lp_job_get_state (jobs[i]) == LP_JOB_STATE_SUCCEEDED));
        g_object_unref (jobs[i]);
      }
}

static gpointer
helper_main (gpointer data)
{
  Helper *self = data;
  g_autoptr (LpRequest) request = lp_request_new ();

  lp_request_set_owner (request, "helper");
  while (!g_atomic_int_get (&self->run->over))
    {
      LpLease *lease;

      lp_request_set_timeout (request, 0.001 * g_rand_int_range (self->rand, 0, 30));
      lp_request_set_priority (request, g_rand_int_range (self->rand, -1, 2));
      lease = lp_manager_acquire (self->run->manager, request, NULL, NULL);
      if (lease != NULL)
        helper_use (self, lease);
      else
        g_usleep (100);
    }

  g_rand_free (self->rand);
  g_free (self);
  return NULL;
}

static void
start_helpers (Run *run)
{
  for (guint i = 0; i < G_N_ELEMENTS (run->helpers); i++)
    {
      Helper *helper = g_new (Helper, 1);

      *helper = (Helper) { run, g_rand_new_with_seed (g_test_rand_int ()) };
      run->helpers[i] = g_thread_new ("own-helper", helper_main, helper);
    }
}

/* --- A round: one manager --- */

static double
random_seconds (double most)
{
  return most * pick (20) / 20;
}

/* A process takes some 20 ms of a processor to start, and as long to end. */
static LpManager *
random_manager (Run *run)
{
  static const int quarantines[] = { -1, -1, 0, 1, 3 };
  gboolean processes = lp_test_has_processes ();

  run->max_pools = 1 + pick (processes ? 3 : 4);
  run->workers = 1 + pick (processes ? 2 : 3);

  return g_object_new (LP_TYPE_MANAGER,
                       "backend", processes ? LP_BACKEND_PROCESS : LP_BACKEND_THREAD,
                       "function-module", processes ? "conform-module" : NULL,
                       "max-jobs-per-worker", processes && pick (2) == 0 ? 1 + pick (10) : 0,
                       "max-pools", run->max_pools,
                       "min-pools", 1 + pick (run->max_pools),
                       "units-per-pool", 1,
                       "workers-per-pool", run->workers,
                       "executor-type", run->flaky ? flaky_executor_get_type () : G_TYPE_NONE,
                       "name-prefix", PREFIX,
                       "default-lease-seconds", 0.01 + random_seconds (processes ? 1 : 0.2),
                       "lease-grace-seconds", random_seconds (0.05),
                       "cancel-grace-seconds", random_seconds (0.03),
                       "start-timeout-seconds", processes && pick (6) != 0 ? (double) LP_TEST_PATIENCE_SECONDS : 0.05,
                       "check-interval", pick (2) == 0 ? 0.01 : 1.0,
                       "idle-linger-seconds", pick (2) == 0 ? -1.0 : random_seconds (0.05),
                       "max-waiters", pick (2) == 0 ? 0 : 1 + pick (6),
                       "max-queued-jobs", pick (2) == 0 ? 0 : 1 + pick (6),
                       "max-quarantined", quarantines[pick (G_N_ELEMENTS (quarantines))],
                       NULL);
}

static void
ask_free (gpointer data)
{
  Ask *self = data;

  g_object_unref (self->cancellable);
  g_free (self);
}

static void
run_init (Run *run, gboolean with_flaky)
{
  *run = (Run) { .flaky = with_flaky };
  world.owner = g_thread_self ();
  world.deferred = g_async_queue_new ();
  g_atomic_int_set (&world.easy, FALSE);
  flaky_init (g_test_rand_int ());

  run->leases = g_ptr_array_new_with_free_func (g_object_unref);
  run->works = g_ptr_array_new_with_free_func (work_free);
  run->asks = g_ptr_array_new_with_free_func (ask_free);
  run->live_leases = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  run->live_executors = g_hash_table_new (NULL, NULL);
  run->manager = random_manager (run);
  g_signal_connect (run->manager, "lease-acquired", G_CALLBACK (lease_acquired_cb), run);
  g_signal_connect (run->manager, "lease-ended", G_CALLBACK (lease_ended_cb), run);
  g_signal_connect (run->manager, "executor-created", G_CALLBACK (executor_created_cb), run);
  g_signal_connect (run->manager, "executor-retired", G_CALLBACK (executor_retired_cb), run);
}

/* Everything that is under way has been told, exactly once. */
static gboolean
is_quiet (gpointer data)
{
  Run *run = data;
  LpJob *job;

  while ((job = g_async_queue_try_pop (world.deferred)) != NULL)
    return_deferred (job);

  for (guint i = 0; i < run->works->len; i++)
    if (((Work *) run->works->pdata[i])->n_told == 0)
      return FALSE;
  for (guint i = 0; i < run->asks->len; i++)
    if (((Ask *) run->asks->pdata[i])->n_told == 0)
      return FALSE;

  return run->n_stops_pending == 0 && is_startable (run->manager)
         && lp_test_stat (run->manager, "total") + lp_test_stat (run->manager, "quarantined") == 0
         && g_hash_table_size (run->live_leases) + g_hash_table_size (run->live_executors) == 0;
}

/* What is still under way, for whoever has to find out why. */
static void
explain (Run *run)
{
  LpPool *pool = run->manager->pool;
  g_autoptr (GVariant) stats = lp_manager_dup_stats (run->manager);
  g_autofree char *text = g_variant_print (stats, FALSE);

  g_printerr ("stops %u, live leases %u, live executors %u, pool state %d, mode %d, %s\n", run->n_stops_pending,
              g_hash_table_size (run->live_leases), g_hash_table_size (run->live_executors), pool->state,
              pool->stop_mode, text);
  for (guint i = 0; i < run->works->len; i++)
    {
      Work *work = run->works->pdata[i];

      if (work->n_told == 0)
        g_printerr ("job %u: kind %d, accepted %d, state %d, place %d, detached %d, slot state %d\n", i, work->kind,
                    work->accepted, lp_job_get_state (work->job), work->job->place, work->job->detached,
                    work->job->executor != NULL ? (int) lp_executor_get_private (work->job->executor)->slot->state : -1);
    }
  for (guint i = 0; i < run->asks->len; i++)
    if (((Ask *) run->asks->pdata[i])->n_told == 0)
      g_printerr ("acquire %u was not told\n", i);
  for (guint i = 0; i < pool->slots->len; i++)
    {
      LpSlot *slot = pool->slots->pdata[i];
      LpExecutorLoad load = { .queued = 0 };

      if (slot == NULL)
        continue;
      if (slot->executor != NULL)
        lp_executor_get_load (slot->executor, &load);
      g_printerr ("slot %u: seq %u, state %d, leaving %d, made %d, load %u %u %u %u, own threads %u, closing %d\n", i,
                  (guint) slot->seq, slot->state, slot->leaving, slot->made, load.queued, load.running, load.given,
                  load.stuck, run->flaky && slot->executor != NULL ? ((FlakyExecutor *) slot->executor)->n_running : 0,
                  run->flaky && slot->executor != NULL ? ((FlakyExecutor *) slot->executor)->closing : 0);
    }
}

static gboolean
is_quiet_or_explained (gpointer data)
{
  static gint64 since;

  if (is_quiet (data))
    {
      since = 0;
      return TRUE;
    }

  if (since == 0)
    since = g_get_monotonic_time ();
  if (g_get_monotonic_time () - since > 25 * G_TIME_SPAN_SECOND)
    {
      explain (data);
      since = G_MAXINT64 / 2;
    }

  return FALSE;
}

static gboolean
no_payload_is_left (gpointer data)
{
  return g_atomic_int_get (&world.n_live) == 0;
}

static guint
count_accepted (Run *run)
{
  guint n_accepted = g_atomic_int_get (&run->n_accepted);

  for (guint i = 0; i < run->works->len; i++)
    {
      Work *work = run->works->pdata[i];

      g_assert_cmpuint (work->n_told, ==, 1);
      n_accepted += work->accepted;
      g_assert_true (!work->accepted || lp_job_get_state (work->job) >= LP_JOB_STATE_SUCCEEDED);
    }
  for (guint i = 0; i < run->asks->len; i++)
    g_assert_cmpuint (((Ask *) run->asks->pdata[i])->n_told, ==, 1);

  return n_accepted;
}

static void
check_counters (Run *run)
{
  LpManager *manager = run->manager;
  guint64 n_jobs = lp_test_counter (manager, "jobs_succeeded") + lp_test_counter (manager, "jobs_failed")
                   + lp_test_counter (manager, "jobs_cancelled");

  g_assert_cmpuint (n_jobs, ==, count_accepted (run));
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, run->n_lease_signals[0]);
  g_assert_cmpuint (run->n_lease_signals[1], ==, run->n_lease_signals[0]);
  g_assert_cmpuint (lp_test_counter (manager, "timed_out"), >=, run->n_timed_out);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), <=, lp_test_counter (manager, "executors_retired"));
}

/* From here on nothing is held back, and all comes to its end. */
static void
settle (Run *run)
{
  g_atomic_int_set (&world.easy, TRUE);
  g_atomic_int_set (&flaky.calm, TRUE);
  g_atomic_int_set (&run->over, TRUE);
  for (guint i = 0; i < run->works->len; i++)
    {
      Work *work = run->works->pdata[i];

      if (work->gate != NULL)
        lp_test_gate_open (work->gate);
    }

  for (guint i = 0; i < G_N_ELEMENTS (run->helpers); i++)
    if (run->helpers[i] != NULL)
      g_thread_join (run->helpers[i]);

  run->n_stops_pending++;
  lp_manager_stop_async (run->manager, 1 + pick (3), -1, NULL, stopped_cb, run);
  lp_test_wait_for (is_quiet_or_explained, run, "everything to come to its end");
}

static void
run_finish (Run *run)
{
  settle (run);
  check (run);
  check_counters (run);

  g_ptr_array_unref (run->leases);
  g_ptr_array_unref (run->works);
  g_ptr_array_unref (run->asks);
  lp_test_wait_for (no_payload_is_left, NULL, "the user data to be destroyed");
  lp_test_finish (run->manager);

  g_hash_table_unref (run->live_leases);
  g_hash_table_unref (run->live_executors);
  g_async_queue_unref (world.deferred);
  flaky_clear ();
}

static void
one_round (gboolean with_flaky, gboolean with_helpers)
{
  int n_steps = 100 + pick (400);
  Run run;

  if (lp_test_has_processes ())
    n_steps /= 2;
  run_init (&run, with_flaky);
  step_restart (&run);
  if (with_helpers)
    start_helpers (&run);

  for (int i = 0; i < n_steps; i++)
    {
      random_step (&run);
      check (&run);
    }

  run_finish (&run);
}

static guint
count_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;

  return n;
}

static gboolean
has_no_threads (gpointer data)
{
  return lp_test_count_threads (PREFIX) + lp_test_count_threads ("leasepool") + lp_test_count_threads ("own-") == 0;
}

static gboolean
is_as_before (gpointer data)
{
  return has_no_threads (NULL) && count_fds () == GPOINTER_TO_UINT (data);
}

typedef enum { WITH_FLAKY = 1 << 0, WITH_HELPERS = 1 << 1 } Variant;

static void
test_stress (gconstpointer data)
{
  guint variant = GPOINTER_TO_UINT (data);
  gint64 end = g_get_monotonic_time () + lp_test_size (2, 60, 2) * G_TIME_SPAN_SECOND;
  guint n_fds = 0;
  guint n_rounds = 0;

  /* Without pidfds the first command would, in whatever round. */
  lp_test_start_thread_of_glib ();
  do
    {
      g_test_message ("round %u", n_rounds);
      one_round ((variant & WITH_FLAKY) != 0, (variant & WITH_HELPERS) != 0);

      /* After the first one, in which GLib opens what it keeps; what ours has open it closes before its thread ends. */
      lp_test_block_for (has_no_threads, NULL, "the threads to end");
      if (n_rounds++ == 0)
        n_fds = count_fds ();
      lp_test_block_for (is_as_before, GUINT_TO_POINTER (n_fds), "threads and descriptors to be as before");
      g_assert_cmpint (waitpid (-1, NULL, WNOHANG), ==, -1);
      g_assert_cmpint (errno, ==, ECHILD);
    }
  while (n_rounds < 2 || g_get_monotonic_time () < end);

  g_test_message ("%u rounds", n_rounds);
}

static void
test_stress_processes (void)
{
  test_stress (GUINT_TO_POINTER (0));
}

static void
test_stress_processes_with_helpers (void)
{
  test_stress (GUINT_TO_POINTER (WITH_HELPERS));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_data_func ("/stress/threads", GUINT_TO_POINTER (0), test_stress);
  g_test_add_data_func ("/stress/threads-with-helpers", GUINT_TO_POINTER (WITH_HELPERS), test_stress);
  g_test_add_data_func ("/stress/flaky", GUINT_TO_POINTER (WITH_FLAKY), test_stress);
  g_test_add_data_func ("/stress/flaky-with-helpers", GUINT_TO_POINTER (WITH_FLAKY | WITH_HELPERS), test_stress);
  lp_test_conform_add_only (LP_BACKEND_PROCESS, "/stress/random", test_stress_processes);
  lp_test_conform_add_only (LP_BACKEND_PROCESS, "/stress/random-with-helpers", test_stress_processes_with_helpers);

  return g_test_run ();
}
