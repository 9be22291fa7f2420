/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-manager.h"

#include "lp-manager-accessors-private.h"

/* The accessors of the settings of the pool, its leases and its limits. */

/**
 * lp_manager_get_backend:
 * @self: a manager
 *
 * Gets the name of the backend; see [property@Lp.Manager:backend].
 *
 * Call it in the owner context.
 *
 * Returns: (transfer none): the name of the backend
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_backend:
 * @self: a manager
 * @backend: (nullable): the name of the backend, or %NULL for "thread"
 *
 * Sets the name of the backend; see [property@Lp.Manager:backend].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_STRING_ACCESSORS (backend, BACKEND)

/**
 * lp_manager_get_executor_type:
 * @self: a manager
 *
 * Gets the type of the executors; see [property@Lp.Manager:executor-type].
 *
 * Call it in the owner context.
 *
 * Returns: the type of the executors
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_executor_type:
 * @self: a manager
 * @executor_type: the type of the executors
 *
 * Sets the type of the executors; see [property@Lp.Manager:executor-type].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_GTYPE_ACCESSORS (executor_type, EXECUTOR_TYPE)

/**
 * lp_manager_get_max_pools:
 * @self: a manager
 *
 * Gets the bound on the number of executors; see
 * [property@Lp.Manager:max-pools].
 *
 * Call it in the owner context.
 *
 * Returns: the bound on the number of executors
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_max_pools:
 * @self: a manager
 * @max_pools: the bound on the number of executors
 *
 * Sets the bound on the number of executors; see
 * [property@Lp.Manager:max-pools].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_INT_ACCESSORS (max_pools, MAX_POOLS)

/**
 * lp_manager_get_min_pools:
 * @self: a manager
 *
 * Gets the number of executors that are kept in any case; see
 * [property@Lp.Manager:min-pools].
 *
 * Call it in the owner context.
 *
 * Returns: the number of executors that are kept in any case
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_min_pools:
 * @self: a manager
 * @min_pools: the number of executors that are kept in any case
 *
 * Sets the number of executors that are kept in any case; see
 * [property@Lp.Manager:min-pools].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_INT_ACCESSORS (min_pools, MIN_POOLS)

/**
 * lp_manager_get_units_per_pool:
 * @self: a manager
 *
 * Gets the number of units of work for one executor; see
 * [property@Lp.Manager:units-per-pool].
 *
 * Call it in the owner context.
 *
 * Returns: the number of units of work for one executor
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_units_per_pool:
 * @self: a manager
 * @units_per_pool: the number of units of work for one executor
 *
 * Sets the number of units of work for one executor; see
 * [property@Lp.Manager:units-per-pool].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_INT_ACCESSORS (units_per_pool, UNITS_PER_POOL)

/**
 * lp_manager_get_workers_per_pool:
 * @self: a manager
 *
 * Gets the number of workers of one executor; see
 * [property@Lp.Manager:workers-per-pool].
 *
 * Call it in the owner context.
 *
 * Returns: the number of workers of one executor
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_workers_per_pool:
 * @self: a manager
 * @workers_per_pool: the number of workers of one executor
 *
 * Sets the number of workers of one executor; see
 * [property@Lp.Manager:workers-per-pool].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_INT_ACCESSORS (workers_per_pool, WORKERS_PER_POOL)

/**
 * lp_manager_get_check_interval:
 * @self: a manager
 *
 * Gets the seconds between two checks; see
 * [property@Lp.Manager:check-interval].
 *
 * Call it in the owner context.
 *
 * Returns: the seconds between two checks
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_check_interval:
 * @self: a manager
 * @check_interval: the seconds between two checks
 *
 * Sets the seconds between two checks; see
 * [property@Lp.Manager:check-interval].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_DOUBLE_ACCESSORS (check_interval, CHECK_INTERVAL)

/**
 * lp_manager_get_default_lease_seconds:
 * @self: a manager
 *
 * Gets the seconds that a lease lasts by default; see
 * [property@Lp.Manager:default-lease-seconds].
 *
 * Call it in the owner context.
 *
 * Returns: the seconds that a lease lasts by default
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_default_lease_seconds:
 * @self: a manager
 * @default_lease_seconds: the seconds that a lease lasts by default
 *
 * Sets the seconds that a lease lasts by default; see
 * [property@Lp.Manager:default-lease-seconds].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_DOUBLE_ACCESSORS (default_lease_seconds, DEFAULT_LEASE_SECONDS)

/**
 * lp_manager_get_lease_grace_seconds:
 * @self: a manager
 *
 * Gets the seconds from the soft to the hard expiry of a lease; see
 * [property@Lp.Manager:lease-grace-seconds].
 *
 * Call it in the owner context.
 *
 * Returns: the seconds from the soft to the hard expiry of a lease
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_lease_grace_seconds:
 * @self: a manager
 * @lease_grace_seconds: the seconds from the soft to the hard expiry of a
 *   lease
 *
 * Sets the seconds from the soft to the hard expiry of a lease; see
 * [property@Lp.Manager:lease-grace-seconds].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_DOUBLE_ACCESSORS (lease_grace_seconds, LEASE_GRACE_SECONDS)

/**
 * lp_manager_get_start_timeout_seconds:
 * @self: a manager
 *
 * Gets the seconds that an executor may take to start; see
 * [property@Lp.Manager:start-timeout-seconds].
 *
 * Call it in the owner context.
 *
 * Returns: the seconds that an executor may take to start
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_start_timeout_seconds:
 * @self: a manager
 * @start_timeout_seconds: the seconds that an executor may take to start
 *
 * Sets the seconds that an executor may take to start; see
 * [property@Lp.Manager:start-timeout-seconds].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_DOUBLE_ACCESSORS (start_timeout_seconds, START_TIMEOUT_SECONDS)

/**
 * lp_manager_get_cancel_grace_seconds:
 * @self: a manager
 *
 * Gets the seconds that a cancelled job may take to end; see
 * [property@Lp.Manager:cancel-grace-seconds].
 *
 * Call it in the owner context.
 *
 * Returns: the seconds that a cancelled job may take to end
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_cancel_grace_seconds:
 * @self: a manager
 * @cancel_grace_seconds: the seconds that a cancelled job may take to end
 *
 * Sets the seconds that a cancelled job may take to end; see
 * [property@Lp.Manager:cancel-grace-seconds].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_DOUBLE_ACCESSORS (cancel_grace_seconds, CANCEL_GRACE_SECONDS)

/**
 * lp_manager_get_idle_linger_seconds:
 * @self: a manager
 *
 * Gets the seconds that a surplus idle executor is kept; see
 * [property@Lp.Manager:idle-linger-seconds].
 *
 * Call it in the owner context.
 *
 * Returns: the seconds that a surplus idle executor is kept
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_idle_linger_seconds:
 * @self: a manager
 * @idle_linger_seconds: the seconds that a surplus idle executor is kept
 *
 * Sets the seconds that a surplus idle executor is kept; see
 * [property@Lp.Manager:idle-linger-seconds].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_DOUBLE_ACCESSORS (idle_linger_seconds, IDLE_LINGER_SECONDS)

/**
 * lp_manager_get_name_prefix:
 * @self: a manager
 *
 * Gets the prefix of the names of executors; see
 * [property@Lp.Manager:name-prefix].
 *
 * Call it in the owner context.
 *
 * Returns: (transfer none): the prefix of the names of executors
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_name_prefix:
 * @self: a manager
 * @name_prefix: the prefix of the names of executors
 *
 * Sets the prefix of the names of executors; see
 * [property@Lp.Manager:name-prefix].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_STRING_ACCESSORS (name_prefix, NAME_PREFIX)

/**
 * lp_manager_get_log_domain:
 * @self: a manager
 *
 * Gets the log domain of the manager's own records; see
 * [property@Lp.Manager:log-domain].
 *
 * Call it in the owner context.
 *
 * Returns: (transfer none): the log domain of the manager's own records
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_log_domain:
 * @self: a manager
 * @log_domain: the log domain of the manager's own records
 *
 * Sets the log domain of the manager's own records; see
 * [property@Lp.Manager:log-domain].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_STRING_ACCESSORS (log_domain, LOG_DOMAIN)

/**
 * lp_manager_get_executor_options:
 * @self: a manager
 *
 * Gets the options of the executors; see
 * [property@Lp.Manager:executor-options].
 *
 * Call it in the owner context.
 *
 * Returns: (transfer none) (nullable): the options of the executors, or %NULL
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_executor_options:
 * @self: a manager
 * @executor_options: (nullable): the options of the executors, or %NULL; one
 *   that is floating is consumed
 *
 * Sets the options of the executors; see
 * [property@Lp.Manager:executor-options].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_VARIANT_ACCESSORS (executor_options, EXECUTOR_OPTIONS)

/**
 * lp_manager_get_max_waiters:
 * @self: a manager
 *
 * Gets the bound on the number of waiters; see
 * [property@Lp.Manager:max-waiters].
 *
 * Call it in the owner context.
 *
 * Returns: the bound on the number of waiters, or 0
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_max_waiters:
 * @self: a manager
 * @max_waiters: the bound on the number of waiters, or 0
 *
 * Sets the bound on the number of waiters; see
 * [property@Lp.Manager:max-waiters].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_INT_ACCESSORS (max_waiters, MAX_WAITERS)

/**
 * lp_manager_get_max_queued_jobs:
 * @self: a manager
 *
 * Gets the bound on the jobs that wait on one lease; see
 * [property@Lp.Manager:max-queued-jobs].
 *
 * Call it in the owner context.
 *
 * Returns: the bound on the jobs that wait on one lease, or 0
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_max_queued_jobs:
 * @self: a manager
 * @max_queued_jobs: the bound on the jobs that wait on one lease, or 0
 *
 * Sets the bound on the jobs that wait on one lease; see
 * [property@Lp.Manager:max-queued-jobs].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_INT_ACCESSORS (max_queued_jobs, MAX_QUEUED_JOBS)

/**
 * lp_manager_get_max_message_size:
 * @self: a manager
 *
 * Gets the bound on the size of a message, in bytes; see
 * [property@Lp.Manager:max-message-size].
 *
 * Call it in the owner context.
 *
 * Returns: the bound on the size of a message, in bytes
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_max_message_size:
 * @self: a manager
 * @max_message_size: the bound on the size of a message, in bytes
 *
 * Sets the bound on the size of a message, in bytes; see
 * [property@Lp.Manager:max-message-size].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_INT_ACCESSORS (max_message_size, MAX_MESSAGE_SIZE)

/**
 * lp_manager_get_max_quarantined:
 * @self: a manager
 *
 * Gets the bound on the number of quarantined executors; see
 * [property@Lp.Manager:max-quarantined].
 *
 * Call it in the owner context.
 *
 * Returns: the bound on the number of quarantined executors
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_max_quarantined:
 * @self: a manager
 * @max_quarantined: the bound on the number of quarantined executors
 *
 * Sets the bound on the number of quarantined executors; see
 * [property@Lp.Manager:max-quarantined].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_INT_ACCESSORS (max_quarantined, MAX_QUARANTINED)

/**
 * lp_manager_get_units:
 * @self: a manager
 *
 * Gets the number of units of work; see [property@Lp.Manager:units].
 *
 * Call it in the owner context.
 *
 * Returns: the number of units of work
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_units:
 * @self: a manager
 * @units: the number of units of work
 *
 * Sets the number of units of work; see [property@Lp.Manager:units].
 *
 * Call it in the owner context; also while the manager runs.
 *
 * Since: 1.0
 */
LP_INT_ACCESSORS (units, UNITS)
