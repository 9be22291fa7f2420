/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The records of a grinder. Whether anybody wants those of batches is asked once for each run. They go to the program's
 * log writer, which is foreign: each of these is called with no lock held. */

#include "config.h"

#include "lp-grind-private.h"

#include "lp-log-private.h"

/* What the records of a run of the pool, which runs, are called after. With no lock held. */
char *
lp_grind_dup_log_domain (LpGrind *self)
{
  char *domain;

  g_mutex_lock (&self->pool->lock);
  domain = g_strdup (self->pool->settings->log_domain);
  g_mutex_unlock (&self->pool->lock);

  return domain;
}

gboolean
lp_grind_wants_batch_records (const char *domain)
{
  return lp_log_wants (domain, G_LOG_LEVEL_DEBUG, LP_DEBUG_GRINDER);
}

/* EVENT is one of the run, and WHAT says it. The texts are those of the caller: another thread may have begun the next
 * run. */
void
lp_grind_log_run (const char *domain, const char *prefix, const char *event, const char *what)
{
  LpLogField fields[] = { { "OWNER", prefix }, { NULL, NULL } };

  lp_log (domain, G_LOG_LEVEL_INFO, LP_DEBUG_GRINDER, event, fields, "The grinder of “%s” has %s", prefix, what);
}

static char *
dup_owner (LpGrindBatch *self)
{
  return g_strdup_printf ("%s-batch-%" G_GUINT64_FORMAT, self->grind->settings->owner_prefix, self->number);
}

static gboolean
is_wanted (LpGrindBatch *self)
{
  return lp_log_wants_still (self->grind->logs_batches);
}

static void
log_batch (LpGrindBatch *self, const char *event, const char *how)
{
  g_autofree char *owner = dup_owner (self);
  g_autofree char *seq = NULL;
  LpLogField fields[] = { { "OWNER", owner }, { "LEASE_ID", NULL }, { "EXECUTOR_SEQ", NULL }, { NULL, NULL } };

  if (self->grant != NULL)
    {
      seq = g_strdup_printf ("%" G_GUINT64_FORMAT, lp_executor_get_seq (self->grant->executor));
      fields[1].value = lp_grant_get_id (self->grant);
      fields[2].value = seq;
    }

  lp_log (self->grind->log_domain, G_LOG_LEVEL_DEBUG, LP_DEBUG_GRINDER, event, fields, "The batch “%s” %s", owner, how);
}

/* It has its executor, and none of its N_ITEMS has been submitted. */
void
lp_grind_batch_log_started (LpGrindBatch *self, guint n_items)
{
  g_autofree char *how = NULL;

  if (!is_wanted (self))
    return;

  how = g_strdup_printf ("has started with %u items on the executor %" G_GUINT64_FORMAT, n_items,
                         lp_executor_get_seq (self->grant->executor));
  log_batch (self, "batch-started", how);
}

/* All its items have ended. ERROR (nullable): its lease had another end than its release. */
void
lp_grind_batch_log_ended (LpGrindBatch *self, const GError *error)
{
  g_autofree char *how = NULL;

  if (!is_wanted (self))
    return;

  how = error != NULL ? g_strdup_printf ("has ended: %s", error->message) : g_strdup ("has ended");
  log_batch (self, "batch-ended", how);
}

/* Its N_ITEMS, none of which has been told, end with ERROR. */
void
lp_grind_batch_log_refused (LpGrindBatch *self, guint n_items, const GError *error)
{
  g_autofree char *how = NULL;

  if (!is_wanted (self))
    return;

  how = g_strdup_printf ("of %u items got no executor: %s", n_items, error->message);
  log_batch (self, "batch-refused", how);
}
