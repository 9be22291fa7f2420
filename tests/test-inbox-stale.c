/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What opened the inbox of an executor is no longer so: it does not stay open. And the list of the leases knows of what is
 * put there. */

#include "config.h"

#include <dlfcn.h>

#include "lp-test-inbox.h"

/* --- In the place of GLib's --- */

static Stop refusal;
static int refuses;             /* (atomic) the next thread */

GThread *
g_thread_try_new (const char *name, GThreadFunc func, gpointer data, GError **error)
{
  GThread *(*real) (const char *, GThreadFunc, gpointer, GError **) =
    (GThread *(*) (const char *, GThreadFunc, gpointer, GError **)) dlsym (RTLD_NEXT, "g_thread_try_new");

  if (!g_atomic_int_compare_and_exchange (&refuses, TRUE, FALSE))
    return real (name, func, data, error);

  stop_here (&refusal);
  g_set_error_literal (error, G_THREAD_ERROR, G_THREAD_ERROR_AGAIN, "No thread for the test");
  return NULL;
}

static Stop before_lock;
static GPrivate stops_before_lock; /* this thread does, once */

gboolean
g_mutex_trylock (GMutex *mutex)
{
  gboolean (*real) (GMutex *) = (gboolean (*) (GMutex *)) dlsym (RTLD_NEXT, "g_mutex_trylock");

  if (g_private_get (&stops_before_lock) != NULL)
    {
      g_private_set (&stops_before_lock, NULL);
      stop_here (&before_lock);
    }

  return real (mutex);
}

/* --- A thread that is not to be had --- */

static gpointer
submit_main (gpointer data)
{
  Fixture *self = data;
  LpJob *job = lp_test_value_job (1);

  lp_test_submit (self->lease, job);
  return job;
}

/* While it is waited for, one more job need not be told of; after that each submit tries again. */
static void
test_thread_refused (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) second = lp_test_value_job (2);
  g_autoptr (LpJob) third = lp_test_value_job (3);
  g_autoptr (LpJob) first = NULL;
  GThread *thread;

  occupy (self->lease, self->gate, 1);
  g_atomic_int_set (&refuses, TRUE);
  thread = g_thread_new ("submitter", submit_main, self);
  wait_reached (&refusal);
  lp_test_submit (self->lease, second);
  g_assert_true (is_open (self->lease));
  let_go (&refusal);
  first = g_thread_join (thread);

  lp_test_submit (self->lease, third);
  assert_value (first, 1);
  assert_value (second, 2);
  assert_value (third, 3);
}

/* --- A thread that sleeps although there are jobs --- */

/* What a job ends with is told before the thread that has ended it goes on. That of the first job, and of no other: a
 * thread may have the next one when it tells of the one before. */
static StopInWriter in_writer = { .text = "The job 1.1 " };

static void
defer_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_job_defer (job);
}

static gboolean
all_sleep (gpointer data)
{
  return lp_test_count_threads_awake ("leasepool-") == 0;
}

/* A deferred job has one place, and a job that somebody waits for the other one: a thread that was woken for more of them
 * sleeps again. When the place gets free it is to be woken, whatever keeps the other thread. */
static void
test_place_gets_free (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) deferred = lp_job_new_for_func (defer_func, NULL, NULL);
  g_autoptr (LpJob) awaited = lp_test_gate_job (self->gate);
  g_autoptr (LpJob) last = lp_test_value_job (9);
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);
  GThread *waiter;

  lp_test_submit (self->lease, awaited);
  lp_test_gate_wait_entered (self->gate, 1);
  lp_test_submit (self->lease, deferred);
  lp_test_block_for (all_sleep, NULL, "the deferred job's thread");
  for (int i = 0; i < 5; i++)
    {
      g_ptr_array_add (jobs, lp_test_value_job (i + 1));
      lp_test_submit (self->lease, jobs->pdata[i]);
      lp_test_block_for (all_sleep, NULL, "a thread without a place");
    }

  waiter = wait_elsewhere (awaited);
  g_atomic_int_set (&in_writer.wanted, TRUE);
  lp_test_gate_open (self->gate);
  wait_reached (&in_writer.stop);

  lp_test_submit (self->lease, last);
  assert_value (last, 9);
  assert_all_done (jobs);

  let_go (&in_writer.stop);
  g_thread_join (waiter);
  lp_job_return_value (deferred, g_variant_new ("()"));
}

/* --- The list of the leases --- */

static gpointer
submit_slowly_main (gpointer data)
{
  Fixture *self = data;
  g_autoptr (LpJob) job = lp_test_gate_job (self->gate);

  g_private_set (&stops_before_lock, self);
  lp_test_submit (self->lease, job);
  return NULL;
}

static gboolean
has_pending (gpointer info)
{
  return lp_lease_info_get_pending_jobs (info) == 1;
}

static gboolean
has_item (gpointer leases)
{
  return g_list_model_get_n_items (leases) == 1;
}

/* Somebody asks for it between the first look of a submit and the acceptance of its job. */
static void
test_listed_meanwhile (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (LpLeaseInfo) info = NULL;
  GListModel *leases;
  GThread *thread;

  /* There is a thread to be signalled: to start one the grant is held in any case. */
  lp_test_submit (self->lease, job);
  assert_value (job, 1);
  lp_test_block_for (all_sleep, NULL, "the thread");

  thread = g_thread_new ("submitter", submit_slowly_main, self);
  wait_reached (&before_lock);
  leases = lp_manager_get_leases (self->manager);
  lp_test_wait_for (has_item, leases, "the list");
  info = g_list_model_get_item (leases, 0);
  g_assert_cmpuint (lp_lease_info_get_pending_jobs (info), ==, 0);

  let_go (&before_lock);
  g_thread_join (thread);
  lp_test_wait_for (has_pending, info, "the job in the list");
}

#define add_case(name, func) g_test_add ("/inbox/stale/" name, Fixture, NULL, set_up_two, func, tear_down_inbox)

int
main (int argc, char **argv)
{
  g_setenv ("LP_DEBUG", "job", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (stop_in_writer, &in_writer, NULL);

  add_case ("thread-refused", test_thread_refused);
  add_case ("place-gets-free", test_place_gets_free);
  add_case ("listed-meanwhile", test_listed_meanwhile);

  return g_test_run ();
}
