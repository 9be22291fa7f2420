/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "config.h"

#include "lp-functions-private.h"

#include <string.h>

#include "lp-error.h"
#include "lp-log-private.h"

/**
 * LpFunctions:
 *
 * A table of functions that jobs call by name.
 *
 * A manager hands the table in [property@Lp.Manager:functions] to its workers;
 * [ctor@Lp.Job.new_for_call] makes a job that calls one of them. A function may
 * declare the types of its parameters and of its result: then a call with other
 * parameters is refused before it is sent to a worker.
 *
 * ```c
 * static void
 * add_func (LpJob     *job,
 *           GVariant **result,
 *           gpointer   user_data,
 *           GError   **error)
 * {
 *   int a, b;
 *
 *   g_variant_get (lp_job_get_parameters (job), "(ii)", &a, &b);
 *   *result = g_variant_new ("(i)", a + b);
 * }
 *
 * static LpFunctions *
 * create_functions (GError **error)
 * {
 *   g_autoptr(LpFunctions) functions = lp_functions_new ();
 *
 *   if (!lp_functions_add (functions, "add", G_VARIANT_TYPE ("(ii)"), G_VARIANT_TYPE ("(i)"),
 *                          add_func, NULL, NULL, error))
 *     return NULL;
 *
 *   return g_steal_pointer (&functions);
 * }
 * ```
 *
 * Functions can be added at any time and are never removed. All methods may be
 * called from any thread, several at a time.
 *
 * Since: 1.0
 */

/* How this works: the table owns a reference on each entry, and so does every job that runs it. The lock guards the hash
 * table only; it is a leaf, and no user data is destroyed under it. An entry does not change after it was added, and
 * is not removed before the table is finalized, so its types can be lent to callers.
 */
struct _LpFunctions
{
  GObject parent_instance;

  GMutex lock;
  GHashTable *entries; /* (lock) name, owned by the entry -> LpFunction */
};

G_DEFINE_FINAL_TYPE (LpFunctions, lp_functions, G_TYPE_OBJECT)

static LpFunction *
lp_function_new (const char         *name,
                 const GVariantType *parameter_type,
                 const GVariantType *result_type,
                 LpJobFunc           func,
                 gpointer            user_data,
                 GDestroyNotify      destroy)
{
  LpFunction *self = g_new0 (LpFunction, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->name = g_strdup (name);
  self->parameter_type = parameter_type != NULL ? g_variant_type_copy (parameter_type) : NULL;
  self->result_type = result_type != NULL ? g_variant_type_copy (result_type) : NULL;
  self->func = func;
  self->user_data = user_data;
  self->destroy = destroy;

  return self;
}

/* Whether @parameters are what the function @name declares to take; %NULL declares nothing. Where there are none,
 * they are as good as `()`.
 */
gboolean
lp_function_check_parameters (const GVariantType  *declared,
                              const char          *name,
                              GVariant            *parameters,
                              GError             **error)
{
  g_autofree char *declared_text = NULL;

  if (declared == NULL || (parameters != NULL && g_variant_is_of_type (parameters, declared)) ||
      (parameters == NULL && g_variant_type_equal (declared, G_VARIANT_TYPE_UNIT)))
    return TRUE;

  declared_text = g_variant_type_dup_string (declared);
  lp_log_set_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
                    "The function “%s” takes parameters of type %s, but was given %s", name, declared_text,
                    parameters != NULL ? g_variant_get_type_string (parameters) : "none");

  return FALSE;
}

LpFunction *
lp_function_ref (LpFunction *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
lp_function_unref (LpFunction *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  if (self->destroy != NULL)
    self->destroy (self->user_data);

  g_free (self->name);
  g_clear_pointer (&self->parameter_type, g_variant_type_free);
  g_clear_pointer (&self->result_type, g_variant_type_free);
  g_free (self);
}

static void
lp_functions_finalize (GObject *object)
{
  LpFunctions *self = LP_FUNCTIONS (object);

  g_hash_table_unref (self->entries);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (lp_functions_parent_class)->finalize (object);
}

static void
lp_functions_class_init (LpFunctionsClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lp_functions_finalize;
}

static void
lp_functions_init (LpFunctions *self)
{
  g_mutex_init (&self->lock);
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) lp_function_unref);
}

LpFunction *
lp_functions_ref_function (LpFunctions *self,
                           const char  *name)
{
  LpFunction *function;

  g_mutex_lock (&self->lock);
  function = g_hash_table_lookup (self->entries, name);
  if (function != NULL)
    lp_function_ref (function);
  g_mutex_unlock (&self->lock);

  return function;
}

/* FALSE, and nothing done, if the table has an entry of that name. */
static gboolean
insert_entry (LpFunctions *self,
              LpFunction  *function)
{
  gboolean is_new;

  g_mutex_lock (&self->lock);
  is_new = !g_hash_table_contains (self->entries, function->name);
  if (is_new)
    g_hash_table_insert (self->entries, function->name, lp_function_ref (function));
  g_mutex_unlock (&self->lock);

  return is_new;
}

static gboolean
validate_name (const char  *name,
               GError     **error)
{
  if (name[0] == '\0')
    {
      g_set_error_literal (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
                           "The name of a function is empty: it must have at least one character");
      return FALSE;
    }

  if (!g_utf8_validate (name, -1, NULL))
    {
      g_autofree char *printable = g_strescape (name, NULL);

      g_set_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
                   "The name of a function is “%s”: it must be valid UTF-8", printable);
      return FALSE;
    }

  return TRUE;
}

/**
 * lp_functions_new:
 *
 * Creates an empty table. It may be called from any thread.
 *
 * Returns: (transfer full): a new table
 *
 * Since: 1.0
 */
LpFunctions *
lp_functions_new (void)
{
  return g_object_new (LP_TYPE_FUNCTIONS, NULL);
}

/**
 * lp_functions_add:
 * @self: a table
 * @name: the name of the function, not empty
 * @parameter_type: (nullable): the type of its parameters, or %NULL to take any
 * @result_type: (nullable): the type of its result, or %NULL to take any
 * @func: (scope notified) (closure user_data) (destroy destroy): the function
 * @user_data: data for @func
 * @destroy: (nullable): called when @user_data is not needed any more
 * @error: return location for a #GError
 *
 * Adds a function to the table.
 *
 * The types may be indefinite, such as `a*`. @func runs in the workers, several
 * at a time. @user_data is kept as long as the table and every job that runs the
 * function; if this call fails, it is destroyed at once, in the calling thread.
 * Otherwise @destroy is called in the owner context of a manager if that held
 * the last reference on the table, else in the thread that drops it.
 *
 * It may be called from any thread, also while jobs call other functions of the
 * table.
 *
 * It fails with %LP_ERROR_INVALID_ARGUMENT if @name is empty, is not valid
 * UTF-8, or is in the table already.
 *
 * Returns: %TRUE if the function was added
 *
 * Since: 1.0
 */
gboolean
lp_functions_add (LpFunctions         *self,
                  const char          *name,
                  const GVariantType  *parameter_type,
                  const GVariantType  *result_type,
                  LpJobFunc            func,
                  gpointer             user_data,
                  GDestroyNotify       destroy,
                  GError             **error)
{
  g_autoptr(LpFunction) function = NULL;

  g_return_val_if_fail (LP_IS_FUNCTIONS (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (func != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  /* From here on the entry owns the user data, so that every refusal destroys it. */
  function = lp_function_new (name, parameter_type, result_type, func, user_data, destroy);

  if (!validate_name (name, error))
    return FALSE;

  if (!insert_entry (self, function))
    {
      lp_log_set_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
                        "A function called “%s” is in the table already: a name can be added once", name);
      return FALSE;
    }

  return TRUE;
}

/**
 * lp_functions_lookup:
 * @self: a table
 * @name: the name of a function
 * @parameter_type: (out) (optional) (nullable) (transfer none): return location
 *   for the type of its parameters, %NULL if it takes any
 * @result_type: (out) (optional) (nullable) (transfer none): return location for
 *   the type of its result, %NULL if it may be any
 *
 * Looks a function up.
 *
 * The types belong to the table and live as long as it does. It may be called
 * from any thread.
 *
 * Returns: %TRUE if the table has the function; if not, both types are %NULL
 *
 * Since: 1.0
 */
gboolean
lp_functions_lookup (LpFunctions         *self,
                     const char          *name,
                     const GVariantType **parameter_type,
                     const GVariantType **result_type)
{
  g_autoptr(LpFunction) function = NULL;

  g_return_val_if_fail (LP_IS_FUNCTIONS (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);

  function = lp_functions_ref_function (self, name);

  /* The table has a reference as well, so the types outlive this one. */
  if (parameter_type != NULL)
    *parameter_type = function != NULL ? function->parameter_type : NULL;
  if (result_type != NULL)
    *result_type = function != NULL ? function->result_type : NULL;

  return function != NULL;
}

/* Adds the entries of FROM, shared, to a table that nobody else has yet. */
void
lp_functions_share (LpFunctions *self, LpFunctions *from)
{
  GHashTableIter iter;
  gpointer function;

  g_mutex_lock (&from->lock);
  g_hash_table_iter_init (&iter, from->entries);
  while (g_hash_table_iter_next (&iter, NULL, &function))
    g_hash_table_insert (self->entries, ((LpFunction *) function)->name, lp_function_ref (function));
  g_mutex_unlock (&from->lock);
}

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  return strcmp (*(const char * const *) a, *(const char * const *) b);
}

/**
 * lp_functions_list_names:
 * @self: a table
 *
 * Lists the names of all functions, in the order of their bytes. It may be
 * called from any thread.
 *
 * Returns: (transfer full) (array zero-terminated=1): the names
 *
 * Since: 1.0
 */
char **
lp_functions_list_names (LpFunctions *self)
{
  g_autoptr(GPtrArray) names = NULL;
  GHashTableIter iter;
  gpointer name;

  g_return_val_if_fail (LP_IS_FUNCTIONS (self), NULL);

  names = g_ptr_array_new ();

  g_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    g_ptr_array_add (names, g_strdup (name));
  g_mutex_unlock (&self->lock);

  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);

  return (char **) g_ptr_array_free (g_steal_pointer (&names), FALSE);
}
