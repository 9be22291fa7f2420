/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The load on a manager: a number of operations at a time, each drawn by lot. What ends begins the next one. All here
 * is in the main thread, which is the owner's. */

#include "soak.h"

#include <signal.h>

#define OPERATIONS 24
#define HELD 16

/* A lease with jobs, and what is to become of it. */
typedef struct
{
  SoakLoad *load;
  LpLease *lease;               /* released with the last job, if it is still there */
  guint n_left;
} Hold;

/* A job, or an acquire, that is under way. */
typedef struct
{
  SoakLoad *load;
  Hold *hold;                   /* nullable */
  LpJob *job;                   /* nullable */
  GCancellable *cancellable;    /* nullable */
} Op;

static void load_more (SoakLoad *self);

static int
pick (SoakLoad *self, int n)
{
  return g_rand_int_range (self->random, 0, n);
}

static Op *
op_new (SoakLoad *load, LpJob *job)
{
  Op *self = g_new0 (Op, 1);

  self->load = load;
  self->job = job;
  load->n_asked++;
  return self;
}

static void
op_end (Op *self)
{
  self->load->n_told++;
  load_more (self->load);
  g_clear_object (&self->job);
  g_clear_object (&self->cancellable);
  g_free (self);
}

static gboolean
cancel_cb (gpointer data)
{
  g_cancellable_cancel (data);
  return G_SOURCE_REMOVE;
}

/* At once, in the next iteration, or a little later: before, with, or after what it races. */
static GCancellable *
new_cancellable (SoakLoad *self)
{
  GCancellable *cancellable = g_cancellable_new ();
  int dice = pick (self, 8);

  if (dice == 0)
    g_idle_add_full (G_PRIORITY_DEFAULT, cancel_cb, g_object_ref (cancellable), g_object_unref);
  else if (dice < 4)
    g_timeout_add_full (G_PRIORITY_DEFAULT, (guint) pick (self, 6), cancel_cb, g_object_ref (cancellable),
                        g_object_unref);
  return cancellable;
}

/* --- Jobs --- */

static void
job_has_ended (SoakLoad *self, LpJob *job)
{
  g_assert_cmpint (lp_job_get_state (job), >=, LP_JOB_STATE_SUCCEEDED);
  soak_plant (self->plant);
  g_atomic_int_inc (&self->n_ended);
}

static void
job_ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Op *op = user_data;
  Hold *hold = op->hold;
  g_autoptr (GVariant) value = lp_job_wait_finish (LP_JOB (source), result, NULL);

  job_has_ended (op->load, op->job);
  if (--hold->n_left == 0)
    {
      if (hold->lease != NULL)
        lp_lease_release (hold->lease);
      g_clear_object (&hold->lease);
      g_free (hold);
    }
  op_end (op);
}

static void
submit_one (Hold *hold)
{
  LpJob *job = soak_job_new (hold->load->random);
  Op *op;

  if (!lp_lease_submit (hold->lease, job, NULL))
    {
      g_object_unref (job);
      return;
    }

  if (g_atomic_int_add (&hold->load->n_accepted, 1) > 1000 && hold->load->plant == SOAK_PLANT_JOB)
    {
      hold->load->plant = SOAK_PLANT_NONE;
      g_atomic_int_inc (&hold->load->n_accepted);
    }
  hold->n_left++;
  op = op_new (hold->load, job);
  op->hold = hold;
  lp_job_wait_async (job, NULL, job_ended_cb, op);
  if (pick (hold->load, 20) == 0)
    lp_job_cancel (job);
}

/* As run and the grinder have it: whether the job was accepted is known at the end only. */
static void
count_job (Op *op)
{
  if (lp_job_get_queued_at (op->job) == 0)
    return;

  g_atomic_int_inc (&op->load->n_accepted);
  job_has_ended (op->load, op->job);
}

static void
ran_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Op *op = user_data;
  g_autoptr (GVariant) value = lp_manager_run_finish (LP_MANAGER (source), result, NULL);

  count_job (op);
  op_end (op);
}

static void
ground_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Op *op = user_data;
  g_autoptr (GVariant) value = lp_grinder_submit_finish (LP_GRINDER (source), result, NULL);

  count_job (op);
  op_end (op);
}

static void
begin_run (SoakLoad *self)
{
  Op *op = op_new (self, soak_job_new (self->random));

  op->cancellable = pick (self, 10) == 0 ? new_cancellable (self) : NULL;
  lp_manager_run_async (self->manager, op->job, NULL, op->cancellable, ran_cb, op);
}

static void
begin_grind (SoakLoad *self)
{
  Op *op = op_new (self, soak_job_new (self->random));

  op->cancellable = pick (self, 10) == 0 ? new_cancellable (self) : NULL;
  lp_grinder_submit_async (self->grinder, op->job, op->cancellable, ground_cb, op);
}

/* --- Leases --- */

/* It is released now or with its last job, left to expire, or dropped; or forgotten, where that is planted. */
static void
use_lease (SoakLoad *self, LpLease *lease)
{
  Hold *hold = g_new0 (Hold, 1);
  int dice = pick (self, 100);

  hold->load = self;
  hold->lease = lease;
  for (int i = pick (self, 8); i > 0; i--)
    submit_one (hold);

  /* Again and again: one whose manager is stopped before it is looked for has ended. */
  if (self->plant == SOAK_PLANT_LEASE && self->n_all_leases % 100 == 0)
    hold->lease = NULL;         /* and LEASE is forgotten */
  else if (dice < 40)
    lp_lease_release (lease);
  else if (dice < 42)
    {
      lp_lease_renew (lease, 0.03, NULL);
      g_queue_push_tail (&self->held, g_object_ref (lease));
      if (self->held.length > HELD)
        g_object_unref (g_queue_pop_head (&self->held));
    }

  if (hold->n_left == 0 || dice < 60)
    g_clear_object (&hold->lease);
  if (hold->n_left == 0)
    g_free (hold);
}

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Op *op = user_data;
  SoakLoad *self = op->load;
  LpLease *lease;

  if (pick (self, 20) != 0)     /* else nobody asks for the result */
    {
      lease = lp_manager_acquire_finish (LP_MANAGER (source), result, NULL);
      if (lease != NULL)
        use_lease (self, lease);
    }
  op_end (op);
}

static void
begin_acquire (SoakLoad *self)
{
  g_autoptr (LpRequest) request = lp_request_new ();
  Op *op = op_new (self, NULL);

  lp_request_set_owner (request, "soak");
  lp_request_set_priority (request, pick (self, 3));
  lp_request_set_timeout (request, pick (self, 3) == 0 ? 0.01 * pick (self, 20) : -1);
  lp_request_set_wait (request, pick (self, 10) != 0);
  if (pick (self, 50) == 0)
    lp_request_set_lease_seconds (request, 0.02);
  op->cancellable = pick (self, 4) == 0 ? new_cancellable (self) : NULL;
  lp_manager_acquire_async (self->manager, request, op->cancellable, acquired_cb, op);
}

static void
load_more (SoakLoad *self)
{
  while (self->loading && self->n_asked - self->n_told < OPERATIONS)
    {
      int dice = pick (self, 10);

      if (dice < 6)
        begin_acquire (self);
      else if (dice < 8)
        begin_run (self);
      else
        begin_grind (self);
    }
}

/* --- What happens to it --- */

static gboolean
disturb_cb (gpointer data)
{
  static const int signals[] = { SIGKILL, SIGKILL, SIGKILL, SIGTERM, SIGABRT };
  SoakLoad *self = data;
  int pid = self->loading ? soak_pick_child (self->random) : 0;

  if (pid > 0 && kill (pid, signals[pick (self, G_N_ELEMENTS (signals))]) == 0)
    self->n_kills++;
  /* In a pause all executors are to come back. */
  if (self->loading && pick (self, 4) == 0)
    lp_manager_set_units (self->manager, pick (self, 50));
  if (pick (self, 40) == 0)
    lp_manager_recycle (self->manager);
  self->kill_source = g_timeout_add ((guint) (50 + pick (self, 300)), disturb_cb, self);
  return G_SOURCE_REMOVE;
}

static void
lease_acquired_cb (LpManager *manager, LpLeaseInfo *info, SoakLoad *self)
{
  self->n_leases[0]++;
  self->n_all_leases++;
}

static void
lease_ended_cb (LpManager *manager, LpLeaseInfo *info, SoakLoad *self)
{
  self->n_leases[1]++;
}

/* MANAGER runs already. */
void
soak_load_start (SoakLoad *self, LpManager *manager)
{
  self->manager = g_object_ref (manager);
  self->n_managers++;
  self->n_leases[0] = self->n_leases[1] = 0;
  g_signal_connect (manager, "lease-acquired", G_CALLBACK (lease_acquired_cb), self);
  g_signal_connect (manager, "lease-ended", G_CALLBACK (lease_ended_cb), self);
  self->grinder = lp_grinder_new (manager);
  lp_grinder_set_max_wait_seconds (self->grinder, 0.01);
  lp_grinder_set_batch_size_threshold (self->grinder, 8);
  lp_grinder_start_async (self->grinder, NULL, NULL, NULL);
  self->kill_source = g_timeout_add (50, disturb_cb, self);
}

void
soak_load_go (SoakLoad *self)
{
  self->loading = TRUE;
  g_atomic_int_set (&self->helpers_over, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (self->helpers); i++)
    self->helpers[i] = g_thread_new ("helper", soak_helper_main, self);
  load_more (self);
}

void
soak_load_rest (SoakLoad *self)
{
  self->loading = FALSE;
  lp_manager_set_units (self->manager, G_MAXINT);
  g_atomic_int_set (&self->helpers_over, TRUE);
}

gboolean
soak_load_is_quiet (SoakLoad *self)
{
  return self->n_told == self->n_asked
         && g_atomic_int_get (&self->n_accepted) == g_atomic_int_get (&self->n_ended)
         && self->n_leases[0] == self->n_leases[1]
         && lp_manager_get_leased_count (self->manager) == 0
         && (!lp_manager_is_running (self->manager)
             || lp_manager_get_available_count (self->manager)
                == (guint) lp_manager_get_max_pools (self->manager))
         && lp_manager_get_waiting_count (self->manager) == 0;
}

void
soak_load_print (SoakLoad *self)
{
  g_printerr ("soak: callbacks: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT "; jobs accepted %d, ended %d; "
              "leases acquired %" G_GUINT64_FORMAT ", ended %" G_GUINT64_FORMAT
              "; leased %u, available %u, waiting %u\n",
              self->n_told, self->n_asked, g_atomic_int_get (&self->n_accepted), g_atomic_int_get (&self->n_ended),
              self->n_leases[0], self->n_leases[1], lp_manager_get_leased_count (self->manager),
              lp_manager_get_available_count (self->manager),
              lp_manager_get_waiting_count (self->manager));
}

/* Joins the helpers; all that they wait for ends. */
static void
join_helpers (SoakLoad *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (self->helpers); i++)
    g_clear_pointer (&self->helpers[i], g_thread_join);
}

void
soak_load_stop (SoakLoad *self, LpStopMode mode, GAsyncReadyCallback callback, gpointer user_data)
{
  soak_load_rest (self);
  g_clear_handle_id (&self->kill_source, g_source_remove);
  lp_grinder_stop_async (self->grinder, mode, NULL, NULL, NULL);
  lp_manager_stop_async (self->manager, mode, 20, NULL, callback, user_data);
}

/* After the stop. */
void
soak_load_clear (SoakLoad *self)
{
  join_helpers (self);
  g_queue_clear_full (&self->held, g_object_unref);
  g_signal_handlers_disconnect_by_data (self->manager, self);
  g_clear_object (&self->grinder);
  g_clear_object (&self->manager);
}
