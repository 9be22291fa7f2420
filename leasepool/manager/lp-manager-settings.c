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
 * The seconds a cancelled job is given to end, before it ends for everybody who
 * waits for it.
 *
 * A function in a worker process is then sent SIGTERM, and SIGKILL after the
 * same time again, together with its process group; another process takes its
 * place. A function on a thread cannot be killed: its executor is quarantined
 * when its lease ends. A command is sent SIGTERM at once, and SIGKILL after
 * these seconds. Worker processes that are not needed any more are given them to
 * end by themselves, too.
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
 * Whether the log records of worker processes are forwarded to this process:
 * to [signal@Lp.Manager::worker-record] if it has a handler, else to the log.
 *
 * Lines that workers write to their standard error, or print, are forwarded
 * with them, as records of the level %G_LOG_LEVEL_MESSAGE, unless
 * [property@Lp.Manager:clear-process-log-handlers] is %FALSE. If nothing is
 * forwarded, they are copied to the standard error of this process; there GLib
 * writes the records of a worker, too.
 *
 * Records of a worker never end this process: one of the level
 * %G_LOG_LEVEL_ERROR arrives in the log as %G_LOG_LEVEL_CRITICAL, with its own
 * level in the field `WORKER_LEVEL`.
 *
 * %TRUE is refused on a backend without processes. The default is %FALSE.
 *
 * Since: 1.0
 */

/**
 * LpManager:process-log-level:
 *
 * The least severe level of the records that worker processes forward, one of
 * the [flags@GLib.LogLevelFlags]. Less severe ones are dropped in the worker,
 * also from its standard error. It has no effect without
 * [property@Lp.Manager:forward-process-logs].
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
 * their field `WORKER_DOMAIN`. It has no effect without
 * [property@Lp.Manager:forward-process-logs].
 *
 * It must be UTF-8 without control characters. The default, %NULL, keeps the
 * original domain; what has none, such as a line of standard error, gets
 * [property@Lp.Manager:log-domain].
 *
 * Since: 1.0
 */

/**
 * LpManager:clear-process-log-handlers:
 *
 * Whether a worker process, if its records are forwarded, leaves it at that.
 *
 * If %FALSE, it also writes the records that it forwards to its own standard
 * error, whose lines are then not forwarded, but copied to the standard error of
 * this process. It has no effect without
 * [property@Lp.Manager:forward-process-logs].
 *
 * The default is %TRUE.
 *
 * Since: 1.0
 */

/**
 * LpManager:functions:
 *
 * The functions that jobs name, for workers that are threads, and for executors
 * of one's own. Worker processes do not have them: see
 * [property@Lp.Manager:function-module] and [property@Lp.Manager:worker-argv].
 *
 * The default is %NULL.
 *
 * Since: 1.0
 */

/**
 * LpManager:function-module:
 *
 * The module with the functions that jobs name: an absolute path, or a name that
 * is looked for in the directories of `LP_MODULE_PATH`, then in the module
 * directory of the library.
 *
 * For threads it is loaded once, at the start of the manager, on top of
 * [property@Lp.Manager:functions]. Each worker process loads it, be it
 * `leasepool-worker` or a program of one's own with a [class@Lp.Worker], with
 * the `LP_MODULE_PATH` of its own environment; if it cannot, the start of its
 * executor fails.
 *
 * A name must not contain a "/". The default is %NULL.
 *
 * Since: 1.0
 */

/**
 * LpManager:worker-argv:
 *
 * The program of worker processes and its arguments. A program without a "/" is
 * looked up in the `PATH` of this process.
 *
 * It talks to the manager over its standard input and output; programs with a
 * [class@Lp.Worker] do. See the [page on workers](workers.html).
 *
 * It must not be empty. The default, %NULL, is the program that the environment
 * variable `LP_WORKER_PROGRAM` names, else the `leasepool-worker` that was
 * installed with the library.
 *
 * Since: 1.0
 */

/**
 * LpManager:worker-launcher:
 *
 * A prefix to the command line of worker processes, such as `nice`, `bwrap`,
 * `systemd-run --pipe` or `ssh HOST`: a program that runs its other arguments as
 * a command, and leaves standard input and output to it, or relays them.
 *
 * [property@Lp.Manager:worker-environment] and
 * [property@Lp.Manager:worker-directory] are those of the launcher, and signals
 * go to its process group.
 *
 * If it is not empty, it must begin with a program. The default is %NULL.
 *
 * Since: 1.0
 */

/**
 * LpManager:worker-environment:
 *
 * Environment variables for worker processes, each as NAME=VALUE, on top of
 * the environment of this process. The library adds `LP_WORKER_NAME`, the name
 * of the worker, which a [class@Lp.Worker] takes away again.
 *
 * The default is %NULL.
 *
 * Since: 1.0
 */

/**
 * LpManager:worker-directory:
 *
 * The working directory of worker processes. A program in
 * [property@Lp.Manager:worker-argv] with a relative path is looked for there.
 *
 * It must not be empty; if there is no such directory, executors cannot be
 * started. The default, %NULL, is the working directory of this process.
 *
 * Since: 1.0
 */

/**
 * LpManager:worker-init-function:
 *
 * The name of the function that is called first in every worker, with
 * [property@Lp.Manager:worker-init-parameters]. In a worker process that is
 * before it says hello, within
 * [property@Lp.Manager:start-timeout-seconds]. If it fails, so does the start of
 * its executor, or, for a worker that takes the place of another one later, the
 * executor is broken.
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
 * After how many jobs a worker is replaced by a new thread or process. The
 * replacement is started as soon as a process has been given its last job.
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
 * The largest message to or from a worker process, in bytes: the parameters of a
 * job, with its name, or its result.
 *
 * A job whose parameters or result are larger fails, and nothing else does. A
 * worker that sends a larger message nevertheless breaks its executor; a
 * [class@Lp.Worker] never does. The text of a log record is cut to half of this
 * size. A command with more output fails, on every backend.
 *
 * It must be >= 4096. The default is 134217728 (128 MiB).
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
