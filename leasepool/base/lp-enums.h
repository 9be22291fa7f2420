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

/**
 * LP_BACKEND_THREAD:
 *
 * The name of the backend whose workers are threads of this process.
 *
 * Since: 1.0
 */
#define LP_BACKEND_THREAD "thread"

/**
 * LP_BACKEND_PROCESS:
 *
 * The name of the backend whose workers are child processes.
 *
 * Since: 1.0
 */
#define LP_BACKEND_PROCESS "process"

/**
 * LP_BACKEND_INTERPRETER:
 *
 * The name kept for a backend whose workers are language interpreters of this
 * process. The library has none itself; an extension may provide one.
 *
 * Since: 1.0
 */
#define LP_BACKEND_INTERPRETER "interpreter"

/* The values start at 1: some bindings turn a wrong string into 0, which is
 * then refused instead of meaning something.
 */
/**
 * LpStopMode:
 * @LP_STOP_MODE_CANCEL: cancel queued and running jobs, wait for
 *   [property@Lp.Manager:cancel-grace-seconds], then kill what can be killed
 * @LP_STOP_MODE_DRAIN: wait for all accepted jobs; at the time-out of the stop
 *   this becomes %LP_STOP_MODE_CANCEL
 * @LP_STOP_MODE_KILL: as %LP_STOP_MODE_CANCEL, with no grace
 *
 * How a stop treats the jobs that are still there.
 *
 * Since: 1.0
 */
typedef enum
{
  LP_STOP_MODE_CANCEL = 1,
  LP_STOP_MODE_DRAIN,
  LP_STOP_MODE_KILL
} LpStopMode;

/**
 * LpLeaseState:
 * @LP_LEASE_STATE_ACTIVE: the lease may submit jobs
 * @LP_LEASE_STATE_DRAINING: released, but accepted jobs still run or wait, or
 *   have ended before their functions returned
 * @LP_LEASE_STATE_RELEASED: given back, no job left
 * @LP_LEASE_STATE_EXPIRED: revoked, because it passed its hard expiry
 * @LP_LEASE_STATE_BROKEN: its executor broke
 * @LP_LEASE_STATE_STOPPED: its manager was stopped
 *
 * The states of a lease. All but %LP_LEASE_STATE_ACTIVE refuse new jobs.
 *
 * Since: 1.0
 */
typedef enum
{
  LP_LEASE_STATE_ACTIVE = 0,
  LP_LEASE_STATE_DRAINING,
  LP_LEASE_STATE_RELEASED,
  LP_LEASE_STATE_EXPIRED,
  LP_LEASE_STATE_BROKEN,
  LP_LEASE_STATE_STOPPED
} LpLeaseState;

/**
 * LpJobState:
 * @LP_JOB_STATE_NEW: not submitted
 * @LP_JOB_STATE_QUEUED: accepted, waiting for a worker
 * @LP_JOB_STATE_RUNNING: a worker has it
 * @LP_JOB_STATE_SUCCEEDED: ended with a result
 * @LP_JOB_STATE_FAILED: ended with an error, a time-out among them
 * @LP_JOB_STATE_CANCELLED: ended by cancellation
 *
 * The states of a job. The last three are final.
 *
 * Since: 1.0
 */
typedef enum
{
  LP_JOB_STATE_NEW = 0,
  LP_JOB_STATE_QUEUED,
  LP_JOB_STATE_RUNNING,
  LP_JOB_STATE_SUCCEEDED,
  LP_JOB_STATE_FAILED,
  LP_JOB_STATE_CANCELLED
} LpJobState;

/**
 * LpRetireReason:
 * @LP_RETIRE_REASON_SURPLUS: more executors than desired
 * @LP_RETIRE_REASON_RECYCLED: [method@Lp.Manager.recycle] asked for it
 * @LP_RETIRE_REASON_EXPIRED: its lease passed its hard expiry
 * @LP_RETIRE_REASON_BROKEN: it broke, for example because a worker died
 * @LP_RETIRE_REASON_START_FAILED: it never became ready
 * @LP_RETIRE_REASON_STOPPED: the manager was stopped
 *
 * Why an executor was taken out of management.
 *
 * Since: 1.0
 */
typedef enum
{
  LP_RETIRE_REASON_SURPLUS = 0,
  LP_RETIRE_REASON_RECYCLED,
  LP_RETIRE_REASON_EXPIRED,
  LP_RETIRE_REASON_BROKEN,
  LP_RETIRE_REASON_START_FAILED,
  LP_RETIRE_REASON_STOPPED
} LpRetireReason;

G_END_DECLS
