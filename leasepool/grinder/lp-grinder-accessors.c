/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-grinder-private.h"

/* The typed getters and setters of the settings, which differ in their types
 * only. A setter takes the way of g_object_set(). */

#define ACCESSORS(type, member, ID, value_type, set_value) \
  type \
  lp_grinder_get_ ## member (LpGrinder *self) \
  { \
    g_return_val_if_fail (LP_IS_GRINDER (self), (type) 0); \
    return (type) lp_grinder_get_settings (self)->member; \
  } \
\
  void \
  lp_grinder_set_ ## member (LpGrinder *self, type member) \
  { \
    g_auto (GValue) value = G_VALUE_INIT; \
\
    g_return_if_fail (LP_IS_GRINDER (self)); \
    g_value_init (&value, value_type); \
    set_value (&value, member); \
    lp_grinder_settings_set_property (self, LP_GRINDER_SETTING_ ## ID, &value); \
  }

#define DOUBLE_ACCESSORS(member, ID) ACCESSORS (double, member, ID, G_TYPE_DOUBLE, g_value_set_double)
#define INT_ACCESSORS(member, ID) ACCESSORS (int, member, ID, G_TYPE_INT, g_value_set_int)
#define STRING_ACCESSORS(member, ID) ACCESSORS (const char *, member, ID, G_TYPE_STRING, g_value_set_static_string)

/**
 * lp_grinder_get_max_wait_seconds:
 * @self: a grinder
 *
 * Gets how long an item waits at the most before a batch starts; see
 * [property@Lp.Grinder:max-wait-seconds].
 *
 * Call it in the owner context.
 *
 * Returns: the number of seconds
 *
 * Since: 1.0
 */

/**
 * lp_grinder_set_max_wait_seconds:
 * @self: a grinder
 * @max_wait_seconds: the number of seconds
 *
 * Sets how long an item waits at the most before a batch starts; see
 * [property@Lp.Grinder:max-wait-seconds].
 *
 * Call it in the owner context; it is refused with a critical while the
 * grinder runs.
 *
 * Since: 1.0
 */
DOUBLE_ACCESSORS (max_wait_seconds, MAX_WAIT_SECONDS)

/**
 * lp_grinder_get_batch_size_threshold:
 * @self: a grinder
 *
 * Gets how many items start a batch at once; see
 * [property@Lp.Grinder:batch-size-threshold].
 *
 * Call it in the owner context.
 *
 * Returns: the number of items
 *
 * Since: 1.0
 */

/**
 * lp_grinder_set_batch_size_threshold:
 * @self: a grinder
 * @batch_size_threshold: the number of items
 *
 * Sets how many items start a batch at once; see
 * [property@Lp.Grinder:batch-size-threshold].
 *
 * Call it in the owner context; it is refused with a critical while the
 * grinder runs.
 *
 * Since: 1.0
 */
INT_ACCESSORS (batch_size_threshold, BATCH_SIZE_THRESHOLD)

/**
 * lp_grinder_get_max_batch_size:
 * @self: a grinder
 *
 * Gets how many items a batch has at the most; see
 * [property@Lp.Grinder:max-batch-size].
 *
 * Call it in the owner context.
 *
 * Returns: the number of items; 0: no bound
 *
 * Since: 1.0
 */

/**
 * lp_grinder_set_max_batch_size:
 * @self: a grinder
 * @max_batch_size: the number of items; 0: no bound
 *
 * Sets how many items a batch has at the most; see
 * [property@Lp.Grinder:max-batch-size].
 *
 * Call it in the owner context; it is refused with a critical while the
 * grinder runs.
 *
 * Since: 1.0
 */
INT_ACCESSORS (max_batch_size, MAX_BATCH_SIZE)

/**
 * lp_grinder_get_max_batches_in_flight:
 * @self: a grinder
 *
 * Gets how many batches there may be at a time; see
 * [property@Lp.Grinder:max-batches-in-flight].
 *
 * Call it in the owner context.
 *
 * Returns: the number of batches
 *
 * Since: 1.0
 */

/**
 * lp_grinder_set_max_batches_in_flight:
 * @self: a grinder
 * @max_batches_in_flight: the number of batches
 *
 * Sets how many batches there may be at a time; see
 * [property@Lp.Grinder:max-batches-in-flight].
 *
 * Call it in the owner context; it is refused with a critical while the
 * grinder runs.
 *
 * Since: 1.0
 */
INT_ACCESSORS (max_batches_in_flight, MAX_BATCHES_IN_FLIGHT)

/**
 * lp_grinder_get_max_pending:
 * @self: a grinder
 *
 * Gets how many items may wait; see
 * [property@Lp.Grinder:max-pending].
 *
 * Call it in the owner context.
 *
 * Returns: the number of items; 0: no bound
 *
 * Since: 1.0
 */

/**
 * lp_grinder_set_max_pending:
 * @self: a grinder
 * @max_pending: the number of items; 0: no bound
 *
 * Sets how many items may wait; see
 * [property@Lp.Grinder:max-pending].
 *
 * Call it in the owner context; it is refused with a critical while the
 * grinder runs.
 *
 * Since: 1.0
 */
INT_ACCESSORS (max_pending, MAX_PENDING)

/**
 * lp_grinder_get_lease_seconds:
 * @self: a grinder
 *
 * Gets how long the lease of a batch lasts; see
 * [property@Lp.Grinder:lease-seconds].
 *
 * Call it in the owner context.
 *
 * Returns: the number of seconds
 *
 * Since: 1.0
 */

/**
 * lp_grinder_set_lease_seconds:
 * @self: a grinder
 * @lease_seconds: the number of seconds
 *
 * Sets how long the lease of a batch lasts; see
 * [property@Lp.Grinder:lease-seconds].
 *
 * Call it in the owner context; it is refused with a critical while the
 * grinder runs.
 *
 * Since: 1.0
 */
DOUBLE_ACCESSORS (lease_seconds, LEASE_SECONDS)

/**
 * lp_grinder_get_owner_prefix:
 * @self: a grinder
 *
 * Gets what the owners of the leases begin with; see
 * [property@Lp.Grinder:owner-prefix].
 *
 * Call it in the owner context.
 *
 * Returns: (transfer none): the prefix
 *
 * Since: 1.0
 */

/**
 * lp_grinder_set_owner_prefix:
 * @self: a grinder
 * @owner_prefix: the prefix
 *
 * Sets what the owners of the leases begin with; see
 * [property@Lp.Grinder:owner-prefix].
 *
 * Call it in the owner context; it is refused with a critical while the
 * grinder runs.
 *
 * Since: 1.0
 */
STRING_ACCESSORS (owner_prefix, OWNER_PREFIX)
