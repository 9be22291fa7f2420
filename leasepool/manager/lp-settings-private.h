/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <gio/gio.h>

#include "lp-functions.h"

G_BEGIN_DECLS

/* The settings in the order of their table in lp-settings.c. The ids are the
 * property ids of LpManager, too; its other properties follow LP_N_SETTINGS. */
typedef enum
{
  LP_SETTING_FIRST = 1,
  LP_SETTING_BACKEND = LP_SETTING_FIRST,
  LP_SETTING_EXECUTOR_TYPE,
  LP_SETTING_MAX_POOLS,
  LP_SETTING_MIN_POOLS,
  LP_SETTING_UNITS_PER_POOL,
  LP_SETTING_WORKERS_PER_POOL,
  LP_SETTING_CHECK_INTERVAL,
  LP_SETTING_DEFAULT_LEASE_SECONDS,
  LP_SETTING_LEASE_GRACE_SECONDS,
  LP_SETTING_START_TIMEOUT_SECONDS,
  LP_SETTING_CANCEL_GRACE_SECONDS,
  LP_SETTING_IDLE_LINGER_SECONDS,
  LP_SETTING_NAME_PREFIX,
  LP_SETTING_LOG_DOMAIN,
  LP_SETTING_FORWARD_PROCESS_LOGS,
  LP_SETTING_PROCESS_LOG_LEVEL,
  LP_SETTING_PROCESS_LOG_DOMAIN,
  LP_SETTING_CLEAR_PROCESS_LOG_HANDLERS,
  LP_SETTING_FUNCTIONS,
  LP_SETTING_FUNCTION_MODULE,
  LP_SETTING_WORKER_ARGV,
  LP_SETTING_WORKER_LAUNCHER,
  LP_SETTING_WORKER_ENVIRONMENT,
  LP_SETTING_WORKER_DIRECTORY,
  LP_SETTING_WORKER_INIT_FUNCTION,
  LP_SETTING_WORKER_INIT_PARAMETERS,
  LP_SETTING_EXECUTOR_OPTIONS,
  LP_SETTING_MAX_JOBS_PER_WORKER,
  LP_SETTING_MAX_WAITERS,
  LP_SETTING_MAX_QUEUED_JOBS,
  LP_SETTING_MAX_MESSAGE_SIZE,
  LP_SETTING_MAX_QUARANTINED,
  LP_SETTING_UNITS,
  LP_N_SETTINGS
} LpSettingId;

/* Every setting of a manager, named as its property. Reference-counted
 * atomically. The manager's own one is written in the owner context only; the
 * pool takes a copy at start, which nobody writes and any thread may read. */
typedef struct _LpSettings LpSettings;

struct _LpSettings
{
  char *backend;
  GType executor_type;
  int max_pools;
  int min_pools;
  int units_per_pool;
  int workers_per_pool;
  double check_interval;
  double default_lease_seconds;
  double lease_grace_seconds;
  double start_timeout_seconds;
  double cancel_grace_seconds;
  double idle_linger_seconds;
  char *name_prefix;
  char *log_domain;
  gboolean forward_process_logs;
  guint process_log_level;
  char *process_log_domain;
  gboolean clear_process_log_handlers;
  LpFunctions *functions;
  char *function_module;
  char **worker_argv;
  char **worker_launcher;
  char **worker_environment;
  char *worker_directory;
  char *worker_init_function;
  GVariant *worker_init_parameters;
  GVariant *executor_options;
  int max_jobs_per_worker;
  int max_waiters;
  int max_queued_jobs;
  int max_message_size;
  int max_quarantined;
  int units;

  /* Of a copy only: what executor_type or backend stand for, looked up once, so
   * that it can be asked for under a lock. G_TYPE_INVALID: not known. */
  GType resolved_executor_type;
};

LpSettings *lp_settings_new   (void);
LpSettings *lp_settings_copy  (const LpSettings *self);
LpSettings *lp_settings_ref   (LpSettings *self);
void        lp_settings_unref (LpSettings *self);

gboolean    lp_settings_validate              (const LpSettings *self, GError **error);
GType       lp_settings_resolve_executor_type (const LpSettings *self, GError **error);
double      lp_settings_idle_linger           (const LpSettings *self);
int         lp_settings_max_quarantined       (const LpSettings *self);

/* Access by id. The GValue has the type of the property; set_value() returns
 * whether it changed anything. */
const char *lp_settings_get_name     (LpSettingId id);
GParamSpec *lp_settings_create_pspec (LpSettingId id);
void        lp_settings_get_value    (const LpSettings *self, LpSettingId id, GValue *value);
gboolean    lp_settings_set_value    (LpSettings *self, LpSettingId id, const GValue *value);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LpSettings, lp_settings_unref)

G_END_DECLS
