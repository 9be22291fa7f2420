/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-job-private.h"

G_BEGIN_DECLS

/* The functions that a worker program said it has, with their types. Nobody
 * writes it once it is made. */
typedef struct _LpRemoteFunctions LpRemoteFunctions;

LpRemoteFunctions *lp_remote_functions_new          (GVariant *list, char **wrong);
void               lp_remote_functions_free         (LpRemoteFunctions *self);
gboolean           lp_remote_functions_check_call   (LpRemoteFunctions *self, LpJob *job, GError **error);
const GVariantType *lp_remote_functions_get_result_type (LpRemoteFunctions *self, const char *name);

G_END_DECLS
