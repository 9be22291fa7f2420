/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-pool-private.h"

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
add_settings_locked (LpPool *self, GVariantDict *dict)
{
  const LpSettings *settings = self->settings;

  g_variant_dict_insert (dict, "backend", "s", settings->backend);
  g_variant_dict_insert (dict, "desired", "u", lp_pool_desired_locked (self));
  g_variant_dict_insert (dict, "max_pools", "u", (guint) MAX (settings->max_pools, 0));
  g_variant_dict_insert (dict, "min_pools", "u", (guint) MAX (settings->min_pools, 0));
  g_variant_dict_insert (dict, "workers_per_pool", "u", (guint) MAX (settings->workers_per_pool, 0));
}

static void
add_counts_locked (LpPool *self, GVariantDict *dict)
{
  guint available, leased, starting;

  lp_pool_get_counts_locked (self, &available, &leased, &starting);
  g_variant_dict_insert (dict, "available", "u", available);
  g_variant_dict_insert (dict, "leased", "u", leased);
  g_variant_dict_insert (dict, "total", "u", available + leased + starting);
  g_variant_dict_insert (dict, "draining", "u", self->n_slots[LP_SLOT_DRAINING]);
  g_variant_dict_insert (dict, "starting", "u", starting);
  g_variant_dict_insert (dict, "quarantined", "u", self->n_slots[LP_SLOT_QUARANTINED]);
  g_variant_dict_insert (dict, "waiting", "u", self->waiters.n_waiters);
}

static GVariant *
lease_to_variant_locked (LpGrant *grant, gint64 now)
{
  GVariantDict dict;
  LpExecutorLoad load;

  lp_executor_get_load (grant->executor, &load);

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "lease_id", "s", lp_grant_get_id (grant));
  g_variant_dict_insert (&dict, "owner", "ms", grant->owner);
  g_variant_dict_insert (&dict, "state", "s", lease_state_nick (lp_grant_get_state (grant)));
  g_variant_dict_insert (&dict, "pending", "u", load.queued + load.running);
  g_variant_dict_insert (&dict, "seconds_until_soft_expiry", "d", lp_clock_seconds (grant->soft - now));
  g_variant_dict_insert (&dict, "seconds_until_hard_expiry", "d", lp_clock_seconds (grant->hard - now));

  return g_variant_dict_end (&dict);
}

static void
add_leases_locked (LpPool *self, GVariantDict *dict, gint64 now)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < self->slots->len; i++)
    {
      LpSlot *slot = self->slots->pdata[i];

      if (slot != NULL && slot->grant != NULL)
        g_variant_builder_add_value (&builder, lease_to_variant_locked (slot->grant, now));
    }
  g_variant_dict_insert_value (dict, "leases", g_variant_builder_end (&builder));
}

static void
add_counters_locked (LpPool *self, GVariantDict *dict)
{
  LpJobCounters jobs = self->job_counters;

  for (guint i = 0; i < self->slots->len; i++)
    {
      LpSlot *slot = self->slots->pdata[i];

      if (slot != NULL && slot->executor != NULL)
        lp_executor_add_counters (slot->executor, &jobs);
    }

  g_variant_dict_insert (dict, "acquired", "t", self->counters.acquired);
  g_variant_dict_insert (dict, "released", "t", self->counters.released);
  g_variant_dict_insert (dict, "revoked", "t", self->counters.revoked);
  g_variant_dict_insert (dict, "timed_out", "t", self->counters.timed_out);
  g_variant_dict_insert (dict, "cancelled", "t", self->counters.cancelled);
  g_variant_dict_insert (dict, "executors_created", "t", self->counters.executors_created);
  g_variant_dict_insert (dict, "executors_retired", "t", self->counters.executors_retired);
  g_variant_dict_insert (dict, "jobs_succeeded", "t", jobs.succeeded);
  g_variant_dict_insert (dict, "jobs_failed", "t", jobs.failed);
  g_variant_dict_insert (dict, "jobs_cancelled", "t", jobs.cancelled);
  g_variant_dict_insert (dict, "results_discarded", "t", jobs.discarded);
  g_variant_dict_insert (dict, "log_records_forwarded", "t", (guint64) 0);
}

static void
add_times_locked (LpPool *self, GVariantDict *dict, gint64 now)
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

  g_variant_dict_insert_value (dict, "wait_time", lp_histogram_to_variant (self->wait_time));
  g_variant_dict_insert_value (dict, "hold_time", lp_histogram_to_variant (self->hold_time));
  g_variant_dict_insert_value (dict, "run_time", lp_histogram_to_variant (run_time));

  g_clear_pointer (&run_time, lp_histogram_free);
}

/* A full reference to an a{sv}. SETTINGS count before the first start. */
GVariant *
lp_pool_dup_stats (LpPool *self)
{
  gint64 now = lp_clock_now ();
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);

  g_mutex_lock (&self->lock);
  add_settings_locked (self, &dict);
  add_counts_locked (self, &dict);
  add_leases_locked (self, &dict, now);
  add_counters_locked (self, &dict);
  add_times_locked (self, &dict, now);
  g_mutex_unlock (&self->lock);

  return g_variant_ref_sink (g_variant_dict_end (&dict));
}
