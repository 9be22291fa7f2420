/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "checksum-output.h"

#include <stdio.h>
#include <string.h>

/* A file may have any name, but what a user sees is one line. */
void
print_message (const char *message)
{
  g_autofree char *line = g_strdup (message);

  for (char *p = line; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p))
      *p = '?';
  g_printerr ("%s: %s\n", g_get_prgname (), line);
}

/* The function names the file in its errors; a time-out or the walker does not. */
void
print_problem (const char *path, const char *reason)
{
  g_autofree char *name = g_filename_display_name (path);
  g_autofree char *message = g_strdup_printf ("%s: %s", name, reason);

  print_message (g_str_has_prefix (reason, name) ? reason : message);
}

/* As sha256sum does: a name with a backslash or a line break is escaped, and a backslash before the digest says so. */
gboolean
print_file_sum (const char *path, const char *digest)
{
  g_autoptr(GString) name = g_string_new (path);
  gboolean escape = strpbrk (path, "\\\n\r") != NULL;

  if (escape)
    {
      g_string_replace (name, "\\", "\\\\", 0);
      g_string_replace (name, "\n", "\\n", 0);
      g_string_replace (name, "\r", "\\r", 0);
    }
  return printf ("%s%s  %s\n", escape ? "\\" : "", digest, name->str) >= 0;
}

static void
print_count (const char *key, GVariant *value)
{
  g_autofree char *text = NULL;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    text = g_variant_dup_string (value, NULL);
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_ARRAY))
    text = g_strdup_printf ("%" G_GSIZE_FORMAT, g_variant_n_children (value));
  else
    text = g_variant_print (value, FALSE);
  g_printerr ("  %-24s %10s\n", key, text);
}

static void
print_times (const char *key, GVariant *value)
{
  static const char * const columns[] = { "mean", "p50", "p95", "p99", "max" };
  double number = 0;

  g_variant_lookup (value, "count", "d", &number);
  g_printerr ("  %-24s %10.0f", key, number);
  for (guint i = 0; i < G_N_ELEMENTS (columns); i++)
    {
      number = 0;
      g_variant_lookup (value, columns[i], "d", &number);
      g_printerr (" %10.3f", number * 1000);
    }
  g_printerr ("\n");
}

static int
compare_keys (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char * const *) a, *(const char * const *) b);
}

static GStrv
dup_sorted_keys (GVariant *stats)
{
  g_autoptr(GPtrArray) keys = g_ptr_array_new ();
  GVariantIter iter;
  char *key;

  g_variant_iter_init (&iter, stats);
  while (g_variant_iter_next (&iter, "{sv}", &key, NULL))
    g_ptr_array_add (keys, key);
  g_ptr_array_sort (keys, compare_keys);
  g_ptr_array_add (keys, NULL);
  return (GStrv) g_ptr_array_free (g_steal_pointer (&keys), FALSE);
}

/* Calls FUNC for the times, which are a{sd}, or for everything else, in the order of the keys. */
static void
print_rows (GVariant *stats, gboolean times, void (*func) (const char *key, GVariant *value))
{
  g_autoptr(GVariantDict) dict = g_variant_dict_new (stats);
  g_auto(GStrv) keys = dup_sorted_keys (stats);

  for (char **key = keys; *key != NULL; key++)
    {
      g_autoptr(GVariant) value = g_variant_dict_lookup_value (dict, *key, NULL);

      if (g_variant_is_of_type (value, G_VARIANT_TYPE ("a{sd}")) == times)
        func (*key, value);
    }
}

void
print_stats (GVariant *stats)
{
  print_rows (stats, FALSE, print_count);
  g_printerr ("\n  %-24s %10s %10s %10s %10s %10s %10s\n", "milliseconds", "count", "mean", "p50", "p95", "p99", "max");
  print_rows (stats, TRUE, print_times);
}
