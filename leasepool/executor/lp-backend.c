/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "config.h"

#include "lp-backend-private.h"

#include "lp-backend-module-private.h"
#include "lp-enums.h"
#include "lp-error.h"
#include "lp-executor.h"
#include "lp-log-private.h"
#include "lp-process-executor.h"
#include "lp-thread-executor.h"

/* How this works: the library's own backends are in a table here; all others are extensions of GIO, whose registry has a
 * lock of its own and never forgets one. Modules that may provide more are loaded only when somebody asks for a name that
 * nobody has, or for the list. Names are compared without case. Our own names win, and an abstract type is
 * no backend. The extension point is registered by the definition of the type LpExecutor, so that it is there for
 * everybody who can have derived it.
 */

typedef struct
{
  const char *name;
  GType (*get_type) (void);
} Builtin;

static const Builtin builtins[] = {
  { LP_BACKEND_THREAD, lp_thread_executor_get_type },
  { LP_BACKEND_PROCESS, lp_process_executor_get_type },
};

void
lp_backend_register_extension_point (GType executor_type)
{
  GIOExtensionPoint *point = g_io_extension_point_register (LP_EXECUTOR_EXTENSION_POINT_NAME);

  g_io_extension_point_set_required_type (point, executor_type);
}

static GIOExtensionPoint *
get_extension_point (void)
{
  g_type_ensure (LP_TYPE_EXECUTOR);

  /* Registering again returns the one that there is. */
  return g_io_extension_point_register (LP_EXECUTOR_EXTENSION_POINT_NAME);
}

static GType
find_builtin (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (builtins); i++)
    if (g_ascii_strcasecmp (builtins[i].name, name) == 0)
      return builtins[i].get_type ();

  return G_TYPE_INVALID;
}

static GType
find_extension (const char *name)
{
  for (GList *l = g_io_extension_point_get_extensions (get_extension_point ()); l != NULL; l = l->next)
    {
      GType type = g_io_extension_get_type (l->data);

      if (g_ascii_strcasecmp (g_io_extension_get_name (l->data), name) == 0 && !G_TYPE_IS_ABSTRACT (type))
        return type;
    }

  return G_TYPE_INVALID;
}

static GType
find_present (const char *name)
{
  GType type = find_builtin (name);

  return type != G_TYPE_INVALID ? type : find_extension (name);
}

static GType
find_backend (const char *name,
              GString    *attempts)
{
  GType type = find_present (name);

  if (type == G_TYPE_INVALID)
    {
      lp_backend_load_modules (attempts);
      type = find_present (name);
    }

  return type;
}

GType
lp_backend_resolve (const char  *name,
                    GError     **error)
{
  g_autoptr(GString) attempts = g_string_new (NULL);
  GType type;

  g_return_val_if_fail (name != NULL, G_TYPE_INVALID);

  type = find_backend (name, attempts);
  if (type == G_TYPE_INVALID)
    {
      g_auto(GStrv) names = lp_backend_list ();
      g_autofree char *list = g_strjoinv (", ", names);
      g_autofree char *reasons = g_utf8_make_valid (attempts->str, attempts->len);

      lp_log_set_error (error, LP_ERROR, LP_ERROR_UNSUPPORTED_BACKEND,
                        "Nobody provides the backend “%s”; there are: %s (modules: %s)", name, list, reasons);
    }

  return type;
}

/**
 * lp_backend_is_available:
 * @name: the name of a backend, compared without case
 *
 * Tells whether somebody provides a backend: the library itself or an extension
 * at %LP_EXECUTOR_EXTENSION_POINT_NAME. Modules that may provide it are loaded
 * first if nobody does yet.
 *
 * It may be called from any thread.
 *
 * Returns: %TRUE if a manager can use the backend
 *
 * Since: 1.0
 */
gboolean
lp_backend_is_available (const char *name)
{
  g_return_val_if_fail (name != NULL, FALSE);

  return find_backend (name, NULL) != G_TYPE_INVALID;
}

static gboolean
equal_without_case (gconstpointer a,
                    gconstpointer b)
{
  return g_ascii_strcasecmp (a, b) == 0;
}

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  return g_ascii_strcasecmp (*(const char * const *) a, *(const char * const *) b);
}

/**
 * lp_backend_list:
 *
 * Lists the names of all backends that a manager can use, sorted, each once.
 * Modules that provide backends are loaded for that.
 *
 * It may be called from any thread.
 *
 * Returns: (transfer full) (array zero-terminated=1): the names
 *
 * Since: 1.0
 */
char **
lp_backend_list (void)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (builtins); i++)
    g_ptr_array_add (names, g_strdup (builtins[i].name));

  /* The point must be there before those that implement it. */
  get_extension_point ();
  lp_backend_load_modules (NULL);

  for (GList *l = g_io_extension_point_get_extensions (get_extension_point ()); l != NULL; l = l->next)
    {
      const char *name = g_io_extension_get_name (l->data);

      if (!G_TYPE_IS_ABSTRACT (g_io_extension_get_type (l->data)) &&
          !g_ptr_array_find_with_equal_func (names, name, equal_without_case, NULL))
        g_ptr_array_add (names, g_strdup (name));
    }

  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);

  return (char **) g_ptr_array_free (g_steal_pointer (&names), FALSE);
}
