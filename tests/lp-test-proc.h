/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-test.h"

G_BEGIN_DECLS

/* What the tests of the manager against bad workers share. */

/* What this process has: descriptors, threads, children; zombies are children. */
guint           lp_test_count_fds        (void);
guint           lp_test_count_children   (void);
int             lp_test_get_child        (guint n);                            /* 0: there are not so many */
/* Once in each program, before the first case: what GLib opens and keeps is there then. */
void            lp_test_proc_init        (int *argc, char ***argv);
/* Waits until there is nothing more than there was then. */
void            lp_test_wait_nothing_left (void);

/* A fifo, from which the function "hold" of a worker takes one byte. */
typedef struct
{
  char *path;
  int fd;
} LpTestFifo;

/* A manager of bad workers, of one executor with two workers. */
typedef struct
{
  LpManager *manager;
  char *directory;
  LpTestFifo first;
  LpTestFifo second;
} LpTestProc;

/* ARGUMENTS are those of the program, with spaces between. Not started. */
void            lp_test_proc_set_up      (LpTestProc *self, const char *arguments);
void            lp_test_proc_start       (LpTestProc *self);
/* Stops it, and checks that nothing is left. */
void            lp_test_proc_tear_down   (LpTestProc *self);
char           *lp_test_proc_build_path  (LpTestProc *self, const char *name);
char          **lp_test_bad_worker_argv  (const char *arguments);

/* A job whose callbacks are counted: it must have exactly one. */
typedef struct
{
  LpJob *job;
  guint n_callbacks;
  GVariant *result;
  GError *error;
} LpTestOutcome;

LpTestOutcome  *lp_test_outcome_of       (LpLease *lease, LpJob *job);          /* takes JOB */
LpTestOutcome  *lp_test_call             (LpLease *lease, const char *name, GVariant *parameters);
LpTestOutcome  *lp_test_double           (LpLease *lease, int value);
LpTestOutcome  *lp_test_hold             (LpLease *lease, LpTestFifo *fifo);
void            lp_test_let_go           (LpTestFifo *fifo);
void            lp_test_wait_started     (LpTestOutcome *outcome);
void            lp_test_wait_sent        (LpTestOutcome *outcome);              /* it is with a worker, which has not said STARTED */
void            lp_test_wait_outcome     (LpTestOutcome *outcome);
void            lp_test_outcome_free     (LpTestOutcome *outcome);              /* after it has come */
int             lp_test_ask_pid          (LpLease *lease);
/* The workers have shown how quick they are: jobs are sent ahead to those that say they take them. */
void            lp_test_make_quick       (LpLease *lease);
/* Takes a reference, the last one but for what another thread may still hold. */
void            lp_test_wait_finalized   (gpointer object);

/* These wait for it. */
void            lp_test_assert_succeeds  (LpTestOutcome *outcome);
void            lp_test_assert_int       (LpTestOutcome *outcome, int expected);
void            lp_test_assert_fails     (LpTestOutcome *outcome, GQuark domain, int code);
void            lp_test_assert_cancelled (LpTestOutcome *outcome);
/* As all jobs that had not started when their executor broke: they can be tried again. */
void            lp_test_assert_untouched (LpTestOutcome *outcome);
void            lp_test_assert_says      (const GError *error, const char *text);

/* Until so many executors have been retired. */
void            lp_test_wait_retired     (LpManager *manager, guint64 n_retired);

/* A new lease works. */
void            lp_test_assert_works     (LpManager *manager);
/* This one does, and ends. */
void            lp_test_use_and_release  (LpLease *lease);

/* How a worker breaks its executor in mid-job, and what is said of it. */
typedef struct
{
  const char *name;             /* of the case */
  const char *arguments;
  const char *says;             /* in the message of the job that ran; NULL: nothing in particular */
  enum
  {
    LP_TEST_BLAMED,             /* the job that ran */
    LP_TEST_UNTOUCHED,          /* it had not begun */
    LP_TEST_SUCCEEDED,          /* before it broke */
  } fate;
} LpTestBreak;

void            lp_test_check_break      (gconstpointer data);                  /* a LpTestBreak */
void            lp_test_add_breaks       (const char *path, const LpTestBreak *breaks, gsize n_breaks);

G_END_DECLS
