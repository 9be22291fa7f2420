/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What the named functions of a manager take and give. */

#include "config.h"

#include "lp-manager-private.h"

#include "lp-process-executor.h"

static GVariantType *
copy_type (const GVariantType *type)
{
  return type != NULL ? g_variant_type_copy (type) : NULL;
}

/* In the table or among the functions of the workers, whichever the executors of this run have. No reference leaves the
 * lock: the last one of a table destroys user data, and belongs into the owner context.
 */
static gboolean
lookup (LpPool *pool, const char *name, GVariantType **parameter_type, GVariantType **result_type)
{
  const GVariantType *parameters = NULL, *result = NULL;
  gboolean found = FALSE;

  g_mutex_lock (&pool->lock);
  if (pool->executor_type != LP_TYPE_PROCESS_EXECUTOR)
    found = pool->functions != NULL && lp_functions_lookup (pool->functions, name, &parameters, &result);
  else if (pool->remote_functions != NULL)
    found = lp_remote_functions_lookup (pool->remote_functions, name, &parameters, &result);

  if (parameter_type != NULL)
    *parameter_type = copy_type (parameters);
  if (result_type != NULL)
    *result_type = copy_type (result);
  g_mutex_unlock (&pool->lock);

  return found;
}

/**
 * lp_manager_lookup_function:
 * @self: a manager
 * @name: the name of a function
 * @parameter_type: (out) (optional) (nullable) (transfer full): return location
 *   for the type of its parameters, %NULL if it takes any
 * @result_type: (out) (optional) (nullable) (transfer full): return location for
 *   the type of its result, %NULL if it may be any
 *
 * Looks up what a named function is declared to take and to give, wherever it
 * runs: in the table and the function module of a manager of threads, or in
 * the worker processes, which say so when they start.
 *
 * It is known from the end of the start on, and until the next start. Worker
 * programs may have changed meanwhile: what the executor that started last has
 * counts. A binding can make the parameters of a call from plain values with it;
 * a call is checked in any case.
 *
 * It does not block and may be called from any thread.
 *
 * Returns: %TRUE if there is such a function; if not, or if it is not known
 *   because the manager was not started or the executors do not say what they
 *   have, both types are %NULL
 *
 * Since: 1.0
 */
gboolean
lp_manager_lookup_function (LpManager *self, const char *name, GVariantType **parameter_type,
                            GVariantType **result_type)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);

  if (!lp_pool_is_forked (self->pool))
    return lookup (self->pool, name, parameter_type, result_type);

  if (parameter_type != NULL)
    *parameter_type = NULL;
  if (result_type != NULL)
    *result_type = NULL;

  return FALSE;
}
