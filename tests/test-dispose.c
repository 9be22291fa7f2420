/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The last reference of a running manager is dropped. */

#include "config.h"

#include "lp-test-run.h"

typedef enum
{
  DISPOSE_IDLE,
  DISPOSE_LEASED,
  DISPOSE_QUEUED,
  DISPOSE_RUNNING,
  DISPOSE_STUCK,
} DisposeState;

typedef enum
{
  DISPOSE_IN_MAIN,
  DISPOSE_IN_THREAD,
  DISPOSE_IN_JOB,
  DISPOSE_IN_CALLBACK,
} DisposePlace;

static const char * const state_names[] = { "idle", "leased", "queued", "running", "stuck" };
static const char * const place_names[] = { "the-main-thread", "another-thread", "a-job", "a-callback" };

typedef struct
{
  LpManager *manager;           /* the last reference */
  GWeakRef weak;
  int dropped;                  /* (atomic) */
  LpTestGate *gate;
  LpLease *lease;
  LpLease *side_lease;          /* of the job that disposes */
  LpJob *job;                   /* on the lease */
  LpJob *behind;                /* queued behind it */
  int n_destroyed;              /* (main thread) */
} Dispose;

static GThread *main_thread;

static void
destroyed_cb (gpointer data)
{
  Dispose *self = data;

  g_assert_true (g_thread_self () == main_thread);
  self->n_destroyed++;
}

static void
behind_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_assert_not_reached ();
}

static void
dispose_set_up (Dispose *self, DisposeState state)
{
  double grace = state == DISPOSE_STUCK ? 0 : 3600;

  *self = (Dispose) { NULL };
  self->gate = lp_test_gate_new ();
  self->manager = lp_test_start (2, "workers-per-pool", 1, "cancel-grace-seconds", grace, NULL);
  self->side_lease = lp_test_acquire (self->manager, "side");
  g_weak_ref_init (&self->weak, self->manager);

  if (state == DISPOSE_IDLE)
    return;

  self->lease = lp_test_acquire (self->manager, "tester");
  if (state == DISPOSE_LEASED)
    return;

  if (state == DISPOSE_RUNNING)
    self->job = lp_test_gate_polite_job (self->gate);
  else
    self->job = lp_test_gate_job (self->gate);
  if (lp_test_get_backend () == NULL)
    self->behind = lp_job_new_for_func (behind_func, self, destroyed_cb);
  else
    self->behind = lp_test_value_job (1);
  lp_test_submit (self->lease, self->job);
  lp_test_gate_wait_entered (self->gate, 1);
  lp_test_submit (self->lease, self->behind);
  if (state == DISPOSE_STUCK)
    {
      lp_job_cancel (self->job);
      assert_job_cancelled (self->job);
    }
}

static void
drop_manager (Dispose *self)
{
  LpManager *manager = g_steal_pointer (&self->manager);

  g_object_unref (manager);
  g_atomic_int_set (&self->dropped, TRUE);
}

static gpointer
drop_thread (gpointer data)
{
  drop_manager (data);
  return NULL;
}

static void
drop_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  drop_manager (user_data);
  *result = g_variant_new ("()");
}

static void
drop_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  drop_manager (user_data);
}

static gboolean
is_gone (gpointer data)
{
  Dispose *self = data;
  g_autoptr (LpManager) manager = g_weak_ref_get (&self->weak);

  /* A weak reference is cleared before dispose has done its work. */
  return manager == NULL && g_atomic_int_get (&self->dropped);
}

static void
dispose_in (Dispose *self, DisposePlace place)
{
  g_autoptr (LpJob) job = NULL;

  switch (place)
    {
    case DISPOSE_IN_MAIN:
      g_assert_finalize_object (g_steal_pointer (&self->manager));
      self->dropped = TRUE;
      break;
    case DISPOSE_IN_THREAD:
      g_thread_join (g_thread_new ("dropper", drop_thread, self));
      break;
    case DISPOSE_IN_JOB:
      job = lp_job_new_for_func (drop_func, self, destroyed_cb);
      lp_test_submit (self->side_lease, job);
      self->n_destroyed--;
      break;
    case DISPOSE_IN_CALLBACK:
      job = lp_test_value_job (1);
      lp_job_wait_async (job, NULL, drop_cb, self);
      lp_test_submit (self->side_lease, job);
      break;
    default:
      g_assert_not_reached ();
    }

  lp_test_wait_for (is_gone, self, "the manager to be finalized");
}

static gboolean
user_data_is_destroyed (gpointer data)
{
  Dispose *self = data;

  return self->n_destroyed == (self->behind != NULL && lp_test_get_backend () == NULL ? 1 : 0);
}

/* The gate is still closed: nobody was waited for. */
static void
test_dispose (gconstpointer data)
{
  DisposeState state = GPOINTER_TO_INT (data) / 10;
  DisposePlace place = GPOINTER_TO_INT (data) % 10;
  Dispose dispose;

  dispose_set_up (&dispose, state);
  dispose_in (&dispose, place);

  g_assert_cmpint (lp_lease_get_state (dispose.side_lease), ==, LP_LEASE_STATE_STOPPED);
  if (dispose.lease != NULL)
    {
      g_autoptr (LpManager) manager = lp_lease_dup_manager (dispose.lease);

      g_assert_null (manager);
      g_assert_cmpint (lp_lease_get_state (dispose.lease), ==, LP_LEASE_STATE_STOPPED);
      lp_lease_release (dispose.lease);
    }
  if (dispose.job != NULL)
    {
      assert_job_cancelled (dispose.job);
      assert_job_cancelled (dispose.behind);
      g_assert_cmpint (lp_job_get_started_at (dispose.behind), ==, 0);
    }

  lp_test_gate_open (dispose.gate);
  assert_nothing_left (NULL);
  lp_test_wait_for (user_data_is_destroyed, &dispose, "the user data to be destroyed");
  if (dispose.lease != NULL)
    assert_submit_fails (dispose.lease, LP_ERROR_EXPIRED);

  g_weak_ref_clear (&dispose.weak);
  g_clear_object (&dispose.job);
  g_clear_object (&dispose.behind);
  g_clear_object (&dispose.side_lease);
  g_clear_object (&dispose.lease);
  lp_test_gate_unref (dispose.gate);
}

/* The start holds the manager until it has ended, one way or the other. */
static void
test_dispose_after_a_start_nobody_waits_for (void)
{
  InitGate gate = { 0 };
  LpManager *manager = new_manager_with_init (2, gate_init_func, &gate);
  int gone = FALSE;             /* (atomic) */

  lp_test_watch (manager, &gone);
  lp_manager_start_async (manager, NULL, NULL, NULL);
  init_gate_wait_entered (&gate, 2);
  g_object_unref (manager);
  g_assert_false (g_atomic_int_get (&gone));

  init_gate_open (&gate);
  lp_test_wait_for (lp_test_is_gone, &gone, "the manager to be finalized");
  assert_nothing_left (NULL);
}

static void
test_dispose_after_a_failed_start_nobody_waits_for (void)
{
  LpManager *manager = new_manager_of ("silent", 2, 3);
  int gone = FALSE;             /* (atomic) */

  lp_manager_set_start_timeout_seconds (manager, 0.05);
  lp_test_watch (manager, &gone);
  lp_manager_start_async (manager, NULL, NULL, NULL);
  g_object_unref (manager);

  lp_test_wait_for (lp_test_is_gone, &gone, "the manager to be finalized");
  assert_nothing_left (NULL);
}

static void
test_dispose_while_stopping (void)
{
  Busy busy;
  LpManager *manager;
  int gone = FALSE;             /* (atomic) */

  busy_set_up (&busy, FALSE, 3600);
  manager = busy.manager;
  lp_test_watch (manager, &gone);
  lp_manager_stop_async (manager, LP_STOP_MODE_DRAIN, -1, NULL, NULL, NULL);
  g_object_unref (manager);

  lp_test_gate_open (busy.gate);
  lp_test_wait_for (lp_test_is_gone, &gone, "the manager to be finalized");
  assert_job_succeeded (busy.queued);
  assert_nothing_left (NULL);

  g_clear_object (&busy.running);
  g_clear_object (&busy.queued);
  g_clear_object (&busy.lease);
  lp_test_gate_unref (busy.gate);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  main_thread = g_thread_self ();

  for (guint state = 0; state < G_N_ELEMENTS (state_names); state++)
    for (guint place = 0; place < G_N_ELEMENTS (place_names); place++)
      {
        g_autofree char *path = g_strdup_printf ("/dispose/%s/in-%s", state_names[state], place_names[place]);

        /* With closures, and what they hold; and without. */
        g_test_add_data_func (path, GUINT_TO_POINTER (state * 10 + place), test_dispose);
        if (place != DISPOSE_IN_JOB)
          lp_test_conform_add_data_func (path, GUINT_TO_POINTER (state * 10 + place), test_dispose);
      }

  lp_test_conform_add_own_func ("/dispose/after-a-start-nobody-waits-for", test_dispose_after_a_start_nobody_waits_for);
  g_test_add_func ("/dispose/after-a-failed-start-nobody-waits-for",
                   test_dispose_after_a_failed_start_nobody_waits_for);
  lp_test_conform_add_func ("/dispose/while-stopping", test_dispose_while_stopping);

  return g_test_run ();
}
