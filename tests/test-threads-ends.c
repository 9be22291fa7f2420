/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Two threads, one lease: what each can do to it, in every combination. */

#include "config.h"

#include "lp-test-threads.h"

#include <signal.h>

typedef struct
{
  LpManager *manager;
  LpLease *lease;               /* a reference for each thread */
  char *id;
  int pid;                      /* of its worker, where that is a process */
  int n_ready;                  /* (atomic) */
  int n_active;                 /* (atomic) ends that said they ended an active lease */
} Duel;

static void
duel_release (Duel *self)
{
  lp_lease_release (self->lease);
}

static void
duel_release_by_id (Duel *self)
{
  if (lp_manager_release (self->manager, self->id))
    g_atomic_int_inc (&self->n_active);
}

static void
duel_drain (Duel *self)
{
  lp_lease_drain_async (self->lease, NULL, NULL, NULL);
}

static void
duel_submit (Duel *self)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GError) error = NULL;

  if (!lp_lease_submit (self->lease, job, &error))
    g_assert_true (g_error_matches (error, LP_ERROR, LP_ERROR_EXPIRED)
                   || g_error_matches (error, LP_ERROR, LP_ERROR_NOT_STARTED)
                   || g_error_matches (error, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR));
}

static void
duel_renew (Duel *self)
{
  g_autoptr (GError) error = NULL;

  if (!lp_lease_renew (self->lease, 0.001, &error))
    g_assert_true (g_error_matches (error, LP_ERROR, LP_ERROR_EXPIRED)
                   || g_error_matches (error, LP_ERROR, LP_ERROR_NOT_STARTED));
}

static void
duel_crash (Duel *self)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, "as the test wants");

  if (self->pid != 0)
    kill (self->pid, SIGKILL);
  else
    lp_executor_report_died (lp_lease_get_grant (self->lease)->executor, error);
}

static void
duel_recycle (Duel *self)
{
  lp_manager_recycle (self->manager);
}

/* The last one drops the lease. */
static void
duel_drop (Duel *self)
{
}

/* Stop belongs to the owner: only the main thread does it. */
static void
duel_stop (Duel *self)
{
  g_autoptr (GError) error = NULL;

  lp_manager_stop (self->manager, LP_STOP_MODE_CANCEL, -1, NULL, &error);
  g_assert_no_error (error);
}

typedef void (*DuelFunc) (Duel *self);

static const DuelFunc duel_funcs[] = {
  duel_stop, duel_release, duel_release_by_id, duel_drain, duel_submit, duel_renew, duel_crash, duel_recycle,
  duel_drop,
};

typedef struct
{
  Duel *duel;
  DuelFunc func;
} Side;

static gboolean
both_ready (gpointer data)
{
  return g_atomic_int_get ((int *) data) == 2;
}

static gpointer
side_main (gpointer data)
{
  Side *self = data;

  g_atomic_int_inc (&self->duel->n_ready);
  lp_test_block_for (both_ready, &self->duel->n_ready, "the other side");
  self->func (self->duel);
  g_object_unref (self->duel->lease);

  return NULL;
}

/* What a process answers that is its number; 0 if it was killed before it could, which is seen a moment later. */
static int
ask_pid (LpManager *manager)
{
  LpLease *lease = lp_test_acquire (manager, "first");
  g_autoptr (LpJob) job = lp_job_new_for_call ("pid", NULL);
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;
  int pid = 0;

  if (lp_lease_submit (lease, job, &error))
    value = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, &error);
  if (value != NULL)
    g_variant_get (value, "(i)", &pid);
  else
    {
      g_assert_true (lp_test_has_processes ());
      g_assert_true (g_error_matches (error, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR)
                     || g_error_matches (error, LP_ERROR, LP_ERROR_EXPIRED));
    }
  give_back (lease);

  return pid;
}

/* An executor that has been of use: the death of one that has not would put off
 * the start of the next one. Returns the number of its process. */
static int
warm_up (LpManager *manager)
{
  int pid;

  while ((pid = ask_pid (manager)) == 0)
    ;
  return lp_test_has_processes () ? pid : 0;
}

static void
fight (LpManager *manager, DuelFunc here, DuelFunc there, double seconds)
{
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GError) error = NULL;
  Duel duel = { manager };
  Side sides[2] = { { &duel, here }, { &duel, there } };
  GThread *thread;

  duel.pid = warm_up (manager);
  lp_request_set_lease_seconds (request, seconds);
  lp_request_set_timeout (request, LP_TEST_PATIENCE_SECONDS);
  duel.lease = lp_manager_acquire (manager, request, NULL, &error);
  g_assert_no_error (error);
  duel.id = g_strdup (lp_lease_get_id (duel.lease));
  g_object_ref (duel.lease);

  thread = g_thread_new ("there", side_main, &sides[1]);
  side_main (&sides[0]);
  g_thread_join (thread);

  /* However it ended: once, and it cannot be ended again. */
  g_assert_cmpint (duel.n_active, <=, 1);
  if (!lp_manager_is_running (manager))
    g_assert_true (lp_manager_start (manager, NULL, NULL));
  g_assert_false (lp_manager_release (manager, duel.id));
  check_nothing_is_lost (manager);
  g_free (duel.id);
}

static void
test_every_order_of_two_ends (gconstpointer data)
{
  DuelFunc here = duel_funcs[GPOINTER_TO_UINT (data)];

  for (guint there = 1; there < G_N_ELEMENTS (duel_funcs); there++)
    for (guint is_short = 0; is_short < 2; is_short++)
      {
        LpManager *manager = lp_test_start (1, "lease-grace-seconds", 0.0, "workers-per-pool", 1, NULL);
        guint n_rounds = lp_test_has_processes () ? lp_test_size (1, 50, 1)
                                                  : lp_test_size (here == duel_stop ? 20 : 40, 2000, 1);

        for (guint i = 0; i < n_rounds; i++)
          fight (manager, here, duel_funcs[there], is_short ? 0.0002 : 1000);

        lp_test_finish (manager);
      }
}

static void
add_orders (void)
{
  const char * const names[] = { "stop", "release", "release-by-id", "drain", "submit", "renew", "crash", "recycle",
                                 "drop" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_strdup_printf ("/threads/two-ends/%s", names[i]);

      lp_test_conform_add_data_func (path, GUINT_TO_POINTER (i), test_every_order_of_two_ends);
    }
}

int
main (int argc, char *argv[])
{
  g_setenv ("LP_DEBUG", "check", FALSE);
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (log_writer, NULL, NULL);

  add_orders ();

  return g_test_run ();
}
