/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "config.h"

#include "lp-module-private.h"

#include <gmodule.h>
#include <string.h>

#include "lp-environment-private.h"
#include "lp-error.h"
#include "lp-log-private.h"

/* How this works: a module is given by an absolute path, or by a plain name that is looked for in the directories of
 * LP_MODULE_PATH, then in the library's own. The first file that opens and exports the register function wins; each
 * failure on the way leaves a line, and the error has them all, because "not found" alone helps nobody. A relative path
 * with a slash would depend on the current directory and is refused; so is, for the same reason, a directory of
 * LP_MODULE_PATH that is not absolute. A process with more rights than its caller does not look at LP_MODULE_PATH.
 *
 * A module that was opened stays: its functions may run, and its types be used, until the process ends.
 *
 * All of this may run in any thread, with no lock of ours held.
 */

void
lp_module_note_attempt (GString    *attempts,
                        const char *subject,
                        const char *reason)
{
  g_string_append_printf (attempts, "%s%s: %s", attempts->len > 0 ? "; " : "", subject, reason);
}

/* NULL, with the reason in @attempts, if @path is no function module. */
static LpModuleRegisterFunc
open_module (const char *path,
             GString    *attempts)
{
  GModule *module = NULL;
  gpointer symbol = NULL;

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    {
      lp_module_note_attempt (attempts, path, "no such file");
      return NULL;
    }

  if (!g_file_test (path, G_FILE_TEST_IS_REGULAR))
    {
      lp_module_note_attempt (attempts, path, "not a regular file");
      return NULL;
    }

  module = g_module_open (path, G_MODULE_BIND_LOCAL);
  if (module == NULL)
    {
      lp_module_note_attempt (attempts, path, g_module_error ());
      return NULL;
    }

  if (!g_module_symbol (module, LP_MODULE_REGISTER_SYMBOL, &symbol) || symbol == NULL)
    {
      lp_module_note_attempt (attempts, path, "it does not export " LP_MODULE_REGISTER_SYMBOL "()");
      g_module_close (module);
      return NULL;
    }

  g_module_make_resident (module);

  return (LpModuleRegisterFunc) symbol;
}

static LpModuleRegisterFunc
search_directory (const char *directory,
                  const char *name,
                  GString    *attempts)
{
  static const char * const formats[][2] = { { "", "" }, { "lib", ".so" }, { "", ".so" } };
  LpModuleRegisterFunc func = NULL;

  if (!g_path_is_absolute (directory))
    {
      lp_module_note_attempt (attempts, directory, "not an absolute directory, ignored");
      return NULL;
    }

  for (gsize i = 0; func == NULL && i < G_N_ELEMENTS (formats); i++)
    {
      g_autofree char *basename = g_strconcat (formats[i][0], name, formats[i][1], NULL);
      g_autofree char *path = g_build_filename (directory, basename, NULL);

      func = open_module (path, attempts);
    }

  return func;
}

char **
lp_module_dup_directories (void)
{
  const char *variable = lp_environment_get ("LP_MODULE_PATH");
  g_auto(GStrv) parts = g_strsplit (variable != NULL ? variable : "", G_SEARCHPATH_SEPARATOR_S, -1);
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new ();

  for (gsize i = 0; parts[i] != NULL; i++)
    if (parts[i][0] != '\0')
      g_strv_builder_add (builder, parts[i]);
  g_strv_builder_add (builder, LP_MODULE_DIR);

  return g_strv_builder_end (builder);
}

static LpModuleRegisterFunc
search_module (const char *name,
               GString    *attempts)
{
  g_auto(GStrv) directories = lp_module_dup_directories ();
  LpModuleRegisterFunc func = NULL;

  for (gsize i = 0; func == NULL && directories[i] != NULL; i++)
    func = search_directory (directories[i], name, attempts);

  return func;
}

static LpModuleRegisterFunc
find_module (const char *name_or_path,
             GString    *attempts)
{
  if (name_or_path[0] == '\0')
    lp_module_note_attempt (attempts, "the name", "it is empty");
  else if (g_path_is_absolute (name_or_path))
    return open_module (name_or_path, attempts);
  else if (strchr (name_or_path, G_DIR_SEPARATOR) != NULL)
    lp_module_note_attempt (attempts, name_or_path, "a relative path is not accepted, give an absolute one or a plain name");
  else
    return search_module (name_or_path, attempts);

  return NULL;
}

/*
 * lp_module_load:
 * @name_or_path: an absolute path, or a name that is searched in `LP_MODULE_PATH` and then in the library's directory
 * @functions: the table that the functions of the module are added to
 *
 * Opens a function module and lets it add its functions. A module that adds a name that is in the table already finds
 * out from lp_functions_add().
 *
 * It fails with %LP_ERROR_INVALID_ARGUMENT if there is no such module; the message has every file that was tried and
 * why that failed.
 */
gboolean
lp_module_load (const char   *name_or_path,
                LpFunctions  *functions,
                GError      **error)
{
  g_autoptr(GString) attempts = g_string_new (NULL);
  LpModuleRegisterFunc func;

  g_return_val_if_fail (name_or_path != NULL, FALSE);
  g_return_val_if_fail (LP_IS_FUNCTIONS (functions), FALSE);

  func = find_module (name_or_path, attempts);
  if (func == NULL)
    {
      g_autofree char *display_name = g_filename_display_name (name_or_path);
      g_autofree char *reasons = g_utf8_make_valid (attempts->str, attempts->len);

      lp_log_set_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
                        "Cannot load the function module “%s” (%s)", display_name, reasons);
      return FALSE;
    }

  func (functions);

  return TRUE;
}
