/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The rules of each setting, as rows of tables: a value is put into otherwise valid
 * settings, and validation must judge it the same way whether it was stored directly
 * or as a property of a manager, and whatever the backend. */

#include "config.h"

#include "lp-test-settings.h"

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

/* What depends on the backend */

static void
test_forward_process_logs (void)
{
  g_auto(GValue) value = G_VALUE_INIT;
  g_autofree char *refusal = g_strdup_printf ("forward-process-logs is TRUE, but the backend \"%s\" has no processes",
                                              lp_test_get_backend ());

  g_value_init (&value, G_TYPE_BOOLEAN);
  g_value_set_boolean (&value, TRUE);
  check_value (LP_SETTING_FORWARD_PROCESS_LOGS, &value, lp_test_has_processes () ? NULL : refusal);
}

static void
test_init_function_without_functions (void)
{
  g_auto(GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_STRING);
  g_value_set_static_string (&value, "warm-up");
  check_value (LP_SETTING_WORKER_INIT_FUNCTION, &value,
               lp_test_has_processes ()
               ? "worker-init-function is \"warm-up\", but needs functions or function-module or worker-argv"
               : "worker-init-function is \"warm-up\", but needs functions or function-module");
}

#define ADD_ROWS(rows, func) \
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) \
    { \
      g_autofree char *path = g_strconcat ("/settings/", rows[i].name, NULL); \
      lp_test_conform_add_data_func (path, &rows[i], func); \
    }

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD_ROWS (number_cases, test_number)
  ADD_ROWS (text_cases, test_text)
  ADD_ROWS (strv_cases, test_strv)
  lp_test_conform_add_func ("/settings/executor-options/must-be-a-dictionary", test_options_must_be_a_dictionary);
  lp_test_conform_add_func ("/settings/forward-process-logs/on", test_forward_process_logs);
  lp_test_conform_add_func ("/settings/worker-init-function/without-functions", test_init_function_without_functions);

  return g_test_run ();
}
