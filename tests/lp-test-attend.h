/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests share of answers that a main loop reads itself. Each program has its own clock of it. */

#include "lp-test-proc.h"

#include <dlfcn.h>

#include "lp-child-private.h"
#include "lp-lease-private.h"
#include "lp-pool-private.h"
#include "lp-process-executor-private.h"

/* So many calls alone make the context attend. */
#define CALLS 17

/* In the place of GLib's: what this thread is told that the time is, however slow the machine is. */
static __thread gint64 told_time;

gint64
g_get_monotonic_time (void)
{
  gint64 (*real_time) (void) = (gint64 (*) (void)) dlsym (RTLD_NEXT, "g_get_monotonic_time");

  return told_time != 0 ? told_time : real_time ();
}

/* One worker, and a thread, this one at first, that calls it. */
typedef struct
{
  LpTestProc proc;
  LpLease *lease;
  LpProcessExecutor *executor;
  LpChild *child;
  gint64 now;                   /* when calls are made */
} Attend;

static inline void
set_up (Attend *self, const char *arguments)
{
  LpLease *lease;

  lp_test_proc_set_up (&self->proc, arguments);
  g_object_set (self->proc.manager, "workers-per-pool", 1, "forward-process-logs", TRUE, NULL);
  lp_test_proc_start (&self->proc);
  lease = self->lease = lp_test_acquire (self->proc.manager, "attend");
  self->executor = g_object_ref (LP_PROCESS_EXECUTOR (lp_lease_get_grant (lease)->executor));
  g_rec_mutex_lock (&self->executor->children_lock);
  self->child = lp_child_ref (self->executor->children->pdata[0]);
  g_rec_mutex_unlock (&self->executor->children_lock);
  self->now = g_get_monotonic_time ();

  /* As in a callback of the loop. */
  g_assert_true (g_main_context_acquire (NULL));
}

static inline void
tear_down (Attend *self)
{
  g_main_context_release (NULL);
  lp_child_unref (self->child);
  g_object_unref (self->executor);
  lp_lease_release (self->lease);
  lp_test_wait_finalized (self->lease);
  lp_test_proc_tear_down (&self->proc);
}

static inline gboolean
is_attended (Attend *self)
{
  gboolean attended;

  g_rec_mutex_lock (&self->executor->children_lock);
  attended = self->child->attendance.attendant != NULL;
  g_rec_mutex_unlock (&self->executor->children_lock);

  return attended;
}

static inline gboolean
is_not_attended (gpointer data)
{
  return !is_attended (data);
}

static inline void
assert_doubled (LpTestOutcome *outcome, int value)
{
  lp_test_assert_int (outcome, 2 * value);
  lp_test_outcome_free (outcome);
}

/* The service thread keeps out of it meanwhile: whether the call is ATTENDED (nullable) does not depend on how fast the
 * machine is. */
static inline LpTestOutcome *
call_looking (Attend *self, const char *name, GVariant *parameters, gboolean *attended)
{
  LpTestOutcome *outcome;

  g_rec_mutex_lock (&self->executor->children_lock);
  told_time = self->now;
  outcome = lp_test_call (self->lease, name, parameters);
  told_time = 0;
  if (attended != NULL)
    *attended = self->child->attendance.attendant != NULL;
  g_rec_mutex_unlock (&self->executor->children_lock);

  return outcome;
}

static inline LpTestOutcome *
call (Attend *self, const char *name, GVariant *parameters)
{
  return call_looking (self, name, parameters, NULL);
}

static inline LpTestOutcome *
call_double (Attend *self, int value)
{
  return call (self, "double", g_variant_new ("(i)", value));
}

static inline gboolean
call_is_attended (Attend *self, int value)
{
  gboolean attended;

  assert_doubled (call_looking (self, "double", g_variant_new ("(i)", value), &attended), value);
  return attended;
}

/* A call is under way then, whose answer this context reads. */
static inline LpTestOutcome *
call_attended (Attend *self)
{
  for (int i = 0;; i++)
    {
      gboolean attended;
      LpTestOutcome *outcome = call_looking (self, "double", g_variant_new ("(i)", i), &attended);

      if (attended)
        return outcome;
      lp_test_assert_succeeds (outcome);
      lp_test_outcome_free (outcome);
    }
}

/* The context attends and no call is under way. On a machine that is too slow to call twice while it is looked once
 * whether somebody does, it may have ended again. */
static inline void
attend (Attend *self)
{
  LpTestOutcome *outcome = call_attended (self);

  lp_test_assert_succeeds (outcome);
  lp_test_outcome_free (outcome);
}

/* Makes the call NAME when it is attended. */
static inline LpTestOutcome *
attend_and_call (Attend *self, const char *name, GVariant *parameters)
{
  attend (self);
  return call (self, name, parameters);
}
