/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <leasepool.h>

G_BEGIN_DECLS

/* What the benchmarks share. Each one prints a line of tab-separated values for each measure; see print_row().
 *
 * LP_BENCH_ROUNDS  how many rounds are measured, 7 by default, after one that is not
 * LP_BENCH_SCALE   a factor for how much is done in a round, 1 by default
 * LP_BENCH_ONLY    only measures whose name has this in it */

/* Does it N times. Returns what one costs: nanoseconds, or whatever the unit of the row is. */
typedef double (*LpBenchFunc) (gpointer data, guint n);

typedef struct
{
  const char *name;
  LpBenchFunc func;
  gpointer data;
} LpBenchSide;

typedef struct
{
  const char *measure;
  const char *unit;             /* "ns", or "/s": then what the functions return is turned into a rate */
  guint n;                      /* before it is scaled */
  double goal;                  /* for ours / peer: at most for costs, at least for rates; 0: there is none */
} LpBenchRow;

void   lp_bench_init    (const char *subject);
guint  lp_bench_scaled  (guint n, guint at_least);
void   lp_bench_compare (const LpBenchRow *row, const LpBenchSide *ours, const LpBenchSide *peer);
void   lp_bench_measure (const LpBenchRow *row, LpBenchFunc func, gpointer data);
void   lp_bench_value   (const char *measure, const char *unit, double value, double at_most);
gint64 lp_bench_now     (void);
double lp_bench_quantile (GArray *values, double fraction);

/* --- Many at a time: each completion starts the next one --- */

typedef struct _LpBenchWindow LpBenchWindow;

typedef struct
{
  LpBenchWindow *window;
  gint64 started;
} LpBenchSlot;

/* Starts one; lp_bench_slot_done() is called in the main loop when it has ended. */
typedef void (*LpBenchStartFunc) (LpBenchSlot *slot, gpointer data);

double lp_bench_window       (LpBenchStartFunc start, gpointer data, guint n, guint in_flight);
double lp_bench_window_waits (LpBenchStartFunc start, gpointer data, guint n, guint in_flight, double fraction);
void   lp_bench_slot_done    (LpBenchSlot *slot);

/* --- Tasks of GIO: their data is the slot --- */

void lp_bench_task_cb         (GObject *source, GAsyncResult *result, gpointer user_data);
/* Both as LpBenchStartFunc: one that does nothing. DATA: the lease for the second, none for the first. */
void lp_bench_start_in_thread (LpBenchSlot *slot, gpointer data);
void lp_bench_start_run_task  (LpBenchSlot *slot, gpointer data);

/* --- What most of them set up --- */

LpManager *lp_bench_manager (const char *backend, int max_pools, int workers);
void       lp_bench_start   (LpManager *manager);
LpLease   *lp_bench_acquire (LpManager *manager);
void       lp_bench_stop    (LpManager *manager);
void       lp_bench_give_back (LpManager *manager, LpLease *lease);
LpGrinder *lp_bench_grinder   (LpManager *manager, int batch);
void       lp_bench_grinder_stop (LpGrinder *grinder);
GVariant  *lp_bench_unit    (void);
void       lp_bench_be_quiet (void);
char      *lp_bench_program (const char *name);
char      *lp_bench_script  (const char *name);

/* --- A mode of bench-worker with nothing of the library between --- */

typedef struct
{
  GSubprocess *process;
  int to;
  int from;
} LpBenchChild;

void lp_bench_child_init  (LpBenchChild *self, const char *mode);
void lp_bench_child_init_pipes (LpBenchChild *self, const char *mode);
void lp_bench_child_clear (LpBenchChild *self);
void lp_bench_write_all   (int fd, const void *data, gsize size);
void lp_bench_read_all    (int fd, void *data, gsize size);

/* --- Peers that are programs: "N" on their standard input, nanoseconds for each one on their output --- */

typedef struct _LpBenchPeer LpBenchPeer;

LpBenchPeer *lp_bench_peer_new  (const char * const *argv);
double       lp_bench_peer_run  (gpointer peer, guint n);
void         lp_bench_peer_free (LpBenchPeer *self);

G_END_DECLS
