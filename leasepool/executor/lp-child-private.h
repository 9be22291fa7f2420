/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-channel-private.h"
#include "lp-executor-private.h"
#include "lp-lines-private.h"
#include "lp-record-private.h"

G_BEGIN_DECLS

/* One worker process, seen from the manager. Everything is of whoever holds the
 * children lock of the executor, where not noted: the service thread does while
 * it does anything, and a thread that submits a job may. lp-child-start.c begins
 * it, lp-child-jobs.c talks to it, lp-child-frames.c listens, and so may whoever
 * calls it (lp-child-attend.c); lp-child.c ends it. */

typedef enum
{
  LP_CHILD_STARTING,            /* has not said hello */
  LP_CHILD_READY,
  LP_CHILD_LEAVING,             /* has been told goodbye */
  LP_CHILD_DYING,               /* is being killed */
  LP_CHILD_DEAD,                /* reaped, and read to the end */
} LpChildState;

/* What comes when the deadline of a child passes. */
typedef enum
{
  LP_CHILD_NO_STEP,
  LP_CHILD_STEP_HELLO,          /* it should have said hello */
  LP_CHILD_STEP_CLOSED,         /* its stream has ended, and it should have, too */
  LP_CHILD_STEP_TERM,           /* it should have left */
  LP_CHILD_STEP_KILL,           /* it should have ended of the signal */
} LpChildStep;

/* More frames than any stream holds: what there is, and not what a process that
 * never stops adds. */
#define LP_CHILD_ALL_FRAMES 20000

/* However many calls a worker says it takes ahead. */
#define LP_CHILD_MAX_DEPTH 64

/* How late a process may say that a job has started, if it says that it is late. */
#define LP_CHILD_LATE_USEC 1000

typedef struct _LpChild LpChild;

typedef struct _LpAttendant LpAttendant;

/* Who calls it, and reads the answers: see lp-child-attend.c. */
typedef struct
{
  LpDelivery *asker;            /* (not owned) only compared: into the context that called last */
  gint64 asked_at;
  guint n_alone;                /* calls of that context, one after the other, each soon after the one before */
  LpAttendant *attendant;       /* (owned) (nullable) in that context, while it reads the answers */
  GSource *timer;               /* (owned) (nullable) of the service thread meanwhile */
  gboolean used;                /* since the timer was there last */
  gboolean reading;             /* it is read there just now */
  gboolean moved;               /* what follows of that is left to the service thread */
} LpAttendance;

/* What the executor is told. */
typedef struct
{
  void (*ready) (LpExecutor *executor, LpChild *child);
  void (*moved) (LpExecutor *executor, LpChild *child); /* it may be able to take another job, or never again */
  void (*ended) (LpExecutor *executor, LpChild *child);
} LpChildEvents;

struct _LpChild
{
  gatomicrefcount ref_count;    /* (atomic) */
  LpExecutor *executor;         /* (construct-only) (owned) */
  const LpChildEvents *events;  /* (construct-only) */
  char *name;                   /* (construct-only) PREFIX-SEQ-N */
  char *command;                /* (construct-only) what was started, for messages */

  GMainContext *context;        /* (owned) (nullable) of the service thread, once it has been started */
  GSubprocess *process;         /* (owned) (nullable) */
  GPid pid;                     /* 0 if it was not learned before it was reaped */
  int pidfd;                    /* -1: the system has none, or the child was gone */
  int end_code;                 /* if it was reaped here, and not by GLib: as in siginfo_t; else 0 */
  int end_status;
  gboolean reaped;
  LpChannel *channel;           /* (owned) (nullable) */
  GSource *in_source;           /* (owned) (nullable) */
  LpAttendance attendance;
  GSource *out_source;          /* (owned) (nullable) while the stream is full */
  LpLines *lines;               /* (owned) (nullable) */
  LpRecordSink *sink;           /* (owned) (nullable) */
  guint8 nonce[LP_FRAME_NONCE_SIZE];
  gboolean nonce_sent;
  gboolean dirty;               /* there is something to flush */
  gboolean lines_read;          /* since frames were last read from the stream */
  gboolean paused;              /* not read, because the log cannot take more */
  guint n_handling;             /* frames and lines on the stack: a log writer may iterate this thread's context; no more
                                 * is read then, and it does not end */

  LpChildState state;
  gboolean greeted;             /* it has said hello */
  gboolean over;                /* its stream has ended, or cannot be read on */
  gboolean cut;                 /* it ended within a frame */
  char *garbage;                /* (nullable) the text that was there instead */
  LpChildStep step;
  LpDeadline deadline;          /* (pool) */
  GError *cause;                /* (nullable) why it was killed, if that is its own fault */
  gboolean asked;               /* its end is no fault */

  LpJob *running;               /* (owned) (nullable) */
  GPtrArray *sent;              /* of LpJob, each owned, in the order in which they were sent; few, see `depth` */
  gboolean recalled;            /* all of `sent` */
  guint depth;                  /* how many it takes beyond the one that runs */
  gboolean starts_late;         /* it may say that a job has started only up to LP_CHILD_LATE_USEC after that */
  gint64 called_at;             /* when it was sent the job that is the next to start, and had nothing to do; else 0 */
  gint64 started_at;            /* of the one that runs */
  gint64 mean_usec;             /* of how long jobs ran lately; -1: not known */
  gboolean stopping;            /* it is to be terminated, once nothing else is on its way */
  guint n_assigned;             /* jobs it was given and has not given back */
};

LpChild  *lp_child_new          (LpExecutor *executor, guint number, const LpChildEvents *events);
LpChild  *lp_child_ref          (LpChild *self);
void      lp_child_unref        (LpChild *self);
gboolean  lp_child_start        (LpChild *self, GError **error);

/* Jobs. */
gboolean  lp_child_is_free      (LpChild *self);
gboolean  lp_child_is_worn_out  (LpChild *self);
guint     lp_child_get_room     (LpChild *self);
void      lp_child_send_job     (LpChild *self, LpJob *job);
gboolean  lp_child_has_job      (LpChild *self, LpJob *job);
void      lp_child_cancel       (LpChild *self, LpJob *job);
void      lp_child_recall       (LpChild *self);
void      lp_child_settle_stop  (LpChild *self);
void      lp_child_begin_sent   (LpChild *self);
void      lp_child_flush        (LpChild *self);

/* Answers that are read by who asks. */
void      lp_child_note_asked   (LpChild *self, LpJob *job);
void      lp_child_unattend     (LpChild *self);

/* The end. */
void      lp_child_leave        (LpChild *self);
void      lp_child_terminate    (LpChild *self);
void      lp_child_kill         (LpChild *self);
void      lp_child_fail         (LpChild *self, GError *cause);
void      lp_child_ended        (LpChild *self);
void      lp_child_reaped       (LpChild *self);
gboolean  lp_child_looks_dead   (LpChild *self);
GError   *lp_child_dup_cause    (LpChild *self);

/* Among the files of a child. */
void      lp_child_hello        (LpChild *self);
void      lp_child_read         (LpChild *self, guint max_frames);
gboolean  lp_child_read_answer  (LpChild *self);
void      lp_child_watch        (LpChild *self);
void      lp_child_come_again   (LpChild *self);
void      lp_child_drop_stream  (LpChild *self);
gboolean  lp_child_find_sent    (LpChild *self, guint64 number, guint *index);
void      lp_child_arm          (LpChild *self, LpChildStep step, double seconds);
void      lp_child_set_paused   (LpChild *self, gboolean paused);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LpChild, lp_child_unref)

G_END_DECLS
