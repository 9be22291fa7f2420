/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The rules of “Acquire”, most of them once per way to ask: who is granted what, and
 * in which order. */

#include "config.h"

#include "lp-test-acquire-slow.h"

static Asker *
queue_with_priority (Way way, LpManager *manager, int priority)
{
  g_autoptr (LpRequest) request = new_request ("somebody", -1);

  lp_request_set_priority (request, priority);
  return queue_full (way, manager, request, NULL);
}

/* It is also asked whether it has died, for as long as a test wants. */
typedef struct { SlowExecutor parent_instance; } VettedExecutor;
typedef struct { SlowExecutorClass parent_class; } VettedExecutorClass;

static gboolean vet_hold;               /* (slow_lock) has_died does not return */

static GType vetted_executor_get_type (void);

G_DEFINE_TYPE (VettedExecutor, vetted_executor, slow_executor_get_type ())

/* On the service thread, which then does nothing else. */
static void
wait_while_held (void)
{
  g_mutex_lock (&slow_lock);
  while (vet_hold)
    g_cond_wait (&slow_cond, &slow_lock);
  g_mutex_unlock (&slow_lock);
}

static gboolean
vetted_executor_has_died (LpExecutor *self)
{
  wait_while_held ();
  return FALSE;
}

static void
vetted_executor_class_init (VettedExecutorClass *klass)
{
  LP_EXECUTOR_CLASS (klass)->has_died = vetted_executor_has_died;
}

static void
vetted_executor_init (VettedExecutor *self)
{
}

/* Grants */

static void
test_idle_is_granted (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = get_lease (ask (GPOINTER_TO_INT (data), manager, "somebody"));

  g_assert_cmpstr (lp_lease_get_owner (lease), ==, "somebody");
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
  g_assert_cmpuint (lp_test_stat (manager, "leased"), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 0);

  give_back (lease);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  lp_test_finish (manager);
}

static void
test_release_grants (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  Asker *asker = queue (GPOINTER_TO_INT (data), manager, "waiter");
  LpLease *lease;

  give_back (held);
  lease = get_lease (asker);
  g_assert_cmpstr (lp_lease_get_owner (lease), ==, "waiter");
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 0);

  give_back (lease);
  lp_test_finish (manager);
}

/* Nobody is asked to draw a lot: one executor wakes one waiter, the others do
 * not even look. */
static void
test_one_waiter_is_woken (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "holder");
  Asker *askers[5];

  for (guint i = 0; i < 5; i++)
    askers[i] = queue (GPOINTER_TO_INT (data), manager, "waiter");

  for (guint i = 0; i < 5; i++)
    {
      give_back (lease);
      lease = get_lease (askers[i]);

      for (guint later = i + 1; later < 5; later++)
        g_assert_false (is_answered (askers[later]));
      g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 4 - i);
      g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 2 + i);
    }

  give_back (lease);
  lp_test_finish (manager);
}

static void
test_most_recently_released_first (void)
{
  LpManager *manager = lp_test_start (3, "min-pools", 3, NULL);
  const guint order[] = { 1, 0, 2 };
  LpLease *leases[3];
  guint64 executors[3];

  for (guint i = 0; i < 3; i++)
    {
      leases[i] = lp_test_acquire (manager, "holder");
      executors[i] = executor_of (leases[i]);
    }
  for (guint i = 0; i < 3; i++)
    give_back (leases[order[i]]);

  for (guint i = 0; i < 3; i++)
    {
      leases[i] = lp_test_acquire (manager, "holder");
      g_assert_cmpuint (executor_of (leases[i]), ==, executors[order[2 - i]]);
    }
  for (guint i = 0; i < 3; i++)
    give_back (leases[i]);

  lp_test_finish (manager);
}

static void
test_draining_is_not_granted (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpTestGate *gate = lp_test_gate_new ();
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = new_request ("impatient", 0.03);
  g_autoptr (LpJob) job = lp_test_gate_job (gate);
  g_autofree char *message = NULL;
  Asker *asker;
  LpLease *lease;

  lp_test_submit (held, job);
  give_back (held);
  g_assert_cmpuint (lp_test_stat (manager, "draining"), ==, 1);

  asker = queue (GPOINTER_TO_INT (data), manager, "waiter");
  message = get_error (ask_full (GPOINTER_TO_INT (data), manager, request, NULL), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  assert_contains (message, "“holder” for ");
  assert_contains (message, "draining");
  g_assert_false (is_answered (asker));

  lp_test_gate_open (gate);
  lease = get_lease (asker);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);

  give_back (lease);
  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

/* Order */

static void
test_fifo (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "holder");
  Asker *askers[2 * N_WAYS];

  /* Whatever way they ask, it is one queue. */
  for (guint i = 0; i < G_N_ELEMENTS (askers); i++)
    askers[i] = queue (i % N_WAYS, manager, "waiter");

  for (guint i = 0; i < G_N_ELEMENTS (askers); i++)
    {
      give_back (lease);
      lease = get_lease (askers[i]);
    }

  give_back (lease);
  lp_test_finish (manager);
}

static void
test_newcomer_does_not_overtake (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "holder");
  Asker *first = queue (GPOINTER_TO_INT (data), manager, "first");
  Asker *newcomer;

  /* The executor is promised at the release, not when the waiter wakes up. */
  lp_lease_release (lease);
  g_assert_null (try_now (manager));
  block_acquired (manager, 2);
  newcomer = queue (GPOINTER_TO_INT (data), manager, "newcomer");
  g_object_unref (lease);

  lease = get_lease (first);
  g_assert_cmpstr (lp_lease_get_owner (lease), ==, "first");
  g_assert_false (is_answered (newcomer));
  give_back (lease);
  give_back (get_lease (newcomer));

  lp_test_finish (manager);
}

/* While the idle executor is asked whether it lives, it is the waiter's. */
static void
test_newcomer_does_not_overtake_vetting (gconstpointer data)
{
  LpManager *manager = start_slow (vetted_executor_get_type (), 1, 0);
  Asker *first, *newcomer;
  LpLease *lease;

  set_held (&vet_hold, TRUE);
  first = ask (GPOINTER_TO_INT (data), manager, "first");
  lp_test_block_stat (manager, "waiting", 1);
  g_assert_null (try_now (manager));
  newcomer = queue (GPOINTER_TO_INT (data), manager, "newcomer");
  set_held (&vet_hold, FALSE);

  lease = get_lease (first);
  g_assert_false (is_answered (newcomer));
  give_back (lease);
  give_back (get_lease (newcomer));

  finish_slow (manager);
}

static void
test_lower_priority_number_first (gconstpointer data)
{
  const int priorities[] = { 5, 0, -5, 0 };
  const guint order[] = { 2, 1, 3, 0 };
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "holder");
  Asker *askers[4];

  for (guint i = 0; i < 4; i++)
    askers[i] = queue_with_priority (GPOINTER_TO_INT (data), manager, priorities[i]);

  for (guint i = 0; i < 4; i++)
    {
      give_back (lease);
      lease = get_lease (askers[order[i]]);
      g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 3 - i);
    }

  give_back (lease);
  lp_test_finish (manager);
}

/* Growth */

static void
test_growth_above_desired (gconstpointer data)
{
  LpManager *manager = lp_test_start (3, NULL);
  LpLease *leases[3];
  Asker *asker;

  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 1);
  for (guint i = 0; i < 3; i++)
    {
      leases[i] = get_lease (ask (GPOINTER_TO_INT (data), manager, "holder"));
      g_assert_cmpuint (lp_test_stat (manager, "total"), ==, i + 1);
    }
  g_assert_cmpuint (lp_manager_get_desired_executor_count (manager), ==, 1);

  /* And not above max-pools. */
  asker = queue (GPOINTER_TO_INT (data), manager, "waiter");
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 3);
  g_assert_cmpuint (lp_test_stat (manager, "starting"), ==, 0);

  /* A waiter gets what is freed, although the target is lower. */
  give_back (leases[0]);
  leases[0] = get_lease (asker);
  for (guint i = 0; i < 3; i++)
    give_back (leases[i]);
  lp_test_wait_stat (manager, "total", 1);

  lp_test_finish (manager);
}

/* All that are missing start at the same time, and the first that is ready goes
 * to the first who waits. */
static void
test_no_start_behind_another (gconstpointer data)
{
  LpManager *manager = start_slow (slow_executor_get_type (), 4, 0);
  LpLease *held = lp_test_acquire (manager, "holder");
  Asker *askers[4];
  LpLease *leases[4];

  for (guint i = 0; i < 4; i++)
    askers[i] = queue (GPOINTER_TO_INT (data), manager, "waiter");
  wait_starting (3);
  g_assert_cmpuint (lp_test_stat (manager, "starting"), ==, 3);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 4);

  for (guint i = 0; i < 3; i++)
    {
      guint64 seq = end_start (2 - i);

      leases[i] = get_lease (askers[i]);
      g_assert_cmpuint (executor_of (leases[i]), ==, seq);
      g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 3 - i);
    }

  give_back (held);
  leases[3] = get_lease (askers[3]);
  for (guint i = 0; i < 4; i++)
    give_back (leases[i]);

  finish_slow (manager);
}

/* One start per waiter: one that is served by a release leaves its start to the
 * next, which causes none of its own. */
static void
test_start_serves_the_next (void)
{
  LpManager *manager = start_slow (slow_executor_get_type (), 4, 0);
  LpLease *held = lp_test_acquire (manager, "holder");
  Asker *first = queue (IN_OWNER, manager, "first");
  Asker *second;
  LpLease *lease;

  wait_starting (1);
  give_back (held);
  held = get_lease (first);

  second = queue (IN_OWNER, manager, "second");
  g_assert_cmpuint (lp_test_stat (manager, "starting"), ==, 1);
  end_start (0);
  lease = get_lease (second);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 2);

  give_back (lease);
  give_back (held);
  finish_slow (manager);
}

/* Results nobody fetches */

static void
block_cb (gpointer data, gpointer more)
{
  wait_while_held ();
}

/* The service thread has not been scheduled yet: whoever asks deals with what
 * has expired before. With threads, which are not asked by it whether they live. */
static void
test_expired_leases_go_first (gconstpointer data)
{
  LpManager *manager = lp_test_start (2, "lease-grace-seconds", 0.0, NULL);
  g_autoptr (LpRequest) request = new_request ("late", -1);
  LpLease *late, *lease;
  gint64 end;

  set_held (&vet_hold, TRUE);
  lp_service_post (manager->pool->service, block_cb, NULL, NULL);

  lp_request_set_lease_seconds (request, 0.02);
  late = get_lease (ask_full (IN_OWNER, manager, request, NULL));
  end = lp_lease_get_hard_expires_at (late);
  lp_test_block_for (is_past, &end, "the hard expiry");

  lease = get_lease (ask (GPOINTER_TO_INT (data), manager, "next"));
  g_assert_cmpint (lp_lease_get_state (late), ==, LP_LEASE_STATE_EXPIRED);
  g_assert_cmpuint (lp_test_counter (manager, "revoked"), ==, 1);
  set_held (&vet_hold, FALSE);

  give_back (lease);
  g_object_unref (late);
  lp_test_finish (manager);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  add ("grant/idle", test_idle_is_granted);
  add ("grant/released", test_release_grants);
  add ("grant/one-waiter-is-woken", test_one_waiter_is_woken);
  add ("grant/draining-is-not-granted", test_draining_is_not_granted);
  add_hooked ("grant/expired-leases-go-first", test_expired_leases_go_first);
  lp_test_conform_add_func ("/acquire/grant/most-recently-released-first", test_most_recently_released_first);
  lp_test_conform_add_func ("/acquire/fifo/one-queue", test_fifo);
  add ("fifo/newcomer-does-not-overtake", test_newcomer_does_not_overtake);
  add_hooked ("fifo/newcomer-does-not-overtake-vetting", test_newcomer_does_not_overtake_vetting);
  add ("priority/lower-number-first", test_lower_priority_number_first);
  add ("growth/above-desired", test_growth_above_desired);
  add_hooked ("growth/no-start-behind-another", test_no_start_behind_another);
  g_test_add_func ("/acquire/growth/start-serves-the-next", test_start_serves_the_next);

  return g_test_run ();
}
