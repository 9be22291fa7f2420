/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The settings together: executor types and backends, the defaults, and the properties
 * of the manager. What is said of a backend, and of none, has no case for each. */

#include "config.h"

#include "lp-backend-private.h"
#include "lp-test-settings.h"

/* Executor types for LpManager:executor-type. */

typedef struct { LpExecutor parent_instance; }  TestExecutor;
typedef struct { LpExecutorClass parent_class; } TestExecutorClass;
typedef struct { LpExecutor parent_instance; }  TestAbstractExecutor;
typedef struct { LpExecutorClass parent_class; } TestAbstractExecutorClass;

static GType test_executor_get_type          (void);
static GType test_abstract_executor_get_type (void);

G_DEFINE_TYPE (TestExecutor, test_executor, LP_TYPE_EXECUTOR)
G_DEFINE_ABSTRACT_TYPE (TestAbstractExecutor, test_abstract_executor, LP_TYPE_EXECUTOR)

static void
test_executor_init (TestExecutor *self)
{
}

static void
test_executor_class_init (TestExecutorClass *klass)
{
}

static void
test_abstract_executor_init (TestAbstractExecutor *self)
{
}

static void
test_abstract_executor_class_init (TestAbstractExecutorClass *klass)
{
}

/* Types and backends */

static void
check_executor_type (GType       type,
                     const char *message)
{
  g_auto(GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_GTYPE);
  g_value_set_gtype (&value, type);
  check_value (LP_SETTING_EXECUTOR_TYPE, &value, message);
}

static void
test_executor_type_must_be_concrete (void)
{
  check_executor_type (G_TYPE_NONE, NULL);
  check_executor_type (G_TYPE_INVALID, NULL);
  check_executor_type (test_executor_get_type (), NULL);
  check_executor_type (LP_TYPE_EXECUTOR,
                       "executor-type is LpExecutor, but must be a subclass of LpExecutor that is not abstract");
  check_executor_type (test_abstract_executor_get_type (),
                       "executor-type is TestAbstractExecutor, but must be a subclass of LpExecutor that is not abstract");
  check_executor_type (G_TYPE_OBJECT,
                       "executor-type is GObject, but must be a subclass of LpExecutor that is not abstract");
  check_executor_type (G_TYPE_STRING,
                       "executor-type is gchararray, but must be a subclass of LpExecutor that is not abstract");
}

static void
test_unknown_backend (void)
{
  g_autoptr(LpSettings) settings = create_valid_settings ();
  LpManager *manager = lp_manager_new ("abacus", 2);
  g_autoptr(GError) error = NULL;

  g_free (settings->backend);
  settings->backend = g_strdup ("abacus");
  g_assert_false (lp_settings_validate (settings, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_UNSUPPORTED_BACKEND);
  g_assert_nonnull (strstr (error->message, "abacus"));
  g_clear_error (&error);

  g_assert_cmpstr (lp_manager_get_backend (manager), ==, "abacus");
  g_assert_false (lp_manager_validate (manager, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_UNSUPPORTED_BACKEND);

  g_assert_finalize_object (manager);
}

static void
test_executor_type_wins (void)
{
  g_autoptr(LpSettings) settings = create_valid_settings ();

  g_free (settings->backend);
  settings->backend = g_strdup ("abacus");
  settings->executor_type = test_executor_get_type ();
  assert_settings (settings, NULL);
  g_assert_true (lp_settings_resolve_executor_type (settings, NULL) == test_executor_get_type ());

  settings->forward_process_logs = TRUE;
  assert_settings (settings,
                   "forward-process-logs is TRUE, but the executor type \"TestExecutor\" has no processes");
}

/* The functions of a process may be those of its own program. */
static void
test_init_function_needs_functions (void)
{
  g_autoptr(LpSettings) settings = create_valid_settings ();
  const char *argv[] = { "program", NULL };

  settings->worker_init_function = g_strdup ("warm-up");
  g_assert_false (lp_settings_validate (settings, NULL));
  settings->worker_argv = g_strdupv ((char **) argv);
  g_assert_true (lp_settings_validate (settings, NULL) == lp_test_has_processes ());
  g_clear_pointer (&settings->worker_argv, g_strfreev);

  settings->functions = lp_functions_new ();
  assert_settings (settings, NULL);

  g_clear_object (&settings->functions);
  settings->function_module = g_strdup ("module");
  assert_settings (settings, NULL);
}

/* LpSettings itself */

static void
count_cb (GObject    *object,
          GParamSpec *pspec,
          gpointer    user_data)
{
  guint *count = user_data;

  (*count)++;
}

static void
test_no_backend_is_thread (void)
{
  LpManager *manager = lp_manager_new (NULL, 2);
  guint count = 0;

  g_assert_cmpstr (lp_manager_get_backend (manager), ==, "thread");
  g_signal_connect (manager, "notify", G_CALLBACK (count_cb), &count);
  lp_manager_set_backend (manager, NULL);
  g_assert_cmpuint (count, ==, 0);
  g_assert_finalize_object (manager);
}

static void
test_defaults (void)
{
  g_autoptr(LpSettings) settings = lp_settings_new ();
  LpManager *manager = g_object_new (LP_TYPE_MANAGER, NULL);

  assert_settings (settings, "max-pools is 0, but must be > 0");

  g_assert_cmpstr (settings->backend, ==, "thread");
  g_assert_true (settings->executor_type == G_TYPE_NONE);
  g_assert_cmpint (settings->min_pools, ==, 1);
  g_assert_cmpint (settings->units_per_pool, ==, 10);
  g_assert_cmpint (settings->workers_per_pool, ==, 4);
  g_assert_cmpfloat (settings->check_interval, ==, 120);
  g_assert_cmpfloat (settings->idle_linger_seconds, ==, -1);
  g_assert_cmpstr (settings->name_prefix, ==, "leasepool");
  g_assert_cmpstr (settings->log_domain, ==, "leasepool");
  g_assert_false (settings->forward_process_logs);
  g_assert_cmpuint (settings->process_log_level, ==, G_LOG_LEVEL_INFO);
  g_assert_true (settings->clear_process_log_handlers);
  g_assert_null (settings->functions);
  g_assert_null (settings->worker_argv);
  g_assert_cmpint (settings->max_message_size, ==, 134217728);
  g_assert_cmpint (settings->max_quarantined, ==, -1);

  /* A manager begins with the defaults of its properties. */
  for (LpSettingId id = LP_SETTING_FIRST; id < LP_N_SETTINGS; id++)
    {
      GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (manager), lp_settings_get_name (id));
      g_auto(GValue) value = G_VALUE_INIT;

      g_assert_nonnull (pspec);
      g_assert_cmpuint (pspec->flags & (G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY), ==, G_PARAM_READWRITE);
      g_value_init (&value, G_PARAM_SPEC_VALUE_TYPE (pspec));
      g_object_get_property (G_OBJECT (manager), pspec->name, &value);
      g_assert_true (g_param_value_defaults (pspec, &value));
    }

  g_assert_finalize_object (manager);
}

static void
test_resolved_values (void)
{
  g_autoptr(LpSettings) settings = create_valid_settings ();

  g_assert_cmpfloat (lp_settings_idle_linger (settings), ==, lp_test_has_processes () ? 5 : 0);
  settings->idle_linger_seconds = 2.5;
  g_assert_cmpfloat (lp_settings_idle_linger (settings), ==, 2.5);

  g_assert_cmpint (lp_settings_max_quarantined (settings), ==, 2);
  settings->max_quarantined = 0;
  g_assert_cmpint (lp_settings_max_quarantined (settings), ==, 0);
}

static void
test_copy_is_independent (void)
{
  LpSettings *settings = create_valid_settings ();
  LpFunctions *functions = lp_functions_new ();
  g_autoptr(GVariant) parameters = g_variant_ref_sink (g_variant_new_int32 (1));
  const char *argv[] = { "program", "argument", NULL };
  LpSettings *copy, *same;

  settings->check_interval = NAN;
  settings->functions = g_object_ref (functions);
  settings->worker_argv = g_strdupv ((char **) argv);
  settings->worker_init_parameters = g_variant_ref (parameters);
  settings->units = -7;

  copy = lp_settings_copy (settings);
  settings->max_pools = 100;
  g_clear_pointer (&settings->name_prefix, g_free);
  lp_settings_unref (settings);

  g_assert_true (lp_settings_resolve_executor_type (copy, NULL) == lp_backend_resolve (lp_test_get_backend (), NULL));
  g_assert_cmpfloat (lp_settings_idle_linger (copy), ==, lp_test_has_processes () ? 5 : 0);

  same = lp_settings_ref (copy);
  lp_settings_unref (copy);
  g_assert_cmpint (same->max_pools, ==, 2);
  g_assert_cmpstr (same->name_prefix, ==, "leasepool");
  g_assert_true (isnan (same->check_interval));
  g_assert_true (same->functions == functions);
  g_assert_cmpstrv (same->worker_argv, argv);
  g_assert_true (same->worker_init_parameters == parameters);
  g_assert_cmpint (same->units, ==, -7);
  lp_settings_unref (same);

  g_assert_finalize_object (functions);
}

/* The properties of LpManager */

static void
test_properties_at_construction (void)
{
  LpManager *manager = g_object_new (LP_TYPE_MANAGER,
                                     "backend", "THREAD",
                                     "max-pools", 3,
                                     "min-pools", 2,
                                     "check-interval", 5.0,
                                     "executor-type", test_executor_get_type (),
                                     NULL);

  assert_manager (manager, NULL);
  g_assert_cmpstr (lp_manager_get_backend (manager), ==, "THREAD");
  g_assert_cmpint (lp_manager_get_max_pools (manager), ==, 3);
  g_assert_cmpint (lp_manager_get_min_pools (manager), ==, 2);
  g_assert_cmpfloat (lp_manager_get_check_interval (manager), ==, 5);
  g_assert_true (lp_manager_get_executor_type (manager) == test_executor_get_type ());

  g_assert_finalize_object (manager);
}

static void
test_odd_numbers_reach_validate (void)
{
  LpManager *manager = g_object_new (LP_TYPE_MANAGER, "backend", lp_test_get_backend (), "max-pools", 2,
                                     "check-interval", NAN, NULL);

  assert_manager (manager, "check-interval is nan, but must be finite and > 0");
  g_object_set (manager, "check-interval", INFINITY, NULL);
  assert_manager (manager, "check-interval is inf, but must be finite and > 0");
  g_object_set (manager, "check-interval", -INFINITY, NULL);
  assert_manager (manager, "check-interval is -inf, but must be finite and > 0");
  lp_manager_set_check_interval (manager, NAN);
  assert_manager (manager, "check-interval is nan, but must be finite and > 0");
  g_object_set (manager, "check-interval", 5.0, "max-pools", G_MININT, NULL);
  assert_manager (manager, "max-pools is -2147483648, but must be > 0");

  g_assert_finalize_object (manager);
}

static void
test_notify_only_on_change (void)
{
  LpManager *manager = create_valid_manager ();
  const char *argv[] = { "program", NULL };
  guint count = 0;

  g_signal_connect (manager, "notify", G_CALLBACK (count_cb), &count);

  g_object_set (manager, "max-pools", 2, "backend", lp_test_get_backend (), NULL);
  lp_manager_set_worker_argv (manager, NULL);
  g_assert_cmpuint (count, ==, 0);

  lp_manager_set_check_interval (manager, NAN);
  lp_manager_set_check_interval (manager, NAN);
  g_assert_cmpuint (count, ==, 1);

  lp_manager_set_worker_argv (manager, argv);
  g_object_set (manager, "worker-argv", argv, NULL);
  g_assert_cmpuint (count, ==, 2);

  lp_manager_set_worker_init_parameters (manager, g_variant_new ("(s)", "a"));
  lp_manager_set_worker_init_parameters (manager, g_variant_new ("(s)", "a"));
  g_assert_cmpuint (count, ==, 3);

  g_assert_finalize_object (manager);
}

static void
test_typed_accessors (void)
{
  LpManager *manager = create_valid_manager ();
  LpFunctions *functions = lp_functions_new ();
  const char *argv[] = { "program", "argument", NULL };
  g_autoptr(GVariant) options = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));

  g_assert_cmpstr (lp_manager_get_backend (manager), ==, lp_test_get_backend ());

  lp_manager_set_forward_process_logs (manager, 5);
  g_assert_true (lp_manager_get_forward_process_logs (manager));
  lp_manager_set_process_log_level (manager, G_LOG_LEVEL_DEBUG);
  g_assert_cmpuint (lp_manager_get_process_log_level (manager), ==, G_LOG_LEVEL_DEBUG);
  lp_manager_set_name_prefix (manager, NULL);
  g_assert_null (lp_manager_get_name_prefix (manager));
  lp_manager_set_worker_argv (manager, argv);
  g_assert_cmpstrv (lp_manager_get_worker_argv (manager), argv);
  lp_manager_set_executor_options (manager, options);
  g_assert_true (lp_manager_get_executor_options (manager) == options);
  lp_manager_set_functions (manager, functions);
  g_assert_true (lp_manager_get_functions (manager) == functions);
  lp_manager_set_functions (manager, NULL);
  g_assert_null (lp_manager_get_functions (manager));

  /* To its own value, which the setter must not free before it copies it. */
  lp_manager_set_worker_argv (manager, lp_manager_get_worker_argv (manager));
  g_assert_cmpstrv (lp_manager_get_worker_argv (manager), argv);

  g_assert_finalize_object (functions);
  g_assert_finalize_object (manager);
}

static void
test_frozen_while_running (void)
{
  LpManager *manager = lp_test_new (2);
  g_autoptr(GError) error = NULL;
  guint count = 0;

  g_assert_true (lp_manager_start (manager, NULL, &error));
  g_assert_no_error (error);
  g_signal_connect (manager, "notify::max-pools", G_CALLBACK (count_cb), &count);
  g_signal_connect (manager, "notify::units", G_CALLBACK (count_cb), &count);

  g_test_expect_message ("leasepool", G_LOG_LEVEL_CRITICAL, "*max-pools cannot be changed*");
  lp_manager_set_max_pools (manager, 3);
  g_test_assert_expected_messages ();
  g_test_expect_message ("leasepool", G_LOG_LEVEL_CRITICAL, "*max-pools cannot be changed*");
  g_object_set (manager, "max-pools", 3, NULL);
  g_test_assert_expected_messages ();
  g_assert_cmpint (lp_manager_get_max_pools (manager), ==, 2);
  g_assert_cmpuint (count, ==, 0);

  lp_manager_set_units (manager, 15);
  g_assert_cmpint (lp_manager_get_units (manager), ==, 15);
  g_assert_cmpuint (count, ==, 1);

  g_assert_true (lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, &error));
  g_assert_no_error (error);
  lp_manager_set_max_pools (manager, 3);
  g_assert_cmpint (lp_manager_get_max_pools (manager), ==, 3);

  lp_test_finish (manager);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/settings/executor-type/must-be-concrete", test_executor_type_must_be_concrete);
  g_test_add_func ("/settings/executor-type/wins-over-backend", test_executor_type_wins);
  g_test_add_func ("/settings/backend/unknown", test_unknown_backend);
  lp_test_conform_add_func ("/settings/worker-init-function/needs-functions", test_init_function_needs_functions);
  g_test_add_func ("/settings/backend/none-is-thread", test_no_backend_is_thread);
  g_test_add_func ("/settings/defaults", test_defaults);
  lp_test_conform_add_func ("/settings/resolved-values", test_resolved_values);
  lp_test_conform_add_func ("/settings/copy-is-independent", test_copy_is_independent);
  g_test_add_func ("/settings/properties/at-construction", test_properties_at_construction);
  lp_test_conform_add_func ("/settings/properties/odd-numbers-reach-validate", test_odd_numbers_reach_validate);
  lp_test_conform_add_func ("/settings/properties/notify-only-on-change", test_notify_only_on_change);
  lp_test_conform_add_func ("/settings/properties/typed-accessors", test_typed_accessors);
  lp_test_conform_add_func ("/settings/properties/frozen-while-running", test_frozen_while_running);

  return g_test_run ();
}
