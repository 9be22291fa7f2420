/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <glib.h>

/* As g_mutex_lock(), for a lock that threads take many times in a row and hold for less than it takes to sleep. */
void lp_mutex_lock_awake (GMutex *mutex);
