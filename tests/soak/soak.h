/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <leasepool.h>

G_BEGIN_DECLS

/* What is lost on purpose, to see that it is noticed. */
typedef enum
{
  SOAK_PLANT_NONE,
  SOAK_PLANT_DESCRIPTOR,
  SOAK_PLANT_CHILD,
  SOAK_PLANT_THREAD,
  SOAK_PLANT_MEMORY,            /* 100 bytes a job */
  SOAK_PLANT_JOB,
  SOAK_PLANT_LEASE,
} SoakPlant;

/* The load on one manager after the other, all of one backend. Without a note: main thread. */
typedef struct
{
  const char *backend;
  GRand *random;
  SoakPlant plant;
  LpManager *manager;
  LpGrinder *grinder;
  gboolean loading;             /* what ends makes room for more */
  GThread *helpers[2];          /* that block */
  int helpers_over;             /* (atomic) */
  int helper_seed;              /* (atomic) of the next one */
  guint kill_source;

  /* Of the manager. */
  guint64 n_leases[2];          /* acquired, ended, as it says */
  /* Of all. */
  guint64 n_asked;              /* asynchronous operations */
  guint64 n_told;               /* of these, callbacks */
  int n_accepted;               /* (atomic) jobs */
  int n_ended;                  /* (atomic) of these */
  guint64 n_all_leases;
  guint64 n_kills;
  guint64 n_managers;
  GQueue held;                  /* of LpLease, that are to expire */
} SoakLoad;

void     soak_load_start     (SoakLoad *self, LpManager *manager);
void     soak_load_go        (SoakLoad *self);
/* No more is begun; what was begun goes on. */
void     soak_load_rest      (SoakLoad *self);
/* Everything that was begun has ended, and the books are right. */
gboolean soak_load_is_quiet  (SoakLoad *self);
void     soak_load_print     (SoakLoad *self);
void     soak_load_stop      (SoakLoad *self, LpStopMode mode, GAsyncReadyCallback callback, gpointer user_data);
void     soak_load_clear     (SoakLoad *self);

/* Blocks; for threads of their own. */
gpointer soak_helper_main    (gpointer data);

LpJob   *soak_job_new        (GRand *random);

/* What this process has. */
typedef struct
{
  guint64 n_jobs;               /* so far */
  guint n_descriptors;
  guint n_children;
  guint n_threads;
  gsize n_bytes;                /* that are in use; 0 where nobody knows */
} SoakUse;

void     soak_use_measure    (SoakUse *use, guint64 n_jobs);
char    *soak_dup_threads    (void);
/* A child of this process, or 0. */
int      soak_pick_child     (GRand *random);
/* How many bytes a job are kept, in so many measurements; 0 if it is no more than what comes and goes. */
double   soak_bytes_per_job  (const SoakUse *uses, guint n_uses);

void     soak_plant          (SoakPlant plant);
void     soak_plant_clear    (void);

G_END_DECLS
