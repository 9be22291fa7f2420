/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "config.h"

#include "lp-backend-module-private.h"

#include <gio/gio.h>
#include <gmodule.h>
#include <string.h>

#include "lp-module-private.h"

/* How this works: a backend from outside is a module of GIO, as those for TLS or proxies are: loading it registers its
 * type and implements the extension point. GIO's own scan of a directory would open every library there, and report
 * what is wrong on standard error; so the files are told by their name, and looked at before GIO has them.
 *
 * A module that was loaded stays: its types may be used until the process ends. One that could not be is tried again the
 * next time, for it may have been mended meanwhile.
 */

/* The lock is recursive because a module may ask for the list of backends while it loads. It is held while foreign code
 * runs, on purpose: who looks for a backend at the same time waits for it.
 */
static GRecMutex loading;
static GHashTable *loaded;      /* (guarded by loading) (element-type filename GIOModule) */

/* The name that GIO looks for before the plain one: several modules may be linked into one program. */
static char *
mangled_symbol (const char *basename)
{
  g_autofree char *name = g_strdup (basename + strlen ("lib"));

  *strchrnul (name, '.') = '\0';
  g_strcanon (name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS, '_');

  return g_strconcat ("g_io_", name, "_load", NULL);
}

static gboolean
has_symbol (GModule    *module,
            const char *name)
{
  gpointer symbol = NULL;

  return g_module_symbol (module, name, &symbol) && symbol != NULL;
}

/* NULL if GIO can load it, else the reason why not. */
static char *
find_fault (const char *path,
            const char *basename)
{
  GModule *module = g_module_open (path, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
  g_autofree char *symbol = mangled_symbol (basename);
  char *fault = NULL;

  if (module == NULL)
    return g_strdup (g_module_error ());

  if (!has_symbol (module, "g_io_module_load") && !has_symbol (module, symbol))
    fault = g_strdup_printf ("it exports neither %s() nor g_io_module_load()", symbol);
  g_module_close (module);

  return fault;
}

static void
load_module (const char *path,
             const char *basename,
             GString    *attempts)
{
  g_autofree char *fault = NULL;
  GIOModule *module;

  if (g_hash_table_contains (loaded, path))
    return;

  fault = find_fault (path, basename);
  if (fault != NULL)
    {
      lp_module_note_attempt (attempts, path, fault);
      return;
    }

  /* In the table first: it must not be loaded again from within. */
  module = g_io_module_new (path);
  g_hash_table_insert (loaded, g_strdup (path), module);
  if (!g_type_module_use (G_TYPE_MODULE (module)))
    lp_module_note_attempt (attempts, path, "GIO could not load it");
}

static gboolean
is_backend_module (const char *basename)
{
  return g_str_has_prefix (basename, LP_BACKEND_MODULE_PREFIX) && g_str_has_suffix (basename, "." G_MODULE_SUFFIX);
}

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  return strcmp (*(const char * const *) a, *(const char * const *) b);
}

static void
load_directory (const char *directory,
                GString    *attempts)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr(GError) error = NULL;
  g_autoptr(GDir) dir = NULL;
  const char *basename;

  if (!g_path_is_absolute (directory))
    {
      lp_module_note_attempt (attempts, directory, "not an absolute directory, ignored");
      return;
    }

  dir = g_dir_open (directory, 0, &error);
  while (dir != NULL && (basename = g_dir_read_name (dir)) != NULL)
    if (is_backend_module (basename))
      g_ptr_array_add (names, g_strdup (basename));

  if (names->len == 0)
    lp_module_note_attempt (attempts, directory,
                            dir == NULL ? "no such directory" : "no file " LP_BACKEND_MODULE_PREFIX "*." G_MODULE_SUFFIX);

  /* In the order of their names, whatever that of the directory is. */
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (directory, names->pdata[i], NULL);

      load_module (path, names->pdata[i], attempts);
    }
}

void
lp_backend_load_modules (GString *attempts)
{
  g_auto(GStrv) directories = lp_module_dup_directories ();
  g_autoptr(GString) unused = NULL;

  if (attempts == NULL)
    attempts = unused = g_string_new (NULL);

  g_rec_mutex_lock (&loading);
  if (loaded == NULL)
    loaded = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (gsize i = 0; directories[i] != NULL; i++)
    load_directory (directories[i], attempts);
  g_rec_mutex_unlock (&loading);
}
