/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The part that behaves. */

#include "config.h"

#include "bad-worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whatever a test forgets does not stay longer than this. */
#define LIFE_SECONDS 300

static int depth;
static gboolean is_late;
static gboolean declares;
static gboolean echoes_nonce;
static int from_seq;
static int only_seq;
static char *argument;

static const Mode *mode;
static gboolean is_bad = TRUE;  /* FALSE: this one is of a good executor */

static GQueue waiting = G_QUEUE_INIT;   /* of Job */
static Job *running;
static gboolean is_answered;    /* the one that runs, by a mode */
static GByteArray *outbox;      /* a result, until it is known whether another job begins */

int
get_argument (int otherwise)
{
  return argument != NULL ? atoi (argument) : otherwise;
}

const char *
get_text (void)
{
  return argument != NULL ? argument : "";
}

/* Neither reads nor writes nor ends: only a signal helps. */
void
stay (void)
{
  while (TRUE)
    pause ();
}

void
forget (void)
{
  is_answered = TRUE;
}

static void
job_free (Job *job)
{
  g_free (job->name);
  g_clear_pointer (&job->parameters, g_variant_unref);
  g_free (job);
}

/* --- Frames --- */

static Job *
find_waiting (guint64 id)
{
  for (GList *link = waiting.head; link != NULL; link = link->next)
    if (((Job *) link->data)->id == id)
      return link->data;

  return NULL;
}

static void
take_call (Frame *frame)
{
  Job *job = g_new0 (Job, 1);

  job->id = frame->id;
  g_variant_get (frame->body, "(smv)", &job->name, &job->parameters);
  g_queue_push_tail (&waiting, job);
}

static void
take_back (guint64 id)
{
  Job *job = find_waiting (id);

  if (job == NULL)
    return;

  g_queue_remove (&waiting, job);
  wire_send (DROPPED, id, NULL);
  job_free (job);
}

static void
say_goodbye (void)
{
  if (is_bad && mode->moment == AT_GOODBYE)
    mode->misbehave (NULL);
  wire_send (GOODBYE, 0, NULL);
  _exit (0);
}

/* Manager and worker end together; its process group is for whoever is in it. */
void
serve_waiting (void)
{
  Frame frame;

  if (!wire_receive (&frame))
    _exit (0);

  /* To a file it must have agreed. */
  if ((frame.flags & IN_FILE) != 0 && !echoes_nonce)
    _exit (82);

  if (frame.type == CALL)
    take_call (&frame);
  else if (frame.type == CANCEL && running != NULL && running->id == frame.id)
    running->cancelled = TRUE;
  else if (frame.type == CANCEL || frame.type == RECALL)
    take_back (frame.id);
  else if (frame.type == GOODBYE && running == NULL)
    say_goodbye ();

  g_clear_pointer (&frame.body, g_variant_unref);
}

/* --- Functions --- */

/* With a depth the stream is read meanwhile. */
void
wait_at_gate (const char *path)
{
  struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
  char byte;

  fds[0].fd = open (path, O_RDWR | O_CLOEXEC);
  fds[1].fd = depth > 0 ? wire_in : -1;
  if (fds[0].fd == -1)
    _exit (96);

  do
    {
      if (poll (fds, 2, -1) == -1 && errno != EINTR)
        _exit (95);
      if (fds[1].revents != 0)
        serve_waiting ();
    }
  while (fds[0].revents == 0 && (running == NULL || !running->cancelled));

  if (fds[0].revents != 0 && read (fds[0].fd, &byte, 1) != 1)
    _exit (94);
  close (fds[0].fd);
}

GVariant *
make_result (const Job *job)
{
  if (g_str_equal (job->name, "double"))
    {
      int value;

      g_variant_get (job->parameters, "(i)", &value);
      return g_variant_new ("v", g_variant_new ("(i)", value * 2));
    }
  if (g_str_equal (job->name, "pid"))
    return g_variant_new ("v", g_variant_new ("(i)", (int) getpid ()));
  if (g_str_equal (job->name, "hold") || job->parameters == NULL)
    return g_variant_new ("v", g_variant_new ("()"));

  return g_variant_new ("v", job->parameters);
}

static gboolean
is_known (const Job *job)
{
  static const char * const names[] = { "double", "echo", "pid", "hold", "misbehave", NULL };

  return g_strv_contains (names, job->name);
}

static void
run (Job *job)
{
  gboolean is_the_one = is_bad && g_str_equal (job->name, "misbehave");

  is_answered = FALSE;
  if (is_the_one && mode->moment == AT_CALL)
    {
      wire_flush (outbox);
      mode->misbehave (job);
      if (is_answered)
        return;
    }

  wire_put (outbox, STARTED, job->id, NULL);
  wire_flush (outbox);

  if (is_the_one && mode->moment == IN_JOB)
    mode->misbehave (job);
  else if (g_str_equal (job->name, "hold"))
    {
      const char *path;

      g_variant_get (job->parameters, "(&s)", &path);
      wait_at_gate (path);
    }

  if (is_answered)
    return;

  if (!is_known (job))
    wire_put (outbox, ERROR, job->id, wire_error ("lp-error-quark", 10, "there is no such function"));
  else if (job->cancelled)
    wire_put (outbox, ERROR, job->id, wire_error ("g-io-error-quark", G_IO_ERROR_CANCELLED, "as asked"));
  else
    wire_put (outbox, RESULT, job->id, make_result (job));
}

static void G_GNUC_NORETURN
serve (void)
{
  while (TRUE)
    {
      running = g_queue_pop_head (&waiting);
      if (running == NULL)
        {
          wire_flush (outbox);
          serve_waiting ();
          continue;
        }

      run (running);
      g_clear_pointer (&running, job_free);
    }
}

/* --- The beginning --- */

static GVariant *
make_functions (void)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(sss)"));
  g_variant_builder_add (&builder, "(sss)", "double", "(i)", "(i)");
  g_variant_builder_add (&builder, "(sss)", "echo", "", "");
  g_variant_builder_add (&builder, "(sss)", "pid", "()", "(i)");
  g_variant_builder_add (&builder, "(sss)", "hold", "(s)", "()");
  g_variant_builder_add (&builder, "(sss)", "misbehave", "", "(i)");

  return g_variant_builder_end (&builder);
}

GVariant *
make_hello (void)
{
  g_autoptr (GBytes) nonce = echoes_nonce ? wire_dup_nonce () : NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "version", "u", 1);
  g_variant_dict_insert (&dict, "pid", "u", (guint32) getpid ());
  if (declares)
    g_variant_dict_insert_value (&dict, "functions", make_functions ());
  if (depth > 0)
    g_variant_dict_insert (&dict, "depth", "u", depth);
  if (is_late)
    g_variant_dict_insert (&dict, "late-start", "b", TRUE);
  if (nonce != NULL)
    g_variant_dict_insert_value (&dict, "nonce", g_variant_new_from_bytes (G_VARIANT_TYPE ("ay"), nonce, TRUE));

  return g_variant_dict_end (&dict);
}

/* PREFIX-SEQ-N */
static void
judge_name (GVariant *hello)
{
  const char *name = "";
  const char *dash;

  g_variant_lookup (hello, "name", "&s", &name);
  dash = strrchr (name, '-');
  while (dash != NULL && dash > name && dash[-1] != '-')
    dash--;
  is_bad = dash != NULL && (only_seq > 0 ? atoi (dash) == only_seq : atoi (dash) >= from_seq);
}

static void
shake_hands (void)
{
  Frame frame;

  if (!wire_receive (&frame))
    _exit (0);
  if (frame.type != HELLO)
    _exit (93);
  if (from_seq > 0 || only_seq > 0)
    judge_name (frame.body);
  g_clear_pointer (&frame.body, g_variant_unref);

  if (is_bad && mode->moment == IN_HELLO)
    mode->misbehave (NULL);
  else
    wire_send (HELLO, 0, make_hello ());
  if (is_bad && mode->moment == WHEN_READY)
    mode->misbehave (NULL);
}

static const Mode *
find_mode (const char *name)
{
  static const Mode good[] = { { "good", AT_START, NULL }, { NULL } };
  const Mode * const tables[] = { good, start_modes, death_modes, garbage_modes, file_modes, hang_modes };

  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    for (const Mode *candidate = tables[i]; candidate->name != NULL; candidate++)
      if (g_strcmp0 (name, candidate->name) == 0)
        return candidate;

  g_printerr ("bad-worker: there is no mode %s\n", name);
  exit (2);
}

static void
read_options (int *argc, char ***argv)
{
  const GOptionEntry entries[] = {
    { "depth", 0, 0, G_OPTION_ARG_INT, &depth, "Take so many calls beyond the one that runs", "N" },
    { "late", 0, 0, G_OPTION_ARG_NONE, &is_late, "Say that STARTED may be late", NULL },
    { "functions", 0, 0, G_OPTION_ARG_NONE, &declares, "Declare the functions", NULL },
    { "nonce", 0, 0, G_OPTION_ARG_NONE, &echoes_nonce, "Agree to files", NULL },
    { "from", 0, 0, G_OPTION_ARG_INT, &from_seq, "Behave in executors of lower numbers", "SEQ" },
    { "only", 0, 0, G_OPTION_ARG_INT, &only_seq, "Behave in executors of other numbers", "SEQ" },
    { "argument", 0, 0, G_OPTION_ARG_STRING, &argument, "For the mode", "TEXT" },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("MODE");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, argc, argv, &error) || *argc != 2)
    {
      g_printerr ("bad-worker: %s\n", error != NULL ? error->message : "give a mode");
      exit (2);
    }
}

int
main (int argc, char *argv[])
{
  alarm (LIFE_SECONDS);
  signal (SIGPIPE, SIG_IGN);
  read_options (&argc, &argv);
  mode = find_mode (argv[1]);
  outbox = g_byte_array_new ();

  if (mode->moment == AT_START && mode->misbehave != NULL)
    mode->misbehave (NULL);
  wire_take_standard_streams ();
  shake_hands ();
  serve ();
}
