/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The functions of the soak, on threads and in worker processes. */

#include <leasepool.h>

G_MODULE_EXPORT void lp_module_register (LpFunctions *functions);

static void
value_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_ref (lp_job_get_parameters (job));
}

static void
error_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "as asked for");
}

static void
bytes_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  guint32 size;
  g_autofree guint8 *bytes = NULL;

  g_variant_get (lp_job_get_parameters (job), "(u)", &size);
  bytes = g_malloc0 (size);
  *result = g_variant_new ("(@ay)", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, size, 1));
}

static void
log_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  for (int i = 0; i < 20; i++)
    g_message ("record %d", i);
  *result = g_variant_new ("()");
}

/* Works for so many milliseconds; with USER_DATA, whoever cancels it. */
static void
nap_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GCancellable *cancellable = lp_job_get_cancellable (job);
  guint32 ms;

  g_variant_get (lp_job_get_parameters (job), "(u)", &ms);
  for (guint32 i = 0; i < ms; i++)
    {
      if (user_data == NULL && g_cancellable_set_error_if_cancelled (cancellable, error))
        return;
      g_usleep (1000);
    }
  *result = g_variant_new ("()");
}

static gpointer
return_main (gpointer data)
{
  g_autoptr (LpJob) job = data;

  lp_job_return_value (job, g_variant_new ("()"));
  return NULL;
}

static void
defer_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_job_defer (job);
  g_thread_unref (g_thread_new ("deferred", return_main, g_object_ref (job)));
}

void
lp_module_register (LpFunctions *functions)
{
  static const struct
  {
    const char *name;
    const char *parameters;
    LpJobFunc func;
    gpointer user_data;
  } table[] = {
    { "value", "(i)", value_func, NULL },
    { "error", NULL, error_func, NULL },
    { "bytes", "(u)", bytes_func, NULL },
    { "log", NULL, log_func, NULL },
    { "nap", "(u)", nap_func, NULL },
    { "deaf", "(u)", nap_func, GINT_TO_POINTER (1) },
    { "defer", NULL, defer_func, NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      const GVariantType *type = table[i].parameters != NULL ? G_VARIANT_TYPE (table[i].parameters) : NULL;

      lp_functions_add (functions, table[i].name, type, NULL, table[i].func, table[i].user_data, NULL, NULL);
    }
}
