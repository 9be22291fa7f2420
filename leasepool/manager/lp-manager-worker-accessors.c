/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-manager.h"

#include "lp-manager-accessors-private.h"

/* The accessors of the settings of the workers: what they run, and their logs. */

/**
 * lp_manager_get_forward_process_logs:
 * @self: a manager
 *
 * Tells whether the log records of worker processes are forwarded; see
 * [property@Lp.Manager:forward-process-logs].
 *
 * Call it in the owner context.
 *
 * Returns: %TRUE if they are
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_forward_process_logs:
 * @self: a manager
 * @forward_process_logs: %TRUE to forward them
 *
 * Sets whether the log records of worker processes are forwarded; see
 * [property@Lp.Manager:forward-process-logs].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_BOOLEAN_ACCESSORS (forward_process_logs, FORWARD_PROCESS_LOGS)

/**
 * lp_manager_get_process_log_level:
 * @self: a manager
 *
 * Gets the least severe level that worker processes forward; see
 * [property@Lp.Manager:process-log-level].
 *
 * Call it in the owner context.
 *
 * Returns: the least severe level that worker processes forward
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_process_log_level:
 * @self: a manager
 * @process_log_level: the least severe level that worker processes forward
 *
 * Sets the least severe level that worker processes forward; see
 * [property@Lp.Manager:process-log-level].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_UINT_ACCESSORS (process_log_level, PROCESS_LOG_LEVEL)

/**
 * lp_manager_get_process_log_domain:
 * @self: a manager
 *
 * Gets the log domain of forwarded records; see
 * [property@Lp.Manager:process-log-domain].
 *
 * Call it in the owner context.
 *
 * Returns: (transfer none) (nullable): the log domain of forwarded records, or
 *   %NULL
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_process_log_domain:
 * @self: a manager
 * @process_log_domain: (nullable): the log domain of forwarded records, or
 *   %NULL
 *
 * Sets the log domain of forwarded records; see
 * [property@Lp.Manager:process-log-domain].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_STRING_ACCESSORS (process_log_domain, PROCESS_LOG_DOMAIN)

/**
 * lp_manager_get_clear_process_log_handlers:
 * @self: a manager
 *
 * Tells whether log records that worker processes forward are written nowhere
 * else; see [property@Lp.Manager:clear-process-log-handlers].
 *
 * Call it in the owner context.
 *
 * Returns: %TRUE if they are forwarded only
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_clear_process_log_handlers:
 * @self: a manager
 * @clear_process_log_handlers: %FALSE to write them to the standard error of
 *   the worker, too
 *
 * Sets whether log records that worker processes forward are written nowhere
 * else; see [property@Lp.Manager:clear-process-log-handlers].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_BOOLEAN_ACCESSORS (clear_process_log_handlers, CLEAR_PROCESS_LOG_HANDLERS)

/**
 * lp_manager_get_functions:
 * @self: a manager
 *
 * Gets the table of functions; see [property@Lp.Manager:functions].
 *
 * Call it in the owner context.
 *
 * Returns: (transfer none) (nullable): the table of functions, or %NULL
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_functions:
 * @self: a manager
 * @functions: (nullable): the table of functions, or %NULL
 *
 * Sets the table of functions; see [property@Lp.Manager:functions].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_FUNCTIONS_ACCESSORS (functions, FUNCTIONS)

/**
 * lp_manager_get_function_module:
 * @self: a manager
 *
 * Gets the module of functions; see [property@Lp.Manager:function-module].
 *
 * Call it in the owner context.
 *
 * Returns: (transfer none) (nullable): the module of functions, or %NULL
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_function_module:
 * @self: a manager
 * @function_module: (nullable): the module of functions, or %NULL
 *
 * Sets the module of functions; see [property@Lp.Manager:function-module].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_STRING_ACCESSORS (function_module, FUNCTION_MODULE)

/**
 * lp_manager_get_worker_argv:
 * @self: a manager
 *
 * Gets the command line of worker processes; see
 * [property@Lp.Manager:worker-argv].
 *
 * Call it in the owner context.
 *
 * Returns: (transfer none) (nullable) (array zero-terminated=1)
 *   (element-type filename): the command line of worker processes, or %NULL
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_worker_argv:
 * @self: a manager
 * @worker_argv: (nullable) (array zero-terminated=1) (element-type filename):
 *   the command line of worker processes, or %NULL
 *
 * Sets the command line of worker processes; see
 * [property@Lp.Manager:worker-argv].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_STRV_ACCESSORS (worker_argv, WORKER_ARGV)

/**
 * lp_manager_get_worker_launcher:
 * @self: a manager
 *
 * Gets the launcher of worker processes; see
 * [property@Lp.Manager:worker-launcher].
 *
 * Call it in the owner context.
 *
 * Returns: (transfer none) (nullable) (array zero-terminated=1)
 *   (element-type filename): the launcher of worker processes, or %NULL
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_worker_launcher:
 * @self: a manager
 * @worker_launcher: (nullable) (array zero-terminated=1)
 *   (element-type filename): the launcher of worker processes, or %NULL
 *
 * Sets the launcher of worker processes; see
 * [property@Lp.Manager:worker-launcher].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_STRV_ACCESSORS (worker_launcher, WORKER_LAUNCHER)

/**
 * lp_manager_get_worker_environment:
 * @self: a manager
 *
 * Gets the additional environment of worker processes; see
 * [property@Lp.Manager:worker-environment].
 *
 * Call it in the owner context.
 *
 * Returns: (transfer none) (nullable) (array zero-terminated=1)
 *   (element-type filename): the additional environment of worker processes,
 *   or %NULL
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_worker_environment:
 * @self: a manager
 * @worker_environment: (nullable) (array zero-terminated=1)
 *   (element-type filename): the additional environment of worker processes,
 *   or %NULL
 *
 * Sets the additional environment of worker processes; see
 * [property@Lp.Manager:worker-environment].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_STRV_ACCESSORS (worker_environment, WORKER_ENVIRONMENT)

/**
 * lp_manager_get_worker_directory:
 * @self: a manager
 *
 * Gets the working directory of worker processes; see
 * [property@Lp.Manager:worker-directory].
 *
 * Call it in the owner context.
 *
 * Returns: (transfer none) (nullable): the working directory of worker
 *   processes, or %NULL
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_worker_directory:
 * @self: a manager
 * @worker_directory: (nullable): the working directory of worker processes, or
 *   %NULL
 *
 * Sets the working directory of worker processes; see
 * [property@Lp.Manager:worker-directory].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_STRING_ACCESSORS (worker_directory, WORKER_DIRECTORY)

/**
 * lp_manager_get_worker_init_function:
 * @self: a manager
 *
 * Gets the function that is called first in every worker; see
 * [property@Lp.Manager:worker-init-function].
 *
 * Call it in the owner context.
 *
 * Returns: (transfer none) (nullable): the function that is called first in
 *   every worker, or %NULL
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_worker_init_function:
 * @self: a manager
 * @worker_init_function: (nullable): the function that is called first in
 *   every worker, or %NULL
 *
 * Sets the function that is called first in every worker; see
 * [property@Lp.Manager:worker-init-function].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_STRING_ACCESSORS (worker_init_function, WORKER_INIT_FUNCTION)

/**
 * lp_manager_get_worker_init_parameters:
 * @self: a manager
 *
 * Gets the parameters of the function that is called first in every worker;
 * see [property@Lp.Manager:worker-init-parameters].
 *
 * Call it in the owner context.
 *
 * Returns: (transfer none) (nullable): the parameters of the function that is
 *   called first in every worker, or %NULL
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_worker_init_parameters:
 * @self: a manager
 * @worker_init_parameters: (nullable): the parameters of the function that is
 *   called first in every worker, or %NULL; one that is floating is consumed
 *
 * Sets the parameters of the function that is called first in every worker;
 * see [property@Lp.Manager:worker-init-parameters].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_VARIANT_ACCESSORS (worker_init_parameters, WORKER_INIT_PARAMETERS)

/**
 * lp_manager_get_max_jobs_per_worker:
 * @self: a manager
 *
 * Gets the number of jobs after which a worker is replaced; see
 * [property@Lp.Manager:max-jobs-per-worker].
 *
 * Call it in the owner context.
 *
 * Returns: the number of jobs after which a worker is replaced
 *
 * Since: 1.0
 */

/**
 * lp_manager_set_max_jobs_per_worker:
 * @self: a manager
 * @max_jobs_per_worker: the number of jobs after which a worker is replaced
 *
 * Sets the number of jobs after which a worker is replaced; see
 * [property@Lp.Manager:max-jobs-per-worker].
 *
 * Call it in the owner context; it is refused with a critical while the
 * manager runs.
 *
 * Since: 1.0
 */
LP_INT_ACCESSORS (max_jobs_per_worker, MAX_JOBS_PER_WORKER)
