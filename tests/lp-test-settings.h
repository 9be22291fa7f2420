/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of settings share; for one program at a time. */

#include "lp-test.h"
#include "lp-test-conform.h"

#include "lp-manager-settings-private.h"
#include "lp-settings-private.h"

#include <math.h>
#include <string.h>

/* Of the backend of the case. */
static inline LpManager *
create_valid_manager (void)
{
  return lp_manager_new (lp_test_get_backend () != NULL ? lp_test_get_backend () : LP_BACKEND_THREAD, 2);
}

static inline LpSettings *
create_valid_settings (void)
{
  LpSettings *settings = lp_settings_new ();

  settings->max_pools = 2;
  if (lp_test_get_backend () != NULL)
    {
      g_free (settings->backend);
      settings->backend = g_strdup (lp_test_get_backend ());
    }

  return settings;
}

/* MESSAGE is the whole message that is expected, or NULL for a good value. */
static inline void
assert_judged (gboolean      valid,
               const GError *error,
               const char   *message)
{
  if (message == NULL)
    {
      g_assert_no_error (error);
      g_assert_true (valid);
      return;
    }

  g_assert_false (valid);
  g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (error->message, ==, message);
}

static inline void
assert_settings (const LpSettings *settings,
                 const char       *message)
{
  g_autoptr(GError) error = NULL;
  gboolean valid = lp_settings_validate (settings, &error);

  assert_judged (valid, error, message);
}

static inline void
assert_manager (LpManager  *manager,
                const char *message)
{
  g_autoptr(GError) error = NULL;
  gboolean valid = lp_manager_validate (manager, &error);

  assert_judged (valid, error, message);
}

static inline void
check_value (LpSettingId   id,
             const GValue *value,
             const char   *message)
{
  g_autoptr(LpSettings) settings = create_valid_settings ();
  LpManager *manager = create_valid_manager ();

  lp_settings_set_value (settings, id, value);
  assert_settings (settings, message);

  g_object_set_property (G_OBJECT (manager), lp_settings_get_name (id), value);
  assert_manager (manager, message);

  g_assert_finalize_object (manager);
}
