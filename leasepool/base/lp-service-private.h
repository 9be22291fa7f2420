/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-delivery-private.h"

/* The library's own thread: one per process, there while somebody uses it. */

typedef struct _LpService LpService;

LpService    *lp_service_acquire     (GError **error);
LpService    *lp_service_hold        (LpService *self);
void          lp_service_release     (LpService *self);
GMainContext *lp_service_get_context (LpService *self);
gboolean      lp_service_is_current  (LpService *self);
void          lp_service_post        (LpService *self, GFunc func, gpointer data, gpointer more);

guint         lp_fork_generation     (void);

/* The same for who has asked before. */
extern guint  lp_fork_generation_now;
