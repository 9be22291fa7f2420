/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-setting-checks-private.h"

#include "lp-log-private.h"

#include <math.h>
#include <string.h>

/* VALUE is how the value is to be read in the message. */
static gboolean
refuse (const LpSetting *setting,
        const char      *value,
        const char      *rule,
        GError         **error)
{
  g_set_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
               "%s is %s, but must be %s", setting->name, value, rule);

  return FALSE;
}

static gboolean
refuse_text (const LpSetting *setting,
             const char      *text,
             const char      *rule,
             GError         **error)
{
  g_autofree char *escaped = lp_log_escape (text);
  g_autofree char *quoted = g_strdup_printf ("\"%s\"", escaped);

  return refuse (setting, quoted, rule, error);
}

gboolean
lp_setting_check_int (const LpSetting *setting,
                      gconstpointer    member,
                      GError         **error)
{
  int value = *(const int *) member;
  g_autofree char *text = NULL;
  g_autofree char *rule = NULL;

  if (value >= setting->minimum)
    return TRUE;

  text = g_strdup_printf ("%d", value);
  rule = setting->minimum == 1 ? g_strdup ("> 0") : g_strdup_printf (">= %d", setting->minimum);

  return refuse (setting, text, rule, error);
}

static gboolean
refuse_seconds (const LpSetting *setting,
                double           value,
                const char      *rule,
                GError         **error)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  g_autofree char *longer_rule = NULL;

  if (isnan (value))
    return refuse (setting, "nan", rule, error);

  if (isfinite (value) && value > LP_SETTING_MAX_SECONDS)
    rule = longer_rule = g_strdup_printf ("%s, and at most %.0f seconds", rule, LP_SETTING_MAX_SECONDS);

  return refuse (setting, g_ascii_formatd (number, sizeof number, "%g", value), rule, error);
}

/* Finite, not negative and good for 64-bit microseconds; FALSE for NaN, too. */
static gboolean
is_duration (double value)
{
  return value >= 0 && value <= LP_SETTING_MAX_SECONDS;
}

gboolean
lp_setting_check_positive_seconds (const LpSetting *setting,
                                   gconstpointer    member,
                                   GError         **error)
{
  double value = *(const double *) member;

  return (is_duration (value) && value > 0) || refuse_seconds (setting, value, "finite and > 0", error);
}

gboolean
lp_setting_check_seconds (const LpSetting *setting,
                          gconstpointer    member,
                          GError         **error)
{
  double value = *(const double *) member;

  return is_duration (value) || refuse_seconds (setting, value, "finite and >= 0", error);
}

gboolean
lp_setting_check_seconds_or_default (const LpSetting *setting,
                                     gconstpointer    member,
                                     GError         **error)
{
  double value = *(const double *) member;

  return value == -1 || is_duration (value) || refuse_seconds (setting, value, "-1, or finite and >= 0", error);
}

static gboolean
is_plain_text (const char *text)
{
  if (!g_utf8_validate (text, -1, NULL))
    return FALSE;

  for (; *text != '\0'; text = g_utf8_next_char (text))
    if (g_unichar_iscntrl (g_utf8_get_char (text)))
      return FALSE;

  return TRUE;
}

gboolean
lp_setting_check_text_or_null (const LpSetting *setting,
                               gconstpointer    member,
                               GError         **error)
{
  const char *text = *(const char * const *) member;

  return text == NULL || is_plain_text (text) ||
         refuse_text (setting, text, "UTF-8 without control characters", error);
}

gboolean
lp_setting_check_text (const LpSetting *setting,
                       gconstpointer    member,
                       GError         **error)
{
  if (*(const char * const *) member == NULL)
    return refuse (setting, "NULL", "a string", error);

  return lp_setting_check_text_or_null (setting, member, error);
}

gboolean
lp_setting_check_not_empty_or_null (const LpSetting *setting,
                                    gconstpointer    member,
                                    GError         **error)
{
  const char *text = *(const char * const *) member;

  return text == NULL || *text != '\0' || refuse (setting, "\"\"", "NULL or non-empty", error);
}

gboolean
lp_setting_check_prefix (const LpSetting *setting,
                         gconstpointer    member,
                         GError         **error)
{
  const char *text = *(const char * const *) member;

  if (text != NULL && *text == '\0')
    return refuse (setting, "\"\"", "non-empty", error);

  return lp_setting_check_text (setting, member, error);
}

gboolean
lp_setting_check_module (const LpSetting *setting,
                         gconstpointer    member,
                         GError         **error)
{
  const char *module = *(const char * const *) member;

  if (module == NULL || g_path_is_absolute (module) || (*module != '\0' && strchr (module, '/') == NULL))
    return TRUE;

  return refuse_text (setting, module, "an absolute path or a name without \"/\"", error);
}

gboolean
lp_setting_check_argv (const LpSetting *setting,
                       gconstpointer    member,
                       GError         **error)
{
  const char * const *argv = *(const char * const * const *) member;

  if (argv == NULL || (argv[0] != NULL && *argv[0] != '\0'))
    return TRUE;

  return refuse (setting, argv[0] == NULL ? "empty" : "[\"\", ...]", "NULL or begin with a program", error);
}

gboolean
lp_setting_check_launcher (const LpSetting *setting,
                           gconstpointer    member,
                           GError         **error)
{
  const char * const *launcher = *(const char * const * const *) member;

  /* An empty prefix is none. */
  return (launcher != NULL && launcher[0] == NULL) || lp_setting_check_argv (setting, member, error);
}

gboolean
lp_setting_check_environment (const LpSetting *setting,
                              gconstpointer    member,
                              GError         **error)
{
  const char * const *environment = *(const char * const * const *) member;

  for (; environment != NULL && *environment != NULL; environment++)
    if (strchr (*environment, '=') == NULL || **environment == '=')
      {
        g_autofree char *escaped = lp_log_escape (*environment);

        g_set_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
                     "%s has \"%s\", but must have NAME=VALUE only", setting->name, escaped);
        return FALSE;
      }

  return TRUE;
}

gboolean
lp_setting_check_options (const LpSetting *setting,
                          gconstpointer    member,
                          GError         **error)
{
  GVariant *options = *(GVariant * const *) member;
  g_autofree char *text = NULL;

  if (options == NULL || g_variant_is_of_type (options, G_VARIANT_TYPE_VARDICT))
    return TRUE;

  text = g_strdup_printf ("of type \"%s\"", g_variant_get_type_string (options));

  return refuse (setting, text, "of type \"a{sv}\"", error);
}

gboolean
lp_setting_check_level (const LpSetting *setting,
                        gconstpointer    member,
                        GError         **error)
{
  guint level = *(const guint *) member;
  g_autofree char *text = NULL;

  if (level >= G_LOG_LEVEL_ERROR && level <= G_LOG_LEVEL_DEBUG && (level & (level - 1)) == 0)
    return TRUE;

  text = g_strdup_printf ("%u", level);

  return refuse (setting, text, "one level from G_LOG_LEVEL_ERROR (4) to G_LOG_LEVEL_DEBUG (128)", error);
}

/* GJS marks the classes it registers; failing that, by the names it gives them. */
static gboolean
is_gjs_class (GType type)
{
  GQuark mark = g_quark_try_string ("gjs::custom-type");

  for (; g_type_is_a (type, LP_TYPE_EXECUTOR) && type != LP_TYPE_EXECUTOR; type = g_type_parent (type))
    if ((mark != 0 && g_type_get_qdata (type, mark) != NULL) || g_str_has_prefix (g_type_name (type), "Gjs_"))
      return TRUE;

  return FALSE;
}

gboolean
lp_setting_check_executor_type (const LpSetting *setting,
                                gconstpointer    member,
                                GError         **error)
{
  GType type = *(const GType *) member;

  /* It refuses to run JavaScript on another thread, at best: tried there, a
   * constructor spoils the program's own thread. */
  if (is_gjs_class (type))
    return refuse (setting, g_type_name (type),
                   "a class of another language than JavaScript, whose functions cannot run on the service thread",
                   error);

  if (type == G_TYPE_NONE || type == G_TYPE_INVALID ||
      (g_type_is_a (type, LP_TYPE_EXECUTOR) && !G_TYPE_IS_ABSTRACT (type)))
    return TRUE;

  return refuse (setting, g_type_name (type), "a subclass of LpExecutor that is not abstract", error);
}
