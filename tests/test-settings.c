/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include <leasepool.h>

#include "lp-manager-settings-private.h"
#include "lp-settings-private.h"

#include <math.h>
#include <string.h>

/* The settings and their rules. Most cases are rows of the tables below: a value
 * is put into otherwise valid settings, and validation must judge it the same
 * way whether it was stored directly or as a property of a manager. */

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

static LpSettings *
create_valid_settings (void)
{
  LpSettings *settings = lp_settings_new ();

  settings->max_pools = 2;

  return settings;
}

/* MESSAGE is the whole message that is expected, or NULL for a good value. */
static void
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

static void
assert_settings (const LpSettings *settings,
                 const char       *message)
{
  g_autoptr(GError) error = NULL;
  gboolean valid = lp_settings_validate (settings, &error);

  assert_judged (valid, error, message);
}

static void
assert_manager (LpManager  *manager,
                const char *message)
{
  g_autoptr(GError) error = NULL;
  gboolean valid = lp_manager_validate (manager, &error);

  assert_judged (valid, error, message);
}

static void
check_value (LpSettingId   id,
             const GValue *value,
             const char   *message)
{
  g_autoptr(LpSettings) settings = create_valid_settings ();
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, 2);

  lp_settings_set_value (settings, id, value);
  assert_settings (settings, message);

  g_object_set_property (G_OBJECT (manager), lp_settings_get_name (id), value);
  assert_manager (manager, message);

  g_assert_finalize_object (manager);
}

/* Numbers */

typedef struct
{
  const char *name;
  LpSettingId id;
  double value;
  const char *message;
} NumberCase;

#define TOO_LONG "at most 9223372036854 seconds"

static const NumberCase number_cases[] = {
  { "max-pools/zero", LP_SETTING_MAX_POOLS, 0, "max-pools is 0, but must be > 0" },
  { "max-pools/negative", LP_SETTING_MAX_POOLS, -1, "max-pools is -1, but must be > 0" },
  { "max-pools/smallest", LP_SETTING_MAX_POOLS, 1, NULL },
  { "max-pools/largest", LP_SETTING_MAX_POOLS, G_MAXINT, NULL },
  { "min-pools/zero", LP_SETTING_MIN_POOLS, 0, "min-pools is 0, but must be > 0" },
  { "min-pools/negative", LP_SETTING_MIN_POOLS, G_MININT, "min-pools is -2147483648, but must be > 0" },
  { "min-pools/as-max-pools", LP_SETTING_MIN_POOLS, 2, NULL },
  { "min-pools/above-max-pools", LP_SETTING_MIN_POOLS, 5,
    "min-pools is 5, but must be <= max-pools, which is 2" },
  { "units-per-pool/zero", LP_SETTING_UNITS_PER_POOL, 0, "units-per-pool is 0, but must be > 0" },
  { "units-per-pool/negative", LP_SETTING_UNITS_PER_POOL, -3, "units-per-pool is -3, but must be > 0" },
  { "units-per-pool/smallest", LP_SETTING_UNITS_PER_POOL, 1, NULL },
  { "workers-per-pool/zero", LP_SETTING_WORKERS_PER_POOL, 0, "workers-per-pool is 0, but must be > 0" },
  { "workers-per-pool/negative", LP_SETTING_WORKERS_PER_POOL, -1, "workers-per-pool is -1, but must be > 0" },
  { "workers-per-pool/smallest", LP_SETTING_WORKERS_PER_POOL, 1, NULL },

  { "check-interval/zero", LP_SETTING_CHECK_INTERVAL, 0, "check-interval is 0, but must be finite and > 0" },
  { "check-interval/negative", LP_SETTING_CHECK_INTERVAL, -0.5,
    "check-interval is -0.5, but must be finite and > 0" },
  { "check-interval/nan", LP_SETTING_CHECK_INTERVAL, NAN, "check-interval is nan, but must be finite and > 0" },
  { "check-interval/negative-nan", LP_SETTING_CHECK_INTERVAL, -NAN,
    "check-interval is nan, but must be finite and > 0" },
  { "check-interval/infinite", LP_SETTING_CHECK_INTERVAL, INFINITY,
    "check-interval is inf, but must be finite and > 0" },
  { "check-interval/negative-infinite", LP_SETTING_CHECK_INTERVAL, -INFINITY,
    "check-interval is -inf, but must be finite and > 0" },
  { "check-interval/too-long", LP_SETTING_CHECK_INTERVAL, 1e15,
    "check-interval is 1e+15, but must be finite and > 0, and " TOO_LONG },
  { "check-interval/too-long-and-finite", LP_SETTING_CHECK_INTERVAL, G_MAXDOUBLE,
    "check-interval is 1.79769e+308, but must be finite and > 0, and " TOO_LONG },
  { "check-interval/longest", LP_SETTING_CHECK_INTERVAL, 9223372036854.0, NULL },
  { "check-interval/short", LP_SETTING_CHECK_INTERVAL, 0.001, NULL },
  { "default-lease-seconds/zero", LP_SETTING_DEFAULT_LEASE_SECONDS, 0,
    "default-lease-seconds is 0, but must be finite and > 0" },
  { "default-lease-seconds/negative", LP_SETTING_DEFAULT_LEASE_SECONDS, -1,
    "default-lease-seconds is -1, but must be finite and > 0" },
  { "default-lease-seconds/nan", LP_SETTING_DEFAULT_LEASE_SECONDS, NAN,
    "default-lease-seconds is nan, but must be finite and > 0" },
  { "default-lease-seconds/infinite", LP_SETTING_DEFAULT_LEASE_SECONDS, INFINITY,
    "default-lease-seconds is inf, but must be finite and > 0" },
  { "start-timeout-seconds/zero", LP_SETTING_START_TIMEOUT_SECONDS, 0,
    "start-timeout-seconds is 0, but must be finite and > 0" },
  { "start-timeout-seconds/negative", LP_SETTING_START_TIMEOUT_SECONDS, -1,
    "start-timeout-seconds is -1, but must be finite and > 0" },
  { "start-timeout-seconds/nan", LP_SETTING_START_TIMEOUT_SECONDS, NAN,
    "start-timeout-seconds is nan, but must be finite and > 0" },
  { "start-timeout-seconds/infinite", LP_SETTING_START_TIMEOUT_SECONDS, INFINITY,
    "start-timeout-seconds is inf, but must be finite and > 0" },
  { "lease-grace-seconds/zero", LP_SETTING_LEASE_GRACE_SECONDS, 0, NULL },
  { "lease-grace-seconds/negative", LP_SETTING_LEASE_GRACE_SECONDS, -2,
    "lease-grace-seconds is -2, but must be finite and >= 0" },
  { "lease-grace-seconds/nan", LP_SETTING_LEASE_GRACE_SECONDS, NAN,
    "lease-grace-seconds is nan, but must be finite and >= 0" },
  { "lease-grace-seconds/infinite", LP_SETTING_LEASE_GRACE_SECONDS, INFINITY,
    "lease-grace-seconds is inf, but must be finite and >= 0" },
  { "cancel-grace-seconds/zero", LP_SETTING_CANCEL_GRACE_SECONDS, 0, NULL },
  { "cancel-grace-seconds/negative", LP_SETTING_CANCEL_GRACE_SECONDS, -1,
    "cancel-grace-seconds is -1, but must be finite and >= 0" },
  { "cancel-grace-seconds/nan", LP_SETTING_CANCEL_GRACE_SECONDS, NAN,
    "cancel-grace-seconds is nan, but must be finite and >= 0" },
  { "cancel-grace-seconds/negative-infinite", LP_SETTING_CANCEL_GRACE_SECONDS, -INFINITY,
    "cancel-grace-seconds is -inf, but must be finite and >= 0" },
  { "idle-linger-seconds/default", LP_SETTING_IDLE_LINGER_SECONDS, -1, NULL },
  { "idle-linger-seconds/zero", LP_SETTING_IDLE_LINGER_SECONDS, 0, NULL },
  { "idle-linger-seconds/negative", LP_SETTING_IDLE_LINGER_SECONDS, -0.25,
    "idle-linger-seconds is -0.25, but must be -1, or finite and >= 0" },
  { "idle-linger-seconds/nan", LP_SETTING_IDLE_LINGER_SECONDS, NAN,
    "idle-linger-seconds is nan, but must be -1, or finite and >= 0" },
  { "idle-linger-seconds/infinite", LP_SETTING_IDLE_LINGER_SECONDS, INFINITY,
    "idle-linger-seconds is inf, but must be -1, or finite and >= 0" },

  { "max-jobs-per-worker/zero", LP_SETTING_MAX_JOBS_PER_WORKER, 0, NULL },
  { "max-jobs-per-worker/negative", LP_SETTING_MAX_JOBS_PER_WORKER, -1,
    "max-jobs-per-worker is -1, but must be >= 0" },
  { "max-waiters/zero", LP_SETTING_MAX_WAITERS, 0, NULL },
  { "max-waiters/negative", LP_SETTING_MAX_WAITERS, -1, "max-waiters is -1, but must be >= 0" },
  { "max-queued-jobs/zero", LP_SETTING_MAX_QUEUED_JOBS, 0, NULL },
  { "max-queued-jobs/negative", LP_SETTING_MAX_QUEUED_JOBS, -1, "max-queued-jobs is -1, but must be >= 0" },
  { "max-message-size/zero", LP_SETTING_MAX_MESSAGE_SIZE, 0, "max-message-size is 0, but must be >= 4096" },
  { "max-message-size/too-small", LP_SETTING_MAX_MESSAGE_SIZE, 4095,
    "max-message-size is 4095, but must be >= 4096" },
  { "max-message-size/smallest", LP_SETTING_MAX_MESSAGE_SIZE, 4096, NULL },
  { "max-quarantined/default", LP_SETTING_MAX_QUARANTINED, -1, NULL },
  { "max-quarantined/zero", LP_SETTING_MAX_QUARANTINED, 0, NULL },
  { "max-quarantined/negative", LP_SETTING_MAX_QUARANTINED, -2, "max-quarantined is -2, but must be >= -1" },
  { "units/zero", LP_SETTING_UNITS, 0, NULL },
  { "units/negative", LP_SETTING_UNITS, G_MININT, NULL },

  { "process-log-level/none", LP_SETTING_PROCESS_LOG_LEVEL, 0,
    "process-log-level is 0, but must be one level from G_LOG_LEVEL_ERROR (4) to G_LOG_LEVEL_DEBUG (128)" },
  { "process-log-level/several", LP_SETTING_PROCESS_LOG_LEVEL, G_LOG_LEVEL_INFO | G_LOG_LEVEL_DEBUG,
    "process-log-level is 192, but must be one level from G_LOG_LEVEL_ERROR (4) to G_LOG_LEVEL_DEBUG (128)" },
  { "process-log-level/of-another-logger", LP_SETTING_PROCESS_LOG_LEVEL, 20,
    "process-log-level is 20, but must be one level from G_LOG_LEVEL_ERROR (4) to G_LOG_LEVEL_DEBUG (128)" },
  { "process-log-level/most-severe", LP_SETTING_PROCESS_LOG_LEVEL, G_LOG_LEVEL_ERROR, NULL },
  { "process-log-level/least-severe", LP_SETTING_PROCESS_LOG_LEVEL, G_LOG_LEVEL_DEBUG, NULL },

  { "forward-process-logs/on-threads", LP_SETTING_FORWARD_PROCESS_LOGS, TRUE,
    "forward-process-logs is TRUE, but the backend \"thread\" has no processes" },
  { "forward-process-logs/off", LP_SETTING_FORWARD_PROCESS_LOGS, FALSE, NULL },
  { "clear-process-log-handlers/off", LP_SETTING_CLEAR_PROCESS_LOG_HANDLERS, FALSE, NULL },
};

static void
test_number (gconstpointer data)
{
  const NumberCase *row = data;
  g_autoptr(GParamSpec) pspec = g_param_spec_ref_sink (lp_settings_create_pspec (row->id));
  g_auto(GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_PARAM_SPEC_VALUE_TYPE (pspec));
  if (G_VALUE_HOLDS_DOUBLE (&value))
    g_value_set_double (&value, row->value);
  else if (G_VALUE_HOLDS_UINT (&value))
    g_value_set_uint (&value, (guint) row->value);
  else if (G_VALUE_HOLDS_BOOLEAN (&value))
    g_value_set_boolean (&value, row->value != 0);
  else
    g_value_set_int (&value, (int) row->value);

  check_value (row->id, &value, row->message);
}

/* Strings */

typedef struct
{
  const char *name;
  LpSettingId id;
  const char *value;
  const char *message;
} TextCase;

static const TextCase text_cases[] = {
  { "backend/null-is-thread", LP_SETTING_BACKEND, NULL, NULL },
  { "backend/without-case", LP_SETTING_BACKEND, "ThReAd", NULL },
  { "name-prefix/null", LP_SETTING_NAME_PREFIX, NULL, "name-prefix is NULL, but must be a string" },
  { "name-prefix/empty", LP_SETTING_NAME_PREFIX, "", "name-prefix is \"\", but must be non-empty" },
  { "name-prefix/control-character", LP_SETTING_NAME_PREFIX, "a\nb",
    "name-prefix is \"a\\x0ab\", but must be UTF-8 without control characters" },
  { "name-prefix/two-byte-control-character", LP_SETTING_NAME_PREFIX, "a\xc2\x9b" "b",
    "name-prefix is \"a\\xc2\\x9bb\", but must be UTF-8 without control characters" },
  { "name-prefix/not-utf8", LP_SETTING_NAME_PREFIX, "a\xff",
    "name-prefix is \"a\\xff\", but must be UTF-8 without control characters" },
  { "name-prefix/utf8", LP_SETTING_NAME_PREFIX, "p\xc3\xa4" "dagogik", NULL },
  { "log-domain/null", LP_SETTING_LOG_DOMAIN, NULL, "log-domain is NULL, but must be a string" },
  { "log-domain/control-character", LP_SETTING_LOG_DOMAIN, "\x1b[2J",
    "log-domain is \"\\x1b[2J\", but must be UTF-8 without control characters" },
  { "process-log-domain/null", LP_SETTING_PROCESS_LOG_DOMAIN, NULL, NULL },
  { "process-log-domain/control-character", LP_SETTING_PROCESS_LOG_DOMAIN, "a\tb",
    "process-log-domain is \"a\\x09b\", but must be UTF-8 without control characters" },
  { "function-module/absolute-path", LP_SETTING_FUNCTION_MODULE, "/nowhere/module.so", NULL },
  { "function-module/name", LP_SETTING_FUNCTION_MODULE, "module", NULL },
  { "function-module/relative-path", LP_SETTING_FUNCTION_MODULE, "../module",
    "function-module is \"../module\", but must be an absolute path or a name without \"/\"" },
  { "function-module/empty", LP_SETTING_FUNCTION_MODULE, "",
    "function-module is \"\", but must be an absolute path or a name without \"/\"" },
  { "worker-directory/empty", LP_SETTING_WORKER_DIRECTORY, "",
    "worker-directory is \"\", but must be NULL or non-empty" },
  { "worker-directory/path", LP_SETTING_WORKER_DIRECTORY, "/", NULL },
  { "worker-init-function/empty", LP_SETTING_WORKER_INIT_FUNCTION, "",
    "worker-init-function is \"\", but must be NULL or non-empty" },
  { "worker-init-function/without-functions", LP_SETTING_WORKER_INIT_FUNCTION, "warm-up",
    "worker-init-function is \"warm-up\", but needs functions or function-module" },
};

static void
test_text (gconstpointer data)
{
  const TextCase *row = data;
  g_auto(GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_STRING);
  g_value_set_static_string (&value, row->value);
  check_value (row->id, &value, row->message);
}

/* Arrays of strings */

typedef struct
{
  const char *name;
  LpSettingId id;
  const char *value[3];
  const char *message;
} StrvCase;

static const StrvCase strv_cases[] = {
  { "worker-argv/program", LP_SETTING_WORKER_ARGV, { "program", "" }, NULL },
  { "worker-argv/empty", LP_SETTING_WORKER_ARGV, { NULL },
    "worker-argv is empty, but must be NULL or begin with a program" },
  { "worker-argv/no-program", LP_SETTING_WORKER_ARGV, { "", "argument" },
    "worker-argv is [\"\", ...], but must be NULL or begin with a program" },
  { "worker-launcher/program", LP_SETTING_WORKER_LAUNCHER, { "nice", "-n5" }, NULL },
  { "worker-launcher/empty-is-none", LP_SETTING_WORKER_LAUNCHER, { NULL }, NULL },
  { "worker-launcher/no-program", LP_SETTING_WORKER_LAUNCHER, { "" },
    "worker-launcher is [\"\", ...], but must be NULL or begin with a program" },
  { "worker-environment/assignments", LP_SETTING_WORKER_ENVIRONMENT, { "A=1", "B=" }, NULL },
  { "worker-environment/empty", LP_SETTING_WORKER_ENVIRONMENT, { NULL }, NULL },
  { "worker-environment/no-value", LP_SETTING_WORKER_ENVIRONMENT, { "A=1", "B" },
    "worker-environment has \"B\", but must have NAME=VALUE only" },
  { "worker-environment/no-name", LP_SETTING_WORKER_ENVIRONMENT, { "=1" },
    "worker-environment has \"=1\", but must have NAME=VALUE only" },
};

static void
test_strv (gconstpointer data)
{
  const StrvCase *row = data;
  g_auto(GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_STRV);
  g_value_set_static_boxed (&value, row->value);
  check_value (row->id, &value, row->message);
}

/* Variants */

static void
check_options (const char *text,
               const char *message)
{
  g_auto(GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_VARIANT);
  g_value_set_variant (&value, g_variant_new_parsed (text));
  check_value (LP_SETTING_EXECUTOR_OPTIONS, &value, message);
}

static void
test_options_must_be_a_dictionary (void)
{
  check_options ("@a{sv} {}", NULL);
  check_options ("{'a': <1>}", NULL);
  check_options ("{'a': 1}", "executor-options is of type \"a{si}\", but must be of type \"a{sv}\"");
  check_options ("'a'", "executor-options is of type \"s\", but must be of type \"a{sv}\"");
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

static void
test_init_function_needs_functions (void)
{
  g_autoptr(LpSettings) settings = create_valid_settings ();
  const char *argv[] = { "program", NULL };

  settings->worker_init_function = g_strdup ("warm-up");
  settings->worker_argv = g_strdupv ((char **) argv);
  g_assert_false (lp_settings_validate (settings, NULL));

  settings->functions = lp_functions_new ();
  assert_settings (settings, NULL);

  g_clear_object (&settings->functions);
  settings->function_module = g_strdup ("module");
  assert_settings (settings, NULL);
}

static void
test_processes (void)
{
  g_autoptr(LpSettings) settings = create_valid_settings ();
  const char *argv[] = { "program", NULL };

  if (!lp_backend_is_available (LP_BACKEND_PROCESS))
    {
      g_test_skip ("there is no process backend");
      return;
    }

  g_free (settings->backend);
  settings->backend = g_strdup ("Process");
  settings->forward_process_logs = TRUE;
  assert_settings (settings, NULL);
  g_assert_cmpfloat (lp_settings_idle_linger (settings), ==, 5);

  settings->worker_init_function = g_strdup ("warm-up");
  assert_settings (settings,
                   "worker-init-function is \"warm-up\", but needs functions or function-module or worker-argv");

  settings->worker_argv = g_strdupv ((char **) argv);
  assert_settings (settings, NULL);
}

/* LpSettings itself */

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

  g_assert_cmpfloat (lp_settings_idle_linger (settings), ==, 0);
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

  g_assert_true (lp_settings_resolve_executor_type (copy, NULL) == LP_TYPE_THREAD_EXECUTOR);
  g_assert_cmpfloat (lp_settings_idle_linger (copy), ==, 0);

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
  LpManager *manager = g_object_new (LP_TYPE_MANAGER, "max-pools", 2, "check-interval", NAN, NULL);

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
count_cb (GObject    *object,
          GParamSpec *pspec,
          gpointer    user_data)
{
  guint *count = user_data;

  (*count)++;
}

static void
test_notify_only_on_change (void)
{
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, 2);
  const char *argv[] = { "program", NULL };
  guint count = 0;

  g_signal_connect (manager, "notify", G_CALLBACK (count_cb), &count);

  g_object_set (manager, "max-pools", 2, "backend", "thread", NULL);
  lp_manager_set_backend (manager, NULL);
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
  LpManager *manager = lp_manager_new (NULL, 2);
  LpFunctions *functions = lp_functions_new ();
  const char *argv[] = { "program", "argument", NULL };
  g_autoptr(GVariant) options = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));

  g_assert_cmpstr (lp_manager_get_backend (manager), ==, "thread");

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
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, 2);
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

  g_assert_finalize_object (manager);
}

#define ADD_ROWS(rows, func) \
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) \
    { \
      g_autofree char *path = g_strconcat ("/settings/", rows[i].name, NULL); \
      g_test_add_data_func (path, &rows[i], func); \
    }

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD_ROWS (number_cases, test_number)
  ADD_ROWS (text_cases, test_text)
  ADD_ROWS (strv_cases, test_strv)

  g_test_add_func ("/settings/executor-options/must-be-a-dictionary", test_options_must_be_a_dictionary);
  g_test_add_func ("/settings/executor-type/must-be-concrete", test_executor_type_must_be_concrete);
  g_test_add_func ("/settings/executor-type/wins-over-backend", test_executor_type_wins);
  g_test_add_func ("/settings/backend/unknown", test_unknown_backend);
  g_test_add_func ("/settings/worker-init-function/needs-functions", test_init_function_needs_functions);
  g_test_add_func ("/settings/processes", test_processes);
  g_test_add_func ("/settings/defaults", test_defaults);
  g_test_add_func ("/settings/resolved-values", test_resolved_values);
  g_test_add_func ("/settings/copy-is-independent", test_copy_is_independent);
  g_test_add_func ("/settings/properties/at-construction", test_properties_at_construction);
  g_test_add_func ("/settings/properties/odd-numbers-reach-validate", test_odd_numbers_reach_validate);
  g_test_add_func ("/settings/properties/notify-only-on-change", test_notify_only_on_change);
  g_test_add_func ("/settings/properties/typed-accessors", test_typed_accessors);
  g_test_add_func ("/settings/properties/frozen-while-running", test_frozen_while_running);

  return g_test_run ();
}
