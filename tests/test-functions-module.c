/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A function module for the tests of the bindings, whose languages cannot or should not run their own code on a worker:
 *
 * add (ii) -> (i)              adds
 * echo, any -> any             returns its parameters, () without any
 * fail (s) -> ()               fails with G_IO_ERROR_EXISTS and this message
 * until-cancelled () -> ()     stays until it is cancelled, then says so
 * count-to (u) -> (u)          reports progress that many times
 * nothing () -> ()             returns neither a value nor an error
 * hold (s) -> ()               stays until open() is called with the same name, also when it is cancelled
 * open (s) -> (u)              opens what hold() holds, from now on; returns how many calls of hold() have begun
 */

#include <leasepool.h>

G_MODULE_EXPORT void lp_module_register (LpFunctions *functions);

static GMutex gate_lock;
static GCond gate_cond;
static GHashTable *gates_open;  /* (gate_lock) name */
static GHashTable *gates_held;  /* (gate_lock) name -> number of calls of hold() */

static void
add_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  int a, b;

  g_variant_get (lp_job_get_parameters (job), "(ii)", &a, &b);
  *result = g_variant_new ("(i)", a + b);
}

static void
echo_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GVariant *parameters = lp_job_get_parameters (job);

  *result = parameters != NULL ? g_variant_ref (parameters) : g_variant_new ("()");
}

static void
fail_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  const char *message;

  g_variant_get (lp_job_get_parameters (job), "(&s)", &message);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, message);
}

static void
wake_cb (GCancellable *cancellable, gpointer user_data)
{
  g_mutex_lock (&gate_lock);
  g_cond_broadcast (&gate_cond);
  g_mutex_unlock (&gate_lock);
}

static void
until_cancelled_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GCancellable *cancellable = lp_job_get_cancellable (job);
  gulong id = g_cancellable_connect (cancellable, G_CALLBACK (wake_cb), NULL, NULL);

  g_mutex_lock (&gate_lock);
  while (!g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&gate_cond, &gate_lock);
  g_mutex_unlock (&gate_lock);

  g_cancellable_disconnect (cancellable, id);
  g_cancellable_set_error_if_cancelled (cancellable, error);
}

static void
count_to_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  guint32 end;

  g_variant_get (lp_job_get_parameters (job), "(u)", &end);
  for (guint32 i = 1; i <= end; i++)
    {
      g_autofree char *status = g_strdup_printf ("%u of %u", i, end);

      lp_job_set_progress (job, (double) i / end, status);
    }
  *result = g_variant_new ("(u)", end);
}

static void
nothing_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
}

static void
hold_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  const char *name;

  g_variant_get (lp_job_get_parameters (job), "(&s)", &name);

  g_mutex_lock (&gate_lock);
  g_hash_table_insert (gates_held, g_strdup (name),
                       GUINT_TO_POINTER (GPOINTER_TO_UINT (g_hash_table_lookup (gates_held, name)) + 1));
  while (!g_hash_table_contains (gates_open, name))
    g_cond_wait (&gate_cond, &gate_lock);
  g_mutex_unlock (&gate_lock);

  *result = g_variant_new ("()");
}

static void
open_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  const char *name;

  g_variant_get (lp_job_get_parameters (job), "(&s)", &name);

  g_mutex_lock (&gate_lock);
  g_hash_table_add (gates_open, g_strdup (name));
  g_cond_broadcast (&gate_cond);
  *result = g_variant_new ("(u)", GPOINTER_TO_UINT (g_hash_table_lookup (gates_held, name)));
  g_mutex_unlock (&gate_lock);
}

static void
add (LpFunctions *functions, const char *name, const char *parameter_type, const char *result_type, LpJobFunc func)
{
  g_autoptr(GError) error = NULL;

  if (!lp_functions_add (functions, name, parameter_type != NULL ? G_VARIANT_TYPE (parameter_type) : NULL,
                         result_type != NULL ? G_VARIANT_TYPE (result_type) : NULL, func, NULL, NULL, &error))
    g_critical ("%s", error->message);
}

void
lp_module_register (LpFunctions *functions)
{
  g_mutex_lock (&gate_lock);
  if (gates_open == NULL)
    {
      gates_open = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
      gates_held = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    }
  g_mutex_unlock (&gate_lock);

  add (functions, "add", "(ii)", "(i)", add_func);
  add (functions, "echo", NULL, NULL, echo_func);
  add (functions, "fail", "(s)", "()", fail_func);
  add (functions, "until-cancelled", "()", "()", until_cancelled_func);
  add (functions, "count-to", "(u)", "(u)", count_to_func);
  add (functions, "nothing", "()", "()", nothing_func);
  add (functions, "hold", "(s)", "()", hold_func);
  add (functions, "open", "(s)", "(u)", open_func);
}
