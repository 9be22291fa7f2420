/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#if !defined (LP_INSIDE) && !defined (LP_COMPILATION)
#error "Only <leasepool.h> can be included directly."
#endif

#include <gio/gio.h>
#include <gmodule.h> /* G_MODULE_EXPORT, for function modules */
#include "lp-job.h"
#include "lp-types.h"
#include "lp-version-macros.h"

G_BEGIN_DECLS

#define LP_TYPE_FUNCTIONS (lp_functions_get_type ())

LP_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (LpFunctions, lp_functions, LP, FUNCTIONS, GObject)

/**
 * LpModuleRegisterFunc:
 * @functions: the table to add functions to
 *
 * What a function module exports under the name `lp_module_register`: it adds
 * the functions of the module to a table. It is called once for each table the
 * module is loaded into, with no lock held.
 *
 * Since: 1.0
 */
typedef void (*LpModuleRegisterFunc) (LpFunctions *functions);

LP_AVAILABLE_IN_1_0
LpFunctions *lp_functions_new        (void) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
gboolean     lp_functions_add        (LpFunctions        *self,
                                      const char         *name,
                                      const GVariantType *parameter_type,
                                      const GVariantType *result_type,
                                      LpJobFunc           func,
                                      gpointer            user_data,
                                      GDestroyNotify      destroy,
                                      GError            **error);
LP_AVAILABLE_IN_1_0
gboolean     lp_functions_lookup     (LpFunctions         *self,
                                      const char          *name,
                                      const GVariantType **parameter_type,
                                      const GVariantType **result_type);
LP_AVAILABLE_IN_1_0
char       **lp_functions_list_names (LpFunctions *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
