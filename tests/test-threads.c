/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Many threads at once: many waiters, shrinking, the bound. */

#include "config.h"

#include "lp-test-threads.h"

/* The bound, in real threads */

typedef struct
{
  guint bound;
  guint most;
  int stop;                     /* (atomic) */
} Sampler;

static gpointer
sampler_main (gpointer data)
{
  Sampler *self = data;

  while (!g_atomic_int_get (&self->stop))
    {
      self->most = MAX (self->most, lp_test_count_threads ("bound-"));
      g_assert_cmpuint (self->most, <=, self->bound);
    }

  return NULL;
}

static gboolean
has_expired (gpointer data)
{
  return lp_lease_get_state (data) == LP_LEASE_STATE_EXPIRED;
}

/* Leases an executor, has all its threads enter the gate, and lets it expire. */
static gboolean
make_stuck (LpManager *manager, LpTestGate *gate, guint n_workers, char **message)
{
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LpLease) lease = NULL;
  guint n_entered = lp_test_gate_get_entered (gate);

  lp_request_set_owner (request, "stuck");
  lp_request_set_timeout (request, 0.1);
  lease = lp_manager_acquire (manager, request, NULL, &error);
  if (lease == NULL)
    {
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
      *message = g_strdup (error->message);
      return FALSE;
    }

  for (guint i = 0; i < n_workers; i++)
    {
      g_autoptr (LpJob) job = lp_test_gate_job (gate);

      lp_test_submit (lease, job);
    }
  lp_test_gate_wait_entered (gate, n_entered + n_workers);

  g_assert_true (lp_lease_renew (lease, 0.001, &error));
  lp_test_block_for (has_expired, lease, "the expiry of a stuck lease");
  g_assert_cmpuint (lp_test_stat (manager, "total") + lp_test_stat (manager, "quarantined"), <=, 4);

  return TRUE;
}

static void
expire_stuck_leases (int max_quarantined, guint n_places)
{
  const guint n_workers = 2;
  LpManager *manager = lp_test_start (2, "name-prefix", "bound", "workers-per-pool", n_workers, "max-quarantined",
                                      max_quarantined, "lease-grace-seconds", 0.0, "cancel-grace-seconds", 0.0,
                                      NULL);
  LpTestGate *gate = lp_test_gate_new ();
  Sampler sampler = { n_places * n_workers };
  GThread *thread = g_thread_new ("sampler", sampler_main, &sampler);
  g_autofree char *message = NULL;
  guint n_stuck = 0;

  while (make_stuck (manager, gate, n_workers, &message))
    n_stuck++;

  /* Every place was used, none more. */
  g_assert_cmpuint (n_stuck, ==, n_places);
  g_assert_cmpuint (lp_test_count_threads ("bound-"), ==, n_places * n_workers);
  g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, n_places - 2);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 2);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 0);
  if (n_places > 2)
    g_assert_nonnull (strstr (message, "quarantine"));

  /* When they return, all is as before. */
  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "quarantined", 0);
  give_back (lp_test_acquire (manager, "after"));
  check_nothing_is_lost (manager);
  g_assert_cmpuint (lp_test_counter (manager, "results_discarded"), ==, n_places * n_workers);

  g_atomic_int_set (&sampler.stop, TRUE);
  g_thread_join (thread);
  lp_test_finish (manager);
  g_assert_cmpuint (lp_test_count_threads ("bound-"), ==, 0);
  lp_test_gate_unref (gate);
}

static void
test_bound_in_real_threads (gconstpointer data)
{
  int max_quarantined = GPOINTER_TO_INT (data);

  expire_stuck_leases (max_quarantined, 2 + (max_quarantined == -1 ? 2 : max_quarantined));
}

/* Many who wait */

typedef struct
{
  LpManager *manager;
  guint n_waiters;
  guint n_answered;
  guint *order;                 /* the numbers of those answered, in that order */
} Crowd;

typedef struct
{
  Crowd *crowd;
  guint number;
} Member;

static void
member_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Member *self = user_data;
  Crowd *crowd = self->crowd;
  g_autoptr (GError) error = NULL;
  LpLease *lease = lp_manager_acquire_finish (crowd->manager, result, &error);

  g_assert_no_error (error);
  crowd->order[crowd->n_answered++] = self->number;
  give_back (lease);
}

static gboolean
all_answered (gpointer data)
{
  Crowd *crowd = data;

  return crowd->n_answered == crowd->n_waiters;
}

/* A tail that starved would come later than its turn: with one queue and one
 * context the order is exact, and each waiter is woken once. */
static void
test_thousand_waiters_on_four (void)
{
  const guint n_waiters = 1000;
  LpManager *manager = lp_test_start (4, "min-pools", 4, NULL);
  g_autofree Member *members = g_new0 (Member, n_waiters);
  g_autofree guint *order = g_new0 (guint, n_waiters);
  Crowd crowd = { manager, n_waiters, 0, order };
  LpLease *held[4];

  for (guint i = 0; i < 4; i++)
    held[i] = lp_test_acquire (manager, "holder");
  for (guint i = 0; i < n_waiters; i++)
    {
      members[i] = (Member) { &crowd, i };
      lp_manager_acquire_async (manager, NULL, NULL, member_cb, &members[i]);
    }
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, n_waiters);

  for (guint i = 0; i < 4; i++)
    {
      give_back (held[i]);
      /* A process is asked first whether it lives. */
      if (lp_test_has_processes ())
        lp_test_block_stat (manager, "waiting", n_waiters - 1 - i);
      g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, n_waiters - 1 - i);
    }
  lp_test_wait_for (all_answered, &crowd, "a thousand answers");

  for (guint i = 0; i < n_waiters; i++)
    g_assert_cmpuint (order[i], ==, i);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 4 + n_waiters);
  check_nothing_is_lost (manager);
  lp_test_finish (manager);
}

static void
requeue_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LpLease **lease = user_data;

  /* The stop refuses those who still wait. */
  g_assert_null (*lease);
  *lease = lp_manager_acquire_finish (LP_MANAGER (source), result, NULL);
}

/* Microseconds of this thread's own time for a release, its grant, and another
 * acquire at the end of a queue of N_WAITERS. */
static double
time_cycle (guint n_waiters)
{
  const guint n_cycles = lp_test_size (2000, 2000, 200);
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "holder");
  LpLease *next = NULL;
  struct timespec begun, ended;

  for (guint i = 0; i < n_waiters; i++)
    lp_manager_acquire_async (manager, NULL, NULL, requeue_cb, &next);

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &begun);
  for (guint i = 0; i < n_cycles; i++)
    {
      lp_lease_release (lease);
      g_object_unref (lease);
      while (next == NULL)
        g_main_context_iteration (NULL, FALSE);
      lease = g_steal_pointer (&next);
      lp_manager_acquire_async (manager, NULL, NULL, requeue_cb, &next);
    }
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &ended);

  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, n_waiters);
  lp_lease_release (lease);
  g_object_unref (lease);
  lp_test_wait_stat (manager, "waiting", n_waiters - 1);
  while (next == NULL)
    g_main_context_iteration (NULL, FALSE);
  g_clear_object (&next);
  lp_test_finish (manager);

  return ((ended.tv_sec - begun.tv_sec) * 1e6 + (ended.tv_nsec - begun.tv_nsec) / 1e3) / n_cycles;
}

static void
test_cost_does_not_grow_with_waiters (void)
{
  double few = G_MAXDOUBLE;
  double many = G_MAXDOUBLE;

  /* The best of several, which load does not change. */
  for (guint i = 0; i < 5; i++)
    {
      few = MIN (few, time_cycle (4));
      many = MIN (many, time_cycle (2000));
    }

  g_test_message ("%.2f us with 4 waiters, %.2f us with 2000", few, many);
  g_assert_cmpfloat (many, <, 5 * few);
}

typedef struct
{
  LpManager *manager;
  guint n_acquires;
  gulong pause;                 /* microseconds */
} Customer;

/* Blocking threads: each gets its turn again and again. */
static gpointer
blocker_main (gpointer data)
{
  Customer *self = data;

  for (guint i = 0; i < self->n_acquires; i++)
    {
      LpLease *lease = lp_test_acquire (self->manager, "blocker");

      g_thread_yield ();
      give_back (lease);
    }

  return NULL;
}

static void
test_hundred_threads_on_four (void)
{
  LpManager *manager = lp_test_start (4, NULL);
  Customer customer = { manager, lp_test_size (50, 50, 10), 0 };
  GThread *threads[100];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("blocker", blocker_main, &customer);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);

  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, customer.n_acquires * G_N_ELEMENTS (threads));
  check_nothing_is_lost (manager);
  lp_test_finish (manager);
}

/* Shrinking at the pace of the acquires */

static int n_acting;            /* (atomic) */

static gpointer
customer_main (gpointer data)
{
  Customer *self = data;

  for (guint i = 0; i < self->n_acquires; i++)
    {
      LpLease *lease = lp_test_acquire (self->manager, "customer");
      g_autoptr (LpJob) job = NULL;
      g_autoptr (GVariant) result = NULL;

      if (i % 8 == 0)
        {
          job = lp_test_value_job (i);
          lp_test_submit (lease, job);
          result = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, NULL);
          g_assert_nonnull (result);
        }
      g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
      give_back (lease);

      /* Not to wait for anything: to meet the moment of the shrink. */
      if (self->pause > 0)
        g_usleep (self->pause);
    }

  g_atomic_int_dec_and_test (&n_acting);
  return NULL;
}

static void
shrink_while_acquiring (double linger)
{
  LpManager *manager = lp_test_start (3, "idle-linger-seconds", linger, NULL);
  Customer customer = { manager, lp_test_size (lp_test_has_processes () ? 50 : 1500, 34000, 50),
                        (gulong) (linger * G_USEC_PER_SEC) };
  GThread *threads[3];
  guint n = 0;

  g_atomic_int_set (&n_acting, 3);
  for (guint i = 0; i < 3; i++)
    threads[i] = g_thread_new ("customer", customer_main, &customer);
  while (g_atomic_int_get (&n_acting) > 0)
    {
      lp_manager_set_units (manager, n++ % 2 == 0 ? 30 : 0);
      check_snapshot (manager);
      g_thread_yield ();
    }
  for (guint i = 0; i < 3; i++)
    g_thread_join (threads[i]);

  lp_manager_set_units (manager, 0);
  lp_test_wait_stat (manager, "total", 1);
  check_nothing_is_lost (manager);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 3 * customer.n_acquires);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 3 * customer.n_acquires);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), >, 0);
  lp_test_finish (manager);
}

static void
test_shrink_races_hand_out (void)
{
  shrink_while_acquiring (0);
}

static void
test_linger_ends_at_hand_out (void)
{
  shrink_while_acquiring (0.0005);
}

int
main (int argc, char *argv[])
{
  g_setenv ("LP_DEBUG", "check", FALSE);
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (log_writer, NULL, NULL);

  g_test_add_data_func ("/threads/bound/quarantine-of-max-pools", GINT_TO_POINTER (-1), test_bound_in_real_threads);
  g_test_add_data_func ("/threads/bound/no-quarantine", GINT_TO_POINTER (0), test_bound_in_real_threads);
  g_test_add_data_func ("/threads/bound/quarantine-of-one", GINT_TO_POINTER (1), test_bound_in_real_threads);
  lp_test_conform_add_func ("/threads/waiters/thousand-on-four", test_thousand_waiters_on_four);
  lp_test_conform_add_func ("/threads/waiters/cost-does-not-grow", test_cost_does_not_grow_with_waiters);
  lp_test_conform_add_func ("/threads/waiters/hundred-threads", test_hundred_threads_on_four);
  lp_test_conform_add_func ("/threads/shrink-races-hand-out/no-linger", test_shrink_races_hand_out);
  lp_test_conform_add_func ("/threads/shrink-races-hand-out/linger", test_linger_ends_at_hand_out);

  return g_test_run ();
}
