/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-executor-private.h"

#include "lp-backend-private.h"
#include "lp-histogram-private.h"
#include "lp-log-private.h"
#include "lp-pool-private.h"

/**
 * LpExecutor:
 *
 * One bounded set of workers: the unit that a manager owns and lends.
 *
 * The library comes with [class@Lp.ThreadExecutor]. A class of one's own derives
 * from this one and is given to [property@Lp.Manager:executor-type]; the manager
 * makes, starts, lends and retires its objects. The base class keeps the queue:
 * it hands over one job after the other, never more than
 * [property@Lp.Executor:workers] at a time.
 *
 * Everything is begun and reported: [vfunc@Lp.Executor.start] begins and
 * [method@Lp.Executor.report_ready] tells that it is done,
 * [vfunc@Lp.Executor.submit] begins a job and [method@Lp.Job.execute],
 * [method@Lp.Job.return_value] or [method@Lp.Job.return_error] ends it,
 * [vfunc@Lp.Executor.shutdown] begins and [method@Lp.Executor.report_stopped]
 * tells. The reports may come from any thread, also from within the function
 * that begins. The virtual functions run on the service thread of the library,
 * with no lock held, and never after shutdown: they must not block, or nothing
 * expires on time meanwhile. Objects are made on the service thread, too, and
 * may be finalized on any. GJS cannot derive, because its functions cannot run
 * on another thread.
 *
 * A job that submit accepts stays alive until it has ended and its function has
 * returned. Commands do not come to the virtual functions: the library runs
 * them itself, within the number of workers. worker-init-function and
 * max-jobs-per-worker are for the library's own executors. After a start that
 * fails, shutdown is called, too.
 *
 * Since: 1.0
 */

enum
{
  PROP_SEQ = 1,
  PROP_NAME,
  PROP_WORKERS,
  PROP_OPTIONS,
  PROP_FUNCTIONS,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

G_DEFINE_ABSTRACT_TYPE_WITH_CODE (LpExecutor, lp_executor, G_TYPE_OBJECT,
                                  G_ADD_PRIVATE (LpExecutor)
                                  lp_backend_register_extension_point (g_define_type_id))

static const LpExecutorOps default_ops = {
  .kick_locked = lp_executor_default_kick_locked,
  .wake = lp_executor_default_wake,
  .holds_threads = FALSE,
};

LpExecutorPrivate *
lp_executor_get_private (LpExecutor *self)
{
  return lp_executor_get_instance_private (self);
}

static gboolean
lp_executor_default_start (LpExecutor *self, GError **error)
{
  lp_executor_report_ready (self);
  return TRUE;
}

static gboolean
lp_executor_default_submit (LpExecutor *self, LpJob *job, GError **error)
{
  g_set_error (error, LP_ERROR, LP_ERROR_NOT_SUPPORTED, "%s does not implement submit", G_OBJECT_TYPE_NAME (self));
  return FALSE;
}

static void
lp_executor_default_cancel (LpExecutor *self, LpJob *job)
{
}

static void
lp_executor_default_shutdown (LpExecutor *self, LpStopMode mode)
{
  lp_executor_report_stopped (self);
}

static gboolean
lp_executor_default_has_died (LpExecutor *self)
{
  return g_atomic_int_get (&lp_executor_get_private (self)->dead);
}

static void
lp_executor_finalize (GObject *object)
{
  LpExecutorPrivate *priv = lp_executor_get_private (LP_EXECUTOR (object));

  g_clear_pointer (&priv->name, g_free);
  g_clear_error (&priv->end_error);
  g_clear_pointer (&priv->options, g_variant_unref);

  /* The last ones of a run that is over may go with it; their user data belongs
   * to the owner. The pool is the slot's. */
  if (priv->slot != NULL)
    {
      if (priv->functions != NULL)
        lp_pool_destroy_in_owner (priv->pool, g_object_unref, g_steal_pointer (&priv->functions));
      lp_pool_drop_settings (priv->pool, priv->settings);
    }
  g_clear_object (&priv->functions);
  g_clear_pointer (&priv->slot, lp_slot_unref);
  g_clear_pointer (&priv->run_time, lp_histogram_free);
  g_mutex_clear (&priv->inbox.lock);
  g_mutex_clear (&priv->lock);

  G_OBJECT_CLASS (lp_executor_parent_class)->finalize (object);
}

static void
lp_executor_get_property (GObject *object, guint prop_id, GValue *value, GParamSpec *pspec)
{
  LpExecutorPrivate *priv = lp_executor_get_private (LP_EXECUTOR (object));

  switch (prop_id)
    {
    case PROP_SEQ: g_value_set_uint64 (value, priv->seq); break;
    case PROP_NAME: g_value_set_string (value, priv->name); break;
    case PROP_WORKERS: g_value_set_int (value, priv->workers); break;
    case PROP_OPTIONS: g_value_set_variant (value, priv->options); break;
    case PROP_FUNCTIONS: g_value_set_object (value, priv->functions); break;
    default: G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lp_executor_set_property (GObject *object, guint prop_id, const GValue *value, GParamSpec *pspec)
{
  LpExecutorPrivate *priv = lp_executor_get_private (LP_EXECUTOR (object));

  switch (prop_id)
    {
    case PROP_SEQ: priv->seq = g_value_get_uint64 (value); break;
    case PROP_NAME: priv->name = g_value_dup_string (value); break;
    case PROP_WORKERS: priv->workers = g_value_get_int (value); break;
    case PROP_OPTIONS: priv->options = g_value_dup_variant (value); break;
    case PROP_FUNCTIONS: priv->functions = g_value_dup_object (value); break;
    default: G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
install_properties (GObjectClass *object_class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  /**
   * LpExecutor:seq: (getter get_seq)
   *
   * The number of the executor among those of its manager, from 1.
   *
   * Since: 1.0
   */
  properties[PROP_SEQ] = g_param_spec_uint64 ("seq", NULL, NULL, 0, G_MAXUINT64, 0, flags);
  /**
   * LpExecutor:name: (getter get_name)
   *
   * The name of the executor: the name-prefix of the manager and the number.
   *
   * Since: 1.0
   */
  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, flags);
  /**
   * LpExecutor:workers: (getter get_workers)
   *
   * How many jobs run at a time.
   *
   * Since: 1.0
   */
  properties[PROP_WORKERS] = g_param_spec_int ("workers", NULL, NULL, 1, G_MAXINT, 1, flags);
  /**
   * LpExecutor:options: (getter get_options)
   *
   * The executor-options of the manager.
   *
   * Since: 1.0
   */
  properties[PROP_OPTIONS] = g_param_spec_variant ("options", NULL, NULL, G_VARIANT_TYPE_VARDICT, NULL, flags);
  /**
   * LpExecutor:functions: (getter get_functions)
   *
   * The named functions of the manager.
   *
   * Since: 1.0
   */
  properties[PROP_FUNCTIONS] = g_param_spec_object ("functions", NULL, NULL, LP_TYPE_FUNCTIONS, flags);

  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
lp_executor_class_init (LpExecutorClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = lp_executor_finalize;
  object_class->get_property = lp_executor_get_property;
  object_class->set_property = lp_executor_set_property;

  klass->start = lp_executor_default_start;
  klass->submit = lp_executor_default_submit;
  klass->cancel = lp_executor_default_cancel;
  klass->shutdown = lp_executor_default_shutdown;
  klass->has_died = lp_executor_default_has_died;

  install_properties (object_class);
}

static void
lp_executor_init (LpExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  g_mutex_init (&priv->lock);
  g_mutex_init (&priv->inbox.lock);
  priv->ops = &default_ops;
}

void
lp_executor_set_ops (LpExecutor *self, const LpExecutorOps *ops)
{
  lp_executor_get_private (self)->ops = ops;
}

const LpExecutorOps *
lp_executor_get_ops (LpExecutor *self)
{
  return lp_executor_get_private (self)->ops;
}

/* Ties the executor to the place it was made for. The slot holds the executor
 * until it is retired, the executor holds the slot. The caller's reference is from
 * now on that of who holds it: the slot, and then each lease. */
void
lp_executor_attach (LpExecutor *self, LpSlot *slot, LpPool *pool, LpSettings *settings)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  priv->n_holders = 1;
  priv->slot = lp_slot_ref (slot);
  priv->pool = pool;
  priv->settings = lp_settings_ref (settings);
  priv->logs_jobs = lp_log_wants (settings->log_domain, G_LOG_LEVEL_DEBUG, LP_DEBUG_JOB);
}

/* Instead of a reference for each lease: that of an object takes several times as long to
 * count, and leases are taken often. */
LpExecutor *
lp_executor_hold (LpExecutor *self)
{
  g_atomic_int_inc (&lp_executor_get_private (self)->n_holders);
  return self;
}

void
lp_executor_let_go (LpExecutor *self)
{
  if (g_atomic_int_dec_and_test (&lp_executor_get_private (self)->n_holders))
    g_object_unref (self);
}

LpSettings *
lp_executor_get_settings (LpExecutor *self)
{
  return lp_executor_get_private (self)->settings;
}

LpPool *
lp_executor_get_pool (LpExecutor *self)
{
  return lp_executor_get_private (self)->pool;
}

GMutex *
lp_executor_get_lock (LpExecutor *self)
{
  return &lp_executor_get_private (self)->lock;
}

/* Whether the class wants to be asked before a hand-over. */
gboolean
lp_executor_checks_death (LpExecutor *self)
{
  return LP_EXECUTOR_GET_CLASS (self)->has_died != lp_executor_default_has_died;
}

/* On the service thread. */
gboolean
lp_executor_is_dead (LpExecutor *self)
{
  return lp_executor_get_private (self)->shut_down || LP_EXECUTOR_GET_CLASS (self)->has_died (self);
}

void
lp_executor_start (LpExecutor *self)
{
  GError *error = NULL;

  if (LP_EXECUTOR_GET_CLASS (self)->start (self, &error))
    return;

  if (error == NULL)
    error = g_error_new (LP_ERROR, LP_ERROR_START_FAILED, "%s.start returned FALSE and set no error",
                         G_OBJECT_TYPE_NAME (self));
  lp_slot_start_failed (lp_executor_get_private (self)->slot, error);
}

void
lp_executor_shutdown (LpExecutor *self, LpStopMode mode)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  if (priv->shut_down)
    return;

  priv->shut_down = TRUE;
  LP_EXECUTOR_GET_CLASS (self)->shutdown (self, mode);
}

static void
harden_cb (gpointer data, gpointer more)
{
  LpExecutor *self = data;

  if (lp_executor_get_private (self)->shut_down)
    LP_EXECUTOR_GET_CLASS (self)->shutdown (self, LP_STOP_MODE_KILL);
  g_object_unref (self);
}

/* The stop has become a KILL after the shutdown began; for processes only, since
 * no other class is called after its shutdown. No lock may be held. */
void
lp_executor_harden (LpExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  if (priv->ops->holds_processes)
    lp_slot_post_object (priv->slot, harden_cb, G_OBJECT (self));
}

/**
 * lp_executor_report_ready:
 * @self: an executor
 *
 * Tells the manager that the executor has started: it can be lent from now on.
 * To be called once, by the implementation, from any thread.
 *
 * Since: 1.0
 */
void
lp_executor_report_ready (LpExecutor *self)
{
  g_return_if_fail (LP_IS_EXECUTOR (self));

  if (lp_executor_get_private (self)->slot != NULL)
    lp_slot_ready (lp_executor_get_private (self)->slot);
}

/**
 * lp_executor_report_stopped:
 * @self: an executor
 *
 * Tells the manager that the executor has shut down, and nothing of it is left:
 * its place is free from now on. To be called by the implementation, from any
 * thread. Jobs that have not ended then end with %LP_ERROR_BROKEN_EXECUTOR.
 *
 * Since: 1.0
 */
void
lp_executor_report_stopped (LpExecutor *self)
{
  g_return_if_fail (LP_IS_EXECUTOR (self));

  if (lp_executor_get_private (self)->slot != NULL)
    lp_slot_stopped (lp_executor_get_private (self)->slot);
}

/**
 * lp_executor_report_died:
 * @self: an executor
 * @error: what happened
 *
 * Tells the manager that the executor is broken. Its unfinished jobs, running
 * ones included, end with %LP_ERROR_BROKEN_EXECUTOR, its lease becomes
 * %LP_LEASE_STATE_BROKEN, and it is retired and replaced. To be called by the
 * implementation, from any thread; before [method@Lp.Executor.report_ready] it
 * means that the start failed.
 *
 * Since: 1.0
 */
void
lp_executor_report_died (LpExecutor *self, const GError *error)
{
  LpExecutorPrivate *priv;

  g_return_if_fail (LP_IS_EXECUTOR (self));
  g_return_if_fail (error != NULL);

  priv = lp_executor_get_private (self);
  if (g_atomic_int_compare_and_exchange (&priv->dead, FALSE, TRUE) && priv->slot != NULL)
    lp_slot_died (priv->slot, error);
}

/**
 * lp_executor_get_seq:
 * @self: an executor
 *
 * Gets the number of the executor.
 *
 * Returns: the number, from 1
 *
 * Since: 1.0
 */
guint64
lp_executor_get_seq (LpExecutor *self)
{
  g_return_val_if_fail (LP_IS_EXECUTOR (self), 0);

  return lp_executor_get_private (self)->seq;
}

/**
 * lp_executor_get_name:
 * @self: an executor
 *
 * Gets the name of the executor.
 *
 * Returns: (nullable): the name
 *
 * Since: 1.0
 */
const char *
lp_executor_get_name (LpExecutor *self)
{
  g_return_val_if_fail (LP_IS_EXECUTOR (self), NULL);

  return lp_executor_get_private (self)->name;
}

/**
 * lp_executor_get_workers:
 * @self: an executor
 *
 * Gets how many jobs run at a time.
 *
 * Returns: the number of workers
 *
 * Since: 1.0
 */
int
lp_executor_get_workers (LpExecutor *self)
{
  g_return_val_if_fail (LP_IS_EXECUTOR (self), 0);

  return lp_executor_get_private (self)->workers;
}

/**
 * lp_executor_get_options:
 * @self: an executor
 *
 * Gets the executor-options of the manager.
 *
 * Returns: (transfer none) (nullable): a value of type `a{sv}`
 *
 * Since: 1.0
 */
GVariant *
lp_executor_get_options (LpExecutor *self)
{
  g_return_val_if_fail (LP_IS_EXECUTOR (self), NULL);

  return lp_executor_get_private (self)->options;
}

/**
 * lp_executor_get_functions:
 * @self: an executor
 *
 * Gets the named functions of the manager.
 *
 * Returns: (transfer none) (nullable): the functions
 *
 * Since: 1.0
 */
LpFunctions *
lp_executor_get_functions (LpExecutor *self)
{
  g_return_val_if_fail (LP_IS_EXECUTOR (self), NULL);

  return lp_executor_get_private (self)->functions;
}
