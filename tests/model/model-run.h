/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "model.h"

/* How the checker runs: each batch in a child of its own, so that a crash, an
 * assertion of the library or an endless loop is a failure like another one, and
 * what is broken is looked at from outside. Both share this. */
typedef struct
{
  guint64 seed;                 /* of the random run; 0: it is none */
  Config config;
  guint n_events;               /* of the run that is under way, or that failed */
  Event events[MODEL_MAX_EVENTS];
  guint64 n_runs;
  guint64 n_total;              /* events of all runs */
  guint64 digest;               /* of all that was seen of the pool */
  guint64 n_kinds[MODEL_N_EVENT_KINDS]; /* of events that were applied */
  guint64 n_slots[LP_N_SLOT_STATES]; /* executors seen in that state after an event */
  guint64 n_leases[LP_LEASE_STATE_STOPPED + 1];
  guint64 n_jobs[LP_JOB_STATE_CANCELLED + 1];
  char failure[512];
} Record;

#define MODEL_N_RANDOM_RUNS 200

typedef void (*ModelRunFunc) (Record *record, gconstpointer data);

typedef struct
{
  guint64 first_seed;
  guint n_runs;
  guint n_events;               /* of each */
} RandomScope;

typedef struct
{
  const char *name;
  Config config;
  const Event *alphabet;
  guint n_letters;
  guint depth;
} SmallScope;

/* model-run.c */
Record     *model_record_new     (void);
void        model_record_free    (Record *record);
gboolean    model_run_in_child   (Record *record, ModelRunFunc func, gconstpointer data, gboolean quiet);
void        model_run_random     (Record *record, gconstpointer scope);
void        model_run_small      (Record *record, gconstpointer scope);
void        model_run_list       (Record *record, gconstpointer unused);

/* model-scopes.c */
gboolean    model_is_thorough    (void);
const SmallScope *model_get_small_scope (guint index);
gboolean    model_check_small    (Record *record, guint index, gboolean quiet);
gboolean    model_check_random   (Record *record, guint64 seed, guint n_runs, gboolean quiet);

void        model_report         (Record *record, const char *what);
void        model_drop_records   (void);

/* model-shrink.c */
void        model_shrink         (Record *record);
char       *model_record_dup_text (const Record *record);
