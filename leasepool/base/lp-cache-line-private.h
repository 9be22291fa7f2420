/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* Processors keep and pass on memory in pieces of so many bytes. What one thread writes all the time and what others
 * read are so far apart where that was worth it; on a machine with larger ones it is only slower. */
#define LP_CACHE_LINE 64
