/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-grind-private.h"

static void
add (GVariantBuilder *dict, const char *key, GVariant *value)
{
  g_variant_builder_add (dict, "{sv}", key, value);
}

static void
add_count (GVariantBuilder *dict, const char *key, int value)
{
  add (dict, key, g_variant_new ("u", (guint) MAX (value, 0)));
}

static void
add_settings (GVariantBuilder *dict, const LpGrinderSettings *settings)
{
  add_count (dict, "batch_size_threshold", settings->batch_size_threshold);
  add_count (dict, "max_batch_size", settings->max_batch_size);
  add_count (dict, "max_batches_in_flight", settings->max_batches_in_flight);
  add_count (dict, "max_pending", settings->max_pending);
  add (dict, "max_wait_seconds", g_variant_new ("d", settings->max_wait_seconds));
  add (dict, "lease_seconds", g_variant_new ("d", settings->lease_seconds));
  add (dict, "owner_prefix", g_variant_new ("ms", settings->owner_prefix));
}

static void
add_ended (GVariantBuilder *dict, const char *key, const LpJobTally *tally, LpJobState state)
{
  add (dict, key, g_variant_new ("t", __atomic_load_n (&tally->ended[state], __ATOMIC_RELAXED)));
}

static void
add_counters (GVariantBuilder *dict, const LpGrindCounters *counters, const LpJobTally *tally)
{
  add (dict, "items_accepted", g_variant_new ("t", counters->accepted));
  add (dict, "items_refused", g_variant_new ("t", counters->refused));
  add_ended (dict, "items_succeeded", tally, LP_JOB_STATE_SUCCEEDED);
  add_ended (dict, "items_failed", tally, LP_JOB_STATE_FAILED);
  add_ended (dict, "items_cancelled", tally, LP_JOB_STATE_CANCELLED);
  add (dict, "batches", g_variant_new ("t", counters->batches));
}

static double
oldest_wait_locked (LpGrind *self)
{
  LpGrindItem *item = g_queue_peek_head (&self->pending);

  return item != NULL ? lp_clock_seconds (MAX (lp_clock_now () - item->since, 0)) : 0;
}

/* A full reference to an a{sv}. */
GVariant *
lp_grind_dup_stats (LpGrind *self, const LpGrinderSettings *settings)
{
  GVariantBuilder dict;
  gboolean stopped;

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);

  g_mutex_lock (&self->lock);
  stopped = self->state == LP_GRIND_STOPPED || self->state == LP_GRIND_STARTING;
  add (&dict, "started", g_variant_new ("b", !stopped));
  add (&dict, "stopping", g_variant_new ("b", self->state == LP_GRIND_STOPPING));
  add (&dict, "pending", g_variant_new ("u", self->pending.length));
  add (&dict, "items_in_flight", g_variant_new ("u", self->flying.length));
  add (&dict, "batches_in_flight", g_variant_new ("u", self->batches.length));
  add (&dict, "oldest_wait_seconds", g_variant_new ("d", oldest_wait_locked (self)));
  add_settings (&dict, stopped ? settings : self->settings);
  add_counters (&dict, &self->counters, &self->tally);
  g_mutex_unlock (&self->lock);

  return g_variant_ref_sink (g_variant_builder_end (&dict));
}
