/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#if !defined (LP_INSIDE) && !defined (LP_COMPILATION)
#error "Only <leasepool.h> can be included directly."
#endif

#include <gio/gio.h>
#include "lp-types.h"
#include "lp-version-macros.h"

G_BEGIN_DECLS

#define LP_TYPE_REQUEST (lp_request_get_type ())

LP_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (LpRequest, lp_request, LP, REQUEST, GObject)

LP_AVAILABLE_IN_1_0
LpRequest *lp_request_new (void) G_GNUC_WARN_UNUSED_RESULT;

LP_AVAILABLE_IN_1_0
const char *lp_request_get_owner         (LpRequest *self);
LP_AVAILABLE_IN_1_0
void        lp_request_set_owner         (LpRequest  *self,
                                          const char *owner);
LP_AVAILABLE_IN_1_0
double      lp_request_get_lease_seconds (LpRequest *self);
LP_AVAILABLE_IN_1_0
void        lp_request_set_lease_seconds (LpRequest *self,
                                          double     lease_seconds);
LP_AVAILABLE_IN_1_0
gboolean    lp_request_get_wait          (LpRequest *self);
LP_AVAILABLE_IN_1_0
void        lp_request_set_wait          (LpRequest *self,
                                          gboolean   wait);
LP_AVAILABLE_IN_1_0
double      lp_request_get_timeout       (LpRequest *self);
LP_AVAILABLE_IN_1_0
void        lp_request_set_timeout       (LpRequest *self,
                                          double     timeout);
LP_AVAILABLE_IN_1_0
int         lp_request_get_priority      (LpRequest *self);
LP_AVAILABLE_IN_1_0
void        lp_request_set_priority      (LpRequest *self,
                                          int        priority);

G_END_DECLS
