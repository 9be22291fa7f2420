/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The stats: every key with its type, and what the numbers say. */

#include "config.h"

#include "lp-test.h"
#include "lp-test-conform.h"

#include <string.h>

typedef struct
{
  const char *key;
  const char *type;
} Key;

static const Key top_keys[] = {
  { "backend", "s" }, { "desired", "u" }, { "max_pools", "u" }, { "min_pools", "u" }, { "workers_per_pool", "u" },
  { "available", "u" }, { "leased", "u" }, { "total", "u" }, { "draining", "u" }, { "starting", "u" },
  { "quarantined", "u" }, { "waiting", "u" }, { "leases", "aa{sv}" },
  { "acquired", "t" }, { "released", "t" }, { "revoked", "t" }, { "timed_out", "t" }, { "cancelled", "t" },
  { "executors_created", "t" }, { "executors_retired", "t" }, { "jobs_succeeded", "t" }, { "jobs_failed", "t" },
  { "jobs_cancelled", "t" }, { "results_discarded", "t" }, { "log_records_forwarded", "t" },
  { "wait_time", "a{sd}" }, { "hold_time", "a{sd}" }, { "run_time", "a{sd}" },
};

static const Key lease_keys[] = {
  { "lease_id", "s" }, { "owner", "ms" }, { "state", "s" }, { "pending", "u" },
  { "seconds_until_soft_expiry", "d" }, { "seconds_until_hard_expiry", "d" },
};

static const char * const time_keys[] = { "count", "mean", "p50", "p95", "p99", "max" };

static void
assert_keys (GVariant *dictionary, const Key *keys, gsize n_keys)
{
  for (gsize i = 0; i < n_keys; i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (dictionary, keys[i].key, NULL);

      if (value == NULL)
        g_error ("the key %s is missing", keys[i].key);
      g_assert_cmpstr (g_variant_get_type_string (value), ==, keys[i].type);
    }

  /* And no other one. */
  g_assert_cmpuint (g_variant_n_children (dictionary), ==, n_keys);
}

static void
assert_all_keys (LpManager *manager)
{
  g_autoptr (GVariant) stats = lp_manager_dup_stats (manager);
  g_autoptr (GVariant) leases = NULL;

  g_assert_false (g_variant_is_floating (stats));
  g_assert_cmpstr (g_variant_get_type_string (stats), ==, "a{sv}");
  assert_keys (stats, top_keys, G_N_ELEMENTS (top_keys));

  leases = g_variant_lookup_value (stats, "leases", NULL);
  for (gsize i = 0; i < g_variant_n_children (leases); i++)
    {
      g_autoptr (GVariant) lease = g_variant_get_child_value (leases, i);

      assert_keys (lease, lease_keys, G_N_ELEMENTS (lease_keys));
    }
}

static double
get_time (LpManager *manager, const char *name, const char *key)
{
  g_autoptr (GVariant) stats = lp_manager_dup_stats (manager);
  g_autoptr (GVariant) times = g_variant_lookup_value (stats, name, G_VARIANT_TYPE ("a{sd}"));
  double value;

  g_assert_cmpuint (g_variant_n_children (times), ==, G_N_ELEMENTS (time_keys));
  g_assert_true (g_variant_lookup (times, key, "d", &value));
  return value;
}

static void
assert_times_are_sane (LpManager *manager, const char *name, guint count)
{
  g_assert_cmpfloat (get_time (manager, name, "count"), ==, count);
  g_assert_cmpfloat (get_time (manager, name, "mean"), >=, 0);
  g_assert_cmpfloat (get_time (manager, name, "mean"), <=, get_time (manager, name, "max"));
  g_assert_cmpfloat (get_time (manager, name, "p50"), >=, 0);
  g_assert_cmpfloat (get_time (manager, name, "p50"), <=, get_time (manager, name, "p95"));
  g_assert_cmpfloat (get_time (manager, name, "p95"), <=, get_time (manager, name, "p99"));
  g_assert_cmpfloat (get_time (manager, name, "p99"), <=, get_time (manager, name, "max"));
}

/* What is said of the lease of OWNER. */
static GVariant *
dup_lease (LpManager *manager, const char *owner)
{
  g_autoptr (GVariant) stats = lp_manager_dup_stats (manager);
  g_autoptr (GVariant) leases = g_variant_lookup_value (stats, "leases", NULL);

  for (gsize i = 0; i < g_variant_n_children (leases); i++)
    {
      g_autoptr (GVariant) lease = g_variant_get_child_value (leases, i);
      const char *name = NULL;

      g_assert_true (g_variant_lookup (lease, "owner", "m&s", &name));
      if (g_strcmp0 (name, owner) == 0)
        return g_steal_pointer (&lease);
    }

  return NULL;
}

static void
run_jobs (LpLease *lease, guint n_good, guint n_bad)
{
  for (guint i = 0; i < n_good + n_bad; i++)
    {
      g_autoptr (LpJob) job = i < n_good ? lp_test_value_job (1) : lp_test_error_job ();
      g_autoptr (GVariant) value = NULL;

      lp_test_submit (lease, job);
      value = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, NULL);
      g_assert_cmpint (value != NULL, ==, i < n_good);
    }
}

/* --- Keys --- */

static void
test_keys_before_the_start (void)
{
  LpManager *manager = lp_manager_new ("Thread", 5);
  g_autoptr (GVariant) stats = NULL;
  const char *backend;

  lp_manager_set_min_pools (manager, 2);
  lp_manager_set_workers_per_pool (manager, 7);
  lp_manager_set_units (manager, 35);
  assert_all_keys (manager);
  stats = lp_manager_dup_stats (manager);
  g_assert_true (g_variant_lookup (stats, "backend", "&s", &backend));
  g_assert_cmpstr (backend, ==, "thread");
  g_assert_cmpuint (lp_test_stat (manager, "max_pools"), ==, 5);
  g_assert_cmpuint (lp_test_stat (manager, "min_pools"), ==, 2);
  g_assert_cmpuint (lp_test_stat (manager, "workers_per_pool"), ==, 7);
  g_assert_cmpuint (lp_test_stat (manager, "desired"), ==, 4);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 0);

  g_assert_finalize_object (manager);
}

static void
test_keys_while_running (void)
{
  LpManager *manager = lp_test_start (3, "min-pools", 2, NULL);
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  g_autoptr (LpLease) nameless = lp_test_acquire (manager, NULL);

  run_jobs (lease, 1, 1);
  assert_all_keys (manager);
  lp_lease_release (lease);
  lp_lease_release (nameless);
  assert_all_keys (manager);
  lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, NULL);
  assert_all_keys (manager);

  lp_test_finish (manager);
}

static void
test_keys_of_times (void)
{
  static const char * const names[] = { "wait_time", "hold_time", "run_time" };
  LpManager *manager = lp_test_start (1, "min-pools", 1, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    for (guint j = 0; j < G_N_ELEMENTS (time_keys); j++)
      g_assert_cmpfloat (get_time (manager, names[i], time_keys[j]), ==, 0);

  lp_test_finish (manager);
}

/* --- Leases --- */

static void
test_lease_says_who_holds_it (void)
{
  LpManager *manager = lp_test_start (3, "default-lease-seconds", 1000.0, "lease-grace-seconds", 100.0, NULL);
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  g_autoptr (LpLease) nameless = lp_test_acquire (manager, NULL);
  g_autoptr (GVariant) said = dup_lease (manager, "tester");
  g_autoptr (GVariant) said_of_nameless = dup_lease (manager, NULL);
  const char *id, *state;
  double soft, hard;
  guint pending;

  g_assert_nonnull (said);
  g_assert_true (g_variant_lookup (said, "lease_id", "&s", &id));
  g_assert_cmpstr (id, ==, lp_lease_get_id (lease));
  g_assert_true (g_variant_lookup (said, "state", "&s", &state));
  g_assert_cmpstr (state, ==, "active");
  g_assert_true (g_variant_lookup (said, "pending", "u", &pending));
  g_assert_cmpuint (pending, ==, 0);
  g_assert_true (g_variant_lookup (said, "seconds_until_soft_expiry", "d", &soft));
  g_assert_true (g_variant_lookup (said, "seconds_until_hard_expiry", "d", &hard));
  g_assert_cmpfloat (soft, >, 900);
  g_assert_cmpfloat (soft, <=, 1000);
  g_assert_cmpfloat_with_epsilon (hard - soft, 100, 0.001);

  g_assert_nonnull (said_of_nameless);
  g_assert_true (g_variant_lookup (said_of_nameless, "lease_id", "&s", &id));
  g_assert_cmpstr (id, ==, lp_lease_get_id (nameless));

  lp_lease_release (lease);
  lp_lease_release (nameless);
  g_clear_pointer (&said, g_variant_unref);
  said = dup_lease (manager, "tester");
  g_assert_null (said);
  lp_test_finish (manager);
}

static void
test_lease_that_drains (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, NULL);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  g_autoptr (LpJob) job = lp_test_gate_job (gate);
  g_autoptr (LpJob) behind = lp_test_value_job (1);
  g_autoptr (GVariant) said = NULL;
  const char *state;
  guint pending;

  lp_test_submit (lease, job);
  lp_test_submit (lease, behind);
  lp_test_gate_wait_entered (gate, 1);
  lp_lease_release (lease);
  said = dup_lease (manager, "tester");
  g_assert_nonnull (said);
  g_assert_true (g_variant_lookup (said, "state", "&s", &state));
  g_assert_cmpstr (state, ==, "draining");
  g_assert_true (g_variant_lookup (said, "pending", "u", &pending));
  g_assert_cmpuint (pending, ==, 2);
  g_assert_cmpuint (lp_test_stat (manager, "draining"), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "leased"), ==, 1);

  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "draining", 0);
  lp_test_wait_stat (manager, "available", 1);
  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

static gboolean
is_past_soft (gpointer data)
{
  g_autoptr (GVariant) said = dup_lease (data, "tester");
  double soft;

  return said != NULL && g_variant_lookup (said, "seconds_until_soft_expiry", "d", &soft) && soft < 0;
}

static void
test_lease_past_its_soft_expiry (void)
{
  LpManager *manager = lp_test_start (1, "default-lease-seconds", 0.05, "lease-grace-seconds", 3600.0, NULL);
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");

  lp_test_wait_for (is_past_soft, manager, "the seconds until the soft expiry to be negative");

  lp_lease_release (lease);
  lp_test_finish (manager);
}

/* --- Counters --- */

static gboolean
has_expired (gpointer lease)
{
  return lp_lease_get_state (lease) == LP_LEASE_STATE_EXPIRED;
}

static void
test_counters_of_leases (void)
{
  LpManager *manager = lp_test_start (1, "min-pools", 1, NULL);
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (LpLease) lease = NULL;

  for (int i = 0; i < 5; i++)
    {
      g_autoptr (LpLease) short_lease = lp_test_acquire (manager, "tester");

      lp_lease_release (short_lease);
      lp_lease_release (short_lease);
    }
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 5);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 5);

  lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, NULL);
  lp_manager_set_lease_grace_seconds (manager, 0);
  lp_manager_start (manager, NULL, NULL);
  lp_request_set_lease_seconds (request, 0.05);
  lease = lp_manager_acquire (manager, request, NULL, NULL);
  g_assert_nonnull (lease);
  lp_test_wait_for (has_expired, lease, "the lease to expire");
  lp_lease_release (lease);

  /* They are those of the manager, not of one run. */
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 6);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 5);
  g_assert_cmpuint (lp_test_counter (manager, "revoked"), ==, 1);

  lp_test_finish (manager);
}

static void
test_counters_of_acquires_that_fail (void)
{
  LpManager *manager = lp_test_start (1, "min-pools", 1, NULL);
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;

  lp_request_set_timeout (request, 0.02);
  g_assert_null (lp_manager_acquire (manager, request, NULL, NULL));
  g_assert_null (lp_manager_acquire (manager, request, NULL, NULL));
  g_assert_null (lp_manager_try_acquire (manager, NULL, NULL));
  g_assert_cmpuint (lp_test_counter (manager, "timed_out"), ==, 2);

  lp_manager_acquire_async (manager, NULL, cancellable, lp_test_result_cb, &result);
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 1);
  g_cancellable_cancel (cancellable);
  g_assert_null (lp_manager_acquire_finish (manager, lp_test_wait_result (&result), NULL));
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 0);
  g_assert_cmpuint (lp_test_counter (manager, "cancelled"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "timed_out"), ==, 2);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 1);

  g_clear_object (&result);
  lp_lease_release (lease);
  lp_test_finish (manager);
}

static void
test_counters_of_jobs (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, "cancel-grace-seconds", 0.0, NULL);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  g_autoptr (LpJob) stuck = lp_test_gate_job (gate);
  g_autoptr (LpJob) queued = lp_test_value_job (1);

  run_jobs (lease, 7, 3);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_succeeded"), ==, 7);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_failed"), ==, 3);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_cancelled"), ==, 0);

  lp_test_submit (lease, stuck);
  lp_test_submit (lease, queued);
  lp_test_gate_wait_entered (gate, 1);
  lp_job_cancel (queued);
  lp_job_cancel (stuck);
  g_assert_null (lp_job_wait (stuck, LP_TEST_PATIENCE_SECONDS, NULL, NULL));
  g_assert_null (lp_job_wait (queued, LP_TEST_PATIENCE_SECONDS, NULL, NULL));
  g_assert_cmpuint (lp_test_counter (manager, "jobs_cancelled"), ==, 2);
  g_assert_cmpuint (lp_test_counter (manager, "results_discarded"), ==, 0);

  /* One that never started has no run time; the executor goes, its counts stay. */
  lp_lease_release (lease);
  lp_test_wait_stat (manager, "quarantined", lp_test_has_processes () ? 0 : 1);
  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "quarantined", 0);
  lp_test_wait_stat (manager, "leased", 0);
  if (!lp_test_has_processes ())
    g_assert_cmpuint (lp_test_counter (manager, "results_discarded"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_succeeded"), ==, 7);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_failed"), ==, 3);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_cancelled"), ==, 2);
  assert_times_are_sane (manager, "run_time", 11);

  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

static void
test_counters_of_executors (void)
{
  LpManager *manager = lp_test_start (4, "min-pools", 2, NULL);

  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 2);
  lp_manager_recycle (manager);
  lp_test_wait_stat (manager, "available", 2);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 4);
  lp_manager_set_units (manager, 40);
  lp_test_wait_stat (manager, "available", 4);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 6);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 2);

  lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, NULL);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 6);
  lp_test_finish (manager);
}

/* --- Times --- */

static gpointer
acquire_thread (gpointer manager)
{
  return lp_test_acquire (manager, "waiter");
}

/* Each is bounded by what is measured around it; percentiles are those of
 * buckets, so they are given some room. */
static void
test_times_are_what_was_measured (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, NULL);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) job = lp_test_gate_job (gate);
  gint64 begin = g_get_monotonic_time ();
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "holder");
  g_autoptr (LpLease) other = NULL;
  GThread *thread = g_thread_new ("waiter", acquire_thread, manager);
  gint64 inside;
  double least, most;

  lp_test_submit (lease, job);
  lp_test_gate_wait_entered (gate, 1);
  lp_test_wait_stat (manager, "waiting", 1);
  inside = g_get_monotonic_time ();
  while (g_get_monotonic_time () < inside + 50000)
    g_thread_yield ();
  least = 0.05;
  lp_test_gate_open (gate);
  lp_lease_release (lease);
  other = g_thread_join (thread);
  most = (double) (g_get_monotonic_time () - begin) / G_USEC_PER_SEC;

  assert_times_are_sane (manager, "wait_time", 2);
  assert_times_are_sane (manager, "hold_time", 1);
  assert_times_are_sane (manager, "run_time", 1);
  g_assert_cmpfloat (get_time (manager, "run_time", "max"), >=, least);
  g_assert_cmpfloat (get_time (manager, "run_time", "max"), <=, most);
  g_assert_cmpfloat (get_time (manager, "hold_time", "mean"), >=, least);
  g_assert_cmpfloat (get_time (manager, "hold_time", "mean"), <=, most);
  g_assert_cmpfloat (get_time (manager, "wait_time", "max"), >=, least);
  g_assert_cmpfloat (get_time (manager, "wait_time", "max"), <=, most);

  /* The first did not wait: the mean of the two is half of the longer one. */
  g_assert_cmpfloat (get_time (manager, "wait_time", "mean"), <=, get_time (manager, "wait_time", "max") * 0.6);
  g_assert_cmpfloat (get_time (manager, "wait_time", "p50"), <, least);
  g_assert_cmpfloat (get_time (manager, "wait_time", "p99"), >=, least * 0.8);

  lp_lease_release (other);
  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

static void
test_times_outlive_executors (void)
{
  LpManager *manager = lp_test_start (1, "min-pools", 1, NULL);

  for (int i = 1; i <= 5; i++)
    {
      g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");

      run_jobs (lease, 10, 0);
      lp_lease_release (lease);
      lp_manager_recycle (manager);
      lp_test_wait_stat (manager, "available", 1);
      assert_times_are_sane (manager, "run_time", 10 * i);
      assert_times_are_sane (manager, "wait_time", i);
      assert_times_are_sane (manager, "hold_time", i);
    }

  lp_test_finish (manager);
}

/* --- At any moment --- */

static int stop_hammering;      /* (atomic) */

static gpointer
hammer_thread (gpointer manager)
{
  for (guint i = 0; !g_atomic_int_get (&stop_hammering); i++)
    {
      g_autoptr (LpLease) lease = lp_test_acquire (manager, "hammer");
      g_autoptr (LpJob) job = lp_test_value_job (1);

      lp_test_submit (lease, job);
      if (i % 3 == 0)
        lp_manager_recycle (manager);
      lp_lease_release (lease);
    }

  return NULL;
}

static guint
get_u (GVariant *stats, const char *key)
{
  guint value;

  g_assert_true (g_variant_lookup (stats, key, "u", &value));
  return value;
}

static guint64
get_t (GVariant *stats, const char *key)
{
  guint64 value;

  g_assert_true (g_variant_lookup (stats, key, "t", &value));
  return value;
}

static void
assert_adds_up (GVariant *stats, GVariant *previous)
{
  g_autoptr (GVariant) leases = g_variant_lookup_value (stats, "leases", NULL);

  g_assert_cmpuint (get_u (stats, "total"), ==,
                    get_u (stats, "starting") + get_u (stats, "available") + get_u (stats, "leased"));
  g_assert_cmpuint (get_u (stats, "total"), <=, get_u (stats, "max_pools"));
  g_assert_cmpuint (get_u (stats, "draining"), <=, get_u (stats, "leased"));
  g_assert_cmpuint (g_variant_n_children (leases), <=, get_u (stats, "leased"));
  g_assert_cmpuint (get_t (stats, "acquired"), ==,
                    get_t (stats, "released") - get_u (stats, "draining") + g_variant_n_children (leases));
  g_assert_cmpuint (get_t (stats, "executors_created"), <=,
                    get_t (stats, "executors_retired") + get_u (stats, "total"));

  if (previous == NULL)
    return;

  for (gsize i = 0; i < G_N_ELEMENTS (top_keys); i++)
    if (g_str_equal (top_keys[i].type, "t"))
      g_assert_cmpuint (get_t (stats, top_keys[i].key), >=, get_t (previous, top_keys[i].key));
}

static void
test_always_adds_up (void)
{
  LpManager *manager = lp_test_start (2, "min-pools", 1, NULL);
  g_autoptr (GVariant) previous = NULL;
  GThread *threads[3];
  guint n_looks = lp_test_size (500, 500, 60);

  g_atomic_int_set (&stop_hammering, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("hammer", hammer_thread, manager);
  for (guint i = 0; i < n_looks; i++)
    {
      GVariant *stats = lp_manager_dup_stats (manager);

      assert_adds_up (stats, previous);
      g_clear_pointer (&previous, g_variant_unref);
      previous = stats;
    }
  g_atomic_int_set (&stop_hammering, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);

  lp_test_wait_stat (manager, "leased", 0);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, lp_test_counter (manager, "released"));
  g_assert_cmpuint (lp_test_counter (manager, "jobs_succeeded"), ==, lp_test_counter (manager, "acquired"));
  lp_test_finish (manager);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  lp_test_conform_add_func ("/stats/keys/before-the-start", test_keys_before_the_start);
  lp_test_conform_add_func ("/stats/keys/while-running", test_keys_while_running);
  lp_test_conform_add_func ("/stats/keys/of-times", test_keys_of_times);
  lp_test_conform_add_func ("/stats/lease/says-who-holds-it", test_lease_says_who_holds_it);
  lp_test_conform_add_func ("/stats/lease/that-drains", test_lease_that_drains);
  lp_test_conform_add_func ("/stats/lease/past-its-soft-expiry", test_lease_past_its_soft_expiry);
  lp_test_conform_add_func ("/stats/counters/of-leases", test_counters_of_leases);
  lp_test_conform_add_func ("/stats/counters/of-acquires-that-fail", test_counters_of_acquires_that_fail);
  lp_test_conform_add_func ("/stats/counters/of-jobs", test_counters_of_jobs);
  lp_test_conform_add_func ("/stats/counters/of-executors", test_counters_of_executors);
  lp_test_conform_add_func ("/stats/times/are-what-was-measured", test_times_are_what_was_measured);
  lp_test_conform_add_func ("/stats/times/outlive-executors", test_times_outlive_executors);
  lp_test_conform_add_func ("/stats/always-adds-up", test_always_adds_up);

  return g_test_run ();
}
