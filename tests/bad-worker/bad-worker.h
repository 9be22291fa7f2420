/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "wire.h"

/* A worker program with a mode for each way to misbehave.
 *
 *   bad-worker [--depth=N] [--late] [--functions] [--nonce] [--from=SEQ | --only=SEQ] [--argument=TEXT] MODE
 *
 * Until the moment of its mode it behaves, and all the time in executors of other
 * numbers than SEQ says. It has these functions:
 *
 *   double (i) -> (i)    echo ANY -> the same    pid () -> (i)
 *   hold (s) -> ()       stays until a byte comes from the fifo of that name, or it is cancelled
 *   misbehave ANY        when the mode is one of a call; else as echo
 */

typedef struct
{
  guint64 id;
  char *name;
  GVariant *parameters;         /* (nullable) */
  gboolean cancelled;
} Job;

typedef enum
{
  AT_START,                     /* nothing was read, and the stream is still 0 and 1 */
  IN_HELLO,                     /* in place of the hello */
  WHEN_READY,                   /* after the hello */
  AT_CALL,                      /* before STARTED, or in its place */
  IN_JOB,                       /* after STARTED, in place of the function; returning ends it with a result */
  AT_GOODBYE,
} Moment;

typedef struct
{
  const char *name;
  Moment moment;
  void (*misbehave) (const Job *job);   /* JOB: NULL at other moments */
} Mode;

/* Ended by one without a name. */
extern const Mode start_modes[];
extern const Mode death_modes[];
extern const Mode garbage_modes[];
extern const Mode file_modes[];
extern const Mode hang_modes[];

int         get_argument     (int otherwise);
const char *get_text         (void);
GVariant   *make_hello       (void);
GVariant   *make_result      (const Job *job);
void        serve_waiting    (void);    /* reads one frame, whatever it is */
void        stay             (void) G_GNUC_NORETURN;
void        forget           (void);    /* the job has been answered by the mode */
void        wait_at_gate     (const char *path);
