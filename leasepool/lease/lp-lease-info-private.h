/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#include "lp-lease-info.h"

G_BEGIN_DECLS

LpLeaseInfo *lp_lease_info_new    (const char   *id,
                                   const char   *owner,
                                   gint64        leased_at) G_GNUC_WARN_UNUSED_RESULT;
void         lp_lease_info_update (LpLeaseInfo  *self,
                                   LpLeaseState  state,
                                   gint64        soft_expires_at,
                                   gint64        hard_expires_at,
                                   guint         pending_jobs);

G_END_DECLS
