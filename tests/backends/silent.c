/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Has the name of a module that provides a backend, but nothing that GIO could load. */

#include <gmodule.h>

G_MODULE_EXPORT int silent_backend_is_no_module (void);

int
silent_backend_is_no_module (void)
{
  return 1;
}
