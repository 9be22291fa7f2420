/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#include "lp-functions.h"

G_BEGIN_DECLS

/*
 * LpFunction:
 *
 * An entry of a table. All but the count is set once, before others can see the entry, and read without a lock. A
 * reference keeps the function's user data alive while it runs, also when the table goes.
 */
typedef struct
{
  gatomicrefcount ref_count; /* (atomic) */

  char *name;
  GVariantType *parameter_type; /* %NULL: parameters are not checked */
  GVariantType *result_type;    /* %NULL: results are not checked */
  LpJobFunc func;
  gpointer user_data;
  GDestroyNotify destroy;
} LpFunction;

/* The entry called @name, or %NULL. Any thread. */
LpFunction *lp_functions_ref_function (LpFunctions *self,
                                       const char  *name) G_GNUC_WARN_UNUSED_RESULT;

void        lp_functions_share        (LpFunctions *self,
                                       LpFunctions *from);

gboolean    lp_function_check_parameters (const GVariantType  *declared,
                                          const char          *name,
                                          GVariant            *parameters,
                                          GError             **error);

LpFunction *lp_function_ref           (LpFunction  *self);

/* The last one calls the destroy notify of the user data in the calling thread, with no lock held. Whoever may hold the
 * last reference on a worker must therefore send it to the owner context and drop it there.
 */
void        lp_function_unref         (LpFunction  *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LpFunction, lp_function_unref)

G_END_DECLS
