/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The least that the system takes for what a pool does. Nothing can fail, be cancelled or be counted here. */

#define _GNU_SOURCE

#include "lp-bench-floors.h"

#include "lp-lookout-private.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ECHO_SIZE 64

void
lp_bench_look (int *sign, gint64 usec)
{
  gint64 end = g_get_monotonic_time () + usec;

  do
    g_thread_yield ();
  while (!(sign != NULL && g_atomic_int_get (sign)) && g_get_monotonic_time () < end);
}

/* --- A thread that is woken, and wakes --- */

/* With the lock, which is given up meanwhile. */
static void
partner_look_out (LpBenchPartner *self)
{
  g_mutex_unlock (&self->lock);
  lp_bench_look (&self->asked, LP_LOOKOUT_USEC);
  g_mutex_lock (&self->lock);
}

static gpointer
partner_main (gpointer data)
{
  LpBenchPartner *self = data;

  g_mutex_lock (&self->lock);
  while (!self->ends)
    {
      if (!self->asked && self->looks_out)
        partner_look_out (self);
      if (!self->asked && !self->ends)
        {
          g_cond_wait (&self->cond, &self->lock);
          continue;
        }
      if (!self->asked)
        continue;

      g_atomic_int_set (&self->asked, FALSE);
      g_atomic_int_set (&self->answered, TRUE);
      if (self->wakes_loop)
        g_main_context_wakeup (NULL);
      else
        g_cond_broadcast (&self->cond);
    }
  g_mutex_unlock (&self->lock);

  return NULL;
}

void
lp_bench_partner_init (LpBenchPartner *self, gboolean wakes_loop, gboolean looks_out)
{
  memset (self, 0, sizeof *self);
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->wakes_loop = wakes_loop;
  self->looks_out = looks_out;
  self->thread = g_thread_new ("partner", partner_main, self);
}

void
lp_bench_partner_clear (LpBenchPartner *self)
{
  g_mutex_lock (&self->lock);
  self->ends = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  g_thread_join (self->thread);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
}

double
lp_bench_partner_ask (gpointer data, guint n)
{
  LpBenchPartner *self = data;
  gint64 started = lp_bench_now ();

  for (guint i = 0; i < n; i++)
    {
      g_mutex_lock (&self->lock);
      g_atomic_int_set (&self->answered, FALSE);
      g_atomic_int_set (&self->asked, TRUE);
      g_cond_broadcast (&self->cond);
      while (!self->wakes_loop && !self->answered)
        g_cond_wait (&self->cond, &self->lock);
      g_mutex_unlock (&self->lock);

      while (!g_atomic_int_get (&self->answered))
        g_main_context_iteration (NULL, TRUE);
    }

  return (double) (lp_bench_now () - started) / n;
}

/* --- Echoes of two processes, many at a time --- */

void
lp_bench_echoes_init (LpBenchChild *children)
{
  for (guint i = 0; i < LP_BENCH_ECHOES; i++)
    lp_bench_child_init (&children[i], "echo");
}

void
lp_bench_echoes_clear (LpBenchChild *children)
{
  for (guint i = 0; i < LP_BENCH_ECHOES; i++)
    lp_bench_child_clear (&children[i]);
}

/* One write for each message, as nothing is to wait for the next one; what has come back is read at once. */
double
lp_bench_echoes_ask (gpointer data, guint n)
{
  LpBenchChild *children = data;
  struct pollfd fds[LP_BENCH_ECHOES];
  gsize n_read[LP_BENCH_ECHOES] = { 0 };
  char bytes[ECHO_SIZE * 64] = { 0 };
  gint64 started = lp_bench_now ();
  guint n_started = 0;
  guint n_ended = 0;

  for (guint i = 0; i < LP_BENCH_ECHOES; i++)
    fds[i] = (struct pollfd) { children[i].from, POLLIN, 0 };
  for (; n_started < MIN (64, n); n_started++)
    lp_bench_write_all (children[n_started % LP_BENCH_ECHOES].to, bytes, ECHO_SIZE);

  while (n_ended < n)
    {
      g_assert_cmpint (poll (fds, LP_BENCH_ECHOES, -1), >, 0);
      for (guint i = 0; i < LP_BENCH_ECHOES; i++)
        {
          gssize length = (fds[i].revents & POLLIN) != 0 ? read (fds[i].fd, bytes, sizeof bytes) : 0;

          for (n_read[i] += (gsize) length; n_read[i] >= ECHO_SIZE; n_read[i] -= ECHO_SIZE, n_ended++)
            if (n_started < n)
              {
                lp_bench_write_all (children[i].to, bytes, ECHO_SIZE);
                n_started++;
              }
        }
    }

  return (double) (lp_bench_now () - started) / n;
}

/* --- An echo, read by a thread that wakes the main loop --- */

static gpointer
relay_main (gpointer data)
{
  LpBenchRelay *self = data;
  char bytes[ECHO_SIZE];
  gsize have = 0;
  gssize length;

  while ((length = read (self->child.from, bytes + have, sizeof bytes - have)) > 0)
    if ((have += (gsize) length) == sizeof bytes)
      {
        have = 0;
        g_atomic_int_set (&self->answered, TRUE);
        g_main_context_wakeup (NULL);
      }

  return NULL;
}

void
lp_bench_relay_init (LpBenchRelay *self)
{
  self->answered = FALSE;
  lp_bench_child_init (&self->child, "echo");
  self->thread = g_thread_new ("relay", relay_main, self);
}

/* The child ends, and with it what the thread reads. */
void
lp_bench_relay_clear (LpBenchRelay *self)
{
  shutdown (self->child.to, SHUT_WR);
  g_thread_join (self->thread);
  lp_bench_child_clear (&self->child);
}

double
lp_bench_relay_ask (gpointer data, guint n)
{
  LpBenchRelay *self = data;
  char bytes[ECHO_SIZE] = { 0 };
  gint64 started = lp_bench_now ();

  for (guint i = 0; i < n; i++)
    {
      g_atomic_int_set (&self->answered, FALSE);
      lp_bench_write_all (self->child.to, bytes, sizeof bytes);
      while (!g_atomic_int_get (&self->answered))
        g_main_context_iteration (NULL, TRUE);
    }

  return (double) (lp_bench_now () - started) / n;
}
