/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A no-op job on the thread-pool scheduler of libdex, completing in the main loop: a work item that resolves a promise,
 * which is what costs least there; a fiber has a stack. How many threads it has is libdex's. */

#include "lp-bench-dex.h"

#ifdef HAVE_LIBDEX

#include <libdex.h>

static DexScheduler *scheduler;

gboolean
lp_bench_dex_init (void)
{
  if (scheduler == NULL)
    {
      dex_init ();
      scheduler = dex_ref (dex_thread_pool_scheduler_get_default ());
    }

  return TRUE;
}

static void
work_func (gpointer data)
{
  DexPromise *promise = data;

  dex_promise_resolve_boolean (promise, TRUE);
  dex_unref (promise);
}

static DexFuture *
done_cb (DexFuture *completed, gpointer data)
{
  lp_bench_slot_done (data);
  return NULL;
}

void
lp_bench_dex_start (LpBenchSlot *slot, gpointer data)
{
  DexPromise *promise = dex_promise_new ();

  dex_scheduler_push (scheduler, work_func, dex_ref (promise));
  dex_future_disown (dex_future_then (DEX_FUTURE (promise), done_cb, slot, NULL));
}

#else

gboolean
lp_bench_dex_init (void)
{
  return FALSE;
}

void
lp_bench_dex_start (LpBenchSlot *slot, gpointer data)
{
  g_assert_not_reached ();
}

#endif
