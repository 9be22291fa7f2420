/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <leasepool.h>

#include "lp-channel-private.h"

G_BEGIN_DECLS

/* A worker process, with the test in the place of its manager. Everything that
 * waits fails after half a minute, and says for what it has waited. */

typedef enum
{
  LP_TEST_STREAM_OF_MANAGER,    /* as a manager gives it: a socket to the worker, a pipe from it */
  LP_TEST_STREAM_SOCKET,        /* one for both */
  LP_TEST_STREAM_PIPES,
  LP_TEST_STREAM_NARROW,        /* a socket that takes little from the worker at a time */
  LP_TEST_STREAM_PACKETS,       /* a socket that keeps the limits of writes */
} LpTestStream;

typedef struct
{
  GSubprocess *process;
  LpChannel *channel;
  int error_fd;                 /* the standard error of the process */
} LpTestWorker;

#define LP_TEST_MAX_MESSAGE_SIZE (64 * 1024 * 1024)

LpTestWorker *lp_test_worker_spawn        (const char * const *argv, LpTestStream stream);
LpTestWorker *lp_test_worker_new          (LpTestStream stream);          /* worker-program, the hello not sent */
LpTestWorker *lp_test_worker_start        (void);                         /* of a manager, both hellos done */
LpTestWorker *lp_test_worker_start_with   (GVariant *hello);              /* a{sv} on top of the usual hello */

void          lp_test_worker_say_hello    (LpTestWorker *self, GVariant *more, int nonce_fd);
GVariant     *lp_test_worker_wait_hello   (LpTestWorker *self);

void          lp_test_worker_send         (LpTestWorker *self, LpFrameType type, guint64 id, GVariant *body);
void          lp_test_worker_call         (LpTestWorker *self, guint64 id, const char *name, GVariant *parameters);
gboolean      lp_test_worker_read         (LpTestWorker *self, LpFrame *frame);   /* FALSE: end of file */
GVariant     *lp_test_worker_expect       (LpTestWorker *self, LpFrameType type, guint64 id);
void          lp_test_worker_expect_error (LpTestWorker *self, guint64 id, GQuark domain, int code, const char *message);
void          lp_test_worker_expect_log   (LpTestWorker *self, GLogLevelFlags level, const char *domain, const char *message);
/* STARTED and RESULT; the result itself. */
GVariant     *lp_test_worker_run          (LpTestWorker *self, guint64 id, const char *name, GVariant *parameters);

void          lp_test_worker_close        (LpTestWorker *self);           /* the stream, as if the manager died */
char         *lp_test_worker_read_stderr  (LpTestWorker *self);           /* until all that have it are gone */
int           lp_test_worker_wait_status  (LpTestWorker *self);           /* its exit status, or -signal */
/* Says goodbye, and asserts that it ends as it should. Frees. */
void          lp_test_worker_finish       (LpTestWorker *self);
/* Kills it if need be. */
void          lp_test_worker_free         (LpTestWorker *self);

G_END_DECLS
