/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Ways to die. */

#include "config.h"

#include "bad-worker.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

static void
die_of (int signal_number)
{
  const struct rlimit no_core = { 0, 0 };

  setrlimit (RLIMIT_CORE, &no_core);
  signal (signal_number, SIG_DFL);
  kill (getpid (), signal_number);
  stay ();
}

static void
exit_it (const Job *job)
{
  _exit (get_argument (0));
}

static void
kill_self (const Job *job)
{
  die_of (SIGKILL);
}

static void
segv (const Job *job)
{
  die_of (SIGSEGV);
}

static void
term_self (const Job *job)
{
  die_of (SIGTERM);
}

/* Its parent sees the group, not only the process. */
static void
kill_group (const Job *job)
{
  kill (0, SIGKILL);
  stay ();
}

/* The result and the death are there at the same time. */
static void
answer_and_die (const Job *job)
{
  wire_send (RESULT, job->id, make_result (job));
  _exit (get_argument (3));
}

static void
cut_and_exit (FrameType type, guint64 id, GVariant *body)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  wire_put (bytes, type, id, body);
  wire_write (bytes->data, MIN ((guint) get_argument (0), bytes->len));
  _exit (3);
}

static void
cut_result (const Job *job)
{
  cut_and_exit (RESULT, job->id, make_result (job));
}

static void
cut_started (const Job *job)
{
  cut_and_exit (STARTED, job->id, NULL);
}

/* A large one is received in another way. */
static void
cut_large (const Job *job)
{
  gsize size = 1024 * 1024;
  guint8 *data = g_malloc0 (size);

  cut_and_exit (RESULT, job->id, g_variant_new ("v", g_variant_new_from_data (G_VARIANT_TYPE ("ay"), data, size, TRUE,
                                                                            g_free, data)));
}

static void
stderr_last_line (const Job *job)
{
  g_printerr ("first line\nsecond line\nthe last line that it wrote\n");
  _exit (4);
}

/* Without its newline, after more than is kept. */
static void
stderr_unfinished_line (const Job *job)
{
  for (guint i = 0; i < 1000; i++)
    g_printerr ("line %u\n", i);
  g_printerr ("terminate called without a reason");
  _exit (4);
}

static void
stderr_nasty_line (const Job *job)
{
  g_printerr ("\033[31mred\033[0m \001\377\376 end\n");
  _exit (4);
}

static void
error_and_die (const Job *job)
{
  wire_send (ERROR, job->id, wire_error ("g-io-error-quark", G_IO_ERROR_EXISTS, "as asked"));
  _exit (3);
}

/* Records that were sent before a death are not lost. */
static void
log_and_die (const Job *job)
{
  for (int i = 0; i < get_argument (100); i++)
    {
      g_autofree char *text = g_strdup_printf ("record %d", i);

      wire_send (LOG, 0, wire_log (64, text));
    }
  kill_self (job);
}

/* Records and then lines, each in one write, so that many fit where nobody reads. */
static void
burst_and_die (const Job *job)
{
  g_autoptr (GByteArray) records = g_byte_array_new ();
  g_autoptr (GString) lines = g_string_new (NULL);

  for (int i = 0; i < get_argument (5000); i++)
    wire_put (records, LOG, 0, wire_log (64, "record"));
  for (int i = 0; i < 1000; i++)
    g_string_append (lines, "line\n");

  wire_flush (records);
  if (write (2, lines->str, lines->len) != (gssize) lines->len)
    _exit (83);
  kill_self (job);
}

/* At the gate that is its parameter: more records than are handled at once, a result and the death. */
static void
burst_answer_and_die (const Job *job)
{
  g_autoptr (GByteArray) frames = g_byte_array_new ();
  const char *path;

  g_variant_get (job->parameters, "(&s)", &path);
  wait_at_gate (path);
  for (int i = 0; i < get_argument (1000); i++)
    wire_put (frames, LOG, 0, wire_log (64, "r"));
  wire_put (frames, RESULT, job->id, make_result (job));
  wire_flush (frames);
  _exit (0);
}

const Mode death_modes[] = {
  { "exit", IN_JOB, exit_it },
  { "exit-before-started", AT_CALL, exit_it },
  { "exit-when-ready", WHEN_READY, exit_it },
  { "exit-at-goodbye", AT_GOODBYE, exit_it },
  { "kill-self", IN_JOB, kill_self },
  { "kill-before-started", AT_CALL, kill_self },
  { "kill-group", IN_JOB, kill_group },
  { "segv", IN_JOB, segv },
  { "term-self", IN_JOB, term_self },
  { "answer-and-die", IN_JOB, answer_and_die },
  { "error-and-die", IN_JOB, error_and_die },
  { "cut-result", IN_JOB, cut_result },
  { "cut-started", AT_CALL, cut_started },
  { "cut-large", IN_JOB, cut_large },
  { "stderr-last-line", IN_JOB, stderr_last_line },
  { "stderr-unfinished-line", IN_JOB, stderr_unfinished_line },
  { "stderr-nasty-line", IN_JOB, stderr_nasty_line },
  { "log-and-die", IN_JOB, log_and_die },
  { "burst-and-die", IN_JOB, burst_and_die },
  { "burst-answer-and-die", IN_JOB, burst_answer_and_die },
  { NULL }
};
