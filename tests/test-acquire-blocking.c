/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The rules of “Acquire”: the blocking form where it would wait for itself. */

#include "config.h"

#include "lp-test-acquire.h"

/* The blocking form where it would wait for itself */

typedef struct
{
  LpManager *manager;
  LpRequest *request;
  LpLease *lease;
  GError *error;
  int done;                     /* (atomic) */
} Call;

static gboolean
is_done (gpointer data)
{
  return g_atomic_int_get (&((Call *) data)->done);
}

static gboolean
call_cb (gpointer data)
{
  Call *call = data;

  call->lease = lp_manager_acquire (call->manager, call->request, NULL, &call->error);
  g_atomic_int_set (&call->done, TRUE);

  return G_SOURCE_REMOVE;
}

static void
call_in_job (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  call_cb (user_data);
  *result = g_variant_new ("()");
}

/* In a callback of the owner's loop if LEASE is NULL, else in a job on it. */
static void
call (Call *call, LpManager *manager, LpRequest *request, LpLease *lease)
{
  *call = (Call) { manager, request };

  if (lease != NULL)
    {
      g_autoptr (LpJob) job = lp_job_new_for_func (call_in_job, call, NULL);

      lp_test_submit (lease, job);
      lp_test_block_for (is_done, call, "a job that acquires");
    }
  else
    {
      g_idle_add (call_cb, call);
      lp_test_wait_for (is_done, call, "a callback that acquires");
    }
}

static void
refuse_where_it_deadlocks (gboolean in_job, int code)
{
  LpManager *manager = lp_test_start (2, "min-pools", 2, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  LpLease *where = in_job ? held : NULL;
  g_autoptr (LpRequest) request = new_request ("blocker", -1);
  LpLease *second;
  Call it;

  /* At once is no wait. */
  call (&it, manager, request, where);
  g_assert_no_error (it.error);
  second = it.lease;

  call (&it, manager, request, where);
  g_assert_error (it.error, LP_ERROR, code);
  g_assert_null (it.lease);
  g_clear_error (&it.error);
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 0);

  /* NULL is a request without a time-out, too. */
  call (&it, manager, NULL, where);
  g_assert_error (it.error, LP_ERROR, code);
  g_clear_error (&it.error);

  /* With a time-out it may wait. */
  lp_request_set_timeout (request, 0.03);
  call (&it, manager, request, where);
  g_assert_error (it.error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_clear_error (&it.error);

  give_back (second);
  give_back (held);
  lp_test_finish (manager);
}

static void
test_blocking_in_the_owners_loop (void)
{
  refuse_where_it_deadlocks (FALSE, LP_ERROR_WRONG_CONTEXT);
}

static void
test_blocking_in_a_job (void)
{
  refuse_where_it_deadlocks (TRUE, LP_ERROR_WOULD_DEADLOCK);
}

/* A job may wait for another manager's executor. */
static void
test_blocking_in_a_job_of_another_manager (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpManager *other = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  LpLease *lease = lp_test_acquire (other, "caller");
  Call it = { manager };
  g_autoptr (LpJob) job = lp_job_new_for_func (call_in_job, &it, NULL);

  lp_test_submit (lease, job);
  lp_test_block_stat (manager, "waiting", 1);
  give_back (held);
  lp_test_block_for (is_done, &it, "a job that acquires");
  g_assert_no_error (it.error);

  give_back (it.lease);
  give_back (lease);
  lp_test_finish (other);
  lp_test_finish (manager);
}

/* Releases the lease once somebody waits. */
static gpointer
release_when_waited_for_main (gpointer data)
{
  LpLease *lease = data;
  g_autoptr (LpManager) manager = lp_lease_dup_manager (lease);

  lp_test_block_stat (manager, "waiting", 1);
  lp_lease_release (lease);

  return NULL;
}

/* Also the owner's thread, as long as it runs no loop. */
static gpointer
block_without_a_loop (gpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  GThread *thread = g_thread_new ("releaser", release_when_waited_for_main, held);
  g_autoptr (GError) error = NULL;
  LpLease *lease = lp_manager_acquire (manager, NULL, NULL, &error);

  if (lease == NULL)
    lp_lease_release (held);
  g_assert_no_error (error);
  g_thread_join (thread);

  g_object_unref (held);
  give_back (lease);
  lp_test_finish (manager);
  return NULL;
}

static void
test_program_without_a_loop_may_block (void)
{
  block_without_a_loop (NULL);
}

static gpointer
block_in_own_context_main (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  block_without_a_loop (NULL);
  g_main_context_pop_thread_default (context);

  return NULL;
}

static void
test_owner_with_own_context_without_a_loop_may_block (void)
{
  g_thread_join (g_thread_new ("owner", block_in_own_context_main, NULL));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  lp_test_conform_add_func ("/acquire/blocking/in-the-owners-loop", test_blocking_in_the_owners_loop);
  g_test_add_func ("/acquire/blocking/in-a-job", test_blocking_in_a_job);
  g_test_add_func ("/acquire/blocking/in-a-job-of-another-manager", test_blocking_in_a_job_of_another_manager);
  lp_test_conform_add_func ("/acquire/blocking/program-without-a-loop", test_program_without_a_loop_may_block);
  lp_test_conform_add_func ("/acquire/blocking/owner-with-own-context-without-a-loop",
                   test_owner_with_own_context_without_a_loop_may_block);

  return g_test_run ();
}
