/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <glib.h>

/* Finds the regular files below some paths one at a time, without following links. What it remembers is one open
 * directory per level, however many files there are. */
typedef struct _Walker Walker;

/* Called for what cannot be read, or is neither a file nor a directory although it was asked for by name. */
typedef void (*WalkerProblemFunc) (const char *path,
                                   const char *reason,
                                   gpointer    user_data);

Walker  *walker_new     (char            **roots,
                         WalkerProblemFunc problem,
                         gpointer          user_data);
char    *walker_next    (Walker  *self,
                         guint64 *size);
gboolean walker_is_done (Walker *self);
void     walker_free    (Walker *self);
