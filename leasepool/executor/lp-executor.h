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

#define LP_TYPE_EXECUTOR (lp_executor_get_type ())

LP_AVAILABLE_IN_1_0
G_DECLARE_DERIVABLE_TYPE (LpExecutor, lp_executor, LP, EXECUTOR, GObject)

/**
 * LpExecutorClass:
 * @parent_class: the parent class
 * @start: begins to start the executor; [method@Lp.Executor.report_ready] says
 *   when it is ready. By default it is so at once.
 * @submit: begins one job; [method@Lp.Job.execute],
 *   [method@Lp.Job.return_value] or [method@Lp.Job.return_error] ends it. There
 *   are never more than [property@Lp.Executor:workers] jobs at a time. %FALSE
 *   ends the job with the error; %LP_ERROR_BROKEN_EXECUTOR also retires the
 *   executor.
 * @cancel: a running job was cancelled. By default nothing is done: its
 *   cancellable is enough.
 * @shutdown: begins to shut down; [method@Lp.Executor.report_stopped] says when
 *   it is done. By default it is so at once.
 * @has_died: tells whether the executor has died. By default it has if
 *   [method@Lp.Executor.report_died] was called.
 *
 * The virtual functions of an executor. They run on the service thread of the
 * library, with no lock held, and never after @shutdown.
 *
 * Since: 1.0
 */
struct _LpExecutorClass
{
  GObjectClass parent_class;

  gboolean (*start)    (LpExecutor  *self,
                        GError     **error);
  gboolean (*submit)   (LpExecutor  *self,
                        LpJob       *job,
                        GError     **error);
  void     (*cancel)   (LpExecutor  *self,
                        LpJob       *job);
  void     (*shutdown) (LpExecutor  *self,
                        LpStopMode   mode);
  gboolean (*has_died) (LpExecutor  *self);

  /*< private >*/
  gpointer padding[8];
};

LP_AVAILABLE_IN_1_0
void lp_executor_report_ready   (LpExecutor *self);
LP_AVAILABLE_IN_1_0
void lp_executor_report_stopped (LpExecutor *self);
LP_AVAILABLE_IN_1_0
void lp_executor_report_died    (LpExecutor   *self,
                                 const GError *error);

LP_AVAILABLE_IN_1_0
guint64      lp_executor_get_seq       (LpExecutor *self);
LP_AVAILABLE_IN_1_0
const char  *lp_executor_get_name      (LpExecutor *self);
LP_AVAILABLE_IN_1_0
int          lp_executor_get_workers   (LpExecutor *self);
LP_AVAILABLE_IN_1_0
GVariant    *lp_executor_get_options   (LpExecutor *self);
LP_AVAILABLE_IN_1_0
LpFunctions *lp_executor_get_functions (LpExecutor *self);

G_END_DECLS
