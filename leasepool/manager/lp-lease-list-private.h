/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#include "lp-lease-info.h"

G_BEGIN_DECLS

/*
 * LpLeaseList:
 *
 * The list model behind LpManager:leases. Used in the owner context only.
 */
#define LP_TYPE_LEASE_LIST (lp_lease_list_get_type ())

G_DECLARE_FINAL_TYPE (LpLeaseList, lp_lease_list, LP, LEASE_LIST, GObject)

LpLeaseList   *lp_lease_list_new    (void) G_GNUC_WARN_UNUSED_RESULT;
void           lp_lease_list_append (LpLeaseList    *self,
                                     LpLeaseInfo    *info,
                                     GSequenceIter **place);
void           lp_lease_list_remove (LpLeaseList   *self,
                                     GSequenceIter *position);
void           lp_lease_list_clear  (LpLeaseList   *self);

G_END_DECLS
