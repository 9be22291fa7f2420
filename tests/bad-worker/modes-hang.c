/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What does not end, or does too much. */

#include "config.h"

#include "bad-worker.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

static void
hang (const Job *job)
{
  stay ();
}

static void
ignore_sigterm (const Job *job)
{
  signal (SIGTERM, SIG_IGN);
  stay ();
}

/* With a depth: it reads what is sent, and does nothing about it. */
static void
ignore_cancel (const Job *job)
{
  Frame frame;

  signal (SIGTERM, SIG_IGN);
  while (wire_receive (&frame))
    g_clear_pointer (&frame.body, g_variant_unref);
  stay ();
}

/* With a depth: it ends some time after it is asked for what waits here, and only then gives it back. */
static void
end_late (const Job *job)
{
  Frame frame = { 0 };

  while (frame.type != RECALL)
    {
      if (!wire_receive (&frame))
        _exit (0);
      g_clear_pointer (&frame.body, g_variant_unref);
    }

  g_usleep (G_USEC_PER_SEC / 4);
  wire_send (RESULT, job->id, make_result (job));
  wire_send (DROPPED, frame.id, NULL);
  forget ();
}

/* SIGTERM stays pending, only SIGKILL helps. */
static void
stop_self (const Job *job)
{
  raise (SIGSTOP);
  stay ();
}

/* The result comes when SIGTERM does. */
static volatile sig_atomic_t asked;

static void
note_cb (int signal_number)
{
  asked = TRUE;
}

static void
answer_sigterm (const Job *job)
{
  sigset_t term, before;

  sigemptyset (&term);
  sigaddset (&term, SIGTERM);
  sigprocmask (SIG_BLOCK, &term, &before);
  signal (SIGTERM, note_cb);
  while (!asked)
    sigsuspend (&before);
  sigprocmask (SIG_SETMASK, &before, NULL);
}

static void
close_stream (const Job *job)
{
  close (wire_in);
  close (wire_out);
  stay ();
}

static void
shut_stream (const Job *job)
{
  /* Half of it: nothing comes any more, but it still takes. */
  shutdown (wire_out, SHUT_WR);
  close (wire_out);
  while (TRUE)
    serve_waiting ();
}

static void
close_stderr (const Job *job)
{
  close (1);
  close (2);
}

static void
write_for_ever (void)
{
  static const char line[] = "a grandchild says this again and again\n";

  while (write (2, line, strlen (line)) > 0)
    ;
  _exit (0);
}

/* The parameter is the name of a file: a child holds its lock as long as it
 * lives. It has all descriptors of the worker, the stream among them. */
static gboolean
is_child (const Job *job, gboolean leaves_group)
{
  const char *path;
  int left[2];
  char byte;
  int fd;

  g_variant_get (job->parameters, "(&s)", &path);
  fd = open (path, O_RDWR | O_CREAT, 0600);
  if (fd == -1 || flock (fd, LOCK_EX | LOCK_NB) == -1)
    _exit (87);
  if (pipe (left) == -1)
    _exit (88);

  /* Not before it is where no signal to the group finds it. */
  if (fork () > 0)
    {
      close (left[1]);
      while (read (left[0], &byte, 1) > 0)
        ;
      close (left[0]);
      close (fd);
      return FALSE;
    }

  if (leaves_group)
    setsid ();
  close (left[0]);
  close (left[1]);
  alarm (300);
  return TRUE;
}

/* In a session of its own, where no signal to the group reaches it. It ends when
 * the file is removed. */
static void
leave_child (const Job *job)
{
  const char *path;

  if (!is_child (job, TRUE))
    return;

  g_variant_get (job->parameters, "(&s)", &path);
  while (access (path, F_OK) == 0)
    g_usleep (10000);
  _exit (0);
}

static void
grandchild (const Job *job)
{
  leave_child (job);
  _exit (get_argument (3));
}

static void
grandchild_and_live (const Job *job)
{
  leave_child (job);
}

static void
grandchild_writer (const Job *job)
{
  if (is_child (job, TRUE))
    write_for_ever ();
  _exit (get_argument (3));
}

/* In its group. */
static void
group_child_and_live (const Job *job)
{
  if (is_child (job, FALSE))
    {
      signal (SIGTERM, SIG_IGN);
      stay ();
    }
}

static void
group_child (const Job *job)
{
  group_child_and_live (job);
  _exit (get_argument (3));
}

static void
progress_flood (const Job *job)
{
  int n = get_argument (10000);

  for (int i = 0; i < n; i++)
    {
      g_autofree char *status = g_strdup_printf ("step %d", i + 1);

      wire_send (PROGRESS, job->id, g_variant_new ("(dms)", (i + 1.0) / n, status));
    }
}

static void
log_flood (const Job *job)
{
  for (int i = 0; i < get_argument (10000); i++)
    {
      g_autofree char *text = g_strdup_printf ("record %d", i);

      wire_send (LOG, 0, wire_log (64, text));
    }
}

static void
stderr_flood (const Job *job)
{
  for (int i = 0; i < get_argument (10000); i++)
    {
      g_autofree char *text = g_strdup_printf ("line %d\n", i);

      if (write (2, text, strlen (text)) < 0)
        _exit (86);
    }
}

/* Megabytes without a newline. */
static void
stderr_long_line (const Job *job)
{
  g_autofree char *text = g_strnfill ((gsize) get_argument (4 * 1024 * 1024), 'x');
  gsize size = strlen (text);

  for (gsize begin = 0; begin < size;)
    {
      gssize n = write (2, text + begin, size - begin);

      if (n < 0)
        _exit (85);
      begin += (gsize) n;
    }
}

/* For ever, while the job runs. */
static void
log_for_ever (const Job *job)
{
  while (TRUE)
    wire_send (LOG, 0, wire_log (64, "again"));
}

/* The same, but no two of them are alike, nor of one size. */
static void
log_numbers (const Job *job)
{
  for (int i = 0; ; i++)
    {
      g_autofree char *text = g_strdup_printf ("number %0*d", 10 + i * 7 % 90, i);

      wire_send (LOG, 0, wire_log (64, text));
    }
}

static void
stderr_for_ever (const Job *job)
{
  write_for_ever ();
}

static void
ignore_goodbye (const Job *job)
{
  signal (SIGTERM, SIG_IGN);
  stay ();
}

/* Its last frame, and then it stays. */
static void
goodbye_and_stay (const Job *job)
{
  signal (SIGTERM, SIG_IGN);
  wire_send (GOODBYE, 0, NULL);
  stay ();
}

static void
log_at_goodbye (const Job *job)
{
  log_flood (job);
}

const Mode hang_modes[] = {
  { "hang", IN_JOB, hang },
  { "hang-before-started", AT_CALL, hang },
  { "stop-reading", WHEN_READY, hang },
  { "ignore-sigterm", IN_JOB, ignore_sigterm },
  { "ignore-cancel", IN_JOB, ignore_cancel },
  { "end-late", IN_JOB, end_late },
  { "stop-self", IN_JOB, stop_self },
  { "answer-sigterm", IN_JOB, answer_sigterm },
  { "close-stream", IN_JOB, close_stream },
  { "close-when-ready", WHEN_READY, close_stream },
  { "shut-stream", IN_JOB, shut_stream },
  { "close-stderr", IN_JOB, close_stderr },
  { "grandchild", IN_JOB, grandchild },
  { "grandchild-and-live", IN_JOB, grandchild_and_live },
  { "grandchild-writer", IN_JOB, grandchild_writer },
  { "group-child", IN_JOB, group_child },
  { "group-child-and-live", IN_JOB, group_child_and_live },
  { "progress-flood", IN_JOB, progress_flood },
  { "log-flood", IN_JOB, log_flood },
  { "stderr-flood", IN_JOB, stderr_flood },
  { "stderr-long-line", IN_JOB, stderr_long_line },
  { "log-for-ever", IN_JOB, log_for_ever },
  { "log-numbers", IN_JOB, log_numbers },
  { "stderr-for-ever", IN_JOB, stderr_for_ever },
  { "ignore-goodbye", AT_GOODBYE, ignore_goodbye },
  { "goodbye-and-stay", AT_GOODBYE, goodbye_and_stay },
  { "log-at-goodbye", AT_GOODBYE, log_at_goodbye },
  { NULL }
};
