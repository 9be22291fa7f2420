/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-manager-private.h"

#include "lp-enum-types.h"
#include "lp-lease-info-private.h"
#include "lp-manager-settings-private.h"

/**
 * LpManager:
 *
 * Owns a bounded number of executors, lends them, and keeps their number right.
 *
 * Set it up with properties, [method@Lp.Manager.start_async] it, and
 * [method@Lp.Manager.acquire_async] leases:
 *
 * ```c
 * g_autoptr (LpManager) manager = lp_manager_new (LP_BACKEND_THREAD, 4);
 * g_autoptr (LpRequest) request = lp_request_new ();
 *
 * lp_request_set_owner (request, "thumbnails");
 * lp_request_set_timeout (request, 2.0);
 *
 * if (lp_manager_start (manager, NULL, &error))
 *   lp_manager_acquire_async (manager, request, NULL, acquired_cb, NULL);
 * ```
 *
 * For one job only, [method@Lp.Manager.run_async] and
 * [method@Lp.Manager.call_async] acquire, submit and release in one call.
 *
 * Signals, property notifications and the size provider come in the owner
 * context, the thread-default main context of the start. Everything that is
 * decided (expiry, grants, replacements) is decided without it: a loop that
 * hangs delays what it is told, never what happens.
 *
 * Acquiring, running, calling, [method@Lp.Manager.release], the read-only
 * properties, [method@Lp.Manager.notify_scale_changed],
 * [method@Lp.Manager.recycle] and [method@Lp.Manager.dup_stats] may be called
 * from any thread; the rest belongs to the owner context. Dropping the last
 * reference of a manager that runs is a stop with %LP_STOP_MODE_KILL that waits
 * for nobody.
 *
 * Since: 1.0
 */

/* How this works: the manager is the face of its pool in the owner context. It
 * keeps what only that context may touch, the settings, the size provider, the
 * list model; everything else is the pool's, which outlives it. */

enum
{
  PROP_AVAILABLE_COUNT = LP_N_SETTINGS,
  PROP_LEASED_COUNT,
  PROP_TOTAL_COUNT,
  PROP_WAITING_COUNT,
  PROP_QUARANTINED_COUNT,
  PROP_RUNNING,
  PROP_LEASES,
  N_PROPERTIES
};

enum
{
  LEASE_ACQUIRED,
  LEASE_EXPIRING,
  LEASE_ENDED,
  EXECUTOR_CREATED,
  EXECUTOR_RETIRED,
  WORKER_RECORD,
  N_SIGNALS
};

static GParamSpec *properties[N_PROPERTIES]; /* those of the settings are not here */
static guint signals[N_SIGNALS];

G_STATIC_ASSERT (PROP_LEASES - PROP_AVAILABLE_COUNT == LP_N_COUNTS);

G_DEFINE_FINAL_TYPE (LpManager, lp_manager, G_TYPE_OBJECT)

static void
drop_size_func (LpManager *self)
{
  GDestroyNotify destroy = g_steal_pointer (&self->size_destroy);
  gpointer data = g_steal_pointer (&self->size_data);

  self->size_func = NULL;
  if (destroy != NULL)
    lp_pool_destroy_in_owner (self->pool, destroy, data);
}

static void
lp_manager_dispose (GObject *object)
{
  LpManager *self = LP_MANAGER (object);

  lp_back_ref_drop (&self->pool->manager);
  if (!lp_pool_is_forked (self->pool))
    lp_pool_orphan (self->pool);
  drop_size_func (self);

  G_OBJECT_CLASS (lp_manager_parent_class)->dispose (object);
}

static void
lp_manager_finalize (GObject *object)
{
  LpManager *self = LP_MANAGER (object);

  if (self->leases != NULL)
    lp_pool_destroy_in_owner (self->pool, g_object_unref, self->leases);
  lp_pool_drop_settings (self->pool, self->settings);

  /* In a forked child it stays as the fork left it. */
  if (!lp_pool_is_forked (self->pool))
    lp_pool_unref (self->pool);

  G_OBJECT_CLASS (lp_manager_parent_class)->finalize (object);
}

static void
lp_manager_get_property (GObject *object, guint prop_id, GValue *value, GParamSpec *pspec)
{
  LpManager *self = LP_MANAGER (object);
  guint counts[LP_N_COUNTS];

  if (lp_manager_settings_get_property (self, prop_id, value))
    return;

  switch (prop_id)
    {
    case PROP_AVAILABLE_COUNT:
    case PROP_LEASED_COUNT:
    case PROP_TOTAL_COUNT:
    case PROP_WAITING_COUNT:
    case PROP_QUARANTINED_COUNT:
      lp_manager_get_counts (self, counts);
      g_value_set_uint (value, counts[prop_id - PROP_AVAILABLE_COUNT]);
      break;
    case PROP_RUNNING:
      g_value_set_boolean (value, lp_manager_is_running (self));
      break;
    case PROP_LEASES:
      g_value_set_object (value, lp_manager_get_leases (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lp_manager_set_property (GObject *object, guint prop_id, const GValue *value, GParamSpec *pspec)
{
  if (!lp_manager_settings_set_property (LP_MANAGER (object), prop_id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
}

#define READ_FLAGS (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
install_counts (GObjectClass *object_class)
{
  /**
   * LpManager:available-count: (getter get_available_count)
   *
   * How many executors are idle and can be had at once.
   *
   * Since: 1.0
   */
  properties[PROP_AVAILABLE_COUNT] = g_param_spec_uint ("available-count", NULL, NULL, 0, G_MAXUINT, 0, READ_FLAGS);
  /**
   * LpManager:leased-count: (getter get_leased_count)
   *
   * How many executors exist and cannot be had: leased, draining, or being
   * ended.
   *
   * Since: 1.0
   */
  properties[PROP_LEASED_COUNT] = g_param_spec_uint ("leased-count", NULL, NULL, 0, G_MAXUINT, 0, READ_FLAGS);
  /**
   * LpManager:total-count: (getter get_total_count)
   *
   * How many executors there are: starting, available and leased ones. Never
   * more than [property@Lp.Manager:max-pools].
   *
   * Since: 1.0
   */
  properties[PROP_TOTAL_COUNT] = g_param_spec_uint ("total-count", NULL, NULL, 0, G_MAXUINT, 0, READ_FLAGS);
  /**
   * LpManager:waiting-count: (getter get_waiting_count)
   *
   * How many acquires wait for an executor.
   *
   * Since: 1.0
   */
  properties[PROP_WAITING_COUNT] = g_param_spec_uint ("waiting-count", NULL, NULL, 0, G_MAXUINT, 0, READ_FLAGS);
  /**
   * LpManager:quarantined-count: (getter get_quarantined_count)
   *
   * How many executors are out of use because their threads run functions that
   * do not return.
   *
   * Since: 1.0
   */
  properties[PROP_QUARANTINED_COUNT] = g_param_spec_uint ("quarantined-count", NULL, NULL, 0, G_MAXUINT, 0,
                                                          READ_FLAGS);

  for (guint id = LP_N_SETTINGS; id <= PROP_QUARANTINED_COUNT; id++)
    g_object_class_install_property (object_class, id, properties[id]);
}

static void
install_state (GObjectClass *object_class)
{
  /**
   * LpManager:running: (getter is_running)
   *
   * Whether the manager has started and is not being stopped.
   *
   * Since: 1.0
   */
  properties[PROP_RUNNING] = g_param_spec_boolean ("running", NULL, NULL, FALSE, READ_FLAGS);
  /**
   * LpManager:leases: (getter get_leases)
   *
   * The leases that have not ended, as a list model of [class@Lp.LeaseInfo]. It
   * changes in the owner context. Nothing is posted there while nobody has the
   * list or a handler of a signal: what happened before is not told later.
   *
   * Since: 1.0
   */
  properties[PROP_LEASES] = g_param_spec_object ("leases", NULL, NULL, G_TYPE_LIST_MODEL, READ_FLAGS);

  for (guint id = PROP_RUNNING; id < N_PROPERTIES; id++)
    g_object_class_install_property (object_class, id, properties[id]);
}

static guint
lease_signal (const char *name)
{
  return g_signal_new (name, LP_TYPE_MANAGER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                       LP_TYPE_LEASE_INFO);
}

static void
install_lease_signals (void)
{
  /**
   * LpManager::lease-acquired:
   * @self: the manager
   * @lease: the lease
   *
   * Emitted in the owner context after a lease was granted.
   *
   * Since: 1.0
   */
  signals[LEASE_ACQUIRED] = lease_signal ("lease-acquired");
  /**
   * LpManager::lease-expiring:
   * @self: the manager
   * @lease: the lease
   *
   * Emitted in the owner context after an active lease passed its soft expiry:
   * unless it is renewed or released, it is revoked when the grace is over. It
   * comes before #LpManager::lease-ended also if the grace is over by then, but
   * not for a lease that has no grace.
   *
   * Since: 1.0
   */
  signals[LEASE_EXPIRING] = lease_signal ("lease-expiring");
  /**
   * LpManager::lease-ended:
   * @self: the manager
   * @lease: the lease
   *
   * Emitted in the owner context after a lease has ended; its state says how.
   *
   * Since: 1.0
   */
  signals[LEASE_ENDED] = lease_signal ("lease-ended");
}

static void
install_executor_signals (void)
{
  /**
   * LpManager::executor-created:
   * @self: the manager
   * @seq: the number of the executor
   *
   * Emitted in the owner context after an executor has become ready.
   *
   * Since: 1.0
   */
  signals[EXECUTOR_CREATED] = g_signal_new ("executor-created", LP_TYPE_MANAGER, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                            NULL, G_TYPE_NONE, 1, G_TYPE_UINT64);
  /**
   * LpManager::executor-retired:
   * @self: the manager
   * @seq: the number of the executor
   * @reason: why it was retired
   *
   * Emitted in the owner context after an executor has left the pool and
   * nothing of it is left. That includes those that never became ready.
   *
   * Since: 1.0
   */
  signals[EXECUTOR_RETIRED] = g_signal_new ("executor-retired", LP_TYPE_MANAGER, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                            NULL, G_TYPE_NONE, 2, G_TYPE_UINT64, LP_TYPE_RETIRE_REASON);
  /**
   * LpManager::worker-record:
   * @self: the manager
   * @record: (type GLib.Variant): the record, of type `a{sv}`
   *
   * Emitted in the owner context for each log record and each line of standard
   * error of a worker process, with [property@Lp.Manager:forward-process-logs].
   * Without a handler they are written to the log of this process. All records
   * of a job come before its result, if that is delivered in the owner context,
   * too. While the thread that started the manager blocks in a call of this
   * library, the emission comes from within that call: a worker waits when too
   * many of its records have not been taken, and the job that is waited for could
   * not end.
   *
   * The keys: `level` (`u`, of #GLogLevelFlags, the true one), `domain` (`s`: the
   * process-log-domain, or what the worker gave), `worker_domain` (`s`, may be
   * missing), `message` (`s`, as it was written: nothing is escaped), `source`
   * (`s`: `log`, or `stderr` for a line of standard error), `worker` (`s`, its
   * name), `pid` (`u`), `executor_seq` (`t`), `fields` (`a{ss}`: the others of the
   * record, such as `CODE_FILE`).
   *
   * Since: 1.0
   */
  signals[WORKER_RECORD] = g_signal_new ("worker-record", LP_TYPE_MANAGER, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                         NULL, G_TYPE_NONE, 1, G_TYPE_VARIANT);
}

static void
lp_manager_class_init (LpManagerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = lp_manager_dispose;
  object_class->finalize = lp_manager_finalize;
  object_class->get_property = lp_manager_get_property;
  object_class->set_property = lp_manager_set_property;

  lp_manager_settings_install_properties (object_class);
  install_counts (object_class);
  install_state (object_class);
  install_lease_signals ();
  install_executor_signals ();
}

static void
lp_manager_init (LpManager *self)
{
  self->settings = lp_settings_new ();
  self->pool = lp_pool_new (self);
}

/**
 * lp_manager_new:
 * @backend: the name of the backend, such as %LP_BACKEND_THREAD
 * @max_pools: the most executors there may be at a time
 *
 * Creates a manager. Nothing is checked or started yet.
 *
 * Returns: (transfer full): a new manager
 *
 * Since: 1.0
 */
LpManager *
lp_manager_new (const char *backend, int max_pools)
{
  return g_object_new (LP_TYPE_MANAGER, "backend", backend, "max-pools", max_pools, NULL);
}

LpSettings *
lp_manager_get_settings (LpManager *self)
{
  return self->settings;
}

gboolean
lp_manager_settings_are_frozen (LpManager *self)
{
  /* While it is being constructed there is no run. */
  return lp_pool_get_state (self->pool) != LP_POOL_STOPPED;
}

/* In the owner context: notifies the counts that have changed since, or ALL. */
void
lp_manager_counts_changed (LpManager *self, gboolean all)
{
  guint counts[LP_N_COUNTS];
  guint last[LP_N_COUNTS];

  lp_manager_get_counts (self, counts);
  memcpy (last, self->counts, sizeof last);
  memcpy (self->counts, counts, sizeof counts);

  g_object_freeze_notify (G_OBJECT (self));
  for (guint i = 0; i < LP_N_COUNTS; i++)
    if (all || counts[i] != last[i])
      g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_AVAILABLE_COUNT + i]);
  g_object_thaw_notify (G_OBJECT (self));
}

static void
list_lease (LpManager *self, LpGrant *grant, LpLeaseState state)
{
  gboolean listed = grant->info_iter != NULL;
  gboolean alive = state == LP_LEASE_STATE_ACTIVE || state == LP_LEASE_STATE_DRAINING;

  if (self->leases == NULL)
    return;

  if (alive && !listed)
    lp_lease_list_append (self->leases, grant->info, &grant->info_iter);
  else if (!alive && listed)
    lp_lease_list_remove (self->leases, g_steal_pointer (&grant->info_iter));
}

/* In the owner context, which is another one than that in which they were listed. */
void
lp_manager_forget_leases (LpManager *self)
{
  if (self->leases != NULL)
    lp_lease_list_clear (self->leases);
}

/* In the owner context: brings the info up to date, then the list, and emits. */
void
lp_manager_lease_changed (LpManager *self, LpGrant *grant, const LpLeaseSnapshot *snapshot, const char *signal)
{
  gboolean over = grant->info_over;
  g_autoptr (LpLeaseInfo) info = NULL;

  if (grant->info == NULL)
    grant->info = lp_lease_info_new (lp_grant_get_id (grant), grant->owner, grant->leased_at);
  info = g_object_ref (grant->info);

  /* Each step may run handlers, and those iterate: if the end of the lease was
   * told meanwhile, there is nothing left to list. */
  lp_lease_info_update (info, snapshot->state, snapshot->soft, snapshot->hard, snapshot->pending);
  if (grant->info_over == over)
    list_lease (self, grant, snapshot->state);
  if (signal != NULL)
    g_signal_emit_by_name (self, signal, info);
}

void
lp_manager_executor_changed (LpManager *self, const char *signal, guint64 seq, LpRetireReason reason)
{
  if (g_str_equal (signal, "executor-created"))
    g_signal_emit (self, signals[EXECUTOR_CREATED], 0, seq);
  else
    g_signal_emit (self, signals[EXECUTOR_RETIRED], 0, seq, reason);
}

/* Whether anybody listens to worker-record. */
gboolean
lp_manager_hears_records (LpManager *self)
{
  return g_signal_has_handler_pending (self, signals[WORKER_RECORD], 0, FALSE);
}

void
lp_manager_worker_record (LpManager *self, GVariant *record)
{
  g_signal_emit (self, signals[WORKER_RECORD], 0, record);
}

static int
compare_numbers (gconstpointer a, gconstpointer b)
{
  guint64 left = (*(LpGrant * const *) a)->number;
  guint64 right = (*(LpGrant * const *) b)->number;

  return (left > right) - (left < right);
}

static void
list_present_leases (LpManager *self)
{
  LpPool *pool = self->pool;
  g_autoptr (GPtrArray) grants = g_ptr_array_new_with_free_func ((GDestroyNotify) lp_grant_unref);

  if (lp_pool_is_forked (pool))
    return;

  /* What happens from here on is posted. */
  g_mutex_lock (&pool->lock);
  g_atomic_int_set (&pool->list_wanted, TRUE);
  for (guint i = 0; i < pool->slots->len; i++)
    {
      LpSlot *slot = pool->slots->pdata[i];

      if (slot != NULL && slot->grant != NULL)
        g_ptr_array_add (grants, lp_grant_ref (slot->grant));
    }
  g_mutex_unlock (&pool->lock);

  g_ptr_array_sort (grants, compare_numbers);
  for (guint i = 0; i < grants->len; i++)
    lp_owner_refresh (grants->pdata[i]);
}

/**
 * lp_manager_get_leases:
 * @self: a manager
 *
 * Gets the leases that have not ended, as a list model of [class@Lp.LeaseInfo].
 * To be called and used in the owner context. Leases that were granted before
 * the first call appear when that context is iterated. When the manager starts
 * under another owner context, the list is empty again.
 *
 * Returns: (transfer none): the list
 *
 * Since: 1.0
 */
GListModel *
lp_manager_get_leases (LpManager *self)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), NULL);

  if (self->leases == NULL)
    {
      self->leases = lp_lease_list_new ();
      list_present_leases (self);
    }

  return G_LIST_MODEL (self->leases);
}
