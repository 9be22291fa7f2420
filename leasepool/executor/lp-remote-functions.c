/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-remote-functions-private.h"

#include "lp-log-private.h"

struct _LpRemoteFunctions
{
  gatomicrefcount ref_count;    /* (atomic) */
  GHashTable *entries;          /* (construct-only) name -> RemoteFunction */
};

typedef struct
{
  char *parameter_type;         /* "": any */
  char *result_type;
} RemoteFunction;

static void
remote_function_free (gpointer data)
{
  RemoteFunction *self = data;

  g_free (self->parameter_type);
  g_free (self->result_type);
  g_free (self);
}

static gboolean
is_type_or_empty (const char *text)
{
  return text[0] == '\0' || g_variant_type_string_is_valid (text);
}

static char *
check_declaration (const char *name, const char *parameter_type, const char *result_type)
{
  const char *wrong = !is_type_or_empty (parameter_type) ? parameter_type
                      : !is_type_or_empty (result_type)  ? result_type
                                                         : NULL;
  g_autofree char *escaped_name = lp_log_escape (name);
  g_autofree char *escaped_type = wrong != NULL ? lp_log_escape (wrong) : NULL;

  return wrong != NULL ? g_strdup_printf ("its function “%s” has the type “%s”, which is none", escaped_name, escaped_type)
                       : NULL;
}

static gboolean
add_all (LpRemoteFunctions *self, GVariant *list, char **wrong)
{
  const char *name, *parameter_type, *result_type;
  GVariantIter iter;

  g_variant_iter_init (&iter, list);
  while (g_variant_iter_next (&iter, "(&s&s&s)", &name, &parameter_type, &result_type))
    {
      RemoteFunction *function;

      *wrong = check_declaration (name, parameter_type, result_type);
      if (*wrong != NULL)
        return FALSE;

      function = g_new (RemoteFunction, 1);
      *function = (RemoteFunction) { g_strdup (parameter_type), g_strdup (result_type) };
      g_hash_table_insert (self->entries, g_strdup (name), function);
    }

  return TRUE;
}

/* LIST is a(sss), of a stranger. NULL: WRONG says what is wrong with it. */
LpRemoteFunctions *
lp_remote_functions_new (GVariant *list, char **wrong)
{
  LpRemoteFunctions *self = g_new0 (LpRemoteFunctions, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, remote_function_free);
  if (!add_all (self, list, wrong))
    g_clear_pointer (&self, lp_remote_functions_unref);

  return self;
}

LpRemoteFunctions *
lp_remote_functions_ref (LpRemoteFunctions *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
lp_remote_functions_unref (LpRemoteFunctions *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_hash_table_unref (self->entries);
  g_free (self);
}

static const GVariantType *
type_or_null (const char *text)
{
  return text[0] != '\0' ? G_VARIANT_TYPE (text) : NULL;
}

/* Whether there is a function for JOB, and it takes what the job has. */
gboolean
lp_remote_functions_check_call (LpRemoteFunctions *self, LpJob *job, GError **error)
{
  RemoteFunction *function = g_hash_table_lookup (self->entries, job->name);

  if (function != NULL)
    return lp_function_check_parameters (type_or_null (function->parameter_type), job->name, job->parameters, error);

  lp_log_set_error (error, LP_ERROR, LP_ERROR_UNKNOWN_FUNCTION,
                    "There is no function called “%s” in the worker program", job->name);
  return FALSE;
}

/* NULL: it did not say. */
const GVariantType *
lp_remote_functions_get_result_type (LpRemoteFunctions *self, const char *name)
{
  RemoteFunction *function = g_hash_table_lookup (self->entries, name);

  return function != NULL ? type_or_null (function->result_type) : NULL;
}

/* The types are NULL where it did not say, or has no such function. */
gboolean
lp_remote_functions_lookup (LpRemoteFunctions *self, const char *name, const GVariantType **parameter_type,
                            const GVariantType **result_type)
{
  RemoteFunction *function = g_hash_table_lookup (self->entries, name);

  *parameter_type = function != NULL ? type_or_null (function->parameter_type) : NULL;
  *result_type = function != NULL ? type_or_null (function->result_type) : NULL;
  return function != NULL;
}
