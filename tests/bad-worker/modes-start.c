/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What goes wrong before a worker is ready. */

#include "config.h"

#include "bad-worker.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static void
exit_at_once (const Job *job)
{
  _exit (get_argument (0));
}

static void
say_and_exit (const Job *job)
{
  g_printerr ("no such library: libnothing.so\n");
  _exit (127);
}

static void
abort_it (const Job *job)
{
  signal (SIGABRT, SIG_DFL);
  kill (getpid (), SIGABRT);
}

static void
never (const Job *job)
{
  stay ();
}

/* ARGUMENT bytes of the hello; -1: half of it. */
static void
die_in_hello (const Job *job)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  int n = get_argument (-1);

  wire_put (bytes, HELLO, 0, make_hello ());
  wire_write (bytes->data, n < 0 ? bytes->len / 2 : MIN ((guint) n, bytes->len));
  _exit (0);
}

static void
hang_in_hello (const Job *job)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  wire_put (bytes, HELLO, 0, make_hello ());
  wire_write (bytes->data, bytes->len / 2);
  stay ();
}

static void
send_hello_of (const char *key, GVariant *value)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "version", "u", 1);
  g_variant_dict_insert_value (&dict, key, value);
  wire_send (HELLO, 0, g_variant_dict_end (&dict));
}

static void
version_2 (const Job *job)
{
  send_hello_of ("version", g_variant_new_uint32 (2));
  stay ();
}

static void
version_text (const Job *job)
{
  send_hello_of ("version", g_variant_new_string ("1"));
  stay ();
}

static void
no_version (const Job *job)
{
  wire_send (HELLO, 0, g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0));
  stay ();
}

static void
bad_functions (const Job *job)
{
  GVariant *function = g_variant_new ("(sss)", "double", "this is no type", "(i)");

  send_hello_of ("functions", g_variant_new_array (NULL, &function, 1));
  stay ();
}

/* Keys of a later version, and known ones of another type, which is as if they were not there. */
static void
unknown_keys (const Job *job)
{
  send_hello_of ("colour", g_variant_new_string ("green"));
}

static void
wrong_nonce (const Job *job)
{
  guint8 zeros[16] = { 0 };

  send_hello_of ("nonce", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, zeros, sizeof zeros, 1));
}

static void
started_first (const Job *job)
{
  wire_send (STARTED, 1, NULL);
  stay ();
}

static void
log_first (const Job *job)
{
  wire_send (LOG, 0, wire_log (64, "before the hello"));
  wire_send (HELLO, 0, make_hello ());
}

static void
goodbye_first (const Job *job)
{
  wire_send (GOODBYE, 0, NULL);
  _exit (0);
}

static void
zeros_first (const Job *job)
{
  guint8 zeros[4096] = { 0 };

  wire_write (zeros, sizeof zeros);
  stay ();
}

/* The most common mistake: a library prints to what is still the stream. */
static void
stdout_text (const Job *job)
{
  const char *text = "Loading the model, please wait...\n";

  if (write (1, text, strlen (text)) < 0)
    _exit (92);
}

static void
init_error (const Job *job)
{
  wire_send (ERROR, 0, wire_error ("g-io-error-quark", G_IO_ERROR_NO_SPACE, "no room to initialise"));
  _exit (0);
}

static void
init_error_unknown (const Job *job)
{
  wire_send (ERROR, 0, wire_error ("a-domain-nobody-knows-quark", 7, "the model is missing"));
  _exit (1);
}

static void
init_error_and_stay (const Job *job)
{
  wire_send (ERROR, 0, wire_error ("g-io-error-quark", G_IO_ERROR_NO_SPACE, "no room to initialise"));
  stay ();
}

static void
error_of_job (const Job *job)
{
  wire_send (ERROR, 7, wire_error ("g-io-error-quark", 0, "of a job that nobody sent"));
  stay ();
}

/* It is ready when a byte comes from the fifo ARGUMENT. */
static void
slow_hello (const Job *job)
{
  wait_at_gate (get_text ());
  wire_send (HELLO, 0, make_hello ());
}

static void
close_stream (const Job *job)
{
  close (wire_in);
  close (wire_out);
  stay ();
}

static void
hello_and_exit (const Job *job)
{
  wire_send (HELLO, 0, make_hello ());
  _exit (5);
}

const Mode start_modes[] = {
  { "exit-at-once", AT_START, exit_at_once },
  { "say-and-exit", AT_START, say_and_exit },
  { "abort-at-once", AT_START, abort_it },
  { "never-read", AT_START, never },
  { "stdout-text", AT_START, stdout_text },
  { "exit-in-hello", IN_HELLO, exit_at_once },
  { "never-hello", IN_HELLO, never },
  { "die-in-hello", IN_HELLO, die_in_hello },
  { "hang-in-hello", IN_HELLO, hang_in_hello },
  { "version-2", IN_HELLO, version_2 },
  { "version-text", IN_HELLO, version_text },
  { "no-version", IN_HELLO, no_version },
  { "bad-functions", IN_HELLO, bad_functions },
  { "unknown-keys", IN_HELLO, unknown_keys },
  { "wrong-nonce", IN_HELLO, wrong_nonce },
  { "started-first", IN_HELLO, started_first },
  { "log-first", IN_HELLO, log_first },
  { "goodbye-first", IN_HELLO, goodbye_first },
  { "zeros-first", IN_HELLO, zeros_first },
  { "init-error", IN_HELLO, init_error },
  { "init-error-unknown", IN_HELLO, init_error_unknown },
  { "init-error-and-stay", IN_HELLO, init_error_and_stay },
  { "error-of-job", IN_HELLO, error_of_job },
  { "slow-hello", IN_HELLO, slow_hello },
  { "close-in-hello", IN_HELLO, close_stream },
  { "hello-and-exit", IN_HELLO, hello_and_exit },
  { NULL }
};
