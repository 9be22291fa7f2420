/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Random schedules: a driver does one random thing after the other with managers
 * of random settings and short leases, and looks after each step at what must
 * always be true. --seed repeats the driver's decisions; the threads' own timing
 * it cannot repeat. LP_TEST_THOROUGH=1 runs for minutes. */

#include "config.h"

#include "lp-test-flaky.h"

#include <errno.h>
#include <sys/wait.h>

#include "lp-manager-private.h"

#define PREFIX "stress"

typedef enum { KIND_VALUE, KIND_ERROR, KIND_POLITE, KIND_GATE, KIND_DEFERRED, KIND_COMMAND } Kind;

/* One job and what has become of it. */
typedef struct
{
  LpJob *job;
  Kind kind;
  LpTestGate *gate;
  gboolean accepted;
  guint n_told;
} Work;

/* One asynchronous acquire. */
typedef struct
{
  struct _Run *run;
  GCancellable *cancellable;
  guint n_told;
} Ask;

typedef struct _Run
{
  LpManager *manager;
  gboolean flaky;
  int max_pools;
  int workers;
  GPtrArray *leases;            /* of LpLease, held */
  GPtrArray *works;             /* of Work, all of the round */
  GPtrArray *asks;              /* of Ask, all of the round */
  guint n_stops_pending;
  guint n_timed_out;
  guint n_lease_signals[2];     /* acquired, ended */
  GHashTable *live_leases;      /* ids that were acquired and have not ended */
  GHashTable *live_executors;   /* seqs that were created and not retired */
  GThread *helpers[2];
  int n_accepted;               /* (atomic) of the helpers */
  int over;                     /* (atomic) the helpers are to end */
} Run;

/* --- User data that knows where it is to be destroyed --- */

static struct
{
  GThread *owner;               /* the driver's thread */
  int n_live;                   /* (atomic) */
  int easy;                     /* (atomic) nothing fails or defers any more */
  GAsyncQueue *deferred;        /* of LpJob, that the driver is to end */
} world;

typedef struct
{
  int value;
  int refused;                  /* (atomic) it never belonged to the manager */
} Payload;

static Payload *
payload_new (int value)
{
  Payload *self = g_new0 (Payload, 1);

  self->value = value;
  g_atomic_int_inc (&world.n_live);
  return self;
}

static void
payload_free (gpointer data)
{
  Payload *self = data;

  if (g_thread_self () != world.owner)
    g_assert_true (g_atomic_int_get (&self->refused));
  g_atomic_int_add (&world.n_live, -1);
  g_free (self);
}

static void
value_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(i)", ((Payload *) user_data)->value);
}

static void
deferred_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  if (g_atomic_int_get (&world.easy))
    {
      value_func (job, result, user_data, error);
      return;
    }

  lp_job_defer (job);
  g_async_queue_push (world.deferred, g_object_ref (job));
}

/* --- What must always be true --- */

/* Whoever waits does so because there is nothing to be had: nothing idle, and
 * all places taken, unless a start or an answer is under way for each waiter, or
 * a failed start is being slept off. */
static void
check_waiters (LpManager *manager)
{
  LpPool *pool = manager->pool;
  guint n_coming;

  g_mutex_lock (&pool->lock);
  n_coming = pool->n_slots[LP_SLOT_STARTING] + pool->n_slots[LP_SLOT_VETTING];
  if (pool->state == LP_POOL_RUNNING && pool->waiters.n_waiters > n_coming)
    {
      g_assert_cmpuint (pool->idle.length, ==, 0);
      g_assert_true (lp_pool_total_locked (pool) == (guint) pool->settings->max_pools
                     || lp_clock_now () < pool->backoff_until || lp_deadline_is_set (&pool->backoff_deadline));
    }
  g_mutex_unlock (&pool->lock);
}

static gboolean
threads_are_bounded (gpointer data)
{
  Run *run = data;

  return lp_test_count_threads (PREFIX) <= (guint) (2 * run->max_pools * run->workers);
}

static void
check (Run *run)
{
  lp_test_check (run->manager);
  check_waiters (run->manager);
}

static void
lease_acquired_cb (LpManager *manager, LpLeaseInfo *info, Run *run)
{
  run->n_lease_signals[0]++;
  g_assert_true (g_hash_table_add (run->live_leases, g_strdup (lp_lease_info_get_id (info))));
}

static void
lease_ended_cb (LpManager *manager, LpLeaseInfo *info, Run *run)
{
  run->n_lease_signals[1]++;
  g_assert_cmpint (lp_lease_info_get_state (info), >=, LP_LEASE_STATE_RELEASED);
  g_assert_true (g_hash_table_remove (run->live_leases, lp_lease_info_get_id (info)));
}

static void
executor_created_cb (LpManager *manager, guint64 seq, Run *run)
{
  g_assert_true (g_hash_table_add (run->live_executors, GSIZE_TO_POINTER (seq)));
}

static void
executor_retired_cb (LpManager *manager, guint64 seq, LpRetireReason reason, Run *run)
{
  /* One that never was ready was never said to be created. */
  if (!g_hash_table_remove (run->live_executors, GSIZE_TO_POINTER (seq)))
    g_assert_true (reason == LP_RETIRE_REASON_START_FAILED || reason == LP_RETIRE_REASON_STOPPED);
}

/* How a job ended, and that it is told as it is. */
static void
check_end (Work *work, GVariant *result, const GError *error)
{
  LpJobState state = lp_job_get_state (work->job);
  int value;

  g_assert_true ((result != NULL) == (error == NULL));
  if (!work->accepted)
    return;

  g_assert_true ((state == LP_JOB_STATE_SUCCEEDED) == (result != NULL));
  if (state == LP_JOB_STATE_CANCELLED)
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  if (result != NULL && (work->kind == KIND_VALUE || work->kind == KIND_DEFERRED))
    {
      g_variant_get (result, "(i)", &value);
      g_assert_cmpint (value, ==, 4711);
    }
  if (error != NULL && error->domain == LP_ERROR && error->code == LP_ERROR_BROKEN_EXECUTOR
      && lp_job_get_started_at (work->job) == 0)
    g_assert_cmpint (state, ==, LP_JOB_STATE_FAILED);
}

/* --- The steps --- */

static int
pick (int n)
{
  return g_test_rand_int_range (0, n);
}

static gpointer
pick_from (GPtrArray *array)
{
  return array->len > 0 ? array->pdata[pick (array->len)] : NULL;
}

/* The end is where most of what goes on is. */
static gpointer
pick_recent (GPtrArray *array)
{
  guint n = MIN (array->len, 12);

  return n > 0 ? array->pdata[array->len - 1 - pick (n)] : NULL;
}

static LpRequest *
random_request (void)
{
  LpRequest *request = lp_request_new ();

  lp_request_set_owner (request, pick (3) == 0 ? NULL : "driver");
  lp_request_set_priority (request, pick (3) - 1);
  lp_request_set_lease_seconds (request, pick (3) == 0 ? 0.005 * (1 + pick (20)) : -1);
  lp_request_set_wait (request, pick (6) != 0);
  lp_request_set_timeout (request, pick (3) == 0 ? -1 : 0.005 * pick (10));

  return request;
}

static void
keep_lease (Run *run, LpLease *lease, const GError *error)
{
  g_assert_true ((lease != NULL) == (error == NULL));
  if (lease != NULL)
    g_ptr_array_add (run->leases, lease);
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    run->n_timed_out++;
  else
    g_assert_true (error->domain == LP_ERROR || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
}

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Ask *ask = user_data;
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  ask->n_told++;
  if (pick (8) == 0)
    return;                     /* nobody finishes it */

  lease = lp_manager_acquire_finish (LP_MANAGER (source), result, &error);
  keep_lease (ask->run, lease, error);
}

static void
step_acquire_async (Run *run)
{
  g_autoptr (LpRequest) request = random_request ();
  Ask *ask = g_new0 (Ask, 1);

  ask->run = run;
  ask->cancellable = g_cancellable_new ();
  g_ptr_array_add (run->asks, ask);
  lp_manager_acquire_async (run->manager, request, ask->cancellable, acquired_cb, ask);
}

static void
step_acquire_blocking (Run *run)
{
  g_autoptr (LpRequest) request = random_request ();
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  lp_request_set_timeout (request, 0.002 * pick (10));
  lease = lp_manager_acquire (run->manager, request, NULL, &error);
  keep_lease (run, lease, error);
}

static void
step_try_acquire (Run *run)
{
  g_autoptr (LpRequest) request = random_request ();
  g_autoptr (GError) error = NULL;
  LpLease *lease = lp_manager_try_acquire (run->manager, request, &error);

  keep_lease (run, lease, error);
}

static void
step_cancel_acquire (Run *run)
{
  Ask *ask = pick_recent (run->asks);

  if (ask != NULL)
    g_cancellable_cancel (ask->cancellable);
}

static LpJob *
new_command (void)
{
  const char *argv[] = { "sh", "-c", pick (2) == 0 ? "exit 0" : "trap '' TERM; sleep 1000", NULL };

  return lp_job_new_for_command (argv, NULL);
}

static Work *
work_new (void)
{
  Work *self = g_new0 (Work, 1);
  int dice = pick (100);

  self->kind = dice < 50 ? KIND_VALUE : dice < 60 ? KIND_ERROR : dice < 75 ? KIND_POLITE
               : dice < 85 ? KIND_GATE : dice < 99 ? KIND_DEFERRED : KIND_COMMAND;
  if (self->kind == KIND_POLITE || self->kind == KIND_GATE)
    self->gate = lp_test_gate_new ();

  switch (self->kind)
    {
    case KIND_ERROR: self->job = lp_test_error_job (); break;
    case KIND_POLITE: self->job = lp_test_gate_polite_job (self->gate); break;
    case KIND_GATE: self->job = lp_test_gate_job (self->gate); break;
    case KIND_DEFERRED: self->job = lp_job_new_for_func (deferred_func, payload_new (4711), payload_free); break;
    case KIND_COMMAND: self->job = new_command (); break;
    case KIND_VALUE:
    default: self->job = lp_job_new_for_func (value_func, payload_new (4711), payload_free); break;
    }
  if (pick (5) == 0)
    lp_job_set_timeout_seconds (self->job, 0.002 * (1 + pick (20)));

  return self;
}

static void
work_free (gpointer data)
{
  Work *self = data;

  g_object_unref (self->job);
  g_clear_pointer (&self->gate, lp_test_gate_unref);
  g_free (self);
}

static void
submitted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Work *work = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_submit_finish (LP_LEASE (source), result, &error);

  work->n_told++;
  work->accepted = lp_job_get_queued_at (work->job) != 0;
  check_end (work, value, error);
}

static void
waited_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Work *work = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_job_wait_finish (LP_JOB (source), result, &error);

  work->n_told++;
  check_end (work, value, error);
}

static void
step_submit (Run *run)
{
  LpLease *lease = pick_from (run->leases);
  g_autoptr (GError) error = NULL;
  Work *work;

  if (lease == NULL)
    return;

  work = work_new ();
  g_ptr_array_add (run->works, work);
  if (pick (2) == 0)
    {
      lp_lease_submit_async (lease, work->job, NULL, submitted_cb, work);
      return;
    }

  if (pick (10) == 0)
    lp_job_cancel (work->job);
  work->accepted = lp_lease_submit (lease, work->job, &error);
  if (work->accepted)
    lp_job_wait_async (work->job, NULL, waited_cb, work);
  else
    {
      g_assert_nonnull (error);
      work->n_told = 1;
    }
}

static void
step_cancel_job (Run *run)
{
  Work *work = pick_recent (run->works);

  if (work != NULL)
    lp_job_cancel (work->job);
}

static void
step_open_gate (Run *run)
{
  for (guint i = 0; i < 4; i++)
    {
      Work *work = pick_recent (run->works);

      if (work != NULL && work->gate != NULL)
        lp_test_gate_open (work->gate);
    }
}

static void
return_deferred (LpJob *job)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_EXISTS, "deferred");

  if (pick (4) == 0)
    lp_job_return_error (job, error);
  else
    lp_job_return_value (job, g_variant_new ("(i)", 4711));
  g_object_unref (job);
}

static void
step_return_deferred (Run *run)
{
  LpJob *job = g_async_queue_try_pop (world.deferred);

  if (job != NULL)
    return_deferred (job);
}

static void
step_renew (Run *run)
{
  LpLease *lease = pick_from (run->leases);

  if (lease != NULL)
    lp_lease_renew (lease, pick (2) == 0 ? -1 : 0.005 * (1 + pick (20)), NULL);
}

static void
step_release (Run *run)
{
  LpLease *lease = pick_from (run->leases);

  if (lease == NULL)
    return;

  switch (pick (4))
    {
    case 0: lp_lease_release (lease); break;
    case 1: lp_manager_release (run->manager, lp_lease_get_id (lease)); break;
    case 2: lp_lease_drain_async (lease, NULL, NULL, NULL); break;
    default: break;             /* dropped */
    }
  if (pick (4) != 0)
    g_ptr_array_remove_fast (run->leases, lease);
}

static void
step_units (Run *run)
{
  lp_manager_set_units (run->manager, pick (run->max_pools + 2));
}

static void
step_recycle (Run *run)
{
  lp_manager_recycle (run->manager);
}

static void
step_look (Run *run)
{
  g_variant_unref (lp_manager_dup_stats (run->manager));
  lp_test_block_for (threads_are_bounded, run, "the number of threads to be within the bound");
}

static void
step_iterate (Run *run)
{
  for (int i = pick (10); i > 0; i--)
    g_main_context_iteration (NULL, FALSE);
}

static void
step_sleep (Run *run)
{
  gint64 until = g_get_monotonic_time () + pick (5000);

  while (g_get_monotonic_time () < until)
    if (!g_main_context_iteration (NULL, FALSE))
      g_thread_yield ();
}

/* An executor dies without anybody having asked it for something. */
static void
step_kill_executor (Run *run)
{
  FlakyExecutor *executor;

  g_mutex_lock (&flaky.lock);
  executor = pick_from (flaky.living);
  if (executor != NULL)
    g_object_ref (executor);
  g_mutex_unlock (&flaky.lock);

  if (executor != NULL && pick (2) == 0)
    die (LP_EXECUTOR (executor));
  else if (executor != NULL)
    g_atomic_int_set (&executor->dead, TRUE);
  g_clear_object (&executor);
}

static void
stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Run *run = user_data;
  g_autoptr (GError) error = NULL;

  lp_manager_stop_finish (LP_MANAGER (source), result, &error);
  g_assert_no_error (error);
  run->n_stops_pending--;
}

static void
step_stop (Run *run)
{
  if (pick (8) != 0)
    return;

  run->n_stops_pending++;
  lp_manager_stop_async (run->manager, 1 + pick (3), pick (2) == 0 ? -1 : 0.005 * pick (5), NULL, stopped_cb, run);
}

static gboolean
is_startable (gpointer data)
{
  return lp_pool_get_state (((LpManager *) data)->pool) == LP_POOL_STOPPED;
}

/* A stop that waits for what only the driver ends goes on; the driver goes on. */
static void
step_restart (Run *run)
{
  g_autoptr (GError) error = NULL;

  if (!is_startable (run->manager))
    return;

  if (!lp_manager_start (run->manager, NULL, &error))
    g_assert_true (g_error_matches (error, LP_ERROR, LP_ERROR_START_FAILED)
                   || g_error_matches (error, LP_ERROR, LP_ERROR_UNAVAILABLE));
}

static const struct
{
  int weight;
  void (*func) (Run *run);
  gboolean flaky;
} steps[] = {
  { 16, step_acquire_async, FALSE }, { 4, step_acquire_blocking, FALSE }, { 6, step_try_acquire, FALSE },
  { 5, step_cancel_acquire, FALSE }, { 30, step_submit, FALSE }, { 8, step_cancel_job, FALSE },
  { 8, step_open_gate, FALSE }, { 6, step_return_deferred, FALSE }, { 4, step_renew, FALSE },
  { 14, step_release, FALSE }, { 3, step_units, FALSE }, { 1, step_recycle, FALSE }, { 2, step_look, FALSE },
  { 10, step_iterate, FALSE }, { 3, step_sleep, FALSE }, { 2, step_stop, FALSE }, { 8, step_restart, FALSE },
  { 2, step_kill_executor, TRUE },
};

static void
random_step (Run *run)
{
  int total = 0;
  int dice;
  guint i = 0;

  for (guint j = 0; j < G_N_ELEMENTS (steps); j++)
    total += steps[j].weight;

  dice = pick (total);
  while (dice >= steps[i].weight)
    dice -= steps[i++].weight;
  if (!steps[i].flaky || run->flaky)
    steps[i].func (run);
}

/* --- Helpers: threads that use the same manager as fast as they can --- */

typedef struct
{
  Run *run;
  GRand *rand;
} Helper;

static LpJob *
helper_submit (Helper *self, LpLease *lease)
{
  Payload *payload = payload_new (4711);
  LpJob *job = lp_job_new_for_func (value_func, payload, payload_free);

  if (lp_lease_submit (lease, job, NULL))
    {
      g_atomic_int_inc (&self->run->n_accepted);
      return job;
    }

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

static LpManager *
random_manager (Run *run)
{
  static const int quarantines[] = { -1, -1, 0, 1, 3 };

  run->max_pools = 1 + pick (4);
  run->workers = 1 + pick (3);

  return g_object_new (LP_TYPE_MANAGER,
                       "max-pools", run->max_pools,
                       "min-pools", 1 + pick (run->max_pools),
                       "units-per-pool", 1,
                       "workers-per-pool", run->workers,
                       "executor-type", run->flaky ? flaky_executor_get_type () : G_TYPE_NONE,
                       "name-prefix", PREFIX,
                       "default-lease-seconds", 0.01 + random_seconds (0.2),
                       "lease-grace-seconds", random_seconds (0.05),
                       "cancel-grace-seconds", random_seconds (0.03),
                       "start-timeout-seconds", 0.05,
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
      LpExecutorLoad load = { 0, 0, 0 };

      if (slot == NULL)
        continue;
      if (slot->executor != NULL)
        lp_executor_get_load (slot->executor, &load);
      g_printerr ("slot %u: seq %u, state %d, leaving %d, made %d, load %u %u %u, own threads %u, closing %d\n", i,
                  (guint) slot->seq, slot->state, slot->leaving, slot->made, load.queued, load.running, load.stuck,
                  run->flaky && slot->executor != NULL ? ((FlakyExecutor *) slot->executor)->n_running : 0,
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
is_as_before (gpointer data)
{
  return lp_test_count_threads (PREFIX) + lp_test_count_threads ("leasepool") + lp_test_count_threads ("own-") == 0
         && count_fds () == GPOINTER_TO_UINT (data);
}

typedef enum { WITH_FLAKY = 1 << 0, WITH_HELPERS = 1 << 1 } Variant;

static void
test_stress (gconstpointer data)
{
  guint variant = GPOINTER_TO_UINT (data);
  double seconds = g_getenv ("LP_TEST_THOROUGH") != NULL ? 60 : 2;
  gint64 end = g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC);
  guint n_fds = 0;
  guint n_rounds = 0;

  do
    {
      g_test_message ("round %u", n_rounds);
      one_round ((variant & WITH_FLAKY) != 0, (variant & WITH_HELPERS) != 0);

      /* After the first one, in which GLib opens what it keeps. */
      if (n_rounds++ == 0)
        n_fds = count_fds ();
      lp_test_block_for (is_as_before, GUINT_TO_POINTER (n_fds), "threads and descriptors to be as before");
      g_assert_cmpint (waitpid (-1, NULL, WNOHANG), ==, -1);
      g_assert_cmpint (errno, ==, ECHILD);
    }
  while (g_get_monotonic_time () < end);

  g_test_message ("%u rounds", n_rounds);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_data_func ("/stress/threads", GUINT_TO_POINTER (0), test_stress);
  g_test_add_data_func ("/stress/threads-with-helpers", GUINT_TO_POINTER (WITH_HELPERS), test_stress);
  g_test_add_data_func ("/stress/flaky", GUINT_TO_POINTER (WITH_FLAKY), test_stress);
  g_test_add_data_func ("/stress/flaky-with-helpers", GUINT_TO_POINTER (WITH_FLAKY | WITH_HELPERS), test_stress);

  return g_test_run ();
}
