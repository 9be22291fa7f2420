/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of outcomes that are given while the function runs share; for one program at a
 * time. */

#include "lp-test-job.h"

#include "lp-lease-private.h"

typedef struct
{
  GAsyncQueue *jobs;            /* those that run, with a reference */
  GAsyncQueue *go_on;           /* what the function waits for before it returns */
  gboolean is_polite;           /* it waits for its cancellable instead */
  gboolean takes_next;          /* it asks for the next job when it goes on, and waits again */
  int has_taken;                /* (atomic) */
  int destroyed;                /* (atomic) */
} Given;

static int n_messages;          /* (atomic) records that somebody is to read */
static int n_quarantined;       /* (atomic) those of them that say so of an executor */

static inline GLogWriterOutput
count_messages (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "LEASEPOOL_EVENT") && level <= G_LOG_LEVEL_MESSAGE)
      {
        g_atomic_int_inc (&n_messages);
        if (g_str_equal (fields[i].value, "executor-quarantined"))
          g_atomic_int_inc (&n_quarantined);
      }

  return g_log_writer_default (level, fields, n_fields, user_data);
}

static inline void
block_cancelled (LpJob *job)
{
  GCancellable *cancellable = lp_job_get_cancellable (job);

  lp_test_block_fd (g_cancellable_get_fd (cancellable), G_IO_IN, "the cancellable");
  g_cancellable_release_fd (cancellable);
}

static inline void
take_next (LpJob *job, Given *given)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new ("(i)", 2));

  g_assert_null (lp_job_take_next (job, value));
  g_atomic_int_set (&given->has_taken, TRUE);
  g_async_queue_pop (given->go_on);
}

static inline void
given_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Given *given = user_data;

  lp_job_defer (job);
  g_async_queue_push (given->jobs, g_object_ref (job));
  if (given->is_polite)
    block_cancelled (job);
  else
    g_async_queue_pop (given->go_on);
  if (given->takes_next)
    take_next (job, given);
  g_assert_false (g_atomic_int_get (&given->destroyed));
}

static inline void
given_destroy (gpointer user_data)
{
  g_atomic_int_set (&((Given *) user_data)->destroyed, TRUE);
}

static inline void
given_init (Given *self)
{
  *self = (Given) { .jobs = g_async_queue_new (), .go_on = g_async_queue_new () };
}

static inline gpointer
give_main (gpointer job)
{
  lp_job_return_value (job, g_variant_new ("(i)", 11));
  return NULL;
}

/* Submits one and gives its outcome, from another thread. Its function goes on. */
static inline LpJob *
submit_given (Fixture *self, Given *given)
{
  LpJob *job = lp_job_new_for_func (given_func, given, given_destroy);

  lp_test_submit (self->lease, job);
  g_object_unref (g_async_queue_pop (given->jobs));
  g_thread_join (g_thread_new ("gives", give_main, job));
  assert_value (job, 11);

  return job;
}

/* Lets the function of a job return, and waits until it has. */
static inline void
let_return (Given *self)
{
  g_async_queue_push (self->go_on, self);
  lp_test_wait_for (is_set, &self->destroyed, "the end of the function");
}

static inline void
given_clear (Given *self)
{
  lp_test_wait_for (is_set, &self->destroyed, "the end of the function");
  g_async_queue_unref (self->jobs);
  g_async_queue_unref (self->go_on);
}

static inline LpLeaseState
state_of (Fixture *self)
{
  return lp_lease_get_state (self->lease);
}

static inline void
set_up_given (Fixture *self, int workers, double cancel_grace_seconds)
{
  LpManager *manager = lp_test_start (1,
                                      "workers-per-pool", workers,
                                      "cancel-grace-seconds", cancel_grace_seconds,
                                      "lease-grace-seconds", 0.0,
                                      NULL);

  g_atomic_int_set (&n_messages, 0);
  g_atomic_int_set (&n_quarantined, 0);
  fixture_init (self, manager, "given");
}

static inline void
set_up_patient (Fixture *self, gconstpointer workers)
{
  set_up_given (self, GPOINTER_TO_INT (workers), PATIENCE_SECONDS);
}

static inline void
set_up_impatient (Fixture *self, gconstpointer workers)
{
  set_up_given (self, GPOINTER_TO_INT (workers), SHORT_SECONDS);
}

#define add_patient(name, workers, func) \
  g_test_add ("/job/given/" name, Fixture, GINT_TO_POINTER (workers), set_up_patient, func, tear_down)
#define add_impatient(name, workers, func) \
  g_test_add ("/job/given/" name, Fixture, GINT_TO_POINTER (workers), set_up_impatient, func, tear_down)
