/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <leasepool.h>

G_BEGIN_DECLS

/* Cases that run on each backend: /lease/renew becomes /thread/lease/renew and
 * /process/lease/renew. In such a case lp_test_start() and lp_test_new() make managers
 * of that backend, and the jobs of lp-test.h are named functions of conform-module.c,
 * so that all that differs is one property. With LP_TEST_BACKEND in the environment they
 * run on the backend of that name instead, see conformance. A case that needs a closure, a class of
 * executors of its own, or threads that cannot be killed is added with g_test_add(). */

/* NULL in all other cases. */
const char *lp_test_get_backend            (void);
/* TRUE where jobs are in other processes. */
gboolean    lp_test_has_processes          (void);
/* TRUE on the backend of threads: an executor that is started for an acquire that does not wait is there at once, and
 * its threads have its name. */
gboolean    lp_test_has_own_threads         (void);

void        lp_test_conform_add_func       (const char *path, GTestFunc func);
void        lp_test_conform_add_data_func  (const char *path, gconstpointer data, GTestDataFunc func);
void        lp_test_conform_add_fixture    (const char *path, gsize size, gconstpointer data, GTestFixtureFunc set_up,
                                            GTestFixtureFunc func, GTestFixtureFunc tear_down);
/* For those of the library, which have init functions; not for a backend of a module. */
void        lp_test_conform_add_own_func   (const char *path, GTestFunc func);
/* For one backend, for what only that one can do; with the same jobs. */
void        lp_test_conform_add_only       (const char *backend, const char *path, GTestFunc func);
void        lp_test_conform_add_only_data  (const char *backend, const char *path, gconstpointer data,
                                            GTestDataFunc func);

#define lp_test_conform_add(path, Fixture, data, set_up, func, tear_down) \
  G_STMT_START { \
    void (*set_up_func) (Fixture *, gconstpointer) = (set_up); \
    void (*case_func) (Fixture *, gconstpointer) = (func); \
    void (*tear_down_func) (Fixture *, gconstpointer) = (tear_down); \
    lp_test_conform_add_fixture ((path), sizeof (Fixture), (data), (GTestFixtureFunc) set_up_func, \
                                 (GTestFixtureFunc) case_func, (GTestFixtureFunc) tear_down_func); \
  } G_STMT_END

/* A gate that a job in another process can stand at: two fifos in a directory. */
typedef struct _LpTestRemoteGate LpTestRemoteGate;

LpTestRemoteGate *lp_test_remote_gate_new          (void);
void              lp_test_remote_gate_free         (LpTestRemoteGate *gate);
LpJob            *lp_test_remote_gate_job          (LpTestRemoteGate *gate, const char *function);
const char       *lp_test_remote_gate_get_directory (LpTestRemoteGate *gate);
/* Waits until N have entered, or not at all; returns how many. */
guint             lp_test_remote_gate_wait_entered (LpTestRemoteGate *gate, guint n);
void              lp_test_remote_gate_open         (LpTestRemoteGate *gate);

G_END_DECLS
