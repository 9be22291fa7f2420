/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <gio/gio.h>

#include "lp-error.h"
#include "lp-executor.h"

G_BEGIN_DECLS

/* Durations above this many seconds do not fit in 64-bit microseconds. */
#define LP_SETTING_MAX_SECONDS 9223372036854.0
G_STATIC_ASSERT ((gint64) LP_SETTING_MAX_SECONDS == G_MAXINT64 / G_USEC_PER_SEC);

/* What the table in lp-settings.c, or another one, knows of a setting, and the rules that one
 * setting can break on its own. */

typedef enum
{
  LP_SETTING_KIND_BOOLEAN,
  LP_SETTING_KIND_INT,
  LP_SETTING_KIND_UINT,
  LP_SETTING_KIND_DOUBLE,
  LP_SETTING_KIND_GTYPE,
  LP_SETTING_KIND_STRING,
  LP_SETTING_KIND_STRV,
  LP_SETTING_KIND_VARIANT,
  LP_SETTING_KIND_FUNCTIONS
} LpSettingKind;

typedef struct _LpSetting LpSetting;

/* Checks one member on its own; sets the error when the rule is broken. */
typedef gboolean (*LpSettingCheck) (const LpSetting *setting,
                                    gconstpointer    member,
                                    GError         **error);

struct _LpSetting
{
  const char *name;
  gsize offset;
  LpSettingKind kind;
  LpSettingCheck check;         /* NULL: any value is good */
  double number;                /* the default of the kinds that are numbers */
  const char *text;             /* the default of a string */
  int minimum;                  /* for lp_setting_check_int() */
};

gboolean lp_setting_check_int                (const LpSetting *setting, gconstpointer member, GError **error);
gboolean lp_setting_check_positive_seconds   (const LpSetting *setting, gconstpointer member, GError **error);
gboolean lp_setting_check_seconds            (const LpSetting *setting, gconstpointer member, GError **error);
gboolean lp_setting_check_seconds_or_default (const LpSetting *setting, gconstpointer member, GError **error);
gboolean lp_setting_check_text_or_null       (const LpSetting *setting, gconstpointer member, GError **error);
gboolean lp_setting_check_text               (const LpSetting *setting, gconstpointer member, GError **error);
gboolean lp_setting_check_not_empty_or_null  (const LpSetting *setting, gconstpointer member, GError **error);
gboolean lp_setting_check_prefix             (const LpSetting *setting, gconstpointer member, GError **error);
gboolean lp_setting_check_module             (const LpSetting *setting, gconstpointer member, GError **error);
gboolean lp_setting_check_argv               (const LpSetting *setting, gconstpointer member, GError **error);
gboolean lp_setting_check_launcher           (const LpSetting *setting, gconstpointer member, GError **error);
gboolean lp_setting_check_environment        (const LpSetting *setting, gconstpointer member, GError **error);
gboolean lp_setting_check_options            (const LpSetting *setting, gconstpointer member, GError **error);
gboolean lp_setting_check_level              (const LpSetting *setting, gconstpointer member, GError **error);
gboolean lp_setting_check_executor_type      (const LpSetting *setting, gconstpointer member, GError **error);

/* lp-setting-values.c: one member of a struct that such a table describes. */
GParamSpec *lp_setting_create_pspec (const LpSetting *self);
void        lp_setting_get_value    (const LpSetting *setting, gconstpointer settings, GValue *value);
gboolean    lp_setting_set_value    (const LpSetting *setting, gpointer settings, const GValue *value);
void        lp_setting_reset        (const LpSetting *setting, gpointer settings);
void        lp_setting_copy         (const LpSetting *setting, gconstpointer from, gpointer to);
void        lp_setting_clear        (const LpSetting *setting, gpointer settings);
gboolean    lp_setting_check        (const LpSetting *setting, gconstpointer settings, GError **error);

G_END_DECLS
