/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <glib.h>

void     print_message  (const char *message);
void     print_problem  (const char *path,
                         const char *reason);
gboolean print_file_sum (const char *path,
                         const char *digest);
void     print_stats    (GVariant *stats);
