/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-delivery-private.h"

G_BEGIN_DECLS

/* One operation's end, once: the GAsyncResult of every _async function here,
 * what the blocking forms wait on, and the steps of an operation made of others. */

#define LP_TYPE_COMPLETION (lp_completion_get_type ())
G_DECLARE_FINAL_TYPE (LpCompletion, lp_completion, LP, COMPLETION, GObject)

typedef void (*LpCompletionCancelFunc) (LpCompletion *self, gpointer data);
typedef void (*LpCompletionStepFunc) (LpCompletion *self, gpointer data);

LpCompletion *lp_completion_new             (gpointer source_object,
                                             gpointer tag,
                                             GCancellable *cancellable,
                                             GAsyncReadyCallback callback,
                                             gpointer user_data);
LpCompletion *lp_completion_new_blocking    (void);
LpCompletion *lp_completion_new_step        (LpCompletionStepFunc func, gpointer data);
void          lp_completion_set_check       (LpCompletion *self);
void          lp_completion_watch           (LpCompletion *self,
                                             GCancellable *cancellable,
                                             LpCompletionCancelFunc func,
                                             gpointer data,
                                             GDestroyNotify destroy);
void          lp_completion_watch_wait      (LpCompletion *self,
                                             GCancellable *cancellable,
                                             const char *message);
GList        *lp_completion_get_link        (LpCompletion *self);
gboolean      lp_completion_is_settled      (LpCompletion *self);
gboolean      lp_completion_settle          (LpCompletion *self, gpointer result, GDestroyNotify destroy);
gboolean      lp_completion_settle_error    (LpCompletion *self, GError *error);
void          lp_completion_deliver         (LpCompletion *self);
gboolean      lp_completion_return          (LpCompletion *self, gpointer result, GDestroyNotify destroy);
gboolean      lp_completion_fail            (LpCompletion *self, GError *error);
gpointer      lp_completion_take_back       (LpCompletion *self, GError *error);
gboolean      lp_completion_wait            (LpCompletion *self, gint64 end);
gboolean      lp_completion_wait_nudged     (LpCompletion *self, gint64 end, gboolean *delivered);
void          lp_completion_nudge           (LpCompletion *self);
gpointer      lp_completion_propagate       (LpCompletion *self, GError **error);
gboolean      lp_completion_is_valid        (gpointer result, gpointer source_object, gpointer tag);

G_END_DECLS
