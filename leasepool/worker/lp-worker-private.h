/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <leasepool.h>

#include "lp-channel-private.h"
#include "lp-job-private.h"
#include "lp-serial-private.h"

G_BEGIN_DECLS

/* How a worker process works
 *
 * Two threads: the one that called lp_worker_run(), "the main thread", runs the
 * functions and iterates the default main context in between; the I/O thread is
 * there while the former is busy. The stream is read by the main thread as it
 * polls, so that a call wakes one thread and not two. When it has not polled for
 * a moment, a timer wakes the I/O thread, which reads until the main thread
 * polls again: it sets nothing, tells nobody and wakes nobody for a function that
 * is short.
 *
 * The I/O thread is what ends the process when the manager is gone, so it never
 * waits: not for the stream, not for foreign code, and not for the lock of an
 * interpreter. Nor does who reads: it neither touches the reference counts of
 * objects that an interpreter may know, nor calls handlers; a thread of its own
 * fires the cancellable of a job.
 *
 * One lock guards the queue of calls and the outgoing half of the channel. So a
 * call either leaves the queue together with its STARTED, or with its DROPPED.
 * It is held for system calls that do not block, never while waiting for the
 * stream, and never around foreign code. Another one, taken before it, guards the
 * incoming half.
 *
 * Who writes a result or a log record waits until the system has its last byte:
 * a crash right after that loses nothing. */

/* What the largest body may be, whatever the hello says. */
#define LP_WORKER_MIN_BODY 4096
#define LP_WORKER_MAX_BODY G_MAXINT32

typedef enum
{
  LP_WORKER_READING,
  LP_WORKER_CLOSED,             /* the manager sends nothing more, after its goodbye */
  LP_WORKER_OVER,               /* nobody reads any more: what it sent is not for a worker, or the run ends */
} LpWorkerReading;

/* Whose turn it is. */
typedef enum
{
  LP_WORKER_READER_NONE,        /* the main thread is busy, not for long yet */
  LP_WORKER_READER_MAIN,
  LP_WORKER_READER_IO,
} LpWorkerReader;

/* A CALL. */
typedef struct
{
  gatomicrefcount ref_count;

  GList link;                   /* (lock) in the calls; its data is this */
  guint64 id;
  GVariant *parameters;         /* (owned) (nullable) */
  LpJob *job;                   /* (owned) (lock) set once, by the main thread */
  gboolean cancelled;           /* (lock) */
  char name[];
} LpWorkerCall;

struct _LpWorker
{
  GObject parent_instance;

  LpFunctions *functions;       /* (construct-only) */

  int in_fd;                    /* (main thread) the stream, moved away, until the channel has it; -1 */
  int out_fd;                   /* (main thread) */
  gint64 iterated_at;           /* (main thread) when the main context last had its turn */

  /* Set by the run before another thread starts or a record can come. */
  guint fork_generation;        /* a forked child writes nothing to the stream */
  LpChannel *channel;           /* in half: (reading lock), out half: (lock) */
  int wake_fds[2];              /* a pipe that wakes the I/O thread; -1 */
  int timer_fd;                 /* the same when the main thread has been busy for a while; -1: the thread always reads */
  GThread *io_thread;           /* (main thread) */
  GLogLevelFlags log_level;
  GLogLevelFlags fatal_mask;
  gboolean log_to_stderr;

  GMutex reading_lock;
  LpWorkerReading reading;      /* (atomic) set under the reading lock */

  GMutex lock;
  LpWorkerReader reader;        /* (lock) */
  gint64 busy_since;            /* (lock) when the last turn of the main thread ended */
  gboolean timer_set;           /* (lock) */
  GVariant *hello;              /* (lock) set once, under the reading lock, too */
  GError *refusal;              /* (lock) why there was no hello */
  gboolean goodbye;             /* (lock) there are no more calls; set under the reading lock, too */
  gboolean closed;              /* (lock) the last frame has been sent */
  gboolean broken;              /* (lock) after goodbye: nobody reads any more */
  GQueue calls;                 /* (lock) of LpWorkerCall, not started */
  LpWorkerCall *current;        /* (lock) the one that was started; set and cleared by the main thread */
  gboolean given;               /* (lock) the outcome of the current one is there */
  LpOutcome outcome;            /* (lock) */
  gboolean has_progress;        /* (lock) there is some to be sent */
  double progress;              /* (lock) */
  char *status;                 /* (lock) (nullable) */
  gint64 progress_at;           /* (lock) when the last was sent */
  LpSerial record;              /* (lock) memory for a log record */
};

/* lp-worker-serve.c */
LpWorkerCall *lp_worker_call_ref           (LpWorkerCall *self);
void          lp_worker_call_unref         (LpWorkerCall *self);
void          lp_worker_job_given          (LpWorker *self, LpJob *job, LpOutcome *outcome);
void          lp_worker_job_cancelled      (LpWorker *self, LpJob *job);
void          lp_worker_job_progress       (LpWorker *self, LpJob *job, double progress, const char *status);
void          lp_worker_iterate            (LpWorker *self, gboolean may_block);
void          lp_worker_serve              (LpWorker *self);

/* lp-worker-hello.c */
gboolean      lp_worker_configure          (LpWorker *self, GError **error);
gboolean      lp_worker_greet              (LpWorker *self, GError **error);
void          lp_worker_farewell           (LpWorker *self, const GError *error);

/* lp-worker-stream.c */
gboolean      lp_worker_move_stream        (LpWorker *self);
void          lp_worker_close_stream       (LpWorker *self);
gboolean      lp_worker_is_done_locked     (LpWorker *self);
void          lp_worker_lock               (LpWorker *self);
void          lp_worker_unlock             (LpWorker *self);
gboolean      lp_worker_holds_lock         (void);
void          lp_worker_never_lock         (void);
void          lp_worker_lock_reading       (LpWorker *self);
void          lp_worker_unlock_reading     (LpWorker *self);
gboolean      lp_worker_flushes_soon_locked (LpWorker *self);
void          lp_worker_try_flush_locked   (LpWorker *self);
void          lp_worker_flush_locked       (LpWorker *self);
void          lp_worker_send_error_locked  (LpWorker *self, guint64 id, const GError *error);
void          lp_worker_send_outcome_locked (LpWorker *self, LpWorkerCall *call, const LpOutcome *outcome);
void          lp_worker_send_progress_locked (LpWorker *self);
char         *lp_worker_dup_text           (const char *text, gssize length, gsize max_size);
G_NORETURN
void          lp_worker_die                (const char *reason);

/* lp-worker-frames.c */
void          lp_worker_read               (LpWorker *self, gboolean lost);

/* lp-worker-io.c */
gboolean      lp_worker_start_io           (LpWorker *self, GError **error);
void          lp_worker_stop_io            (LpWorker *self);
void          lp_worker_wake_io            (LpWorker *self);

/* lp-worker-log.c */
void          lp_worker_forward_logs       (LpWorker *self);

G_END_DECLS
