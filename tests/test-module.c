/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

/* A function module with one function, or, without TEST_MODULE_GOOD, one that exports nothing of use. */

#include <leasepool.h>

#ifdef TEST_MODULE_GOOD

G_MODULE_EXPORT void lp_module_register (LpFunctions *functions);

static void
answer_func (LpJob     *job,
             GVariant **result,
             gpointer   user_data,
             GError   **error)
{
  *result = g_variant_new_int32 (42);
}

void
lp_module_register (LpFunctions *functions)
{
  g_autoptr(GError) error = NULL;

  lp_functions_add (functions, "answer", G_VARIANT_TYPE_UNIT, G_VARIANT_TYPE_INT32, answer_func, NULL, NULL, &error);
  if (error != NULL)
    g_message ("%s", error->message);
}

#else

G_MODULE_EXPORT int test_module_number (void);

int
test_module_number (void)
{
  return 1;
}

#endif
