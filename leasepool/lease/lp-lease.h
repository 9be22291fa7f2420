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

#define LP_TYPE_LEASE (lp_lease_get_type ())

LP_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (LpLease, lp_lease, LP, LEASE, GObject)

LP_AVAILABLE_IN_1_0
gboolean  lp_lease_submit        (LpLease *self,
                                  LpJob   *job,
                                  GError **error);
LP_AVAILABLE_IN_1_0
void      lp_lease_submit_async  (LpLease            *self,
                                  LpJob              *job,
                                  GCancellable       *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer            user_data);
LP_AVAILABLE_IN_1_0
GVariant *lp_lease_submit_finish (LpLease      *self,
                                  GAsyncResult *result,
                                  GError      **error) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
void      lp_lease_call_async    (LpLease            *self,
                                  const char         *name,
                                  GVariant           *parameters,
                                  GCancellable       *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer            user_data);
LP_AVAILABLE_IN_1_0
GVariant *lp_lease_call_finish   (LpLease      *self,
                                  GAsyncResult *result,
                                  GError      **error) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
void      lp_lease_run_task      (LpLease        *self,
                                  GTask          *task,
                                  GTaskThreadFunc func);

LP_AVAILABLE_IN_1_0
gboolean lp_lease_renew        (LpLease *self,
                                double   seconds,
                                GError **error);
LP_AVAILABLE_IN_1_0
void     lp_lease_release      (LpLease *self);
LP_AVAILABLE_IN_1_0
void     lp_lease_drain_async  (LpLease            *self,
                                GCancellable       *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer            user_data);
LP_AVAILABLE_IN_1_0
gboolean lp_lease_drain_finish (LpLease      *self,
                                GAsyncResult *result,
                                GError      **error);

LP_AVAILABLE_IN_1_0
LpManager   *lp_lease_dup_manager         (LpLease *self) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
const char  *lp_lease_get_id              (LpLease *self);
LP_AVAILABLE_IN_1_0
const char  *lp_lease_get_owner           (LpLease *self);
LP_AVAILABLE_IN_1_0
double       lp_lease_get_lease_seconds   (LpLease *self);
LP_AVAILABLE_IN_1_0
double       lp_lease_get_grace_seconds   (LpLease *self);
LP_AVAILABLE_IN_1_0
gint64       lp_lease_get_leased_at       (LpLease *self);
LP_AVAILABLE_IN_1_0
gint64       lp_lease_get_soft_expires_at (LpLease *self);
LP_AVAILABLE_IN_1_0
gint64       lp_lease_get_hard_expires_at (LpLease *self);
LP_AVAILABLE_IN_1_0
LpLeaseState lp_lease_get_state           (LpLease *self);
LP_AVAILABLE_IN_1_0
guint        lp_lease_get_pending_jobs    (LpLease *self);

G_END_DECLS
