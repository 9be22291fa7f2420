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

#define LP_TYPE_JOB (lp_job_get_type ())

LP_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (LpJob, lp_job, LP, JOB, GObject)

/**
 * LpJobFunc:
 * @job: the job that runs
 * @result: (out) (optional) (nullable) (transfer full): return location for the
 *   result. It is %NULL before the call; a floating variant is sunk.
 * @user_data: (closure): the data given along with the function
 * @error: return location for a #GError
 *
 * The work of a job. It runs in a worker: on a thread of the process, or in a
 * worker process, never in the caller's thread.
 *
 * It either stores a result in @result or sets @error. A job that does neither
 * fails with %LP_ERROR_FAILED; a function with nothing to tell stores the empty
 * tuple `()`. A function that cannot answer yet calls [method@Lp.Job.defer].
 *
 * Long work should look at [method@Lp.Job.get_cancellable] now and then.
 *
 * Since: 1.0
 */
typedef void (*LpJobFunc) (LpJob     *job,
                           GVariant **result,
                           gpointer   user_data,
                           GError   **error);

LP_AVAILABLE_IN_1_0
LpJob *lp_job_new_for_func    (LpJobFunc      func,
                               gpointer       user_data,
                               GDestroyNotify destroy) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
LpJob *lp_job_new_for_call    (const char *name,
                               GVariant   *parameters) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
LpJob *lp_job_new_for_command (const char * const *argv,
                               GBytes             *input) G_GNUC_WARN_UNUSED_RESULT;

LP_AVAILABLE_IN_1_0
void      lp_job_wait_async  (LpJob              *self,
                              GCancellable       *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer            user_data);
LP_AVAILABLE_IN_1_0
GVariant *lp_job_wait_finish (LpJob        *self,
                              GAsyncResult *result,
                              GError      **error) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
GVariant *lp_job_wait        (LpJob        *self,
                              double        timeout_seconds,
                              GCancellable *cancellable,
                              GError      **error) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
GVariant *lp_job_dup_result  (LpJob *self) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
GError   *lp_job_dup_error   (LpJob *self) G_GNUC_WARN_UNUSED_RESULT;

LP_AVAILABLE_IN_1_0
void          lp_job_cancel          (LpJob *self);
LP_AVAILABLE_IN_1_0
GCancellable *lp_job_get_cancellable (LpJob *self);
LP_AVAILABLE_IN_1_0
void          lp_job_set_progress    (LpJob      *self,
                                      double      progress,
                                      const char *status);

LP_AVAILABLE_IN_1_0
void lp_job_execute      (LpJob *self);
LP_AVAILABLE_IN_1_0
LpJob    *lp_job_take_next    (LpJob    *self,
                               GVariant *result);
LP_AVAILABLE_IN_1_0
void lp_job_defer        (LpJob *self);
LP_AVAILABLE_IN_1_0
void lp_job_return_value (LpJob    *self,
                          GVariant *result);
LP_AVAILABLE_IN_1_0
void lp_job_return_error (LpJob        *self,
                          const GError *error);

LP_AVAILABLE_IN_1_0
const char         *lp_job_get_name            (LpJob *self);
LP_AVAILABLE_IN_1_0
GVariant           *lp_job_get_parameters      (LpJob *self);
LP_AVAILABLE_IN_1_0
const char * const *lp_job_get_argv            (LpJob *self);
LP_AVAILABLE_IN_1_0
GBytes             *lp_job_get_input           (LpJob *self);
LP_AVAILABLE_IN_1_0
double              lp_job_get_timeout_seconds (LpJob *self);
LP_AVAILABLE_IN_1_0
void                lp_job_set_timeout_seconds (LpJob *self,
                                                double timeout_seconds);

LP_AVAILABLE_IN_1_0
const char *lp_job_get_owner      (LpJob *self);
LP_AVAILABLE_IN_1_0
LpJobState  lp_job_get_state      (LpJob *self);
LP_AVAILABLE_IN_1_0
double      lp_job_get_progress   (LpJob *self);
LP_AVAILABLE_IN_1_0
char       *lp_job_dup_status     (LpJob *self) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
gint64      lp_job_get_queued_at  (LpJob *self);
LP_AVAILABLE_IN_1_0
gint64      lp_job_get_started_at (LpJob *self);
LP_AVAILABLE_IN_1_0
gint64      lp_job_get_ended_at   (LpJob *self);

G_END_DECLS
