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

#define LP_TYPE_MANAGER (lp_manager_get_type ())

LP_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (LpManager, lp_manager, LP, MANAGER, GObject)

/**
 * LpSizeFunc:
 * @manager: the manager that asks
 * @user_data: (closure): the data given to [method@Lp.Manager.set_size_provider]
 * @error: return location for a #GError
 *
 * Tells a manager how many units of work there are. It is called in the owner
 * context only, with no lock held. A negative value counts as 0. If it fails,
 * the last value stands and the failure is logged.
 *
 * Returns: the number of units
 *
 * Since: 1.0
 */
typedef gint64 (*LpSizeFunc) (LpManager  *manager,
                              gpointer    user_data,
                              GError    **error);

LP_AVAILABLE_IN_1_0
LpManager *lp_manager_new (const char *backend,
                           int         max_pools) G_GNUC_WARN_UNUSED_RESULT;

LP_AVAILABLE_IN_1_0
gboolean lp_manager_validate (LpManager *self,
                              GError   **error);

LP_AVAILABLE_IN_1_0
void     lp_manager_start_async  (LpManager          *self,
                                  GCancellable       *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer            user_data);
LP_AVAILABLE_IN_1_0
gboolean lp_manager_start_finish (LpManager    *self,
                                  GAsyncResult *result,
                                  GError      **error);
LP_AVAILABLE_IN_1_0
gboolean lp_manager_start        (LpManager    *self,
                                  GCancellable *cancellable,
                                  GError      **error);

LP_AVAILABLE_IN_1_0
void     lp_manager_stop_async  (LpManager          *self,
                                 LpStopMode          mode,
                                 double              timeout_seconds,
                                 GCancellable       *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer            user_data);
LP_AVAILABLE_IN_1_0
gboolean lp_manager_stop_finish (LpManager    *self,
                                 GAsyncResult *result,
                                 GError      **error);
LP_AVAILABLE_IN_1_0
gboolean lp_manager_stop        (LpManager    *self,
                                 LpStopMode    mode,
                                 double        timeout_seconds,
                                 GCancellable *cancellable,
                                 GError      **error);

LP_AVAILABLE_IN_1_0
void     lp_manager_acquire_async  (LpManager          *self,
                                    LpRequest          *request,
                                    GCancellable       *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer            user_data);
LP_AVAILABLE_IN_1_0
LpLease *lp_manager_acquire_finish (LpManager    *self,
                                    GAsyncResult *result,
                                    GError      **error) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
LpLease *lp_manager_acquire        (LpManager    *self,
                                    LpRequest    *request,
                                    GCancellable *cancellable,
                                    GError      **error) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
LpLease *lp_manager_try_acquire    (LpManager *self,
                                    LpRequest *request,
                                    GError   **error) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
gboolean lp_manager_release        (LpManager  *self,
                                    const char *lease_id);

LP_AVAILABLE_IN_1_0
void      lp_manager_run_async   (LpManager          *self,
                                  LpJob              *job,
                                  LpRequest          *request,
                                  GCancellable       *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer            user_data);
LP_AVAILABLE_IN_1_0
GVariant *lp_manager_run_finish  (LpManager    *self,
                                  GAsyncResult *result,
                                  GError      **error) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
void      lp_manager_call_async  (LpManager          *self,
                                  const char         *name,
                                  GVariant           *parameters,
                                  LpRequest          *request,
                                  GCancellable       *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer            user_data);
LP_AVAILABLE_IN_1_0
GVariant *lp_manager_call_finish (LpManager    *self,
                                  GAsyncResult *result,
                                  GError      **error) G_GNUC_WARN_UNUSED_RESULT;

LP_AVAILABLE_IN_1_0
void      lp_manager_set_size_provider          (LpManager     *self,
                                                 LpSizeFunc     func,
                                                 gpointer       user_data,
                                                 GDestroyNotify destroy);
LP_AVAILABLE_IN_1_0
void      lp_manager_notify_scale_changed       (LpManager *self);
LP_AVAILABLE_IN_1_0
guint     lp_manager_get_desired_executor_count (LpManager *self);
LP_AVAILABLE_IN_1_0
void      lp_manager_recycle                    (LpManager *self);
LP_AVAILABLE_IN_1_0
gboolean  lp_manager_lookup_function            (LpManager     *self,
                                                 const char    *name,
                                                 GVariantType **parameter_type,
                                                 GVariantType **result_type);
LP_AVAILABLE_IN_1_0
GVariant *lp_manager_dup_stats                  (LpManager *self) G_GNUC_WARN_UNUSED_RESULT;

LP_AVAILABLE_IN_1_0
const char *lp_manager_get_backend          (LpManager *self);
LP_AVAILABLE_IN_1_0
void        lp_manager_set_backend          (LpManager  *self,
                                             const char *backend);
LP_AVAILABLE_IN_1_0
GType       lp_manager_get_executor_type    (LpManager *self);
LP_AVAILABLE_IN_1_0
void        lp_manager_set_executor_type    (LpManager *self,
                                             GType      executor_type);
LP_AVAILABLE_IN_1_0
int         lp_manager_get_max_pools        (LpManager *self);
LP_AVAILABLE_IN_1_0
void        lp_manager_set_max_pools        (LpManager *self,
                                             int        max_pools);
LP_AVAILABLE_IN_1_0
int         lp_manager_get_min_pools        (LpManager *self);
LP_AVAILABLE_IN_1_0
void        lp_manager_set_min_pools        (LpManager *self,
                                             int        min_pools);
LP_AVAILABLE_IN_1_0
int         lp_manager_get_units_per_pool   (LpManager *self);
LP_AVAILABLE_IN_1_0
void        lp_manager_set_units_per_pool   (LpManager *self,
                                             int        units_per_pool);
LP_AVAILABLE_IN_1_0
int         lp_manager_get_workers_per_pool (LpManager *self);
LP_AVAILABLE_IN_1_0
void        lp_manager_set_workers_per_pool (LpManager *self,
                                             int        workers_per_pool);

LP_AVAILABLE_IN_1_0
double lp_manager_get_check_interval        (LpManager *self);
LP_AVAILABLE_IN_1_0
void   lp_manager_set_check_interval        (LpManager *self,
                                             double     check_interval);
LP_AVAILABLE_IN_1_0
double lp_manager_get_default_lease_seconds (LpManager *self);
LP_AVAILABLE_IN_1_0
void   lp_manager_set_default_lease_seconds (LpManager *self,
                                             double     default_lease_seconds);
LP_AVAILABLE_IN_1_0
double lp_manager_get_lease_grace_seconds   (LpManager *self);
LP_AVAILABLE_IN_1_0
void   lp_manager_set_lease_grace_seconds   (LpManager *self,
                                             double     lease_grace_seconds);
LP_AVAILABLE_IN_1_0
double lp_manager_get_start_timeout_seconds (LpManager *self);
LP_AVAILABLE_IN_1_0
void   lp_manager_set_start_timeout_seconds (LpManager *self,
                                             double     start_timeout_seconds);
LP_AVAILABLE_IN_1_0
double lp_manager_get_cancel_grace_seconds  (LpManager *self);
LP_AVAILABLE_IN_1_0
void   lp_manager_set_cancel_grace_seconds  (LpManager *self,
                                             double     cancel_grace_seconds);
LP_AVAILABLE_IN_1_0
double lp_manager_get_idle_linger_seconds   (LpManager *self);
LP_AVAILABLE_IN_1_0
void   lp_manager_set_idle_linger_seconds   (LpManager *self,
                                             double     idle_linger_seconds);

LP_AVAILABLE_IN_1_0
const char *lp_manager_get_name_prefix                (LpManager *self);
LP_AVAILABLE_IN_1_0
void        lp_manager_set_name_prefix                (LpManager  *self,
                                                       const char *name_prefix);
LP_AVAILABLE_IN_1_0
const char *lp_manager_get_log_domain                 (LpManager *self);
LP_AVAILABLE_IN_1_0
void        lp_manager_set_log_domain                 (LpManager  *self,
                                                       const char *log_domain);
LP_AVAILABLE_IN_1_0
gboolean    lp_manager_get_forward_process_logs       (LpManager *self);
LP_AVAILABLE_IN_1_0
void        lp_manager_set_forward_process_logs       (LpManager *self,
                                                       gboolean   forward_process_logs);
LP_AVAILABLE_IN_1_0
guint       lp_manager_get_process_log_level          (LpManager *self);
LP_AVAILABLE_IN_1_0
void        lp_manager_set_process_log_level          (LpManager *self,
                                                       guint      process_log_level);
LP_AVAILABLE_IN_1_0
const char *lp_manager_get_process_log_domain         (LpManager *self);
LP_AVAILABLE_IN_1_0
void        lp_manager_set_process_log_domain         (LpManager  *self,
                                                       const char *process_log_domain);
LP_AVAILABLE_IN_1_0
gboolean    lp_manager_get_clear_process_log_handlers (LpManager *self);
LP_AVAILABLE_IN_1_0
void        lp_manager_set_clear_process_log_handlers (LpManager *self,
                                                       gboolean   clear_process_log_handlers);

LP_AVAILABLE_IN_1_0
LpFunctions        *lp_manager_get_functions              (LpManager *self);
LP_AVAILABLE_IN_1_0
void                lp_manager_set_functions              (LpManager   *self,
                                                           LpFunctions *functions);
LP_AVAILABLE_IN_1_0
const char         *lp_manager_get_function_module        (LpManager *self);
LP_AVAILABLE_IN_1_0
void                lp_manager_set_function_module        (LpManager  *self,
                                                           const char *function_module);
LP_AVAILABLE_IN_1_0
const char * const *lp_manager_get_worker_argv            (LpManager *self);
LP_AVAILABLE_IN_1_0
void                lp_manager_set_worker_argv            (LpManager          *self,
                                                           const char * const *worker_argv);
LP_AVAILABLE_IN_1_0
const char * const *lp_manager_get_worker_launcher        (LpManager *self);
LP_AVAILABLE_IN_1_0
void                lp_manager_set_worker_launcher        (LpManager          *self,
                                                           const char * const *worker_launcher);
LP_AVAILABLE_IN_1_0
const char * const *lp_manager_get_worker_environment     (LpManager *self);
LP_AVAILABLE_IN_1_0
void                lp_manager_set_worker_environment     (LpManager          *self,
                                                           const char * const *worker_environment);
LP_AVAILABLE_IN_1_0
const char         *lp_manager_get_worker_directory       (LpManager *self);
LP_AVAILABLE_IN_1_0
void                lp_manager_set_worker_directory       (LpManager  *self,
                                                           const char *worker_directory);
LP_AVAILABLE_IN_1_0
const char         *lp_manager_get_worker_init_function   (LpManager *self);
LP_AVAILABLE_IN_1_0
void                lp_manager_set_worker_init_function   (LpManager  *self,
                                                           const char *worker_init_function);
LP_AVAILABLE_IN_1_0
GVariant           *lp_manager_get_worker_init_parameters (LpManager *self);
LP_AVAILABLE_IN_1_0
void                lp_manager_set_worker_init_parameters (LpManager *self,
                                                           GVariant  *worker_init_parameters);
LP_AVAILABLE_IN_1_0
GVariant           *lp_manager_get_executor_options       (LpManager *self);
LP_AVAILABLE_IN_1_0
void                lp_manager_set_executor_options       (LpManager *self,
                                                           GVariant  *executor_options);

LP_AVAILABLE_IN_1_0
int  lp_manager_get_max_jobs_per_worker (LpManager *self);
LP_AVAILABLE_IN_1_0
void lp_manager_set_max_jobs_per_worker (LpManager *self,
                                         int        max_jobs_per_worker);
LP_AVAILABLE_IN_1_0
int  lp_manager_get_max_waiters         (LpManager *self);
LP_AVAILABLE_IN_1_0
void lp_manager_set_max_waiters         (LpManager *self,
                                         int        max_waiters);
LP_AVAILABLE_IN_1_0
int  lp_manager_get_max_queued_jobs     (LpManager *self);
LP_AVAILABLE_IN_1_0
void lp_manager_set_max_queued_jobs     (LpManager *self,
                                         int        max_queued_jobs);
LP_AVAILABLE_IN_1_0
int  lp_manager_get_max_message_size    (LpManager *self);
LP_AVAILABLE_IN_1_0
void lp_manager_set_max_message_size    (LpManager *self,
                                         int        max_message_size);
LP_AVAILABLE_IN_1_0
int  lp_manager_get_max_quarantined     (LpManager *self);
LP_AVAILABLE_IN_1_0
void lp_manager_set_max_quarantined     (LpManager *self,
                                         int        max_quarantined);
LP_AVAILABLE_IN_1_0
int  lp_manager_get_units               (LpManager *self);
LP_AVAILABLE_IN_1_0
void lp_manager_set_units               (LpManager *self,
                                         int        units);

LP_AVAILABLE_IN_1_0
guint       lp_manager_get_available_count   (LpManager *self);
LP_AVAILABLE_IN_1_0
guint       lp_manager_get_leased_count      (LpManager *self);
LP_AVAILABLE_IN_1_0
guint       lp_manager_get_total_count       (LpManager *self);
LP_AVAILABLE_IN_1_0
guint       lp_manager_get_waiting_count     (LpManager *self);
LP_AVAILABLE_IN_1_0
guint       lp_manager_get_quarantined_count (LpManager *self);
LP_AVAILABLE_IN_1_0
gboolean    lp_manager_is_running            (LpManager *self);
LP_AVAILABLE_IN_1_0
GListModel *lp_manager_get_leases            (LpManager *self);

G_END_DECLS
