/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-setting-checks-private.h"

#include "lp-functions.h"

#include <math.h>

/* What can be done with one member of a struct of settings, by its entry in the
 * table of that struct: LpSettings of the manager, LpGrinderSettings. */

static GType
get_value_type (const LpSetting *setting)
{
  switch (setting->kind)
    {
    case LP_SETTING_KIND_BOOLEAN:
      return G_TYPE_BOOLEAN;
    case LP_SETTING_KIND_INT:
      return G_TYPE_INT;
    case LP_SETTING_KIND_UINT:
      return G_TYPE_UINT;
    case LP_SETTING_KIND_DOUBLE:
      return G_TYPE_DOUBLE;
    case LP_SETTING_KIND_GTYPE:
      return G_TYPE_GTYPE;
    case LP_SETTING_KIND_STRING:
      return G_TYPE_STRING;
    case LP_SETTING_KIND_STRV:
      return G_TYPE_STRV;
    case LP_SETTING_KIND_VARIANT:
      return G_TYPE_VARIANT;
    case LP_SETTING_KIND_FUNCTIONS:
      return LP_TYPE_FUNCTIONS;
    default:
      g_assert_not_reached ();
    }
}

/* The setters compare first: nothing is notified that did not change. */

static gboolean
store_int (int *member,
           int  value)
{
  gboolean changed = *member != value;

  *member = value;

  return changed;
}

static gboolean
store_uint (guint *member,
            guint  value)
{
  gboolean changed = *member != value;

  *member = value;

  return changed;
}

static gboolean
store_double (double *member,
              double  value)
{
  gboolean changed = *member != value && !(isnan (*member) && isnan (value));

  *member = value;

  return changed;
}

static gboolean
store_gtype (GType *member,
             GType  value)
{
  gboolean changed = *member != value;

  *member = value;

  return changed;
}

static gboolean
store_string (char      **member,
              const char *value)
{
  char *old = *member;

  if (g_strcmp0 (old, value) == 0)
    return FALSE;

  *member = g_strdup (value);
  g_free (old);

  return TRUE;
}

static gboolean
store_strv (char             ***member,
            const char * const *value)
{
  char **old = *member;

  if ((const char * const *) old == value ||
      (old != NULL && value != NULL && g_strv_equal ((const char * const *) old, value)))
    return FALSE;

  *member = g_strdupv ((char **) value);
  g_strfreev (old);

  return TRUE;
}

static gboolean
store_variant (GVariant **member,
               GVariant  *value)
{
  GVariant *old = *member;

  if (old == value || (old != NULL && value != NULL && g_variant_equal (old, value)))
    return FALSE;

  *member = value != NULL ? g_variant_ref (value) : NULL;
  g_clear_pointer (&old, g_variant_unref);

  return TRUE;
}

GParamSpec *
lp_setting_create_pspec (const LpSetting *self)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY |
                            G_PARAM_LAX_VALIDATION;

  switch (self->kind)
    {
    case LP_SETTING_KIND_BOOLEAN:
      return g_param_spec_boolean (self->name, NULL, NULL, self->number != 0, flags);
    case LP_SETTING_KIND_INT:
      return g_param_spec_int (self->name, NULL, NULL, G_MININT, G_MAXINT, (int) self->number, flags);
    case LP_SETTING_KIND_UINT:
      return g_param_spec_uint (self->name, NULL, NULL, 0, G_MAXUINT, (guint) self->number, flags);
    case LP_SETTING_KIND_DOUBLE:
      return g_param_spec_double (self->name, NULL, NULL, -INFINITY, INFINITY, self->number, flags);
    case LP_SETTING_KIND_GTYPE:
      return g_param_spec_gtype (self->name, NULL, NULL, G_TYPE_NONE, flags);
    case LP_SETTING_KIND_STRING:
      return g_param_spec_string (self->name, NULL, NULL, self->text, flags);
    case LP_SETTING_KIND_STRV:
      return g_param_spec_boxed (self->name, NULL, NULL, G_TYPE_STRV, flags);
    case LP_SETTING_KIND_VARIANT:
      /* Of any type, else a value of another one would become NULL in silence. */
      return g_param_spec_variant (self->name, NULL, NULL, G_VARIANT_TYPE_ANY, NULL, flags);
    case LP_SETTING_KIND_FUNCTIONS:
      return g_param_spec_object (self->name, NULL, NULL, LP_TYPE_FUNCTIONS, flags);
    default:
      g_assert_not_reached ();
    }
}

void
lp_setting_get_value (const LpSetting *setting,
                      gconstpointer    settings,
                      GValue          *value)
{
  gconstpointer member = G_STRUCT_MEMBER_P (settings, setting->offset);

  switch (setting->kind)
    {
    case LP_SETTING_KIND_BOOLEAN:
      g_value_set_boolean (value, *(const gboolean *) member);
      break;
    case LP_SETTING_KIND_INT:
      g_value_set_int (value, *(const int *) member);
      break;
    case LP_SETTING_KIND_UINT:
      g_value_set_uint (value, *(const guint *) member);
      break;
    case LP_SETTING_KIND_DOUBLE:
      g_value_set_double (value, *(const double *) member);
      break;
    case LP_SETTING_KIND_GTYPE:
      g_value_set_gtype (value, *(const GType *) member);
      break;
    case LP_SETTING_KIND_STRING:
      g_value_set_string (value, *(const char * const *) member);
      break;
    case LP_SETTING_KIND_STRV:
      g_value_set_boxed (value, *(gconstpointer const *) member);
      break;
    case LP_SETTING_KIND_VARIANT:
      g_value_set_variant (value, *(GVariant * const *) member);
      break;
    case LP_SETTING_KIND_FUNCTIONS:
      g_value_set_object (value, *(LpFunctions * const *) member);
      break;
    default:
      g_assert_not_reached ();
    }
}

/* Whether it changed anything. */
gboolean
lp_setting_set_value (const LpSetting *setting,
                      gpointer         settings,
                      const GValue    *value)
{
  gpointer member = G_STRUCT_MEMBER_P (settings, setting->offset);

  switch (setting->kind)
    {
    case LP_SETTING_KIND_BOOLEAN:
      return store_int (member, g_value_get_boolean (value));
    case LP_SETTING_KIND_INT:
      return store_int (member, g_value_get_int (value));
    case LP_SETTING_KIND_UINT:
      return store_uint (member, g_value_get_uint (value));
    case LP_SETTING_KIND_DOUBLE:
      return store_double (member, g_value_get_double (value));
    case LP_SETTING_KIND_GTYPE:
      return store_gtype (member, g_value_get_gtype (value));
    case LP_SETTING_KIND_STRING:
      return store_string (member, g_value_get_string (value));
    case LP_SETTING_KIND_STRV:
      return store_strv (member, g_value_get_boxed (value));
    case LP_SETTING_KIND_VARIANT:
      return store_variant (member, g_value_get_variant (value));
    case LP_SETTING_KIND_FUNCTIONS:
      return g_set_object ((GObject **) member, g_value_get_object (value));
    default:
      g_assert_not_reached ();
    }
}

/* Leaves nothing in the member that must be freed. */
void
lp_setting_clear (const LpSetting *setting,
                  gpointer         settings)
{
  gpointer member = G_STRUCT_MEMBER_P (settings, setting->offset);

  switch (setting->kind)
    {
    case LP_SETTING_KIND_STRING:
      store_string (member, NULL);
      break;
    case LP_SETTING_KIND_STRV:
      store_strv (member, NULL);
      break;
    case LP_SETTING_KIND_VARIANT:
      store_variant (member, NULL);
      break;
    case LP_SETTING_KIND_FUNCTIONS:
      g_clear_object ((GObject **) member);
      break;
    default:
      break;
    }
}

/* Gives the member of a new struct its default. */
void
lp_setting_reset (const LpSetting *setting,
                  gpointer         settings)
{
  g_autoptr(GParamSpec) pspec = g_param_spec_ref_sink (lp_setting_create_pspec (setting));

  lp_setting_set_value (setting, settings, g_param_spec_get_default_value (pspec));
}

/* Copies the member into another struct. */
void
lp_setting_copy (const LpSetting *setting,
                 gconstpointer    from,
                 gpointer         to)
{
  g_auto(GValue) value = G_VALUE_INIT;

  g_value_init (&value, get_value_type (setting));
  lp_setting_get_value (setting, from, &value);
  lp_setting_set_value (setting, to, &value);
}

/* Whether the member keeps the rule of its own. */
gboolean
lp_setting_check (const LpSetting *setting,
                  gconstpointer    settings,
                  GError         **error)
{
  return setting->check == NULL || setting->check (setting, G_STRUCT_MEMBER_P (settings, setting->offset), error);
}
