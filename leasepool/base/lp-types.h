/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#if !defined (LP_INSIDE) && !defined (LP_COMPILATION)
#error "Only <leasepool.h> can be included directly."
#endif

#include <gio/gio.h>
#include "lp-version-macros.h"

G_BEGIN_DECLS

/* The types are named here, once, so that no header needs another one's. */

typedef struct _LpExecutor   LpExecutor;
typedef struct _LpFunctions  LpFunctions;
typedef struct _LpGrinder    LpGrinder;
typedef struct _LpJob        LpJob;
typedef struct _LpLease      LpLease;
typedef struct _LpLeaseInfo  LpLeaseInfo;
typedef struct _LpManager    LpManager;
typedef struct _LpRequest    LpRequest;
typedef struct _LpWorker     LpWorker;

G_END_DECLS
