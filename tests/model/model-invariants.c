/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What holds after each event, whatever it was. */

#include "config.h"

#include "model.h"

#include <stdlib.h>

/* How long one has for that. */
#define SHUTDOWN_SECONDS 5

/* The first failure counts: what comes after may be a consequence. */
void
model_fail (Model *self, const char *format, ...)
{
  va_list args;

  if (self->failure != NULL)
    return;

  va_start (args, format);
  self->failure = g_strdup_vprintf (format, args);
  va_end (args);
}

static Acquire *
acquire_of (Model *self, const char *owner)
{
  return self->acquires->pdata[atoi (owner) - 1];
}

static gboolean
note_level_cb (gpointer key, gpointer value, gpointer data)
{
  for (GList *link = ((GQueue *) value)->head; link != NULL; link = link->next)
    {
      Acquire *acquire = acquire_of (data, ((LpWaiter *) link->data)->owner);

      acquire->in_queue = TRUE;
      acquire->was_queued = TRUE;
    }

  return FALSE;
}

static void
look_at_queue (Model *self)
{
  for (guint i = 0; i < self->acquires->len; i++)
    ((Acquire *) self->acquires->pdata[i])->in_queue = FALSE;
  note_level_cb (NULL, &self->pool->waiters.ordinary, self);
  if (self->pool->waiters.levels != NULL)
    g_tree_foreach (self->pool->waiters.levels, note_level_cb, self);
}

/* The order is the model's own: by priority, then by when it was asked for. */
static void
check_order (Model *self, Acquire *granted)
{
  for (guint i = 0; i < self->acquires->len; i++)
    {
      Acquire *other = self->acquires->pdata[i];

      if (other->in_queue && (other->priority < granted->priority
                              || (other->priority == granted->priority && other->id < granted->id)))
        model_fail (self, "acquire %u overtook acquire %u", granted->id, other->id);
    }
}

/* Of those that were idle, the last one to become so is lent. */
static void
check_most_recent (Model *self, ModelExecutor *lent)
{
  for (guint i = 0; i < MODEL_MAX_PLACES; i++)
    {
      ModelExecutor *other = self->places[i];

      if (other != NULL && lent->idle_since > 0 && other->idle_since > lent->idle_since
          && self->config.flavour != FLAVOUR_VETTED)
        model_fail (self, "an executor was lent that was idle for longer than another one");
    }
}

static void
begin_lease (Model *self, Acquire *acquire, LpGrant *grant)
{
  acquire->grant = lp_grant_ref (grant);
  acquire->executor = (ModelExecutor *) grant->executor;
  acquire->soft = lp_clock_add (lp_clock_now (), acquire->seconds);
  acquire->hard = lp_clock_add (acquire->soft, MODEL_LEASE_GRACE);

  check_order (self, acquire);
  check_most_recent (self, acquire->executor);
  if (acquire->executor->doomed)
    model_fail (self, "lease %u is of an executor that was to be lent no more", acquire->id);
  if (acquire->error != NULL)
    model_fail (self, "acquire %u failed, and was granted a lease after it", acquire->id);
}

static void
look_at_leases (Model *self)
{
  for (guint i = 0; i < self->pool->slots->len; i++)
    {
      LpSlot *slot = self->pool->slots->pdata[i];
      Acquire *acquire;

      if (slot == NULL || slot->grant == NULL)
        continue;

      acquire = acquire_of (self, slot->grant->owner);
      if (acquire->grant == NULL)
        begin_lease (self, acquire, slot->grant);
      else if (acquire->grant != slot->grant)
        model_fail (self, "acquire %u was granted two leases", acquire->id);
      if (acquire->in_queue)
        model_fail (self, "acquire %u has a lease, and waits", acquire->id);
    }
}

/* Who waits and who has what, also in the middle of an event. */
void
model_look (Model *self)
{
  g_mutex_lock (&self->pool->lock);
  look_at_queue (self);
  look_at_leases (self);
  g_mutex_unlock (&self->pool->lock);
}

static gboolean
may_become (Model *self, Acquire *acquire, LpLeaseState state)
{
  switch (state)
    {
    case LP_LEASE_STATE_DRAINING: return acquire->released || acquire->task != NULL || self->n_stops > 0;
    case LP_LEASE_STATE_RELEASED: return acquire->released || acquire->task != NULL || acquire->careless;
    case LP_LEASE_STATE_EXPIRED: return lp_clock_now () >= acquire->hard;
    case LP_LEASE_STATE_BROKEN: return acquire->executor->dead || acquire->executor->sick;
    case LP_LEASE_STATE_STOPPED: return self->n_stops > 0 || self->manager == NULL;
    case LP_LEASE_STATE_ACTIVE:
    default: return FALSE;
    }
}

static void
check_lease (Model *self, Acquire *acquire)
{
  LpLeaseState state = lp_grant_get_state (acquire->grant);
  gboolean over = state != LP_LEASE_STATE_ACTIVE && state != LP_LEASE_STATE_DRAINING;

  if (state != acquire->state && (acquire->state > LP_LEASE_STATE_DRAINING || !may_become (self, acquire, state)))
    model_fail (self, "lease %u went from state %d to %d", acquire->id, acquire->state, state);
  acquire->state = state;
  acquire->was_draining |= state == LP_LEASE_STATE_DRAINING;

  if (over && state != LP_LEASE_STATE_RELEASED)
    acquire->executor->doomed = TRUE;
  if (over != (acquire->grant->slot == NULL))
    model_fail (self, "lease %u is in state %d, and %s an executor", acquire->id, state, over ? "has" : "has not");
  if (over)
    return;

  if (acquire->grant->hard != acquire->hard || acquire->grant->soft != acquire->soft)
    model_fail (self, "lease %u does not expire when it should", acquire->id);
  if (lp_clock_now () >= acquire->hard && lp_deadlines_next (&self->pool->deadlines) > lp_clock_now ())
    model_fail (self, "lease %u has passed its hard expiry", acquire->id);
  if (!lp_deadline_is_set (&acquire->grant->deadline))
    model_fail (self, "lease %u has no deadline", acquire->id);
  if (state == LP_LEASE_STATE_ACTIVE && acquire->lease == NULL
      && (acquire->n_told > 0 || (acquire->cancelled && acquire->task == NULL)))
    model_fail (self, "lease %u is active, and nobody has it", acquire->id);
}

static gboolean
may_end (Model *self, Task *task, LpJobState state)
{
  Acquire *acquire = task->acquire;

  switch (state)
    {
    case LP_JOB_STATE_RUNNING:
      return task->n_begun == 1;
    case LP_JOB_STATE_SUCCEEDED:
      return task->gave_value;
    case LP_JOB_STATE_FAILED:
      return task->gave_error || acquire->executor->dead || acquire->executor->sick
             || (task->work == WORK_TIMED && task->n_begun > 0
                 && lp_clock_now () - task->begun_at >= lp_job_get_timeout_seconds (task->job) * G_USEC_PER_SEC);
    case LP_JOB_STATE_CANCELLED:
      return task->cancelled || acquire->state == LP_LEASE_STATE_EXPIRED || acquire->state == LP_LEASE_STATE_STOPPED
             || (acquire->state == LP_LEASE_STATE_BROKEN && lp_clock_now () >= acquire->hard)
             || (acquire->state != LP_LEASE_STATE_ACTIVE && self->n_stops > 0);
    case LP_JOB_STATE_QUEUED:
      return acquire->grant != NULL && task->state == LP_JOB_STATE_NEW;
    case LP_JOB_STATE_NEW:
    default:
      return FALSE;
    }
}

/* The function of a job that has ended holds its executor, but not for ever. */
static void
check_given (Model *self, Task *task)
{
  LpLeaseState lease = task->acquire->state;
  LpJob *job = task->job;

  if (lease == LP_LEASE_STATE_RELEASED)
    model_fail (self, "the function of job %u has not returned, and its lease is released", task->number);
  if (job->place == LP_PLACE_GIVEN && job->armed && !lp_deadline_is_set (&job->deadline))
    model_fail (self, "the function of job %u is to return, and has no deadline", task->number);
  if (job->place == LP_PLACE_GIVEN && !job->armed && lease > LP_LEASE_STATE_DRAINING
      && (lease != LP_LEASE_STATE_BROKEN || lp_deadlines_next (&self->pool->deadlines) > task->acquire->hard))
    model_fail (self, "the lease of job %u has ended, and its function is not told to return", task->number);
}

static void
check_task (Model *self, Task *task)
{
  LpJobState state = lp_job_get_state (task->job);
  gboolean over = lp_job_state_is_end (state);
  LpLeaseState lease = task->acquire->state;

  if (state != task->state && (lp_job_state_is_end (task->state) || !may_end (self, task, state)))
    model_fail (self, "job %u went from state %d to %d", task->number, task->state, state);
  task->state = state;

  if (task->n_told > 1 || (task->n_told > 0 && !over))
    model_fail (self, "the end of job %u was told %u times in state %d", task->number, task->n_told, state);
  if (state == LP_JOB_STATE_QUEUED && lease > LP_LEASE_STATE_DRAINING)
    model_fail (self, "job %u is queued, and its lease is in state %d", task->number, lease);
  if (state == LP_JOB_STATE_RUNNING && lease == LP_LEASE_STATE_RELEASED)
    model_fail (self, "job %u runs, and its lease is released", task->number);
  if (state == LP_JOB_STATE_RUNNING && lease == LP_LEASE_STATE_BROKEN
      && lp_job_get_interrupt (task->job) == LP_INTERRUPT_NONE
      && lp_deadlines_next (&self->pool->deadlines) > task->acquire->hard)
    model_fail (self, "job %u runs on a broken executor, and nothing ends it when its lease would have", task->number);
  if (state == LP_JOB_STATE_RUNNING && !lp_deadline_is_set (&task->job->deadline)
      && (task->work == WORK_TIMED || lp_job_get_interrupt (task->job) != LP_INTERRUPT_NONE))
    model_fail (self, "job %u is to end, and has no deadline", task->number);
  if (task->given && !task->returned)
    check_given (self, task);
}

static gboolean
backs_off (Model *self)
{
  return lp_deadline_is_set (&self->pool->backoff_deadline);
}

static guint
desired (Model *self)
{
  int units = self->config.provider ? (int) self->pool->units : self->provided;

  return MIN (self->config.max_pools, MAX (self->config.min_pools, units));
}

/* Those who wait do so because they must, and nothing is missing. */
static void
check_capacity (Model *self)
{
  LpPool *pool = self->pool;
  guint total = lp_pool_total_locked (pool);
  guint coming = pool->n_slots[LP_SLOT_STARTING] + pool->n_slots[LP_SLOT_VETTING];
  guint n_waiters = 0;

  for (guint i = 0; i < self->acquires->len; i++)
    n_waiters += ((Acquire *) self->acquires->pdata[i])->in_queue;

  if (n_waiters != pool->waiters.n_waiters)
    model_fail (self, "%u acquires wait, and %u are counted", n_waiters, pool->waiters.n_waiters);
  if (pool->state != LP_POOL_RUNNING)
    return;

  if (n_waiters > pool->n_slots[LP_SLOT_VETTING] && pool->n_slots[LP_SLOT_IDLE] > 0)
    model_fail (self, "an acquire waits beside an idle executor");
  if (n_waiters > coming && total < (guint) self->config.max_pools && !backs_off (self))
    model_fail (self, "an acquire waits, and no executor is started for it");
  if (total - pool->n_leaving < desired (self) && total < (guint) self->config.max_pools && !backs_off (self))
    model_fail (self, "%u executors are desired, there are %u, and none is started", desired (self), total);
  if (n_waiters == 0 && pool->n_slots[LP_SLOT_VETTING] == 0 && pool->idle.length > 0
      && total - pool->n_leaving > desired (self)
      && !lp_deadline_is_set (&((LpSlot *) g_queue_peek_tail (&pool->idle))->deadline))
    model_fail (self, "an executor is surplus, and stays");
  if (lp_pool_desired_locked (pool) != desired (self))
    model_fail (self, "the desired number of executors is %u, not %u", lp_pool_desired_locked (pool), desired (self));
}

/* Executors that exist, as the model has seen it. */
static guint
count_alive (Model *self)
{
  guint n_alive = 0;

  for (guint i = 0; i < MODEL_MAX_PLACES; i++)
    n_alive += self->places[i] != NULL;

  return n_alive;
}

static void
check_bound (Model *self)
{
  LpPool *pool = self->pool;
  guint max_pools = (guint) self->config.max_pools;
  guint room = self->config.max_quarantined < 0 ? max_pools : (guint) self->config.max_quarantined;
  guint total = lp_pool_total_locked (pool);
  guint quarantined = pool->n_slots[LP_SLOT_QUARANTINED];

  if (total > max_pools)
    model_fail (self, "there are %u executors, and max-pools is %u", total, max_pools);
  if (total + quarantined > max_pools + room)
    model_fail (self, "there are %u executors and %u in quarantine", total, quarantined);
  if (count_alive (self) > total + quarantined)
    model_fail (self, "%u executors live, and %u are counted", count_alive (self), total + quarantined);
  if (pool->last_seq != pool->counters.executors_retired + total + quarantined)
    model_fail (self, "%" G_GUINT64_FORMAT " executors were begun, and %" G_GUINT64_FORMAT " retired, but there are %u",
                pool->last_seq, pool->counters.executors_retired, total + quarantined);
}

static void
look_at_idle (Model *self)
{
  for (guint i = 0; i < self->pool->slots->len; i++)
    {
      LpSlot *slot = self->pool->slots->pdata[i];
      ModelExecutor *executor = slot != NULL ? (ModelExecutor *) slot->executor : NULL;

      if (executor == NULL)
        continue;
      if (slot->state != LP_SLOT_IDLE)
        executor->idle_since = 0;
      else if (executor->idle_since == 0)
        executor->idle_since = self->n_events + 1;
    }
}

/* What is left after a stop is what nobody can end, or what was asked to, has had
 * its time, and has not said that it has. */
static void
check_stopped (Model *self)
{
  gboolean stopped = self->pool->state == LP_POOL_STOPPED;
  gboolean just_now = stopped && !self->was_stopped && !self->was_due;

  /* What was due comes first, and may have ended the stop before the event itself. */
  self->was_due = lp_deadlines_next (&self->pool->deadlines) <= lp_clock_now ();
  self->was_stopped = stopped;
  for (guint i = 0; just_now && i < self->pool->slots->len; i++)
    {
      LpSlot *slot = self->pool->slots->pdata[i];
      ModelExecutor *executor = slot != NULL ? (ModelExecutor *) slot->executor : NULL;

      if (slot != NULL && (executor == NULL || executor->running->len == 0)
          && lp_clock_now () - slot->closing_since < SHUTDOWN_SECONDS * G_USEC_PER_SEC)
        model_fail (self, "the pool has stopped, and an executor of it is alive");
    }
}

static void
check_time (Model *self)
{
  LpPool *pool = self->pool;

  if (pool->timer != NULL && pool->timer_when > lp_deadlines_next (&pool->deadlines))
    model_fail (self, "the timer is set to a later time than the first deadline");
  if (pool->state != LP_POOL_STOPPED && pool->timer == NULL)
    model_fail (self, "the pool runs, and has no timer");
}

void
model_check (Model *self)
{
  LpPool *pool = self->pool;

  if (self->failure != NULL)
    return;

  g_mutex_lock (&pool->lock);
  check_bound (self);
  if (self->failure == NULL)
    lp_pool_check_locked (pool);
  check_time (self);
  look_at_queue (self);
  look_at_leases (self);
  look_at_idle (self);
  check_capacity (self);
  check_stopped (self);
  g_mutex_unlock (&pool->lock);

  for (guint i = 0; i < self->acquires->len; i++)
    if (((Acquire *) self->acquires->pdata[i])->grant != NULL)
      check_lease (self, self->acquires->pdata[i]);
  for (guint i = 0; i < self->tasks->len; i++)
    check_task (self, self->tasks->pdata[i]);
}

/* CONTEXT has run all that it had: nobody who waits in it is forgotten. */
void
model_check_told (Model *self, GMainContext *context)
{
  model_look (self);

  for (guint i = 0; i < self->acquires->len; i++)
    {
      Acquire *acquire = self->acquires->pdata[i];

      /* One that runs a job goes on with that. */
      if (!acquire->in_queue && (acquire->task == NULL || acquire->grant == NULL)
          && acquire->n_told == 0 && acquire->client == (context == self->client))
        model_fail (self, "acquire %u has left the queue, and is not told", acquire->id);
    }

  for (guint i = 0; i < self->tasks->len; i++)
    {
      Task *task = self->tasks->pdata[i];

      if (lp_job_state_is_end (lp_job_get_state (task->job)) && task->n_told != 1
          && lp_job_get_queued_at (task->job) != 0
          && context == (task->acquire->task == task && task->acquire->client ? self->client : self->owner))
        model_fail (self, "job %u has ended, and its end was told %u times", task->number, task->n_told);
    }
}
