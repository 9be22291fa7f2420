/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#define LP_INSIDE

#include "lp-backend.h"
#include "lp-enum-types.h"
#include "lp-enums.h"
#include "lp-error.h"
#include "lp-executor.h"
#include "lp-functions.h"
#include "lp-grinder.h"
#include "lp-job.h"
#include "lp-lease-info.h"
#include "lp-lease.h"
#include "lp-manager.h"
#include "lp-process-executor.h"
#include "lp-request.h"
#include "lp-thread-executor.h"
#include "lp-types.h"
#include "lp-version-macros.h"
#include "lp-version.h"
#include "lp-worker.h"

#undef LP_INSIDE
