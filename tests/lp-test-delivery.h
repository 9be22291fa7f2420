/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of delivery share: a context whose wake-ups are counted; for one program
 * at a time. */

#include "lp-delivery-private.h"

#include <string.h>
#include <unistd.h>

/* Each test has a context of its own, whose poll function counts how often
 * g_main_context_wakeup() was called: the number that its eventfd holds. */

typedef struct
{
  GMainContext *context;
  LpDelivery *delivery;
  GString *log;                 /* what ran, in order */
} Fixture;

static struct
{
  guint64 wakeups;              /* (the thread that polls) */
  int sleeping;                 /* (atomic) in a poll that may block */
} polls;

static inline int
counting_poll (GPollFD *fds, guint n_fds, int timeout)
{
  guint64 value = 0;
  int result;

  g_atomic_int_set (&polls.sleeping, timeout != 0);
  result = g_poll (fds, n_fds, timeout);
  g_atomic_int_set (&polls.sleeping, FALSE);

  /* The context has no descriptor but the one that wakes it. */
  g_assert_cmpuint (n_fds, ==, 1);
  if (fds[0].revents & G_IO_IN)
    g_assert_cmpint (read (fds[0].fd, &value, sizeof value), ==, sizeof value);
  polls.wakeups += value;

  return result;
}

static inline void
set_up (Fixture *self, gconstpointer data)
{
  memset (&polls, 0, sizeof polls);
  self->context = g_main_context_new ();
  g_main_context_set_poll_func (self->context, counting_poll);
  self->delivery = lp_delivery_ref_context (self->context);
  self->log = g_string_new (NULL);

  /* What attaching its source woke. */
  while (g_main_context_iteration (self->context, FALSE))
    ;
  polls.wakeups = 0;
}

static inline void
tear_down (Fixture *self, gconstpointer data)
{
  lp_delivery_unref (self->delivery);
  g_main_context_unref (self->context);
  g_string_free (self->log, TRUE);
}

static inline void
drain (Fixture *self)
{
  while (g_main_context_iteration (self->context, FALSE))
    ;
}

static inline void
append_cb (gpointer data, gpointer more)
{
  g_string_append (((Fixture *) data)->log, more);
}

static inline void
post (Fixture *self, const char *text)
{
  lp_delivery_post_func (self->delivery, append_cb, self, (gpointer) text);
}

static inline void
count_cb (gpointer data, gpointer more)
{
  guint *count = data;

  (*count)++;
}

/* Posts DATA into the fixture from another thread, which has ended then. */
static inline void
on_thread (GThreadFunc func, gpointer data)
{
  g_thread_join (g_thread_new ("test-poster", func, data));
}

#define ADD(path, test) g_test_add (path, Fixture, NULL, set_up, test, tear_down)
