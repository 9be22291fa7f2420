/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The inbox of an executor: a job that is there is in the queue for everybody who looks. */

#include "config.h"

#include "lp-test-inbox.h"

#include "lp-grinder.h"

#define MOST_WORKERS 3
#define N_JOBS 5
#define ROUNDS lp_test_size (2000, 20000, 100)

/* --- Order --- */

typedef struct
{
  GMutex lock;
  guint n_ran;                  /* (lock) */
  guint order[3 * N_JOBS];      /* (lock) which of them, as they began */
} Order;

typedef struct
{
  Order *order;
  guint index;
} Place;

static void
note_order_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Place *self = user_data;

  g_mutex_lock (&self->order->lock);
  self->order->order[self->order->n_ran++] = self->index;
  g_mutex_unlock (&self->order->lock);
  *result = g_variant_new ("()");
}

static void
submit_in_order (Fixture *self, Order *order, GPtrArray *jobs)
{
  for (guint i = 0; i < N_JOBS; i++)
    {
      Place *place = g_new (Place, 1);

      *place = (Place) { order, jobs->len };
      g_ptr_array_add (jobs, lp_job_new_for_func (note_order_func, place, g_free));
      lp_test_submit (self->lease, g_ptr_array_index (jobs, jobs->len - 1));
    }
  g_assert_cmpuint (count_inbox (self->lease), >, 0);
}

/* Some in the queue, some in the inbox, and what was in the inbox before in the queue in between. */
static void
test_order (Fixture *self, gconstpointer data)
{
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);
  Order order = { 0 };
  guint64 number;

  occupy (self->lease, self->gate, 1);
  submit_in_order (self, &order, jobs);
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, N_JOBS + 1);
  g_assert_cmpuint (count_inbox (self->lease), ==, 0);
  submit_in_order (self, &order, jobs);
  lp_job_get_queued_at (jobs->pdata[0]);
  g_assert_cmpuint (count_inbox (self->lease), ==, 0);
  submit_in_order (self, &order, jobs);

  lp_test_gate_open (self->gate);
  number = 1;                   /* of the job at the gate */
  for (guint i = 0; i < jobs->len; i++)
    {
      LpJob *job = jobs->pdata[i];

      lp_test_assert_done (job);
      g_assert_cmpuint (order.order[i], ==, i);
      g_assert_cmpuint (job->number, ==, ++number);
    }
}

/* --- Cancel --- */

static void
set_up_full (Fixture *self, gconstpointer data)
{
  start_inbox (self, MOST_WORKERS, "max-queued-jobs", 0);
}

/* No thread is free, and the others in there run all the same. */
static void
test_cancel (Fixture *self, gconstpointer index)
{
  g_autoptr (LpJob) first = occupy_and_open (self, MOST_WORKERS);
  g_autoptr (GPtrArray) jobs = put (self->lease, N_JOBS);
  LpJob *cancelled = jobs->pdata[GPOINTER_TO_INT (index)];

  lp_job_cancel (cancelled);
  assert_cancelled (cancelled);
  g_assert_cmpint (lp_job_get_started_at (cancelled), ==, 0);
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, MOST_WORKERS + 1 + N_JOBS - 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_cancelled"), ==, 1);

  lp_test_gate_open (self->gate);
  assert_value (first, 0);
  for (int i = 0; i < N_JOBS; i++)
    if (jobs->pdata[i] != cancelled)
      assert_value (jobs->pdata[i], i + 1);
}

/* By what it was submitted with. */
static void
test_cancellable (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = occupy_and_open (self, MOST_WORKERS);
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  lp_lease_submit_async (self->lease, job, cancellable, lp_test_result_cb, &result);
  g_assert_cmpuint (count_inbox (self->lease), ==, 1);
  g_cancellable_cancel (cancellable);

  g_assert_null (lp_lease_submit_finish (self->lease, lp_test_wait_result (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_cancelled (job);
  g_assert_cmpint (lp_job_get_started_at (job), ==, 0);
}

/* --- What is seen of them --- */

static void
test_pending_jobs (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = occupy_and_open (self, MOST_WORKERS);
  g_autoptr (GPtrArray) jobs = put (self->lease, N_JOBS);

  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, MOST_WORKERS + 1 + N_JOBS);
}

static void
test_stats (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = occupy_and_open (self, MOST_WORKERS);
  g_autoptr (GPtrArray) jobs = put (self->lease, N_JOBS);
  g_autoptr (GVariant) stats = lp_manager_dup_stats (self->manager);
  g_autoptr (GVariant) leases = g_variant_lookup_value (stats, "leases", G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GVariant) lease = g_variant_get_child_value (leases, 0);
  guint pending;

  g_assert_true (g_variant_lookup (lease, "pending", "u", &pending));
  g_assert_cmpuint (pending, ==, MOST_WORKERS + 1 + N_JOBS);
}

typedef struct
{
  LpManager *manager;
  guint n_jobs;
} Listed;

static gboolean
is_listed (gpointer data)
{
  Listed *self = data;
  g_autoptr (LpLeaseInfo) info = g_list_model_get_item (lp_manager_get_leases (self->manager), 0);

  return info != NULL && lp_lease_info_get_pending_jobs (info) == self->n_jobs;
}

/* The list of leases is told of each. */
static void
test_list (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = occupy_and_open (self, MOST_WORKERS);
  g_autoptr (LpJob) opens = lp_test_value_job (1);
  g_autoptr (LpJob) job = lp_test_value_job (2);
  Listed listed = { self->manager, MOST_WORKERS + 1 };

  lp_manager_get_leases (self->manager);
  lp_test_wait_for (is_listed, &listed, "the jobs before");

  /* To look has closed it, and the list is not to be told of the job that opens it, so that it is told of the other. */
  g_atomic_int_set (&self->manager->pool->list_wanted, FALSE);
  lp_test_submit (self->lease, opens);
  g_atomic_int_set (&self->manager->pool->list_wanted, TRUE);
  lp_test_submit (self->lease, job);
  g_assert_cmpuint (count_inbox (self->lease), ==, 1);
  listed.n_jobs += 2;
  lp_test_wait_for (is_listed, &listed, "a job in the inbox");
}

static void
test_queued_at (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = occupy_and_open (self, MOST_WORKERS);
  gint64 before = g_get_monotonic_time ();
  g_autoptr (GPtrArray) jobs = put (self->lease, N_JOBS);
  gint64 after = g_get_monotonic_time ();

  for (guint i = 0; i < N_JOBS; i++)
    {
      g_assert_cmpint (lp_job_get_queued_at (jobs->pdata[i]), >=, before);
      g_assert_cmpint (lp_job_get_queued_at (jobs->pdata[i]), <=, after);
    }
}

static gpointer
submit_main (gpointer data)
{
  gpointer *lease_and_jobs = data;
  LpJob **jobs = lease_and_jobs[1];

  for (guint i = 0; i < ROUNDS; i++)
    lp_test_submit (lease_and_jobs[0], jobs[i]);
  return NULL;
}

/* Who sees that a job is queued finds out since when, though another thread is still submitting it. */
static void
test_queued_at_once (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = occupy_and_open (self, MOST_WORKERS);
  LpJob **jobs = g_new (LpJob *, ROUNDS);
  gpointer lease_and_jobs[] = { self->lease, jobs };
  GThread *thread;

  for (guint i = 0; i < ROUNDS; i++)
    jobs[i] = lp_test_value_job (1);
  thread = g_thread_new ("submits", submit_main, lease_and_jobs);
  for (guint i = 0; i < ROUNDS; i++)
    {
      while (lp_job_get_state (jobs[i]) == LP_JOB_STATE_NEW)
        ;
      g_assert_cmpint (lp_job_get_queued_at (jobs[i]), >, 0);
    }
  g_thread_join (thread);

  for (guint i = 0; i < ROUNDS; i++)
    g_object_unref (jobs[i]);
  g_free (jobs);
}

/* --- What is not accepted --- */

/* It never opens, as each submit counts. */
static void
test_max_queued_jobs (void)
{
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (LpJob) refused = lp_test_value_job (N_JOBS + 1);
  Fixture self;

  start_inbox (&self, MOST_WORKERS, "max-queued-jobs", N_JOBS);
  occupy (self.lease, self.gate, MOST_WORKERS);
  for (int i = 0; i < N_JOBS; i++)
    {
      g_ptr_array_add (jobs, lp_test_value_job (i + 1));
      lp_test_submit (self.lease, jobs->pdata[i]);
      g_assert_false (is_open (self.lease));
    }
  assert_refused (self.lease, refused, LP_ERROR, LP_ERROR_QUEUE_FULL);

  /* As many as there is room for. */
  lp_job_cancel (jobs->pdata[N_JOBS - 1]);
  lp_test_submit (self.lease, refused);
  g_ptr_array_remove_index (jobs, N_JOBS - 1);
  {
    g_autoptr (LpJob) another = lp_test_value_job (0);

    assert_refused (self.lease, another, LP_ERROR, LP_ERROR_QUEUE_FULL);
  }

  lp_test_gate_open (self.gate);
  assert_all_done (jobs);
  assert_value (refused, N_JOBS + 1);
  tear_down_inbox (&self, NULL);
}

static char *
refusal_of (LpLease *lease)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GError) error = NULL;

  lp_job_cancel (job);
  g_assert_false (lp_lease_submit (lease, job, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_job_get_queued_at (job), ==, 0);
  return g_strdup (error->message);
}

/* The same for one that is cancelled while it is submitted, after the submit has looked for that. */
static void
assert_cancelled_late (LpLease *lease)
{
  LpGrant *grant = lp_lease_get_grant (lease);
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GError) error = NULL;

  lp_job_cancel (job);
  g_assert_false (lp_executor_enqueue (grant->executor, grant, job, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* A job that was cancelled before, with the same words. */
static void
test_cancelled_before (Fixture *self, gconstpointer data)
{
  g_autofree char *closed = NULL;
  g_autofree char *open = NULL;
  g_autoptr (LpJob) first = NULL;
  g_autoptr (GPtrArray) jobs = NULL;

  closed = refusal_of (self->lease);
  first = occupy_and_open (self, MOST_WORKERS);
  jobs = put (self->lease, 1);
  open = refusal_of (self->lease);
  g_assert_cmpstr (open, ==, closed);
  assert_cancelled_late (self->lease);
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, MOST_WORKERS + 2);

  lp_test_gate_open (self->gate);
  assert_all_done (jobs);
}

/* --- Where else jobs come from --- */

/* A job of a grinder was queued when it was enqueued. It comes behind one that holds the only thread. */
static void
test_held (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, "check-interval", 3600.0, NULL);
  LpTestGate *gate = lp_test_gate_new ();
  LpGrinder *grinder = lp_grinder_new (manager);
  LpLease *holder = lp_test_acquire (manager, "holder");
  LpJob *jobs[N_JOBS];
  gint64 queued_at[N_JOBS], granted_at;
  g_autoptr (GAsyncResult) started = NULL;
  g_autoptr (GAsyncResult) stopped = NULL;

  g_object_set (grinder, "batch-size-threshold", 1, NULL);
  lp_grinder_start_async (grinder, NULL, lp_test_result_cb, &started);
  g_assert_true (lp_grinder_start_finish (grinder, lp_test_wait_result (&started), NULL));
  for (int i = 0; i < N_JOBS; i++)
    {
      jobs[i] = i == 0 ? lp_test_gate_job (gate) : lp_test_value_job (i);
      g_assert_true (lp_grinder_enqueue (grinder, jobs[i], NULL));
      queued_at[i] = lp_job_get_queued_at (jobs[i]);
    }
  granted_at = g_get_monotonic_time ();
  lp_test_block_for (has_passed, &granted_at, "the time to go on");
  lp_lease_release (holder);
  lp_test_gate_wait_entered (gate, 1);
  lp_test_gate_open (gate);

  for (int i = 0; i < N_JOBS; i++)
    {
      lp_test_assert_done (jobs[i]);
      g_assert_cmpint (lp_job_get_queued_at (jobs[i]), ==, queued_at[i]);
      g_assert_cmpint (lp_job_get_started_at (jobs[i]), >, granted_at);
      g_object_unref (jobs[i]);
    }
  g_object_unref (holder);
  lp_grinder_stop_async (grinder, LP_STOP_MODE_DRAIN, NULL, lp_test_result_cb, &stopped);
  g_assert_true (lp_grinder_stop_finish (grinder, lp_test_wait_result (&stopped), NULL));
  g_clear_object (&started);
  g_clear_object (&stopped);
  g_assert_finalize_object (grinder);
  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

#define add_full(name, data, func) \
  g_test_add ("/inbox/" name, Fixture, GINT_TO_POINTER (data), set_up_full, func, tear_down_inbox)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add ("/inbox/order", Fixture, NULL, set_up_one, test_order, tear_down_inbox);
  add_full ("cancel/first", 0, test_cancel);
  add_full ("cancel/middle", N_JOBS / 2, test_cancel);
  add_full ("cancel/last", N_JOBS - 1, test_cancel);
  add_full ("cancel/cancellable", 0, test_cancellable);
  add_full ("counts/pending-jobs", 0, test_pending_jobs);
  add_full ("counts/stats", 0, test_stats);
  add_full ("counts/list", 0, test_list);
  add_full ("queued-at", 0, test_queued_at);
  add_full ("queued-at/at-once", 0, test_queued_at_once);
  g_test_add_func ("/inbox/never/max-queued-jobs", test_max_queued_jobs);
  add_full ("refused/cancelled-before", 0, test_cancelled_before);
  g_test_add_func ("/inbox/held", test_held);

  return g_test_run ();
}
