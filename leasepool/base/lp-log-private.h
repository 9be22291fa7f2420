/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#include "lp-debug-private.h"

#include <glib.h>

G_BEGIN_DECLS

/*
 * LpLogField:
 * @key: the name of a field such as `LEASE_ID`, or %NULL at the end of an array
 * @value: its text; a field whose value is %NULL is left out, so that an owner
 *   or a parameter that may be absent needs no second array
 */
typedef struct
{
  const char *key;
  const char *value;
} LpLogField;

gboolean lp_log_wants  (const char        *domain,
                        GLogLevelFlags     level,
                        LpDebugFlags       subject);

/* What lp_log_wants() said of DEBUG records, for paths where asking again, which looks into the environment, costs too
 * much; except that g_log_set_debug_enabled(), which an application calls at any time, is seen at once.
 */
static inline gboolean
lp_log_wants_still (gboolean wanted)
{
  return wanted || g_log_get_debug_enabled ();
}

void     lp_log        (const char        *domain,
                        GLogLevelFlags     level,
                        LpDebugFlags       subject,
                        const char        *event,
                        const LpLogField  *fields,
                        const char        *format,
                        ...) G_GNUC_PRINTF (6, 7);
char    *lp_log_escape (const char        *text) G_GNUC_WARN_UNUSED_RESULT;
gboolean lp_log_is_plain (const char      *text,
                          gsize            length);

/* For messages with text that the library did not make: an owner, a name, what a worker said. */
GError  *lp_log_new_error (GQuark           domain,
                           int              code,
                           const char      *format,
                           ...) G_GNUC_PRINTF (3, 4) G_GNUC_WARN_UNUSED_RESULT;
void     lp_log_set_error (GError         **error,
                           GQuark           domain,
                           int              code,
                           const char      *format,
                           ...) G_GNUC_PRINTF (4, 5);

G_END_DECLS
