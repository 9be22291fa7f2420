/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-manager-private.h"
#include "lp-manager-settings-private.h"

G_BEGIN_DECLS

/* The bodies of the typed getters and setters of the settings, which differ in
 * their types only. A setter puts its argument in a GValue, without a copy, and
 * takes the way of g_object_set().
 *
 * Before the first start the owner context is the one of the thread that sets
 * up the manager. */

#define LP_SETTING_ACCESSORS(type, member, ID, value_type, set_value) \
  type \
  lp_manager_get_ ## member (LpManager *self) \
  { \
    g_return_val_if_fail (LP_IS_MANAGER (self), (type) 0); \
    return (type) lp_manager_get_settings (self)->member; \
  } \
\
  void \
  lp_manager_set_ ## member (LpManager *self, \
                             type       member) \
  { \
    g_auto(GValue) value = G_VALUE_INIT; \
\
    g_return_if_fail (LP_IS_MANAGER (self)); \
    g_value_init (&value, value_type); \
    set_value (&value, member); \
    lp_manager_settings_set_property (self, LP_SETTING_ ## ID, &value); \
  }

#define LP_BOOLEAN_ACCESSORS(member, ID) \
  LP_SETTING_ACCESSORS (gboolean, member, ID, G_TYPE_BOOLEAN, g_value_set_boolean)
#define LP_INT_ACCESSORS(member, ID) \
  LP_SETTING_ACCESSORS (int, member, ID, G_TYPE_INT, g_value_set_int)
#define LP_UINT_ACCESSORS(member, ID) \
  LP_SETTING_ACCESSORS (guint, member, ID, G_TYPE_UINT, g_value_set_uint)
#define LP_DOUBLE_ACCESSORS(member, ID) \
  LP_SETTING_ACCESSORS (double, member, ID, G_TYPE_DOUBLE, g_value_set_double)
#define LP_GTYPE_ACCESSORS(member, ID) \
  LP_SETTING_ACCESSORS (GType, member, ID, G_TYPE_GTYPE, g_value_set_gtype)
#define LP_STRING_ACCESSORS(member, ID) \
  LP_SETTING_ACCESSORS (const char *, member, ID, G_TYPE_STRING, g_value_set_static_string)
#define LP_STRV_ACCESSORS(member, ID) \
  LP_SETTING_ACCESSORS (const char * const *, member, ID, G_TYPE_STRV, g_value_set_static_boxed)
/* The value sinks a floating variant. */
#define LP_VARIANT_ACCESSORS(member, ID) \
  LP_SETTING_ACCESSORS (GVariant *, member, ID, G_TYPE_VARIANT, g_value_set_variant)
#define LP_FUNCTIONS_ACCESSORS(member, ID) \
  LP_SETTING_ACCESSORS (LpFunctions *, member, ID, LP_TYPE_FUNCTIONS, g_value_set_object)

G_END_DECLS
