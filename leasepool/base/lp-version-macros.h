/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#if !defined (LP_INSIDE) && !defined (LP_COMPILATION)
#error "Only <leasepool.h> can be included directly."
#endif

#include <glib.h>

/* The library is built with hidden visibility: what is public says so. */
#ifndef _LP_EXTERN
#if defined (__GNUC__)
#define _LP_EXTERN __attribute__ ((visibility ("default"))) extern
#else
#define _LP_EXTERN extern
#endif
#endif

/* Public since leasepool 1.0. */
#define LP_AVAILABLE_IN_1_0 _LP_EXTERN
