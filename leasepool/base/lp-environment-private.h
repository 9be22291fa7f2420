/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A variable that says which code is run, or what is told about it: NULL in a process that was started with more rights
 * than its caller has. */
const char *lp_environment_get (const char *name);

G_END_DECLS
