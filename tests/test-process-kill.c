/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Workers that are killed from outside at any moment, while jobs of all sizes
 * are on their way: each job has exactly one outcome, and it is true. */

#include "config.h"

#include "lp-test-proc.h"

#include <signal.h>
#include <stdlib.h>

#define JOBS_A_ROUND 12

typedef struct
{
  LpTestProc proc;
  GRand *rand;
  LpTestOutcome *outcomes[JOBS_A_ROUND];
  GVariant *sent[JOBS_A_ROUND];
  gboolean strikes;             /* soon */
  guint n_killed;
  guint n_succeeded;
  guint n_broken;
} Storm;

/* One of the workers, whatever it is doing. */
static gboolean
kill_one_cb (gpointer user_data)
{
  Storm *self = user_data;
  guint n_children = lp_test_count_children ();
  int pid = n_children > 0 ? lp_test_get_child (g_rand_int_range (self->rand, 0, (int) n_children)) : 0;

  if (pid > 0 && kill (pid, SIGKILL) == 0)
    self->n_killed++;
  self->strikes = FALSE;

  return G_SOURCE_REMOVE;
}

static gboolean
has_struck (gpointer data)
{
  return !((Storm *) data)->strikes;
}

static GVariant *
new_parameters (Storm *self, int max_size)
{
  gsize size = (gsize) g_rand_int_range (self->rand, 0, max_size);
  guint8 *data = g_malloc (size + 1);
  GVariant *bytes;

  for (gsize i = 0; i < size; i += 64)
    data[i] = (guint8) g_rand_int (self->rand);
  for (gsize i = 0; i < size; i++)
    data[i] = data[i / 64 * 64];
  bytes = g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, size, TRUE, g_free, data);

  return g_variant_ref_sink (g_variant_new_tuple (&bytes, 1));
}

static void
check_outcome (Storm *self, guint i)
{
  LpTestOutcome *outcome = self->outcomes[i];

  lp_test_wait_outcome (outcome);
  if (outcome->result != NULL)
    {
      lp_test_assert_same_bytes (outcome->result, self->sent[i]);
      self->n_succeeded++;
    }
  else if (g_error_matches (outcome->error, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR))
    self->n_broken++;
  else
    g_assert_error (outcome->error, LP_ERROR, LP_ERROR_EXPIRED); /* refused: the lease was broken */

  lp_test_outcome_free (outcome);
  g_variant_unref (self->sent[i]);
}

static void
run_round (Storm *self)
{
  LpLease *lease = lp_test_acquire (self->proc.manager, "storm");
  gboolean is_large = g_rand_int_range (self->rand, 0, 4) == 0;

  self->strikes = TRUE;
  g_timeout_add ((guint) g_rand_int_range (self->rand, 0, is_large ? 30 : 8), kill_one_cb, self);
  for (guint i = 0; i < JOBS_A_ROUND; i++)
    {
      self->sent[i] = new_parameters (self, is_large ? 2000000 : 2000);
      self->outcomes[i] = lp_test_call (lease, "echo", self->sent[i]);
    }
  for (guint i = 0; i < JOBS_A_ROUND; i++)
    check_outcome (self, i);
  lp_test_wait_for (has_struck, self, "the kill");

  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
}

static void
test_kill_at_any_moment (gconstpointer arguments)
{
  guint32 seed = g_random_int ();
  Storm self = { .rand = g_rand_new_with_seed (seed) };
  guint n_rounds = lp_test_size (40, 2000, 10);

  g_test_message ("seed %u", seed);
  lp_test_proc_set_up (&self.proc, arguments);
  lp_manager_set_max_pools (self.proc.manager, 2);
  lp_test_proc_start (&self.proc);
  for (guint i = 0; i < n_rounds; i++)
    {
      run_round (&self);
      lp_test_check (self.proc.manager);
    }

  g_test_message ("%u killed, %u jobs succeeded, %u broken", self.n_killed, self.n_succeeded, self.n_broken);
  g_assert_cmpuint (lp_test_counter (self.proc.manager, "jobs_succeeded"), ==, self.n_succeeded);
  g_assert_cmpuint (lp_test_counter (self.proc.manager, "jobs_failed"), ==, self.n_broken);
  g_rand_free (self.rand);
  lp_test_proc_tear_down (&self.proc);
}

int
main (int argc, char *argv[])
{
  lp_test_proc_init (&argc, &argv);

  g_test_add_data_func ("/process/kill/at-any-moment", "good", test_kill_at_any_moment);
  g_test_add_data_func ("/process/kill/at-any-moment-with-calls-ahead", "--depth=8 --functions good",
                        test_kill_at_any_moment);
  g_test_add_data_func ("/process/kill/at-any-moment-with-files", "--nonce good", test_kill_at_any_moment);

  return g_test_run ();
}
