/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-bench.h"

G_BEGIN_DECLS

/* What the name of a row begins with that has one of these in the place of ours. */
#define LP_BENCH_FLOOR "floor: "

/* Bare mechanisms, to be compared with the peers in the place of ours. Each has an LpBenchFunc, for itself as data. */

/* Lets others have the processor until *SIGN (nullable) is set, but no longer than for USEC microseconds: as our worker
 * threads do before they sleep. */
void   lp_bench_look          (int *sign, gint64 usec);

/* A thread that is woken, and wakes this one, or its main loop. It may look out for the next question, for as long as our
 * worker threads do, before it sleeps. */
typedef struct
{
  GMutex lock;
  GCond cond;
  int asked;                    /* (atomic; changed under the lock) */
  gboolean answered;            /* (lock) also read without it by a main loop */
  gboolean ends;                /* (lock) */
  gboolean wakes_loop;          /* (construct-only) */
  gboolean looks_out;           /* (construct-only) */
  GThread *thread;
} LpBenchPartner;

void   lp_bench_partner_init  (LpBenchPartner *self, gboolean wakes_loop, gboolean looks_out);
double lp_bench_partner_ask   (gpointer self, guint n);
void   lp_bench_partner_clear (LpBenchPartner *self);

/* Two processes that echo, with 64 messages in flight. */
#define LP_BENCH_ECHOES 2

void   lp_bench_echoes_init   (LpBenchChild *children);
double lp_bench_echoes_ask    (gpointer children, guint n);
void   lp_bench_echoes_clear  (LpBenchChild *children);

/* One message at a time: a process that echoes, and a thread here that reads the answer whatever the main loop does, and
 * wakes it. */
typedef struct
{
  LpBenchChild child;
  GThread *thread;
  int answered;                 /* (atomic) */
} LpBenchRelay;

void   lp_bench_relay_init    (LpBenchRelay *self);
double lp_bench_relay_ask     (gpointer self, guint n);
void   lp_bench_relay_clear   (LpBenchRelay *self);

G_END_DECLS
