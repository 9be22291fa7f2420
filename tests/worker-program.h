/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <leasepool.h>

/* The worker program of the tests: a function for each thing that a worker may
 * do, good or bad. Each says its parameters and result where it is added.
 *
 *   worker-program [foreign-context | many-functions | two-descriptors | never-polls | polls-afterwards]
 */

extern LpWorker *the_worker;
extern GThread *main_thread;
extern guint n_dispatched;      /* of a source in the main context */

void wait_for_signal (void);    /* SIGUSR1 */

void add             (LpFunctions *functions, const char *name, const char *parameter_type, const char *result_type,
                      LpJobFunc func);
void add_answers     (LpFunctions *functions);
void add_output      (LpFunctions *functions);

/* Functions that the program needs elsewhere, too. */
void echo_func       (LpJob *job, GVariant **result, gpointer user_data, GError **error);
void busy_func       (LpJob *job, GVariant **result, gpointer user_data, GError **error);
