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
 * LP_ERROR:
 *
 * The error domain of leasepool. Its codes are those of [error@Lp.Error].
 *
 * Since: 1.0
 */
#define LP_ERROR (lp_error_quark ())

/**
 * LpError:
 * @LP_ERROR_FAILED: a job ended without a value and without an error, or
 *   something failed that has no code of its own
 * @LP_ERROR_NOT_STARTED: the manager does not run, is stopping, or belongs to
 *   the parent of a forked child
 * @LP_ERROR_UNAVAILABLE: no executor is free and the caller did not want to wait
 * @LP_ERROR_EXPIRED: the lease is not active any more
 * @LP_ERROR_UNSUPPORTED_BACKEND: nobody provides the backend
 * @LP_ERROR_INVALID_ARGUMENT: a setting or an argument breaks a rule
 * @LP_ERROR_WRONG_CONTEXT: called under another main context than the call
 *   belongs to
 * @LP_ERROR_BROKEN_EXECUTOR: the executor broke, for example because a worker
 *   died
 * @LP_ERROR_START_FAILED: an executor could not be started
 * @LP_ERROR_NOT_SUPPORTED: the backend cannot do what was asked for
 * @LP_ERROR_UNKNOWN_FUNCTION: no function has that name
 * @LP_ERROR_QUEUE_FULL: a bound on waiters or queued jobs is reached
 * @LP_ERROR_WOULD_DEADLOCK: the call would wait for itself
 * @LP_ERROR_PROTOCOL: a worker sent something that is not allowed
 * @LP_ERROR_REMOTE: a worker reported an error of a domain this process does
 *   not know
 *
 * The codes of errors in the domain %LP_ERROR. Time-outs and cancellation are
 * %G_IO_ERROR_TIMED_OUT and %G_IO_ERROR_CANCELLED.
 *
 * Since: 1.0
 */
typedef enum
{
  LP_ERROR_FAILED = 0,
  LP_ERROR_NOT_STARTED,
  LP_ERROR_UNAVAILABLE,
  LP_ERROR_EXPIRED,
  LP_ERROR_UNSUPPORTED_BACKEND,
  LP_ERROR_INVALID_ARGUMENT,
  LP_ERROR_WRONG_CONTEXT,
  LP_ERROR_BROKEN_EXECUTOR,
  LP_ERROR_START_FAILED,
  LP_ERROR_NOT_SUPPORTED,
  LP_ERROR_UNKNOWN_FUNCTION,
  LP_ERROR_QUEUE_FULL,
  LP_ERROR_WOULD_DEADLOCK,
  LP_ERROR_PROTOCOL,
  LP_ERROR_REMOTE
} LpError;

LP_AVAILABLE_IN_1_0
GQuark lp_error_quark (void);

G_END_DECLS
