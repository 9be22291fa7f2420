/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <leasepool.h>

#include "lp-pool-private.h"

G_BEGIN_DECLS

LpLease *lp_lease_new       (LpGrant *grant);
LpGrant *lp_lease_get_grant (LpLease *self);
gboolean lp_lease_check_grant (LpLease *self, GError **error);
gboolean lp_grant_accept    (LpGrant *grant, LpJob *job, GError **error);

G_END_DECLS
