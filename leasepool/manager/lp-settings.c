/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-settings-private.h"

#include "lp-backend-private.h"
#include "lp-log-private.h"
#include "lp-process-executor.h"
#include "lp-setting-checks-private.h"

/* One table describes every setting: where it is in the struct, of what kind it
 * is, what it is at first and which rule it must keep. Copying, freeing, the
 * properties of LpManager and lp_settings_validate() all walk this table; only
 * the rules between several settings are written out, in check_together().
 *
 * No value is refused or changed when it is set. A double may well be NaN, and
 * lp_settings_validate() is the one place that judges. */

#define SETTING(name, member, kind) name, G_STRUCT_OFFSET (LpSettings, member), LP_SETTING_KIND_ ## kind

static const LpSetting settings[LP_N_SETTINGS] = {
  [LP_SETTING_BACKEND]
    = { SETTING ("backend", backend, STRING), .text = LP_BACKEND_THREAD },
  [LP_SETTING_EXECUTOR_TYPE]
    = { SETTING ("executor-type", executor_type, GTYPE), lp_setting_check_executor_type, G_TYPE_NONE },
  [LP_SETTING_MAX_POOLS]
    = { SETTING ("max-pools", max_pools, INT), lp_setting_check_int, 0, .minimum = 1 },
  [LP_SETTING_MIN_POOLS]
    = { SETTING ("min-pools", min_pools, INT), lp_setting_check_int, 1, .minimum = 1 },
  [LP_SETTING_UNITS_PER_POOL]
    = { SETTING ("units-per-pool", units_per_pool, INT), lp_setting_check_int, 10, .minimum = 1 },
  [LP_SETTING_WORKERS_PER_POOL]
    = { SETTING ("workers-per-pool", workers_per_pool, INT), lp_setting_check_int, 4, .minimum = 1 },
  [LP_SETTING_CHECK_INTERVAL]
    = { SETTING ("check-interval", check_interval, DOUBLE), lp_setting_check_positive_seconds, 120 },
  [LP_SETTING_DEFAULT_LEASE_SECONDS]
    = { SETTING ("default-lease-seconds", default_lease_seconds, DOUBLE), lp_setting_check_positive_seconds, 300 },
  [LP_SETTING_LEASE_GRACE_SECONDS]
    = { SETTING ("lease-grace-seconds", lease_grace_seconds, DOUBLE), lp_setting_check_seconds, 15 },
  [LP_SETTING_START_TIMEOUT_SECONDS]
    = { SETTING ("start-timeout-seconds", start_timeout_seconds, DOUBLE), lp_setting_check_positive_seconds, 10 },
  [LP_SETTING_CANCEL_GRACE_SECONDS]
    = { SETTING ("cancel-grace-seconds", cancel_grace_seconds, DOUBLE), lp_setting_check_seconds, 5 },
  [LP_SETTING_IDLE_LINGER_SECONDS]
    = { SETTING ("idle-linger-seconds", idle_linger_seconds, DOUBLE), lp_setting_check_seconds_or_default, -1 },
  [LP_SETTING_NAME_PREFIX]
    = { SETTING ("name-prefix", name_prefix, STRING), lp_setting_check_prefix, .text = "leasepool" },
  [LP_SETTING_LOG_DOMAIN]
    = { SETTING ("log-domain", log_domain, STRING), lp_setting_check_text, .text = "leasepool" },
  [LP_SETTING_FORWARD_PROCESS_LOGS]
    = { SETTING ("forward-process-logs", forward_process_logs, BOOLEAN), NULL, FALSE },
  [LP_SETTING_PROCESS_LOG_LEVEL]
    = { SETTING ("process-log-level", process_log_level, UINT), lp_setting_check_level, G_LOG_LEVEL_INFO },
  [LP_SETTING_PROCESS_LOG_DOMAIN]
    = { SETTING ("process-log-domain", process_log_domain, STRING), lp_setting_check_text_or_null },
  [LP_SETTING_CLEAR_PROCESS_LOG_HANDLERS]
    = { SETTING ("clear-process-log-handlers", clear_process_log_handlers, BOOLEAN), NULL, TRUE },
  [LP_SETTING_FUNCTIONS]
    = { SETTING ("functions", functions, FUNCTIONS) },
  [LP_SETTING_FUNCTION_MODULE]
    = { SETTING ("function-module", function_module, STRING), lp_setting_check_module },
  [LP_SETTING_WORKER_ARGV]
    = { SETTING ("worker-argv", worker_argv, STRV), lp_setting_check_argv },
  [LP_SETTING_WORKER_LAUNCHER]
    = { SETTING ("worker-launcher", worker_launcher, STRV), lp_setting_check_launcher },
  [LP_SETTING_WORKER_ENVIRONMENT]
    = { SETTING ("worker-environment", worker_environment, STRV), lp_setting_check_environment },
  [LP_SETTING_WORKER_DIRECTORY]
    = { SETTING ("worker-directory", worker_directory, STRING), lp_setting_check_not_empty_or_null },
  [LP_SETTING_WORKER_INIT_FUNCTION]
    = { SETTING ("worker-init-function", worker_init_function, STRING), lp_setting_check_not_empty_or_null },
  [LP_SETTING_WORKER_INIT_PARAMETERS]
    = { SETTING ("worker-init-parameters", worker_init_parameters, VARIANT) },
  [LP_SETTING_EXECUTOR_OPTIONS]
    = { SETTING ("executor-options", executor_options, VARIANT), lp_setting_check_options },
  [LP_SETTING_MAX_JOBS_PER_WORKER]
    = { SETTING ("max-jobs-per-worker", max_jobs_per_worker, INT), lp_setting_check_int, 0, .minimum = 0 },
  [LP_SETTING_MAX_WAITERS]
    = { SETTING ("max-waiters", max_waiters, INT), lp_setting_check_int, 0, .minimum = 0 },
  [LP_SETTING_MAX_QUEUED_JOBS]
    = { SETTING ("max-queued-jobs", max_queued_jobs, INT), lp_setting_check_int, 0, .minimum = 0 },
  [LP_SETTING_MAX_MESSAGE_SIZE]
    = { SETTING ("max-message-size", max_message_size, INT), lp_setting_check_int, 134217728, .minimum = 4096 },
  [LP_SETTING_MAX_QUARANTINED]
    = { SETTING ("max-quarantined", max_quarantined, INT), lp_setting_check_int, -1, .minimum = -1 },
  [LP_SETTING_UNITS]
    = { SETTING ("units", units, INT), NULL, 0 },
};

static const LpSetting *
get_setting (LpSettingId id)
{
  g_assert (id >= LP_SETTING_FIRST && id < LP_N_SETTINGS);

  return &settings[id];
}

GParamSpec *
lp_settings_create_pspec (LpSettingId id)
{
  return lp_setting_create_pspec (get_setting (id));
}

const char *
lp_settings_get_name (LpSettingId id)
{
  return get_setting (id)->name;
}

void
lp_settings_get_value (const LpSettings *self,
                       LpSettingId       id,
                       GValue           *value)
{
  lp_setting_get_value (get_setting (id), self, value);
}

gboolean
lp_settings_set_value (LpSettings   *self,
                       LpSettingId   id,
                       const GValue *value)
{
  const LpSetting *setting = get_setting (id);
  g_auto(GValue) backend = G_VALUE_INIT;

  /* No backend is the default one. */
  if (id == LP_SETTING_BACKEND && g_value_get_string (value) == NULL)
    {
      g_value_init (&backend, G_TYPE_STRING);
      g_value_set_static_string (&backend, setting->text);
      value = &backend;
    }

  return lp_setting_set_value (setting, self, value);
}

/* Leaves the struct without anything that must be freed. */
static void
clear (gpointer data)
{
  for (LpSettingId id = LP_SETTING_FIRST; id < LP_N_SETTINGS; id++)
    lp_setting_clear (&settings[id], data);
}

LpSettings *
lp_settings_new (void)
{
  LpSettings *self = g_atomic_rc_box_new0 (LpSettings);

  for (LpSettingId id = LP_SETTING_FIRST; id < LP_N_SETTINGS; id++)
    lp_setting_reset (&settings[id], self);

  return self;
}

LpSettings *
lp_settings_copy (const LpSettings *self)
{
  LpSettings *copy = g_atomic_rc_box_new0 (LpSettings);

  for (LpSettingId id = LP_SETTING_FIRST; id < LP_N_SETTINGS; id++)
    lp_setting_copy (&settings[id], self, copy);

  copy->resolved_executor_type = lp_settings_resolve_executor_type (copy, NULL);

  return copy;
}

LpSettings *
lp_settings_ref (LpSettings *self)
{
  return g_atomic_rc_box_acquire (self);
}

void
lp_settings_unref (LpSettings *self)
{
  g_atomic_rc_box_release_full (self, clear);
}

/* 0 is what bindings have for "no type"; both mean that the backend decides. */
static gboolean
has_executor_type (const LpSettings *self)
{
  return self->executor_type != G_TYPE_NONE && self->executor_type != G_TYPE_INVALID;
}

/* A type that lp_setting_check_executor_type() accepts is good. */
GType
lp_settings_resolve_executor_type (const LpSettings *self,
                                   GError          **error)
{
  if (self->resolved_executor_type != G_TYPE_INVALID)
    return self->resolved_executor_type;

  if (has_executor_type (self))
    return self->executor_type;

  return lp_backend_resolve (self->backend, error);
}

static gboolean
has_processes (GType executor_type)
{
  return executor_type == LP_TYPE_PROCESS_EXECUTOR;
}

static gboolean
check_log_forwarding (const LpSettings *self,
                      GType             executor_type,
                      GError          **error)
{
  if (!self->forward_process_logs || has_processes (executor_type))
    return TRUE;

  g_set_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
               "forward-process-logs is TRUE, but the %s \"%s\" has no processes",
               has_executor_type (self) ? "executor type" : "backend",
               has_executor_type (self) ? g_type_name (executor_type) : self->backend);

  return FALSE;
}

/* A worker program given by worker-argv brings its own functions. */
static gboolean
check_init_function (const LpSettings *self,
                     GType             executor_type,
                     GError          **error)
{
  g_autofree char *name = NULL;

  if (self->worker_init_function == NULL || self->functions != NULL || self->function_module != NULL)
    return TRUE;

  if (has_processes (executor_type) && self->worker_argv != NULL)
    return TRUE;

  name = lp_log_escape (self->worker_init_function);
  g_set_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
               "worker-init-function is \"%s\", but needs functions or function-module%s",
               name, has_processes (executor_type) ? " or worker-argv" : "");

  return FALSE;
}

/* The rules between settings that are good each on its own. */
static gboolean
check_together (const LpSettings *self,
                GError          **error)
{
  GType executor_type;

  if (self->min_pools > self->max_pools)
    {
      g_set_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
                   "min-pools is %d, but must be <= max-pools, which is %d",
                   self->min_pools, self->max_pools);
      return FALSE;
    }

  executor_type = lp_settings_resolve_executor_type (self, error);

  return executor_type != G_TYPE_INVALID &&
         check_log_forwarding (self, executor_type, error) &&
         check_init_function (self, executor_type, error);
}

gboolean
lp_settings_validate (const LpSettings *self,
                      GError          **error)
{
  for (LpSettingId id = LP_SETTING_FIRST; id < LP_N_SETTINGS; id++)
    if (!lp_setting_check (&settings[id], self, error))
      return FALSE;

  return check_together (self, error);
}

/* How long a surplus idle executor is kept: a process is worth more than a
 * thread, which starts at once. For a valid copy, and then also under a lock. */
double
lp_settings_idle_linger (const LpSettings *self)
{
  if (self->idle_linger_seconds != -1)
    return self->idle_linger_seconds;

  return has_processes (lp_settings_resolve_executor_type (self, NULL)) ? 5 : 0;
}

int
lp_settings_max_quarantined (const LpSettings *self)
{
  return self->max_quarantined == -1 ? self->max_pools : self->max_quarantined;
}
