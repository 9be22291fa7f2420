/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* An executor that the test can break, and that is asked whether it has died; for one
 * program at a time. */

#include "lp-test.h"
#include "lp-test-conform.h"

#include <malloc.h>
#include <string.h>

#define TEST_TYPE_EXECUTOR (test_executor_get_type ())
G_DECLARE_FINAL_TYPE (TestExecutor, test_executor, TEST, EXECUTOR, LpExecutor)

struct _TestExecutor
{
  LpExecutor parent_instance;
};

G_DEFINE_FINAL_TYPE (TestExecutor, test_executor, LP_TYPE_EXECUTOR)

static LpExecutor *last_executor; /* (atomic) the last that was started; not owned */
static int n_checks;              /* (atomic) */

static inline gboolean
test_executor_start (LpExecutor *executor, GError **error)
{
  g_atomic_pointer_set (&last_executor, executor);
  lp_executor_report_ready (executor);
  return TRUE;
}

static inline gboolean
test_executor_has_died (LpExecutor *executor)
{
  g_atomic_int_inc (&n_checks);
  return FALSE;
}

static inline void
test_executor_class_init (TestExecutorClass *klass)
{
  LP_EXECUTOR_CLASS (klass)->start = test_executor_start;
  LP_EXECUTOR_CLASS (klass)->has_died = test_executor_has_died;
}

static inline void
test_executor_init (TestExecutor *self)
{
}
