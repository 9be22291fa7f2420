/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What broke other pools and belongs to no other program: the bound in real children, executors that come and go,
 * processors that burn while nothing is to be done. docs/reliability.md has the list of all. */

#include "config.h"

#include "lp-test-remote.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

/* --- The bound, in real children --- */

typedef struct
{
  int bound;
  int most;                     /* (atomic) */
  int stop;                     /* (atomic) */
} Sampler;

/* Those that were there at one moment: /proc is not read in one, so one that was reaped and its successor could both be
 * seen. What is seen and is still not reaped afterwards was there when the last one was seen. */
static int
count_children_at_once (void)
{
  int pids[16];
  guint n_pids = 0;
  int n_there = 0;

  while (n_pids < G_N_ELEMENTS (pids) && (pids[n_pids] = lp_test_get_child (n_pids)) != 0)
    n_pids++;
  for (guint i = 0; i < n_pids; i++)
    {
      gboolean is_new = TRUE;

      for (guint j = 0; j < i; j++)
        is_new = is_new && pids[j] != pids[i];
      n_there += is_new && kill (pids[i], 0) == 0;
    }
  return n_there;
}

static gpointer
sampler_main (gpointer data)
{
  Sampler *self = data;

  while (!g_atomic_int_get (&self->stop))
    {
      int n = count_children_at_once ();

      g_assert_cmpint (n, <=, self->bound);
      if (n > self->most)
        g_atomic_int_set (&self->most, n);
    }
  return NULL;
}

static gboolean
has_seen_any (gpointer data)
{
  return g_atomic_int_get (&((Sampler *) data)->most) > 0;
}

static gboolean
has_expired (gpointer data)
{
  return lp_lease_get_state (data) == LP_LEASE_STATE_EXPIRED;
}

/* Both workers of an executor hang when its lease expires: they are killed, and count until they are reaped. */
static void
expire_stuck_lease (LpManager *manager)
{
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "stuck");
  g_autoptr (LpJob) first = lp_test_gate_job (gate);
  g_autoptr (LpJob) second = lp_test_gate_job (gate);

  lp_test_submit (lease, first);
  lp_test_submit (lease, second);
  lp_test_gate_wait_entered (gate, 2);
  g_assert_true (lp_lease_renew (lease, 0.001, NULL));
  lp_test_block_for (has_expired, lease, "the expiry of a stuck lease");
  g_assert_cmpuint (lp_test_stat (manager, "total"), <=, 2);
  g_assert_null (lp_job_wait (first, PATIENCE_SECONDS, NULL, NULL));
  g_assert_null (lp_job_wait (second, PATIENCE_SECONDS, NULL, NULL));
  lp_test_gate_unref (gate);
}

static void
test_bound_of_children (void)
{
  LpManager *manager = lp_test_start (2, "workers-per-pool", 2, "lease-grace-seconds", 0.0, "cancel-grace-seconds", 0.0,
                                      NULL);
  guint n_rounds = lp_test_size (15, 1000, 15);
  Sampler sampler = { 2 * 2 };
  GThread *thread = g_thread_new ("sampler", sampler_main, &sampler);

  /* It sees what is there before anything comes and goes. */
  lp_test_wait_for (has_seen_any, &sampler, "a sample with children");
  for (guint i = 0; i < n_rounds; i++)
    expire_stuck_lease (manager);

  g_atomic_int_set (&sampler.stop, TRUE);
  g_thread_join (thread);
  g_test_message ("%u stuck leases, at most %d children of %d", n_rounds, sampler.most, sampler.bound);
  g_assert_cmpuint (lp_test_counter (manager, "revoked"), ==, n_rounds);
  lp_test_finish (manager);
}

/* --- Executors that come and go --- */

static void
test_threads_do_not_grow (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 2, "name-prefix", "cycle", NULL);
  guint n_cycles = lp_test_size (200, 10000, 50);
  guint n_fds = 0;

  for (guint i = 0; i < n_cycles; i++)
    {
      LpLease *lease = lp_test_acquire (manager, "cycle");
      g_autoptr (LpJob) first = lp_test_value_job (1);
      g_autoptr (LpJob) second = lp_test_value_job (2);

      lp_test_submit (lease, first);
      lp_test_submit (lease, second);
      assert_value (first, 1);
      assert_value (second, 2);
      lp_lease_release (lease);
      lp_test_wait_finalized (lease);
      lp_manager_recycle (manager);
      lp_test_wait_retired (manager, i + 1);
      lp_test_wait_stat (manager, "available", 1);

      n_fds = i == 2 ? lp_test_count_fds () : n_fds;
      if (i > 2)
        g_assert_cmpuint (lp_test_count_fds (), ==, n_fds);
      g_assert_cmpuint (lp_test_count_threads ("cycle"), <=, 4);
    }

  g_test_message ("%u executors, %u descriptors", n_cycles, n_fds);
  lp_test_finish (manager);
  g_assert_cmpuint (lp_test_count_threads ("cycle"), ==, 0);
}

/* --- Processors that burn --- */

#define N_WAITERS 1000

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  guint n_released;
  guint n_wanted;
  gboolean over;
} Trickle;

static void
trickled_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Trickle *self = user_data;
  LpLease *lease = lp_manager_acquire_finish (LP_MANAGER (source), result, NULL);

  /* The stop refuses those who still wait. */
  if (lease == NULL)
    {
      g_assert_true (self->over);
      return;
    }

  g_assert_null (self->lease);
  self->lease = lease;
}

static gboolean
trickle_cb (gpointer data)
{
  Trickle *self = data;

  if (self->manager == NULL)
    self->n_released++;         /* only to see what that takes */
  else if (self->lease != NULL)
    {
      lp_lease_release (self->lease);
      g_clear_object (&self->lease);
      lp_manager_acquire_async (self->manager, NULL, NULL, trickled_cb, self);
      self->n_released++;
    }
  return G_SOURCE_CONTINUE;
}

static double
get_cpu_seconds (void)
{
  struct timespec now;

  g_assert_cmpint (clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now), ==, 0);
  return now.tv_sec + now.tv_nsec / 1e9;
}

/* The microseconds of all threads of this process for one release. The best of several, which the load of the machine
 * changes least. */
static double
time_trickle (Trickle *self)
{
  guint n_releases = lp_test_size (100, 2000, 100);
  guint source = g_timeout_add (1, trickle_cb, self);
  double least = G_MAXDOUBLE;

  for (guint i = 0; i < 5; i++)
    {
      double begun = get_cpu_seconds ();
      guint n_before = self->n_released;

      while (self->n_released - n_before < n_releases)
        g_main_context_iteration (NULL, TRUE);
      least = MIN (least, (get_cpu_seconds () - begun) * 1e6 / n_releases);
    }

  g_source_remove (source);
  return least;
}

static void
add_waiters (Trickle *self, guint n)
{
  for (guint i = 0; i < n; i++)
    lp_manager_acquire_async (self->manager, NULL, NULL, trickled_cb, self);
}

static void
test_trickle (void)
{
  Trickle nothing = { NULL };
  Trickle self = { lp_test_start (1, NULL) };
  double tick, with_few, with_many;

  self.lease = lp_test_acquire (self.manager, "first");
  tick = time_trickle (&nothing);
  add_waiters (&self, 2);
  with_few = time_trickle (&self);
  add_waiters (&self, N_WAITERS);
  with_many = time_trickle (&self);
  g_test_message ("a timer takes %.1f us of each millisecond, one that releases %.1f us with two that wait, and %.1f us "
                  "with %d", tick, with_few, with_many, N_WAITERS);
  g_assert_cmpuint (lp_test_stat (self.manager, "waiting"), >=, N_WAITERS - 1);

  /* Whatever woke each of the thousand would take many times as long as with two, and more than a hundred ticks. A tick
   * is mostly the system's, which valgrind does not slow down. */
  g_assert_cmpfloat (with_many, <, 10 * tick + lp_test_size (100, 100, 4000));
  g_assert_cmpfloat (with_many, <, 5 * with_few);

  self.over = TRUE;
  g_clear_object (&self.lease);
  lp_test_finish (self.manager);
}

static guint64
count_wakeups_of_task (const char *task)
{
  g_autofree char *path = g_build_filename (task, "status", NULL);
  g_autofree char *status = NULL;
  const char *line;

  if (!g_file_get_contents (path, &status, NULL, NULL)
      || (line = strstr (status, "\nvoluntary_ctxt_switches:")) == NULL)
    return 0;
  return g_ascii_strtoull (strchr (line, ':') + 1, NULL, 10);
}

/* Of all threads of PROCESS, but for the one that calls. */
static guint64
count_wakeups (int process)
{
  g_autofree char *tasks = g_strdup_printf ("/proc/%d/task", process);
  g_autofree char *own = g_strdup_printf ("%d", process == getpid () ? process : 0);
  g_autoptr (GDir) dir = g_dir_open (tasks, 0, NULL);
  guint64 n_wakeups = 0;
  const char *name;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *task = g_build_filename (tasks, name, NULL);

      if (!g_str_equal (name, own))
        n_wakeups += count_wakeups_of_task (task);
    }
  return n_wakeups;
}

static guint64
count_all_wakeups (void)
{
  guint64 n_wakeups = count_wakeups (getpid ());
  int child;

  for (guint i = 0; (child = lp_test_get_child (i)) != 0; i++)
    n_wakeups += count_wakeups (child);
  return n_wakeups;
}

static gboolean
set_true_cb (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

static gboolean
nothing_wakes_for (guint msec)
{
  guint64 n_before = count_all_wakeups ();
  gboolean over = FALSE;

  g_timeout_add (msec, set_true_cb, &over);
  while (!over)
    g_main_context_iteration (NULL, TRUE);
  return count_all_wakeups () == n_before;
}

/* Once all have gone to sleep: whatever polled would never let a second pass. */
static void
test_idle (void)
{
  LpManager *manager = lp_test_start (2, "min-pools", 2, "workers-per-pool", 2, NULL);
  LpLease *lease = lp_test_acquire (manager, "idle");
  gboolean is_idle = FALSE;

  for (int i = 0; i < 4; i++)
    {
      g_autoptr (LpJob) job = lp_test_value_job (i);

      lp_test_submit (lease, job);
      assert_value (job, i);
    }

  /* A lease that is held, and its time that will come, cost nothing. */
  for (guint i = 0; i < 20 && !is_idle; i++)
    is_idle = nothing_wakes_for (lp_test_size (1000, 5000, 1000));
  g_assert_true (is_idle);

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  lp_test_finish (manager);
}

int
main (int argc, char *argv[])
{
  lp_test_proc_init (&argc, &argv);

  lp_test_conform_add_only (LP_BACKEND_PROCESS, "/failures/bound-of-children", test_bound_of_children);
  lp_test_conform_add_only (LP_BACKEND_THREAD, "/failures/nothing-grows", test_threads_do_not_grow);
  lp_test_conform_add_func ("/failures/trickle-costs-little", test_trickle);
  lp_test_conform_add_func ("/failures/idle-never-wakes", test_idle);

  return g_test_run ();
}
