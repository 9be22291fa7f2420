/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Frames that the manager must not accept. What sends one then stays as it is,
 * so that it is the manager who ends it. */

#include "config.h"

#include "bad-worker.h"

#include <math.h>
#include <string.h>

#define NOBODY 1000000          /* added to the number of a job: that of none */

static void
send_header (guint32 size, int type, int flags, guint64 id)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  wire_put_header (bytes, size, type, flags, id);
  wire_flush (bytes);
}

static void
send_bytes (int type, guint64 id, const void *body, gsize size)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  wire_put_header (bytes, (guint32) (HEADER_SIZE + size), type, 0, id);
  g_byte_array_append (bytes, body, (guint) size);
  wire_flush (bytes);
}

static void
send_and_stay (FrameType type, guint64 id, GVariant *body)
{
  wire_send (type, id, body);
  stay ();
}

/* --- Headers --- */

static void
frame_length (const Job *job)
{
  send_header ((guint32) get_argument (0), RESULT, 0, job->id);
  stay ();
}

static void
frame_too_long (const Job *job)
{
  send_header (G_MAXUINT32, RESULT, 0, job->id);
  stay ();
}

/* A whole frame, of a body of ARGUMENT bytes and a little more. */
static void
result_too_large (const Job *job)
{
  gsize size = (gsize) get_argument (0);
  guint8 *data = g_malloc0 (size);
  GVariant *value = g_variant_new_from_data (G_VARIANT_TYPE ("ay"), data, size, TRUE, g_free, data);

  send_and_stay (RESULT, job->id, g_variant_new ("v", value));
}

static void
unknown_type (const Job *job)
{
  send_header (HEADER_SIZE, get_argument (12), 0, job->id);
  stay ();
}

static void
unknown_flags (const Job *job)
{
  send_header (HEADER_SIZE, STARTED, 128, job->id);
  stay ();
}

/* Good in a hello of the manager. */
static void
nonce_flag (const Job *job)
{
  send_header (HEADER_SIZE, DROPPED, WITH_NONCE, job->id);
  stay ();
}

static void
filler (const Job *job)
{
  guint8 header[HEADER_SIZE] = { HEADER_SIZE, 0, 0, 0, STARTED, 0, 0, 1 };

  wire_write (header, sizeof header);
  stay ();
}

static void
result_without_number (const Job *job)
{
  send_and_stay (RESULT, 0, make_result (job));
}

static void
log_with_number (const Job *job)
{
  send_and_stay (LOG, job->id, wire_log (64, "of a job"));
}

/* --- Bodies --- */

static void
non_normal (const Job *job)
{
  static const guint8 body[] = { 2, 0, 'b' };   /* a boolean that is 2 */

  send_bytes (RESULT, job->id, body, sizeof body);
  stay ();
}

static void
non_normal_type (const Job *job)
{
  static const guint8 body[] = { 1, 0, '(', 'i' };

  send_bytes (RESULT, job->id, body, sizeof body);
  stay ();
}

static void
non_normal_text (const Job *job)
{
  /* ("\377", 0, ""), whose alignment and one framing offset are good. */
  static const guint8 body[] = { 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 2 };

  send_bytes (ERROR, job->id, body, sizeof body);
  stay ();
}

/* Variants in variants, as deep as fits: a recursive reader must not fall over it. */
static void
nested_variants (const Job *job)
{
  gsize depth = 100000;
  g_autoptr (GByteArray) body = g_byte_array_new ();

  g_byte_array_append (body, (const guint8 *) "\1\0y", 3);
  for (gsize i = 0; i < depth; i++)
    g_byte_array_append (body, (const guint8 *) "\0v", 2);
  send_bytes (RESULT, job->id, body->data, body->len);
  stay ();
}

static void
empty_result (const Job *job)
{
  send_and_stay (RESULT, job->id, NULL);
}

static void
body_where_none (const Job *job)
{
  send_and_stay (DROPPED, job->id, g_variant_new ("v", g_variant_new_int32 (1)));
}

/* Declared as (i). */
static void
wrong_result_type (const Job *job)
{
  send_and_stay (RESULT, job->id, g_variant_new ("v", g_variant_new_string ("text")));
}

static void
log_level (const Job *job)
{
  send_and_stay (LOG, 0, wire_log ((guint) get_argument (0), "of no level"));
}

/* --- Frames at the wrong time --- */

static void
result_of_nobody (const Job *job)
{
  send_and_stay (RESULT, job->id + NOBODY, make_result (job));
}

static void
error_of_nobody (const Job *job)
{
  send_and_stay (ERROR, job->id + NOBODY, wire_error ("g-io-error-quark", 0, "of nobody"));
}

static void
error_without_number (const Job *job)
{
  send_and_stay (ERROR, 0, wire_error ("g-io-error-quark", 0, "I could not start, I am afraid"));
}

static void
started_of_nobody (const Job *job)
{
  send_and_stay (STARTED, job->id + NOBODY, NULL);
}

static void
dropped_of_nobody (const Job *job)
{
  send_and_stay (DROPPED, job->id + NOBODY, NULL);
}

static void
progress_of_nobody (const Job *job)
{
  send_and_stay (PROGRESS, job->id + NOBODY, g_variant_new ("(dms)", 0.5, NULL));
}

static void
never_started (const Job *job)
{
  send_and_stay (RESULT, job->id, make_result (job));
}

static void
error_never_started (const Job *job)
{
  send_and_stay (ERROR, job->id, wire_error ("g-io-error-quark", 0, "not even tried"));
}

static void
progress_never_started (const Job *job)
{
  send_and_stay (PROGRESS, job->id, g_variant_new ("(dms)", 0.5, NULL));
}

static void
progress_nan (const Job *job)
{
  send_and_stay (PROGRESS, job->id, g_variant_new ("(dms)", NAN, NULL));
}

static void
progress_infinite (const Job *job)
{
  send_and_stay (PROGRESS, job->id, g_variant_new ("(dms)", -INFINITY, NULL));
}

static void
twice (FrameType type, guint64 id, GVariant *body)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GVariant) held = body != NULL ? g_variant_ref_sink (body) : NULL;

  wire_put (bytes, type, id, held);
  wire_put (bytes, type, id, held);
  wire_flush (bytes);
  stay ();
}

static void
result_twice (const Job *job)
{
  twice (RESULT, job->id, make_result (job));
}

static void
started_twice (const Job *job)
{
  twice (STARTED, job->id, NULL);
}

static void
dropped_twice (const Job *job)
{
  twice (DROPPED, job->id, NULL);
}

/* Each time it comes. */
static void
dropped_unasked (const Job *job)
{
  wire_send (DROPPED, job->id, NULL);
  forget ();
}

static void
result_and_error (const Job *job)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  wire_put (bytes, RESULT, job->id, make_result (job));
  wire_put (bytes, ERROR, job->id, wire_error ("g-io-error-quark", 0, "on second thoughts"));
  wire_flush (bytes);
  stay ();
}

static void
dropped_running (const Job *job)
{
  send_and_stay (DROPPED, job->id, NULL);
}

static void
hello_again (const Job *job)
{
  send_and_stay (HELLO, 0, make_hello ());
}

/* A frame of the other side. */
static void
call (const Job *job)
{
  send_and_stay (CALL, NOBODY, g_variant_new ("(smv)", "double", g_variant_new ("(i)", 21)));
}

static void
recall (const Job *job)
{
  send_and_stay (RECALL, job->id, NULL);
}

static void
goodbye (const Job *job)
{
  send_and_stay (GOODBYE, 0, NULL);
}

static void
text (const Job *job)
{
  static const char line[] = "50% done\n100% done, bye\n";

  wire_write (line, strlen (line));
  stay ();
}

static void
noise (const Job *job)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) get_argument (1));
  guint8 bytes[1000];

  for (gsize i = 0; i < sizeof bytes; i++)
    bytes[i] = (guint8) g_rand_int (rand);
  wire_write (bytes, sizeof bytes);
  stay ();
}

/* --- Odd, but good --- */

static void
odd_progress (const Job *job)
{
  const double values[] = { -1e300, -1, 2, 1e300 };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    wire_send (PROGRESS, job->id, g_variant_new ("(dms)", values[i], "odd"));
}

static void
odd_log_fields (const Job *job)
{
  static const char * const names[] = { "", "=", "a b", "lower", "MESSAGE", "PRIORITY", "GLIB_DOMAIN", "_PID", "X" };
  GVariantBuilder fields;

  g_variant_builder_init (&fields, G_VARIANT_TYPE ("a{ss}"));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_variant_builder_add (&fields, "{ss}", names[i], "value\nwith \001 lines");
  wire_send (LOG, 0, g_variant_new ("(ussa{ss})", 64, "", "\033[2J\001", &fields));
}

static void
remote_error (const Job *job)
{
  wire_send (ERROR, job->id, wire_error ("a-domain-nobody-knows-quark", 7, "something of its own"));
  forget ();
}

const Mode garbage_modes[] = {
  { "frame-length", IN_JOB, frame_length },
  { "frame-too-long", IN_JOB, frame_too_long },
  { "result-too-large", IN_JOB, result_too_large },
  { "unknown-type", IN_JOB, unknown_type },
  { "unknown-flags", IN_JOB, unknown_flags },
  { "nonce-flag", IN_JOB, nonce_flag },
  { "filler", IN_JOB, filler },
  { "result-without-number", IN_JOB, result_without_number },
  { "log-with-number", IN_JOB, log_with_number },
  { "non-normal", IN_JOB, non_normal },
  { "non-normal-type", IN_JOB, non_normal_type },
  { "non-normal-text", IN_JOB, non_normal_text },
  { "nested-variants", IN_JOB, nested_variants },
  { "empty-result", IN_JOB, empty_result },
  { "body-where-none", IN_JOB, body_where_none },
  { "wrong-result-type", IN_JOB, wrong_result_type },
  { "log-level", IN_JOB, log_level },
  { "result-of-nobody", IN_JOB, result_of_nobody },
  { "error-of-nobody", IN_JOB, error_of_nobody },
  { "error-without-number", IN_JOB, error_without_number },
  { "started-of-nobody", IN_JOB, started_of_nobody },
  { "dropped-of-nobody", IN_JOB, dropped_of_nobody },
  { "progress-of-nobody", IN_JOB, progress_of_nobody },
  { "never-started", AT_CALL, never_started },
  { "error-never-started", AT_CALL, error_never_started },
  { "progress-never-started", AT_CALL, progress_never_started },
  { "progress-nan", IN_JOB, progress_nan },
  { "progress-infinite", IN_JOB, progress_infinite },
  { "result-twice", IN_JOB, result_twice },
  { "started-twice", IN_JOB, started_twice },
  { "dropped-twice", AT_CALL, dropped_twice },
  { "dropped-unasked", AT_CALL, dropped_unasked },
  { "result-and-error", IN_JOB, result_and_error },
  { "dropped-running", IN_JOB, dropped_running },
  { "hello-again", IN_JOB, hello_again },
  { "hello-twice", WHEN_READY, hello_again },
  { "call-from-worker", IN_JOB, call },
  { "recall-from-worker", IN_JOB, recall },
  { "goodbye-in-job", IN_JOB, goodbye },
  { "goodbye-when-ready", WHEN_READY, goodbye },
  { "text-in-job", IN_JOB, text },
  { "noise", IN_JOB, noise },
  { "odd-progress", IN_JOB, odd_progress },
  { "odd-log-fields", IN_JOB, odd_log_fields },
  { "remote-error", IN_JOB, remote_error },
  { NULL }
};
