/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-pool-private.h"

static void
add (GVariantBuilder *dict, const char *key, GVariant *value)
{
  g_variant_builder_add (dict, "{sv}", key, value);
}

static const char *
lease_state_nick (LpLeaseState state)
{
  static const char * const nicks[] = { "active", "draining", "released", "expired", "broken", "stopped" };

  return nicks[state];
}

/* total = starting + available + leased; leased is all that is not to be had:
 * lent, draining, and on its way out. */
void
lp_pool_get_counts_locked (LpPool *self, guint *available, guint *leased, guint *starting)
{
  *available = self->n_slots[LP_SLOT_IDLE] + self->n_slots[LP_SLOT_VETTING];
  *starting = self->n_slots[LP_SLOT_STARTING];
  *leased = lp_pool_total_locked (self) - *available - *starting;
}

static void
add_settings_locked (LpPool *self, GVariantBuilder *dict)
{
  const LpSettings *settings = self->settings;
  g_autofree char *backend = g_ascii_strdown (settings->backend, -1); /* names are compared without case */

  add (dict, "backend", g_variant_new ("s", backend));
  add (dict, "desired", g_variant_new ("u", lp_pool_desired_locked (self)));
  add (dict, "max_pools", g_variant_new ("u", (guint) MAX (settings->max_pools, 0)));
  add (dict, "min_pools", g_variant_new ("u", (guint) MAX (settings->min_pools, 0)));
  add (dict, "workers_per_pool", g_variant_new ("u", (guint) MAX (settings->workers_per_pool, 0)));
}

static void
add_counts_locked (LpPool *self, GVariantBuilder *dict)
{
  guint available, leased, starting;

  lp_pool_get_counts_locked (self, &available, &leased, &starting);
  add (dict, "available", g_variant_new ("u", available));
  add (dict, "leased", g_variant_new ("u", leased));
  add (dict, "total", g_variant_new ("u", available + leased + starting));
  add (dict, "draining", g_variant_new ("u", self->n_slots[LP_SLOT_DRAINING]));
  add (dict, "starting", g_variant_new ("u", starting));
  add (dict, "quarantined", g_variant_new ("u", self->n_slots[LP_SLOT_QUARANTINED]));
  add (dict, "waiting", g_variant_new ("u", self->waiters.n_waiters));
}

static GVariant *
lease_to_variant_locked (LpGrant *grant, gint64 now)
{
  GVariantBuilder dict;
  LpExecutorLoad load;

  lp_executor_get_load (grant->executor, &load);

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  add (&dict, "lease_id", g_variant_new ("s", lp_grant_get_id (grant)));
  add (&dict, "owner", g_variant_new ("ms", grant->owner));
  add (&dict, "state", g_variant_new ("s", lease_state_nick (lp_grant_get_state (grant))));
  add (&dict, "pending", g_variant_new ("u", load.queued + load.running));
  add (&dict, "seconds_until_soft_expiry", g_variant_new ("d", lp_clock_seconds (grant->soft - now)));
  add (&dict, "seconds_until_hard_expiry", g_variant_new ("d", lp_clock_seconds (grant->hard - now)));

  return g_variant_builder_end (&dict);
}

static void
add_leases_locked (LpPool *self, GVariantBuilder *dict, gint64 now)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < self->slots->len; i++)
    {
      LpSlot *slot = self->slots->pdata[i];

      if (slot != NULL && slot->grant != NULL)
        g_variant_builder_add_value (&builder, lease_to_variant_locked (slot->grant, now));
    }
  add (dict, "leases", g_variant_builder_end (&builder));
}

static void
add_counters_locked (LpPool *self, GVariantBuilder *dict)
{
  LpJobCounters jobs = self->job_counters;

  for (guint i = 0; i < self->slots->len; i++)
    {
      LpSlot *slot = self->slots->pdata[i];

      if (slot != NULL && slot->executor != NULL)
        lp_executor_add_counters (slot->executor, &jobs);
    }

  add (dict, "acquired", g_variant_new ("t", self->counters.acquired));
  add (dict, "released", g_variant_new ("t", self->counters.released));
  add (dict, "revoked", g_variant_new ("t", self->counters.revoked));
  add (dict, "timed_out", g_variant_new ("t", self->counters.timed_out));
  add (dict, "cancelled", g_variant_new ("t", self->counters.cancelled));
  add (dict, "executors_created", g_variant_new ("t", self->counters.executors_created));
  add (dict, "executors_retired", g_variant_new ("t", self->counters.executors_retired));
  add (dict, "jobs_succeeded", g_variant_new ("t", jobs.succeeded));
  add (dict, "jobs_failed", g_variant_new ("t", jobs.failed));
  add (dict, "jobs_cancelled", g_variant_new ("t", jobs.cancelled));
  add (dict, "results_discarded", g_variant_new ("t", jobs.discarded));
  add (dict, "log_records_forwarded", g_variant_new ("t", self->counters.log_records_forwarded));
}

static void
add_times_locked (LpPool *self, GVariantBuilder *dict, gint64 now)
{
  LpHistogram *run_time = NULL;

  if (self->wait_time != NULL)
    lp_histogram_rotate (self->wait_time, now);
  if (self->hold_time != NULL)
    lp_histogram_rotate (self->hold_time, now);
  if (self->run_time != NULL)
    {
      lp_histogram_rotate (self->run_time, now);
      lp_histogram_merge (&run_time, self->run_time);
    }

  for (guint i = 0; i < self->slots->len; i++)
    {
      LpSlot *slot = self->slots->pdata[i];

      if (slot != NULL && slot->executor != NULL)
        lp_executor_merge_run_time (slot->executor, &run_time);
    }

  add (dict, "wait_time", lp_histogram_to_variant (self->wait_time));
  add (dict, "hold_time", lp_histogram_to_variant (self->hold_time));
  add (dict, "run_time", lp_histogram_to_variant (run_time));

  g_clear_pointer (&run_time, lp_histogram_free);
}

/* A full reference to an a{sv}. SETTINGS count before the first start. */
GVariant *
lp_pool_dup_stats (LpPool *self)
{
  gint64 now = lp_clock_now ();
  GVariantBuilder dict;

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);

  g_mutex_lock (&self->lock);
  add_settings_locked (self, &dict);
  add_counts_locked (self, &dict);
  add_leases_locked (self, &dict, now);
  add_counters_locked (self, &dict);
  add_times_locked (self, &dict, now);
  g_mutex_unlock (&self->lock);

  return g_variant_ref_sink (g_variant_builder_end (&dict));
}
