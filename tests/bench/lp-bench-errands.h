/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-bench.h"

G_BEGIN_DECLS

/* A floor, as those of lp-bench-floors.h, of what the interface of a job asks for: an object with four properties that are
 * set when it is made, of which a caller and the queue have a reference each; its state, which a cancel may change at any
 * time; three times; a function that a thread calls, and a result, of which the callback fetches a reference; a source
 * object that is there until the callback has returned. Nothing is known of a lease, nothing can fail, be cancelled,
 * interrupted, waited for, logged or counted. The two threads share one queue each way, of which they take all; one of them
 * sleeps as long as the other does not, and some errands gather before that takes them, as with ours. */
typedef struct
{
  GMutex lock;
  GCond cond;
  GQueue asked;                 /* (lock) */
  int offered;                  /* (atomic; changed under the lock) for the one that looks out */
  gboolean looking;             /* (lock) */
  guint n_awake;                /* (lock) of the threads */
  GQueue answered;              /* (lock) */
  gboolean ends;                /* (lock) */
  GSource *source;
  GObject *source_object;
  GThread *threads[2];
  guint in_flight;
} LpBenchErrands;

void   lp_bench_errands_init  (LpBenchErrands *self, guint in_flight);
double lp_bench_errands_pass  (gpointer self, guint n);
void   lp_bench_errands_clear (LpBenchErrands *self);

G_END_DECLS
