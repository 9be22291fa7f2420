/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A backend whose module asks the library for the backends while it is loaded, and exports the plain symbols. */

#include <leasepool.h>

typedef LpExecutor AsksExecutor;
typedef LpExecutorClass AsksExecutorClass;

GType asks_executor_get_type (void);

G_DEFINE_DYNAMIC_TYPE (AsksExecutor, asks_executor, LP_TYPE_EXECUTOR)

static void
asks_executor_class_init (AsksExecutorClass *klass)
{
}

static void
asks_executor_class_finalize (AsksExecutorClass *klass)
{
}

static void
asks_executor_init (AsksExecutor *self)
{
}

G_MODULE_EXPORT void g_io_module_load (GIOModule *module);
G_MODULE_EXPORT void g_io_module_unload (GIOModule *module);

void
g_io_module_load (GIOModule *module)
{
  g_auto (GStrv) names = lp_backend_list ();

  g_assert_true (g_strv_contains ((const char * const *) names, LP_BACKEND_THREAD));
  g_assert_false (lp_backend_is_available ("asks"));
  asks_executor_register_type (G_TYPE_MODULE (module));
  g_io_extension_point_implement (LP_EXECUTOR_EXTENSION_POINT_NAME, asks_executor_get_type (), "Asks", 0);
}

void
g_io_module_unload (GIOModule *module)
{
}
