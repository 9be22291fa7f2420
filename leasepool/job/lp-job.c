/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-job-private.h"

#include <math.h>

#include "lp-clock-private.h"
#include "lp-executor-private.h"
#include "lp-pool-private.h"

/**
 * LpJob:
 *
 * One unit of work, and the handle of its result.
 *
 * A job is a function of the program ([ctor@Lp.Job.new_for_func]), a named
 * function with parameters ([ctor@Lp.Job.new_for_call]) or a command
 * ([ctor@Lp.Job.new_for_command]). It is submitted once, to a lease or with
 * [method@Lp.Manager.run_async], and ends exactly once: as
 * %LP_JOB_STATE_SUCCEEDED with a value, as %LP_JOB_STATE_FAILED with an error, or
 * as %LP_JOB_STATE_CANCELLED.
 *
 * ```c
 * g_autoptr (LpJob) job = lp_job_new_for_call ("add", g_variant_new ("(ii)", 2, 3));
 *
 * lp_lease_submit_async (lease, job, NULL, added_cb, NULL);
 * ```
 *
 * It is also the #GAsyncResult that the callback of its submit is given, if it
 * was accepted. Its source object, the lease, is there until the callback has
 * returned, so that a job that is kept does not keep its lease.
 *
 * All methods may be called from any thread.
 *
 * Since: 1.0
 */

/* How a job works
 *
 * States go NEW -> QUEUED -> RUNNING -> one of the three ends. Its place in the
 * executor's queue and counts is guarded by the executor's lock, its outcome by
 * its own; whoever ends it first wins: the function that returned, a cancel, the
 * grace that ran out, the executor's death. A job holds its executor and its
 * pool from the submit on; the executor holds the job from the queue until its
 * function has returned. */

enum
{
  PROP_NAME = 1,
  PROP_PARAMETERS,
  PROP_ARGV,
  PROP_INPUT,
  PROP_TIMEOUT_SECONDS,
  PROP_OWNER,
  PROP_STATE,
  PROP_PROGRESS,
  PROP_STATUS,
  PROP_QUEUED_AT,
  PROP_STARTED_AT,
  PROP_ENDED_AT,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

G_DEFINE_FINAL_TYPE_WITH_CODE (LpJob, lp_job, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_ASYNC_RESULT, lp_job_async_result_init))

/* Sends the user data to its destroy notify, once the function cannot run any
 * more. In the owner context, never on a worker; a job that was never submitted
 * knows no owner and does it here. */
void
lp_job_drop_user_data (LpJob *self)
{
  GDestroyNotify destroy = g_steal_pointer (&self->destroy);
  gpointer user_data = g_steal_pointer (&self->user_data);

  if (destroy == NULL)
    return;

  if (self->pool != NULL)
    lp_pool_destroy_in_owner (self->pool, destroy, user_data);
  else
    destroy (user_data);
}

/* What a submit, or a hold, has set. */
static void
clear_submit (LpJob *self)
{
  g_clear_pointer (&self->function, lp_function_unref);
  if (self->owns_pool)
    lp_pool_unref (self->pool);
  self->owns_pool = FALSE;
  self->pool = NULL;
  self->executor = NULL;
  g_clear_pointer (&self->grant, lp_grant_unref);
}

static void
lp_job_finalize (GObject *object)
{
  LpJob *self = LP_JOB (object);

  lp_job_drop_user_data (self);
  g_clear_object (&self->task);
  /* Not the last reference of the function: the executor has the table. */
  clear_submit (self);
  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->parameters, g_variant_unref);
  g_clear_pointer (&self->argv, g_strfreev);
  g_clear_pointer (&self->input, g_bytes_unref);
  g_clear_pointer (&self->result, g_variant_unref);
  g_clear_error (&self->error);
  g_clear_pointer (&self->status, g_free);
  g_clear_object (&self->cancellable);
  g_free (self->hold);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (lp_job_parent_class)->finalize (object);
}

static void
lp_job_get_property (GObject *object, guint prop_id, GValue *value, GParamSpec *pspec)
{
  LpJob *self = LP_JOB (object);

  switch (prop_id)
    {
    case PROP_NAME: g_value_set_string (value, self->name); break;
    case PROP_PARAMETERS: g_value_set_variant (value, self->parameters); break;
    case PROP_ARGV: g_value_set_boxed (value, self->argv); break;
    case PROP_INPUT: g_value_set_boxed (value, self->input); break;
    case PROP_TIMEOUT_SECONDS: g_value_set_double (value, self->timeout_seconds); break;
    case PROP_OWNER: g_value_set_string (value, lp_job_get_owner (self)); break;
    case PROP_STATE: g_value_set_enum (value, lp_job_get_state (self)); break;
    case PROP_PROGRESS: g_value_set_double (value, lp_job_get_progress (self)); break;
    case PROP_STATUS: g_value_take_string (value, lp_job_dup_status (self)); break;
    case PROP_QUEUED_AT: g_value_set_int64 (value, lp_job_get_queued_at (self)); break;
    case PROP_STARTED_AT: g_value_set_int64 (value, lp_job_get_started_at (self)); break;
    case PROP_ENDED_AT: g_value_set_int64 (value, lp_job_get_ended_at (self)); break;
    default: G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lp_job_set_property (GObject *object, guint prop_id, const GValue *value, GParamSpec *pspec)
{
  LpJob *self = LP_JOB (object);

  /* GObject sets all of a new job that are construct-only, those that were not given
   * to this value, which they have; each question to a value costs more. */
  if (value == g_param_spec_get_default_value (pspec))
    return;

  switch (prop_id)
    {
    case PROP_NAME:
      self->name = g_value_dup_string (value);
      if (self->name != NULL && self->kind != LP_JOB_COMMAND)
        self->kind = LP_JOB_CALL;
      break;
    case PROP_PARAMETERS:
      self->parameters = g_value_dup_variant (value);
      break;
    case PROP_ARGV:
      self->argv = g_value_dup_boxed (value);
      if (self->argv != NULL)
        self->kind = LP_JOB_COMMAND;
      break;
    case PROP_INPUT:
      self->input = g_value_dup_boxed (value);
      break;
    case PROP_TIMEOUT_SECONDS:
      lp_job_set_timeout_seconds (self, g_value_get_double (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

#define READ_FLAGS (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)
#define CONSTRUCT_FLAGS (G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS)

static void
install_settings (void)
{
  /**
   * LpJob:name: (getter get_name)
   *
   * The name of the function of a call.
   *
   * Since: 1.0
   */
  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, CONSTRUCT_FLAGS);
  /**
   * LpJob:parameters: (getter get_parameters)
   *
   * The parameters of a call.
   *
   * Since: 1.0
   */
  properties[PROP_PARAMETERS] = g_param_spec_variant ("parameters", NULL, NULL, G_VARIANT_TYPE_ANY, NULL,
                                                      CONSTRUCT_FLAGS);
  /**
   * LpJob:argv: (getter get_argv)
   *
   * The program and arguments of a command.
   *
   * Since: 1.0
   */
  properties[PROP_ARGV] = g_param_spec_boxed ("argv", NULL, NULL, G_TYPE_STRV, CONSTRUCT_FLAGS);
  /**
   * LpJob:input: (getter get_input)
   *
   * What a command reads from its standard input; %NULL: nothing.
   *
   * Since: 1.0
   */
  properties[PROP_INPUT] = g_param_spec_boxed ("input", NULL, NULL, G_TYPE_BYTES, CONSTRUCT_FLAGS);
  /**
   * LpJob:timeout-seconds: (getter get_timeout_seconds) (setter set_timeout_seconds)
   *
   * How long the job may run, in seconds from its start; 0 for as long as its
   * lease. It can be changed until the job is submitted.
   *
   * Since: 1.0
   */
  properties[PROP_TIMEOUT_SECONDS] = g_param_spec_double ("timeout-seconds", NULL, NULL, -INFINITY, INFINITY, 0,
                                                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
                                                          | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_LAX_VALIDATION);
}

static void
install_status (void)
{
  /**
   * LpJob:owner: (getter get_owner)
   *
   * The owner of the lease the job was submitted to.
   *
   * Since: 1.0
   */
  properties[PROP_OWNER] = g_param_spec_string ("owner", NULL, NULL, NULL, READ_FLAGS);
  /**
   * LpJob:state: (getter get_state)
   *
   * What has become of the job. It does not notify: [method@Lp.Job.wait_async]
   * tells the end.
   *
   * Since: 1.0
   */
  properties[PROP_STATE] = g_param_spec_enum ("state", NULL, NULL, LP_TYPE_JOB_STATE, LP_JOB_STATE_NEW, READ_FLAGS);
  /**
   * LpJob:progress: (getter get_progress)
   *
   * How much is done, from 0 to 1; -1 if it is not known. Notifies in the owner
   * context.
   *
   * Since: 1.0
   */
  properties[PROP_PROGRESS] = g_param_spec_double ("progress", NULL, NULL, -INFINITY, INFINITY, -1, READ_FLAGS);
  /**
   * LpJob:status: (getter dup_status)
   *
   * What is being done. Notifies in the owner context.
   *
   * Since: 1.0
   */
  properties[PROP_STATUS] = g_param_spec_string ("status", NULL, NULL, NULL, READ_FLAGS);
  /**
   * LpJob:queued-at: (getter get_queued_at)
   *
   * When the job was submitted, in monotonic microseconds; 0: not yet.
   *
   * Since: 1.0
   */
  properties[PROP_QUEUED_AT] = g_param_spec_int64 ("queued-at", NULL, NULL, 0, G_MAXINT64, 0, READ_FLAGS);
  /**
   * LpJob:started-at: (getter get_started_at)
   *
   * When the job began to run, in monotonic microseconds; 0: not yet. A job that
   * ended with %LP_ERROR_BROKEN_EXECUTOR and this 0 is safe to try again.
   *
   * Since: 1.0
   */
  properties[PROP_STARTED_AT] = g_param_spec_int64 ("started-at", NULL, NULL, 0, G_MAXINT64, 0, READ_FLAGS);
  /**
   * LpJob:ended-at: (getter get_ended_at)
   *
   * When the job ended, in monotonic microseconds; 0: not yet.
   *
   * Since: 1.0
   */
  properties[PROP_ENDED_AT] = g_param_spec_int64 ("ended-at", NULL, NULL, 0, G_MAXINT64, 0, READ_FLAGS);
}

static void
lp_job_class_init (LpJobClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = lp_job_finalize;
  object_class->get_property = lp_job_get_property;
  object_class->set_property = lp_job_set_property;

  install_settings ();
  install_status ();
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
lp_job_init (LpJob *self)
{
  g_mutex_init (&self->lock);
  self->progress = -1;
  self->link.data = self;
  self->deadline.fire = lp_pool_job_due;
}

void
lp_job_notify_progress (LpJob *self)
{
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_PROGRESS]);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_STATUS]);
}

/**
 * lp_job_new_for_func:
 * @func: (scope notified) (closure user_data) (destroy destroy): the work
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data, in the owner context of the manager,
 *   when the function can no longer run; in the thread that drops the job if it
 *   was never submitted
 *
 * Creates a job that calls a function of this program. Executors of threads run
 * it; those of processes refuse it with %LP_ERROR_NOT_SUPPORTED; another class
 * runs it if it has threads in this process, and otherwise ends it with that
 * error.
 *
 * Returns: (transfer full): a new job
 *
 * Since: 1.0
 */
LpJob *
lp_job_new_for_func (LpJobFunc func, gpointer user_data, GDestroyNotify destroy)
{
  LpJob *self;

  g_return_val_if_fail (func != NULL, NULL);

  self = g_object_new (LP_TYPE_JOB, NULL);
  self->kind = LP_JOB_FUNC;
  self->func = func;
  self->user_data = user_data;
  self->destroy = destroy;

  return self;
}

/**
 * lp_job_new_for_call:
 * @name: the name of a function
 * @parameters: (nullable): its parameters; a floating value is consumed
 *
 * Creates a job that calls a named function, of the table or the module of the
 * manager.
 *
 * Returns: (transfer full): a new job
 *
 * Since: 1.0
 */
LpJob *
lp_job_new_for_call (const char *name, GVariant *parameters)
{
  g_autoptr (GVariant) owned = parameters != NULL ? g_variant_ref_sink (parameters) : NULL;
  LpJob *self;

  g_return_val_if_fail (name != NULL, NULL);

  self = g_object_new (LP_TYPE_JOB, NULL);
  self->kind = LP_JOB_CALL;
  self->name = g_strdup (name);
  self->parameters = g_steal_pointer (&owned);

  return self;
}

/**
 * lp_job_new_for_command:
 * @argv: (array zero-terminated=1) (element-type filename): the program and its
 *   arguments
 * @input: (nullable): what the program reads from its standard input
 *
 * Creates a job that runs a program. It is spawned by the library itself,
 * whatever the backend, in a process group of its own, and occupies one worker
 * of the executor. Cancel, time-out and expiry signal the group: SIGTERM, then
 * SIGKILL after the cancel-grace-seconds of the manager.
 *
 * The result is of type `(iayay)`: the exit status, or the negative number of
 * the signal that ended the program; its standard output; its standard error. A
 * status other than 0 is no failure of the job. The job fails with
 * %LP_ERROR_START_FAILED if the program cannot be spawned, and with
 * %LP_ERROR_FAILED if its output exceeds the max-message-size of the manager.
 *
 * Returns: (transfer full): a new job
 *
 * Since: 1.0
 */
LpJob *
lp_job_new_for_command (const char * const *argv, GBytes *input)
{
  LpJob *self;

  g_return_val_if_fail (argv != NULL && argv[0] != NULL, NULL);

  self = g_object_new (LP_TYPE_JOB, NULL);
  self->kind = LP_JOB_COMMAND;
  self->argv = g_strdupv ((char **) argv);
  self->input = input != NULL ? g_bytes_ref (input) : NULL;

  return self;
}

/* The drop-in for g_task_run_in_thread(): FUNC returns through TASK itself. */
LpJob *
lp_job_new_for_task (GTask *task, GTaskThreadFunc func)
{
  LpJob *self = g_object_new (LP_TYPE_JOB, NULL);

  self->kind = LP_JOB_TASK;
  self->task = g_object_ref (task);
  self->task_func = func;

  return self;
}

/* A job is submitted once: FALSE with the error if another submit was first. */
gboolean
lp_job_claim_for_submit (LpJob *self, GError **error)
{
  if (self->kind == LP_JOB_FUNC && self->func == NULL)
    g_set_error_literal (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
                         "The job has neither a function nor a name nor an argv; make it with a constructor");
  else if (self->kind == LP_JOB_COMMAND && self->argv[0] == NULL)
    g_set_error_literal (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT, "The argv of the command is empty");
  else if (!(self->timeout_seconds >= 0 && self->timeout_seconds <= G_MAXDOUBLE))
    g_set_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
                 "timeout-seconds is %g, but must be finite and >= 0", self->timeout_seconds);
  else if (lp_job_peek_state (self) == LP_JOB_STATE_CANCELLED && !lp_job_was_accepted (self))
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "The job was cancelled before it was submitted");
  else if (!g_atomic_int_compare_and_exchange (&self->submitted, FALSE, TRUE))
    g_set_error_literal (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
                         "The job has been submitted before; make a new one for each submission");
  else
    return TRUE;

  return FALSE;
}

/* Whether it has been in a queue, or held. From then on what its submit has set
 * is constant; before, and for ever in a job that was cancelled before, it is
 * nobody's but the submit's, which takes it back when it is refused. */
gboolean
lp_job_was_accepted (LpJob *self)
{
  LpJobState state = lp_job_peek_state (self);

  return state != LP_JOB_STATE_NEW && (!lp_job_state_is_end (state) || self->queued_at != 0);
}

/* The submit was refused. AS_NEW: another one may claim it. Not if it has ended, and who
 * submitted it is told that as the end of its submit: there is no other one then, though
 * it may have looked at the state before. */
void
lp_job_unclaim (LpJob *self, gboolean as_new)
{
  clear_submit (self);
  if (as_new)
    g_atomic_int_set (&self->submitted, FALSE);
}

/* FALSE: it was cancelled meanwhile. A held job is one of the executor's from
 * here on; only who holds it submits it, so this looks without the lock. */
gboolean
lp_job_set_queued (LpJob *self)
{
  gboolean queued;

  if (!self->held)
    return g_atomic_int_compare_and_exchange (&self->state, LP_JOB_STATE_NEW, LP_JOB_STATE_QUEUED);

  g_mutex_lock (&self->lock);
  queued = lp_job_peek_state (self) == LP_JOB_STATE_QUEUED;
  if (queued)
    self->held = FALSE;
  g_mutex_unlock (&self->lock);

  return queued;
}

static gboolean
may_arm_locked (LpJob *self, gboolean grace)
{
  if (self->place == LP_PLACE_GIVEN)
    return grace && self->armed;

  return (self->place == LP_PLACE_RUNNING || self->place == LP_PLACE_SENT) && (grace || !self->in_grace);
}

/* Sets the deadline of a job that runs, the time-out or the end of its grace, or
 * of a function that was told to return; one that has ended meanwhile is left
 * alone, and a time-out that comes after the grace has begun is too late. Its end
 * looks at `armed` under the executor's lock and then takes the pool's to disarm,
 * so no deadline outlives its job. */
void
lp_job_arm (LpJob *self, gboolean grace, gint64 when)
{
  GMutex *executor_lock = lp_executor_get_lock (self->executor);

  g_mutex_lock (&self->pool->lock);
  g_mutex_lock (executor_lock);
  if (may_arm_locked (self, grace))
    {
      self->armed = TRUE;
      self->in_grace = grace;
      lp_pool_arm_locked (self->pool, &self->deadline, when);
    }
  g_mutex_unlock (executor_lock);
  g_mutex_unlock (&self->pool->lock);
}

/* By who has ended it, or has seen its function return. What the function was told
 * after the one is left for the other. */
void
lp_job_disarm (LpJob *self)
{
  GMutex *executor_lock = lp_executor_get_lock (self->executor);

  g_mutex_lock (&self->pool->lock);
  g_mutex_lock (executor_lock);
  if (self->place != LP_PLACE_GIVEN || !self->armed)
    lp_deadlines_remove (&self->pool->deadlines, &self->deadline);
  g_mutex_unlock (executor_lock);
  g_mutex_unlock (&self->pool->lock);
}
