/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-job-private.h"

G_BEGIN_DECLS

/* The functions that a worker program said it has, with their types. Nobody
 * writes it once it is made: any thread may read it. */
typedef struct _LpRemoteFunctions LpRemoteFunctions;

LpRemoteFunctions *lp_remote_functions_new          (GVariant *list, char **wrong);
LpRemoteFunctions *lp_remote_functions_ref          (LpRemoteFunctions *self);
void               lp_remote_functions_unref        (LpRemoteFunctions *self);
gboolean           lp_remote_functions_check_call   (LpRemoteFunctions *self, LpJob *job, GError **error);
const GVariantType *lp_remote_functions_get_result_type (LpRemoteFunctions *self, const char *name);
gboolean           lp_remote_functions_lookup       (LpRemoteFunctions   *self,
                                                     const char          *name,
                                                     const GVariantType **parameter_type,
                                                     const GVariantType **result_type);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LpRemoteFunctions, lp_remote_functions_unref)

G_END_DECLS
