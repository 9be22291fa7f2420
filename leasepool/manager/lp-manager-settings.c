/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-manager-settings-private.h"

#include "lp-manager-private.h"

/* Every setting is a property that is written through one function here, which
 * refuses while the manager runs, and notifies what really changed. The typed
 * setters in lp-manager-accessors.c come here, too. */

static GParamSpec *pspecs[LP_N_SETTINGS];

/**
 * LpManager:backend:
 *
 * The name of the backend, compared without case: "thread", "process" or
 * another one that [func@Lp.backend_list] has.
 * [property@Lp.Manager:executor-type] wins over it.
 *
 * A name that nobody provides is refused by [method@Lp.Manager.validate] with
 * %LP_ERROR_UNSUPPORTED_BACKEND. %NULL sets the default, "thread".
 *
 * Since: 1.0
 */

/**
 * LpManager:executor-type:
 *
 * The type of the executors: a subclass of [class@Lp.Executor] that is not
 * abstract. It wins over [property@Lp.Manager:backend].
 *
 * The default, %G_TYPE_NONE, leaves the choice to the backend.
 *
 * Since: 1.0
 */

/**
 * LpManager:max-pools:
 *
 * How many executors there are at most, including those that are starting or
 * draining.
 *
 * It must be > 0. The default, 0, stands for “not given” and is refused by
 * [method@Lp.Manager.validate].
 *
 * Since: 1.0
 */

/**
 * LpManager:min-pools:
 *
 * How many executors are kept, however few units of work there are.
 *
 * It must be > 0 and <= [property@Lp.Manager:max-pools]. The default is 1.
 *
 * Since: 1.0
 */

/**
 * LpManager:units-per-pool:
 *
 * How many units of work one executor is for: the manager wants as many
 * executors as the units need, within [property@Lp.Manager:min-pools] and
 * [property@Lp.Manager:max-pools].
 *
 * It must be > 0. The default is 10.
 *
 * Since: 1.0
 */

/**
 * LpManager:workers-per-pool:
 *
 * How many workers an executor has, which is how many of its jobs run at a
 * time.
 *
 * It must be > 0. The default is 4.
 *
 * Since: 1.0
 */

/**
 * LpManager:check-interval:
 *
 * The seconds between two checks of the size and the health of the pool.
 * Leases expire on time whatever it is.
 *
 * It must be finite and > 0. The default is 120.
 *
 * Since: 1.0
 */

/**
 * LpManager:default-lease-seconds:
 *
 * The seconds from the grant of a lease to its soft expiry, if the request
 * does not say another number.
 *
 * It must be finite and > 0. The default is 300.
 *
 * Since: 1.0
 */

/**
 * LpManager:lease-grace-seconds:
 *
 * The seconds from the soft expiry of a lease, when its holder is warned, to
 * the hard expiry, when it is revoked.
 *
 * It must be finite and >= 0. The default is 15.
 *
 * Since: 1.0
 */

/**
 * LpManager:start-timeout-seconds:
 *
 * The seconds in which an executor must be ready, or it counts as failed.
 *
 * It must be finite and > 0. The default is 10.
 *
 * Since: 1.0
 */

/**
 * LpManager:cancel-grace-seconds:
 *
 * The seconds a cancelled job is given: first from its cancellation to
 * SIGTERM, then from SIGTERM to SIGKILL. A function on a thread cannot be
 * killed; its executor is quarantined.
 *
 * It must be finite and >= 0. The default is 5.
 *
 * Since: 1.0
 */

/**
 * LpManager:idle-linger-seconds:
 *
 * The seconds that an idle executor is kept which the size of the pool does
 * not ask for.
 *
 * It must be finite and >= 0, or -1. The default, -1, is 5 seconds for
 * executors of processes and 0 for all others.
 *
 * Since: 1.0
 */

/**
 * LpManager:name-prefix:
 *
 * What the names of executors and of their threads begin with. A thread is
 * called PREFIX-SEQ-N, in at most 15 bytes: the prefix is cut, never the
 * numbers. Worker processes find it in their environment.
 *
 * It must be UTF-8 without control characters and not empty. The default is
 * "leasepool".
 *
 * Since: 1.0
 */

/**
 * LpManager:log-domain:
 *
 * The log domain of the records that the manager itself writes.
 *
 * It must be UTF-8 without control characters. The default is "leasepool".
 *
 * Since: 1.0
 */

/**
 * LpManager:forward-process-logs:
 *
 * Whether the log records of worker processes are forwarded to this process.
 *
 * %TRUE is refused on a backend without processes. The default is %FALSE.
 *
 * Since: 1.0
 */

/**
 * LpManager:process-log-level:
 *
 * The least severe level of the records that worker processes forward, one of
 * the [flags@GLib.LogLevelFlags].
 *
 * It must be one level from %G_LOG_LEVEL_ERROR (4) to %G_LOG_LEVEL_DEBUG
 * (128). The default is %G_LOG_LEVEL_INFO (64).
 *
 * Since: 1.0
 */

/**
 * LpManager:process-log-domain:
 *
 * The log domain that forwarded records are given; the original one is kept in
 * a field of theirs. It has no effect without
 * [property@Lp.Manager:forward-process-logs].
 *
 * It must be UTF-8 without control characters. The default, %NULL, keeps the
 * original domain.
 *
 * Since: 1.0
 */

/**
 * LpManager:clear-process-log-handlers:
 *
 * Whether a worker process, if its records are forwarded, leaves it at that.
 * If %FALSE, it also writes them to its own standard error.
 *
 * The default is %TRUE.
 *
 * Since: 1.0
 */

/**
 * LpManager:functions:
 *
 * The functions that jobs name, for workers that are threads.
 *
 * The default is %NULL.
 *
 * Since: 1.0
 */

/**
 * LpManager:function-module:
 *
 * The module with the functions that jobs name, for threads and for the
 * program `leasepool-worker`: an absolute path, or a name that is looked for
 * in `LP_MODULE_PATH` and in the module directory of the library.
 *
 * A name must not contain a "/". The default is %NULL.
 *
 * Since: 1.0
 */

/**
 * LpManager:worker-argv:
 *
 * The program of worker processes and its arguments.
 *
 * It must not be empty. The default, %NULL, is the program `leasepool-worker`
 * that belongs to the library, or the one that `LP_WORKER_PROGRAM` names.
 *
 * Since: 1.0
 */

/**
 * LpManager:worker-launcher:
 *
 * A prefix to the command line of worker processes, such as `nice`, `bwrap`,
 * `systemd-run --pipe` or `ssh HOST`.
 *
 * If it is not empty, it must begin with a program. The default is %NULL.
 *
 * Since: 1.0
 */

/**
 * LpManager:worker-environment:
 *
 * Environment variables for worker processes, each as NAME=VALUE, on top of
 * the environment of this process.
 *
 * The default is %NULL.
 *
 * Since: 1.0
 */

/**
 * LpManager:worker-directory:
 *
 * The working directory of worker processes.
 *
 * It must not be empty. The default, %NULL, is the working directory of this
 * process.
 *
 * Since: 1.0
 */

/**
 * LpManager:worker-init-function:
 *
 * The name of the function that is called first in every worker, with
 * [property@Lp.Manager:worker-init-parameters]. If it fails, its executor is
 * broken.
 *
 * It must not be empty, and needs [property@Lp.Manager:functions] or
 * [property@Lp.Manager:function-module] or, for processes,
 * [property@Lp.Manager:worker-argv]. The default is %NULL.
 *
 * Since: 1.0
 */

/**
 * LpManager:worker-init-parameters:
 *
 * The parameters of [property@Lp.Manager:worker-init-function].
 *
 * The default is %NULL.
 *
 * Since: 1.0
 */

/**
 * LpManager:executor-options:
 *
 * Options for executors of an [property@Lp.Manager:executor-type] or a backend
 * of one's own, which find them in [property@Lp.Executor:options].
 *
 * It must be of type `a{sv}`. The default is %NULL.
 *
 * Since: 1.0
 */

/**
 * LpManager:max-jobs-per-worker:
 *
 * After how many jobs a worker is replaced.
 *
 * It must be >= 0. The default, 0, means never.
 *
 * Since: 1.0
 */

/**
 * LpManager:max-waiters:
 *
 * How many acquires may wait at a time. One more fails with
 * %LP_ERROR_QUEUE_FULL.
 *
 * It must be >= 0. The default, 0, sets no bound.
 *
 * Since: 1.0
 */

/**
 * LpManager:max-queued-jobs:
 *
 * How many jobs of one lease may be accepted and not started. One more is
 * refused with %LP_ERROR_QUEUE_FULL.
 *
 * It must be >= 0. The default, 0, sets no bound.
 *
 * Since: 1.0
 */

/**
 * LpManager:max-message-size:
 *
 * The largest message to or from a worker process, in bytes. A larger one
 * fails its job only, unless it comes from a worker, which then breaks its
 * executor. A command with more output than this fails, too.
 *
 * It must be >= 4096. The default is 134217728.
 *
 * Since: 1.0
 */

/**
 * LpManager:max-quarantined:
 *
 * How many executors may be out of use because of threads that nobody can
 * stop, before such an executor keeps its place among those of
 * [property@Lp.Manager:max-pools].
 *
 * It must be >= -1. The default, -1, is as many as
 * [property@Lp.Manager:max-pools].
 *
 * Since: 1.0
 */

/**
 * LpManager:units:
 *
 * How many units of work there are, if there is no size provider, which wins.
 * A negative number counts as 0.
 *
 * It is the one setting that may be changed while the manager runs, and takes
 * effect at once. The default is 0.
 *
 * Since: 1.0
 */

void
lp_manager_settings_install_properties (GObjectClass *klass)
{
  for (LpSettingId id = LP_SETTING_FIRST; id < LP_N_SETTINGS; id++)
    {
      pspecs[id] = lp_settings_create_pspec (id);
      g_object_class_install_property (klass, id, pspecs[id]);
    }
}

gboolean
lp_manager_settings_get_property (LpManager *self,
                                  guint      id,
                                  GValue    *value)
{
  if (id < LP_SETTING_FIRST || id >= LP_N_SETTINGS)
    return FALSE;

  lp_settings_get_value (lp_manager_get_settings (self), id, value);

  return TRUE;
}

gboolean
lp_manager_settings_set_property (LpManager    *self,
                                  guint         id,
                                  const GValue *value)
{
  LpSettings *settings;

  if (id < LP_SETTING_FIRST || id >= LP_N_SETTINGS)
    return FALSE;

  if (id != LP_SETTING_UNITS && lp_manager_settings_are_frozen (self))
    {
      g_critical ("LpManager:%s cannot be changed while the manager runs", lp_settings_get_name (id));
      return TRUE;
    }

  settings = lp_manager_get_settings (self);
  if (!lp_settings_set_value (settings, id, value))
    return TRUE;

  /* Applied before anybody is told, who may set it again. */
  if (id == LP_SETTING_UNITS)
    lp_manager_units_changed (self, settings->units);

  g_object_notify_by_pspec (G_OBJECT (self), pspecs[id]);

  return TRUE;
}
