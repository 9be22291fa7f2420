/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-test.h"

#include <string.h>

/* Where a thread stops until it is let go. */
typedef struct
{
  GMutex lock;
  GCond cond;
  gboolean reached;             /* (lock) */
  gboolean open;                /* (lock) */
} Stop;

static inline void
stop_here (gpointer data)
{
  Stop *self = data;

  g_mutex_lock (&self->lock);
  self->reached = TRUE;
  g_cond_broadcast (&self->cond);
  while (!self->open)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
}

static inline void
wait_reached (Stop *self)
{
  gint64 end = g_get_monotonic_time () + LP_TEST_PATIENCE_SECONDS * G_TIME_SPAN_SECOND;

  g_mutex_lock (&self->lock);
  while (!self->reached)
    g_assert_true (g_cond_wait_until (&self->cond, &self->lock, end));
  g_mutex_unlock (&self->lock);
}

static inline void
let_go (Stop *self)
{
  g_mutex_lock (&self->lock);
  self->open = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* A log writer that stops where a record has this text, once it is wanted. */
typedef struct
{
  Stop stop;
  const char *text;
  int wanted;                   /* (atomic) */
} StopInWriter;

static inline GLogWriterOutput
stop_in_writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
  StopInWriter *self = data;

  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, "MESSAGE") == 0 && strstr (fields[i].value, self->text) != NULL
        && g_atomic_int_compare_and_exchange (&self->wanted, TRUE, FALSE))
      stop_here (&self->stop);

  return G_LOG_WRITER_HANDLED;
}
