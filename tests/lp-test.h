/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <leasepool.h>

G_BEGIN_DECLS

/* What most of the C tests need. Nothing here sleeps to synchronise: a gate
 * says when a job has entered, and waiting for a state ends in a failure. */

/* How many rounds, jobs or seconds: as many as usual; with LP_TEST_THOROUGH those at which failures were seen
 * elsewhere; with LP_TEST_SLOW, under valgrind, where all takes some forty times as long, fewer. */
guint       lp_test_size              (guint usual, guint thorough, guint slow);

/* GLib has it for children and signals, and keeps it and its descriptor; it starts it when it needs it first. */
void        lp_test_start_thread_of_glib (void);

/* What waits for so long has waited in vain. */
#define LP_TEST_PATIENCE_SECONDS lp_test_size (30, 30, 300)

/* Work functions that enter and stay until the gate is opened. */
typedef struct _LpTestGate LpTestGate;

LpTestGate *lp_test_gate_new          (void);
LpTestGate *lp_test_gate_ref          (LpTestGate *gate);
void        lp_test_gate_unref        (LpTestGate *gate);
LpJob      *lp_test_gate_job          (LpTestGate *gate);        /* waits for the gate, whatever happens: a stuck thread */
LpJob      *lp_test_gate_polite_job   (LpTestGate *gate);        /* returns G_IO_ERROR_CANCELLED when it is cancelled */
void        lp_test_gate_wait_entered (LpTestGate *gate, guint n);
guint       lp_test_gate_get_entered  (LpTestGate *gate);
void        lp_test_gate_open         (LpTestGate *gate);

LpJob      *lp_test_gate_function_job (LpTestGate *gate, const char *function);

LpJob      *lp_test_value_job         (int value);               /* returns (i) */
LpJob      *lp_test_error_job         (void);                    /* fails with G_IO_ERROR_EXISTS */

/* Both (ay). What g_variant_equal() looks at as text, a thousand times as slowly, if one was not made in this process. */
void        lp_test_assert_same_bytes (GVariant *value, GVariant *expected);

/* A GAsyncReadyCallback that keeps its result; USER_DATA is the address of a
 * GAsyncResult pointer that is NULL. */
void          lp_test_result_cb       (GObject *source, GAsyncResult *result, gpointer user_data);
GAsyncResult *lp_test_wait_result     (GAsyncResult **result);   /* iterates the thread-default context; transfer none */

/* Iterates the thread-default context until CONDITION holds, with patience. */
typedef gboolean (*LpTestCondition) (gpointer data);
void          lp_test_wait_for        (LpTestCondition condition, gpointer data, const char *what);
/* Blocks without iterating any context until CONDITION holds, with patience. */
void          lp_test_block_for       (LpTestCondition condition, gpointer data, const char *what);
/* The same until the descriptor has one of the events of poll(). */
void          lp_test_block_fd        (int fd, short events, const char *what);

/* lp_test_wait_stat (manager, "available", 2): iterates until the stat has the value. */
guint         lp_test_stat            (LpManager *manager, const char *name);      /* a 'u' of the stats */
guint64       lp_test_counter         (LpManager *manager, const char *name);      /* a 't' of the stats */
void          lp_test_wait_stat       (LpManager *manager, const char *name, guint value);
/* The job that ends last has ended a moment before its lease: blocks until it is RELEASED. */
void          lp_test_block_released  (LpLease *lease);
void          lp_test_block_stat      (LpManager *manager, const char *name, guint value);

/* A manager that has not been started; of threads, but in a case for each backend. */
LpManager    *lp_test_new             (int max_pools);
/* The same, and it has been started; more properties as for g_object_new. */
LpManager    *lp_test_start           (int max_pools, const char *first_property, ...);
LpLease      *lp_test_acquire         (LpManager *manager, const char *owner);     /* asserts that it succeeds */
void          lp_test_submit          (LpLease *lease, LpJob *job);                /* asserts that it succeeds */
void          lp_test_assert_done     (LpJob *job);                                /* waits, with patience */
/* The time-out of the starts from now on: one that is short from the first could hit the start that is to succeed. */
void          lp_test_set_start_timeout (LpManager *manager, double seconds);
/* Stops with KILL, checks that nothing is left, and asserts that it is finalized. */
void          lp_test_finish          (LpManager *manager);

/* Sets *GONE (atomic) when the last reference of OBJECT is dropped, on any thread. A weak pointer is not atomic. */
void          lp_test_watch           (gpointer object, int *gone);
gboolean      lp_test_is_gone         (gpointer gone);          /* a LpTestCondition */
/* g_subprocess_wait() looks without its lock whether the process has ended already. With patience; says in the end
 * what the process does. */
void          lp_test_wait_process    (GSubprocess *process);
/* Threads of this process whose name begins with PREFIX; those that were joined are none. */
guint         lp_test_count_threads   (const char *prefix);
guint         lp_test_count_threads_awake (const char *prefix); /* those of them that do not sleep */
/* The pool's invariants, at any moment. */
void          lp_test_check           (LpManager *manager);
/* Whoever waits does so because there is nothing to be had: nothing idle, and all places taken, unless a start or an
 * answer is under way for each waiter, or a failed start is being slept off. */
void        lp_test_check_waiters   (LpManager *manager);

G_END_DECLS
