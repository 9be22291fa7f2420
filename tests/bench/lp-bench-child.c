/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#define _GNU_SOURCE

#include "lp-bench.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Takes the descriptors that are the child's. */
static void
spawn (LpBenchChild *self, const char *mode, int input, int output)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autofree char *program = lp_bench_program ("bench-worker");
  g_autoptr (GError) error = NULL;

  g_subprocess_launcher_take_stdin_fd (launcher, input);
  g_subprocess_launcher_take_stdout_fd (launcher, output);
  self->process = g_subprocess_launcher_spawn (launcher, &error, program, mode, NULL);
  if (self->process == NULL)
    g_error ("%s: %s", program, error->message);
}

/* Over a socketpair, as workers. */
void
lp_bench_child_init (LpBenchChild *self, const char *mode)
{
  int fds[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    g_error ("socketpair: %s", g_strerror (errno));

  self->to = self->from = fds[0];
  spawn (self, mode, fds[1], fcntl (fds[1], F_DUPFD_CLOEXEC, 3));
}

/* Over two pipes. */
void
lp_bench_child_init_pipes (LpBenchChild *self, const char *mode)
{
  int there[2];
  int back[2];

  if (pipe2 (there, O_CLOEXEC) != 0 || pipe2 (back, O_CLOEXEC) != 0)
    g_error ("pipe: %s", g_strerror (errno));

  self->to = there[1];
  self->from = back[0];
  spawn (self, mode, there[0], back[1]);
}

/* It ends at the end of file. */
void
lp_bench_child_clear (LpBenchChild *self)
{
  close (self->to);
  if (self->from != self->to)
    close (self->from);
  g_subprocess_wait (self->process, NULL, NULL);
  g_clear_object (&self->process);
}

void
lp_bench_write_all (int fd, const void *data, gsize size)
{
  const char *bytes = data;

  while (size > 0)
    {
      gssize n = write (fd, bytes, size);

      if (n <= 0)
        g_error ("write: %s", g_strerror (errno));
      bytes += n;
      size -= (gsize) n;
    }
}

void
lp_bench_read_all (int fd, void *data, gsize size)
{
  char *bytes = data;

  while (size > 0)
    {
      gssize n = read (fd, bytes, size);

      if (n <= 0)
        g_error ("read: %s", n == 0 ? "end of file" : g_strerror (errno));
      bytes += n;
      size -= (gsize) n;
    }
}
