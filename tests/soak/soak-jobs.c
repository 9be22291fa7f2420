/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What the soak has done, and the threads that wait for it. */

#include "soak.h"

static LpJob *
new_command (GRand *random)
{
  static const char * const quick[] = { "true", NULL };
  static const char * const slow[] = { "sleep", "0.01", NULL };
  static const char * const long_one[] = { "sleep", "1000", NULL };
  const char * const *all[] = { quick, slow, long_one };
  int which = g_rand_int_range (random, 0, 3);
  LpJob *job = lp_job_new_for_command (all[which], NULL);

  if (which == 2)
    lp_job_set_timeout_seconds (job, 0.02);
  return job;
}

LpJob *
soak_job_new (GRand *random)
{
  int dice = g_rand_int_range (random, 0, 1000);
  LpJob *job;

  if (dice < 700)
    job = lp_job_new_for_call ("value", g_variant_new ("(i)", dice));
  else if (dice < 800)
    job = lp_job_new_for_call ("error", NULL);
  else if (dice < 880)
    job = lp_job_new_for_call ("bytes", g_variant_new ("(u)", (guint32) g_rand_int_range (random, 0, 20000)));
  else if (dice < 882)
    job = lp_job_new_for_call ("bytes", g_variant_new ("(u)", (guint32) 2000000));
  else if (dice < 920)
    job = lp_job_new_for_call ("defer", NULL);
  else if (dice < 960)
    job = lp_job_new_for_call ("nap", g_variant_new ("(u)", (guint32) g_rand_int_range (random, 0, 10)));
  else if (dice < 962)
    job = lp_job_new_for_call ("deaf", g_variant_new ("(u)", (guint32) g_rand_int_range (random, 0, 80)));
  else if (dice < 995)
    job = lp_job_new_for_call ("log", NULL);
  else
    return new_command (random);

  if (g_rand_int_range (random, 0, 20) == 0)
    lp_job_set_timeout_seconds (job, 0.005);
  return job;
}

/* --- A thread that blocks --- */

static void
run_jobs (SoakLoad *self, LpLease *lease, GRand *random)
{
  LpJob *jobs[4];
  guint n_jobs = 0;

  for (int i = g_rand_int_range (random, 1, 5); i > 0; i--)
    {
      g_autoptr (LpJob) job = soak_job_new (random);

      if (!lp_lease_submit (lease, job, NULL))
        continue;
      g_atomic_int_inc (&self->n_accepted);
      jobs[n_jobs++] = g_steal_pointer (&job);
    }

  for (guint i = 0; i < n_jobs; i++)
    {
      g_autoptr (GVariant) result = lp_job_wait (jobs[i], -1, NULL, NULL);

      g_assert_cmpint (lp_job_get_state (jobs[i]), >=, LP_JOB_STATE_SUCCEEDED);
      g_atomic_int_inc (&self->n_ended);
      g_object_unref (jobs[i]);
    }
}

gpointer
soak_helper_main (gpointer data)
{
  SoakLoad *self = data;
  g_autoptr (GRand) random = g_rand_new_with_seed (g_atomic_int_add (&self->helper_seed, 1));
  g_autoptr (LpRequest) request = lp_request_new ();

  lp_request_set_owner (request, "helper");
  lp_request_set_timeout (request, 0.2);
  while (!g_atomic_int_get (&self->helpers_over))
    {
      g_autoptr (LpLease) lease = lp_manager_acquire (self->manager, request, NULL, NULL);

      if (lease == NULL)
        continue;
      run_jobs (self, lease, random);
      lp_lease_release (lease);
    }
  return NULL;
}
