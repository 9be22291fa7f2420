/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Who reads the stream of a worker process: the main thread as it polls, the
 * I/O thread when that is busy. */

#include "config.h"

#include "lp-worker-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#ifdef HAVE_TIMERFD_CREATE
#include <sys/timerfd.h>
#endif
#include <unistd.h>

#include "lp-service-private.h"

/* Progress that comes faster is one. */
#define PROGRESS_INTERVAL (10 * G_TIME_SPAN_MILLISECOND)

/* How long the stream may be nobody's. Far more than most functions take that are called often, so that the I/O thread
 * sleeps, and far less than what somebody who cancels would notice. */
#define TURN G_TIME_SPAN_MILLISECOND

/* As many descriptors as most programs poll need no memory from the heap. */
#define FEW_FDS 16

/* --- Turns --- */

static int
open_timer (void)
{
#ifdef HAVE_TIMERFD_CREATE
  return timerfd_create (CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
#else
  return -1;
#endif
}

static void
set_timer_locked (LpWorker *self, gint64 microseconds)
{
#ifdef HAVE_TIMERFD_CREATE
  struct itimerspec spec = { .it_value.tv_nsec = microseconds * 1000 };

  self->timer_set = timerfd_settime (self->timer_fd, 0, &spec, NULL) == 0;
#endif
}

/* The main thread polls, and reads. */
static void
begin_main_turn (LpWorker *self)
{
  gboolean wake;

  lp_worker_lock (self);
  wake = self->reader == LP_WORKER_READER_IO;
  self->reader = LP_WORKER_READER_MAIN;
  lp_worker_unlock (self);

  /* It is not to wake for what is read here. */
  if (wake)
    lp_worker_wake_io (self);
}

/* The main thread does whatever it has to do. A timer that is set already stays: it costs more to set one than to let
 * it go off once in a while. */
static void
end_main_turn (LpWorker *self)
{
  lp_worker_lock (self);
  self->reader = LP_WORKER_READER_NONE;
  self->busy_since = g_get_monotonic_time ();
  if (!self->timer_set)
    set_timer_locked (self, TURN);
  lp_worker_unlock (self);
}

/* The timer went off: the I/O thread reads if the main thread has not polled for long enough. */
static void
consider_turn (LpWorker *self)
{
  gint64 rest;

  lp_worker_lock (self);
  self->timer_set = FALSE;
  if (self->reader == LP_WORKER_READER_NONE)
    {
      rest = self->busy_since + TURN - g_get_monotonic_time ();
      if (rest > 0)
        set_timer_locked (self, rest);
      if (!self->timer_set)
        self->reader = LP_WORKER_READER_IO;
    }
  lp_worker_unlock (self);
}

/* Whether what is sent is written within a turn, whatever the main thread does meanwhile. */
gboolean
lp_worker_flushes_soon_locked (LpWorker *self)
{
  return self->timer_set && self->reader == LP_WORKER_READER_NONE;
}

/* --- The main thread --- */

/* A poll function has no user data. */
static LpWorker *polling;
static GPollFunc poll_before;

/* The poll of the default main context, as a loop or a function of the program asks for it: the stream is one more
 * descriptor, of which GLib does not know. */
static int
poll_with_stream (GPollFD *fds, guint n_fds, int timeout)
{
  LpWorker *self = polling;
  GPollFD few[FEW_FDS];
  GPollFD *all = few;
  int n_ready, saved_errno;

  /* The stream of a forked child is its parent's. */
  if (lp_fork_generation () != self->fork_generation || g_atomic_int_get (&self->reading) != LP_WORKER_READING)
    return poll_before (fds, n_fds, timeout);

  /* For this call alone: the program may poll another context the same way, on another thread. */
  if (n_fds >= FEW_FDS)
    all = g_new (GPollFD, n_fds + 1);
  memcpy (all, fds, n_fds * sizeof *fds);
  all[n_fds] = (GPollFD) { lp_channel_get_in_fd (self->channel), G_IO_IN, 0 };

  begin_main_turn (self);
  n_ready = poll_before (all, n_fds + 1, timeout);
  saved_errno = errno;
  if (n_ready > 0 && all[n_fds].revents != 0)
    {
      lp_worker_read (self, FALSE);
      n_ready--;
    }
  end_main_turn (self);

  memcpy (fds, all, n_fds * sizeof *fds);
  if (all != few)
    g_free (all);
  errno = saved_errno;
  return n_ready;
}

static void
start_polling (LpWorker *self)
{
  poll_before = g_main_context_get_poll_func (NULL);
  polling = self;
  g_main_context_set_poll_func (NULL, poll_with_stream);
}

/* Unless the program has set another one since, which may call this one. */
static void
stop_polling (void)
{
  if (g_main_context_get_poll_func (NULL) == poll_with_stream)
    g_main_context_set_poll_func (NULL, poll_before);
}

/* --- The I/O thread --- */

/* Sends progress whose time has come; returns the milliseconds until then. */
static int
send_progress_locked (LpWorker *self)
{
  gint64 wait;

  /* A stream that is full makes it wait, and be replaced. */
  if (!self->has_progress || lp_channel_has_pending (self->channel))
    return -1;

  wait = self->progress_at + PROGRESS_INTERVAL - g_get_monotonic_time ();
  if (wait > 0)
    return (int) (wait / G_TIME_SPAN_MILLISECOND) + 1;

  lp_worker_send_progress_locked (self);
  lp_worker_try_flush_locked (self);
  return -1;
}

enum
{
  WAKE,
  TIMER,
  IN,
  OUT,
  END,
  N_FDS
};

/* FALSE: the thread is to end. */
static gboolean
prepare (LpWorker *self, struct pollfd *fds, int *timeout)
{
  LpWorkerReading reading = g_atomic_int_get (&self->reading);
  gboolean reads, is_read;

  lp_worker_lock (self);
  lp_worker_try_flush_locked (self);
  *timeout = send_progress_locked (self);
  fds[OUT].events = lp_channel_has_pending (self->channel) ? POLLOUT : 0;
  /* Without a reader it would always be ready. */
  is_read = !self->broken && !lp_worker_is_done_locked (self);
  fds[OUT].fd = is_read ? lp_channel_get_out_fd (self->channel) : -1;
  fds[END] = (struct pollfd) { is_read ? lp_channel_get_end_fd (self->channel) : -1, 0, 0 };
  reads = self->reader == LP_WORKER_READER_IO && reading == LP_WORKER_READING;
  fds[IN] = (struct pollfd) { reads ? lp_channel_get_in_fd (self->channel) : -1, POLLIN, 0 };
  lp_worker_unlock (self);

  return reading != LP_WORKER_OVER;
}

static void
drain (int fd)
{
  char bytes[64];

  while (read (fd, bytes, sizeof bytes) > 0)
    ;
}

static gpointer
io_main (gpointer data)
{
  LpWorker *self = data;
  struct pollfd fds[N_FDS] = {
    [WAKE] = { self->wake_fds[0], POLLIN, 0 },
    [TIMER] = { self->timer_fd, POLLIN, 0 },
  };
  int timeout;

  lp_worker_never_lock ();
  while (prepare (self, fds, &timeout))
    {
      gboolean lost;

      if (poll (fds, N_FDS, timeout) <= 0)
        continue;
      if (fds[WAKE].revents != 0)
        drain (self->wake_fds[0]);
      if (fds[TIMER].revents != 0)
        {
          drain (self->timer_fd);
          consider_turn (self);
        }

      /* What was sent before the end is to be seen before it, whoever has the turn. */
      lost = ((fds[OUT].revents | fds[END].revents) & (POLLERR | POLLHUP | POLLNVAL)) != 0;
      if (lost || fds[IN].revents != 0)
        lp_worker_read (self, lost);
    }

  return NULL;
}

/* Needs the channel. */
gboolean
lp_worker_start_io (LpWorker *self, GError **error)
{
  sigset_t all, before;

  if (!g_unix_open_pipe (self->wake_fds, FD_CLOEXEC, error))
    return FALSE;
  g_unix_set_fd_nonblocking (self->wake_fds[0], TRUE, NULL);
  g_unix_set_fd_nonblocking (self->wake_fds[1], TRUE, NULL);
  self->timer_fd = open_timer ();
  /* Until the main thread polls, which sources that are always ready may put off for ever. */
  self->reader = LP_WORKER_READER_IO;

  /* Handlers of the program run on its own threads. */
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  self->io_thread = g_thread_try_new ("leasepool-io", io_main, self, error);
  pthread_sigmask (SIG_SETMASK, &before, NULL);

  /* Without a timer the turn is the thread's for ever. */
  if (self->io_thread != NULL && self->timer_fd != -1)
    start_polling (self);

  return self->io_thread != NULL;
}

/* If it is full, the thread will wake. */
void
lp_worker_wake_io (LpWorker *self)
{
  gssize n_written;

  do
    n_written = write (self->wake_fds[1], "", 1);
  while (n_written == -1 && errno == EINTR);
}

void
lp_worker_stop_io (LpWorker *self)
{
  if (self->io_thread != NULL)
    {
      stop_polling ();

      lp_worker_lock_reading (self);
      g_atomic_int_set (&self->reading, LP_WORKER_OVER);
      lp_worker_unlock_reading (self);

      lp_worker_wake_io (self);
      g_thread_join (g_steal_pointer (&self->io_thread));
    }
}
