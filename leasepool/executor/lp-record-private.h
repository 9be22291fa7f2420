/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-executor-private.h"

G_BEGIN_DECLS

/* Where the log records of one worker process go: to the signal worker-record
 * in the owner context, or to the log of this process. */
typedef struct _LpRecordSink LpRecordSink;

typedef struct
{
  GLogLevelFlags level;
  const char *domain;           /* (nullable) */
  const char *message;
  const guint8 *fields;         /* (nullable) a{ss}, serialized, in normal form */
  gsize fields_size;
  gboolean from_stderr;
} LpRecord;

LpRecordSink *lp_record_sink_new     (LpExecutor *executor, const char *worker, GFunc drained, gpointer data);
void          lp_record_sink_close   (LpRecordSink *self);
void          lp_record_sink_set_pid (LpRecordSink *self, guint pid);
void          lp_record_sink_push    (LpRecordSink *self, const LpRecord *record);
void          lp_record_sink_add     (LpRecordSink *self, const LpRecord *record);
void          lp_record_sink_flush   (LpRecordSink *self);
gboolean      lp_record_sink_is_full (LpRecordSink *self);

G_END_DECLS
