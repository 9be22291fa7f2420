/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-lease-list-private.h"
#include "lp-manager.h"
#include "lp-pool-private.h"
#include "lp-settings-private.h"

G_BEGIN_DECLS

#define LP_N_COUNTS 6

struct _LpManager
{
  GObject parent_instance;

  LpPool *pool;                 /* (construct-only) */
  LpSettings *settings;         /* (owner context) what the next start takes a copy of */
  LpLeaseList *leases;          /* (owner context) made on demand */

  LpSizeFunc size_func;         /* (owner context) */
  gpointer size_data;           /* (owner context) */
  GDestroyNotify size_destroy;  /* (owner context) */
  gboolean asking_size;         /* (owner context) */
  gint64 last_size;             /* (owner context) of the last success; 0 before it */

  guint counts[LP_N_COUNTS];              /* (owner context) what was notified last */
};

void        lp_manager_get_counts          (LpManager *self, guint counts[LP_N_COUNTS]);
/* The manager's own settings, which it keeps; written in the owner context. */
LpSettings *lp_manager_get_settings        (LpManager *self);
/* Whether they may not be changed: the manager is starting, running or stopping. */
gboolean    lp_manager_settings_are_frozen (LpManager *self);
/* Called in the owner context after LpManager:units was set. */
void        lp_manager_units_changed       (LpManager *self, int units);
/* What sizing goes by when nobody has been asked since. */
gint64      lp_manager_get_size            (LpManager *self);
/* The values of a request, checked; to be cleared. */
gboolean    lp_ask_read                    (LpAsk *ask, LpRequest *request, GError **error);
void        lp_ask_clear                   (LpAsk *ask);
/* Calls the size provider; whether there is a new value. */
gboolean    lp_manager_call_size_func      (LpManager *self);

G_END_DECLS
