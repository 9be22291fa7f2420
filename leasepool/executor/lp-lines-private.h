/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The standard error of a worker process, line by line. All with its lock, which
 * is taken here when something can be read: what has left the pipe has been told
 * when the lock is free. */
typedef struct _LpLines LpLines;

/* LINE is without its end, and any bytes but nul. */
typedef void (*LpLinesFunc) (const char *line, gpointer user_data);

LpLines *lp_lines_new       (int fd, GMainContext *context, GRecMutex *lock, LpLinesFunc func, gpointer user_data);
void     lp_lines_free      (LpLines *self);
gboolean lp_lines_has_more  (LpLines *self);
void     lp_lines_drain     (LpLines *self);
void     lp_lines_finish    (LpLines *self);
void     lp_lines_set_paused (LpLines *self, gboolean paused);
char    *lp_lines_dup_last  (LpLines *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LpLines, lp_lines_free)

G_END_DECLS
