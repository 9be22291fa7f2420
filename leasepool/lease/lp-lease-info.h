/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#if !defined (LP_INSIDE) && !defined (LP_COMPILATION)
#error "Only <leasepool.h> can be included directly."
#endif

#include <gio/gio.h>
#include "lp-enums.h"
#include "lp-types.h"
#include "lp-version-macros.h"

G_BEGIN_DECLS

#define LP_TYPE_LEASE_INFO (lp_lease_info_get_type ())

LP_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (LpLeaseInfo, lp_lease_info, LP, LEASE_INFO, GObject)

LP_AVAILABLE_IN_1_0
const char  *lp_lease_info_get_id              (LpLeaseInfo *self);
LP_AVAILABLE_IN_1_0
const char  *lp_lease_info_get_owner           (LpLeaseInfo *self);
LP_AVAILABLE_IN_1_0
LpLeaseState lp_lease_info_get_state           (LpLeaseInfo *self);
LP_AVAILABLE_IN_1_0
gint64       lp_lease_info_get_leased_at       (LpLeaseInfo *self);
LP_AVAILABLE_IN_1_0
gint64       lp_lease_info_get_soft_expires_at (LpLeaseInfo *self);
LP_AVAILABLE_IN_1_0
gint64       lp_lease_info_get_hard_expires_at (LpLeaseInfo *self);
LP_AVAILABLE_IN_1_0
guint        lp_lease_info_get_pending_jobs    (LpLeaseInfo *self);

G_END_DECLS
