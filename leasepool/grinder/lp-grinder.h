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

#define LP_TYPE_GRINDER (lp_grinder_get_type ())

LP_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (LpGrinder, lp_grinder, LP, GRINDER, GObject)

LP_AVAILABLE_IN_1_0
LpGrinder *lp_grinder_new (LpManager *manager) G_GNUC_WARN_UNUSED_RESULT;

LP_AVAILABLE_IN_1_0
gboolean lp_grinder_validate (LpGrinder *self,
                              GError   **error);

LP_AVAILABLE_IN_1_0
void     lp_grinder_start_async  (LpGrinder          *self,
                                  GCancellable       *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer            user_data);
LP_AVAILABLE_IN_1_0
gboolean lp_grinder_start_finish (LpGrinder    *self,
                                  GAsyncResult *result,
                                  GError      **error);

LP_AVAILABLE_IN_1_0
void     lp_grinder_stop_async  (LpGrinder          *self,
                                 LpStopMode          mode,
                                 GCancellable       *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer            user_data);
LP_AVAILABLE_IN_1_0
gboolean lp_grinder_stop_finish (LpGrinder    *self,
                                 GAsyncResult *result,
                                 GError      **error);

LP_AVAILABLE_IN_1_0
void      lp_grinder_submit_async  (LpGrinder          *self,
                                    LpJob              *job,
                                    GCancellable       *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer            user_data);
LP_AVAILABLE_IN_1_0
GVariant *lp_grinder_submit_finish (LpGrinder    *self,
                                    GAsyncResult *result,
                                    GError      **error) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
gboolean  lp_grinder_enqueue       (LpGrinder *self,
                                    LpJob     *job,
                                    GError   **error);

LP_AVAILABLE_IN_1_0
GVariant *lp_grinder_dup_stats (LpGrinder *self) G_GNUC_WARN_UNUSED_RESULT;

LP_AVAILABLE_IN_1_0
LpManager  *lp_grinder_get_manager               (LpGrinder *self);
LP_AVAILABLE_IN_1_0
guint       lp_grinder_get_pending_count         (LpGrinder *self);
LP_AVAILABLE_IN_1_0
gboolean    lp_grinder_is_running                (LpGrinder *self);

LP_AVAILABLE_IN_1_0
double      lp_grinder_get_max_wait_seconds      (LpGrinder *self);
LP_AVAILABLE_IN_1_0
void        lp_grinder_set_max_wait_seconds      (LpGrinder *self,
                                                  double     max_wait_seconds);
LP_AVAILABLE_IN_1_0
int         lp_grinder_get_batch_size_threshold  (LpGrinder *self);
LP_AVAILABLE_IN_1_0
void        lp_grinder_set_batch_size_threshold  (LpGrinder *self,
                                                  int        batch_size_threshold);
LP_AVAILABLE_IN_1_0
int         lp_grinder_get_max_batch_size        (LpGrinder *self);
LP_AVAILABLE_IN_1_0
void        lp_grinder_set_max_batch_size        (LpGrinder *self,
                                                  int        max_batch_size);
LP_AVAILABLE_IN_1_0
int         lp_grinder_get_max_batches_in_flight (LpGrinder *self);
LP_AVAILABLE_IN_1_0
void        lp_grinder_set_max_batches_in_flight (LpGrinder *self,
                                                  int        max_batches_in_flight);
LP_AVAILABLE_IN_1_0
int         lp_grinder_get_max_pending           (LpGrinder *self);
LP_AVAILABLE_IN_1_0
void        lp_grinder_set_max_pending           (LpGrinder *self,
                                                  int        max_pending);
LP_AVAILABLE_IN_1_0
double      lp_grinder_get_lease_seconds         (LpGrinder *self);
LP_AVAILABLE_IN_1_0
void        lp_grinder_set_lease_seconds         (LpGrinder *self,
                                                  double     lease_seconds);
LP_AVAILABLE_IN_1_0
const char *lp_grinder_get_owner_prefix          (LpGrinder *self);
LP_AVAILABLE_IN_1_0
void        lp_grinder_set_owner_prefix          (LpGrinder  *self,
                                                  const char *owner_prefix);

G_END_DECLS
