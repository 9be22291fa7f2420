/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of completions share; for one program at a time. */

#include <leasepool.h>

#include "lp-clock-private.h"
#include "lp-completion-private.h"
#include "lp-test.h"

static int tag;

/* A result is a counter of how often it was given back. */
static inline void
give_back_cb (gpointer result)
{
  g_atomic_int_inc ((int *) result);
}

static inline GError *
error_new (void)
{
  return g_error_new_literal (G_IO_ERROR, G_IO_ERROR_EXISTS, "as asked");
}

/* One with a callback that keeps the result in OUT. The operation's reference is
 * what is returned, as in the library. */
static inline LpCompletion *
completion_new (GCancellable *cancellable, GAsyncResult **out)
{
  return lp_completion_new (NULL, &tag, cancellable, lp_test_result_cb, out);
}

static inline void
fail_watched_cb (LpCompletion *completion, gpointer data)
{
  g_object_ref (completion);
  if (!lp_completion_fail (completion, error_new ()))
    g_object_unref (completion);
}
