/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Worker processes that say what the protocol does not allow: nothing of it gets
 * through, the job that ran fails with the reason, and the worker is killed. */

#include "config.h"

#include "lp-test-proc.h"

#include <fcntl.h>
#include <gio/gunixfdmessage.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lp-channel-private.h"

static const LpTestBreak headers[] = {
  { "frame-length-0", "frame-length --argument=0", "0 bytes" },
  { "frame-length-15", "frame-length --argument=15", "15 bytes" },
  { "frame-too-long", "frame-too-long", "max-message-size" },
  { "unknown-type-0", "unknown-type --argument=0", "type 0" },
  { "unknown-type-12", "unknown-type --argument=12", "type 12" },
  { "unknown-type-255", "unknown-type --argument=255", "type 255" },
  { "unknown-flags", "unknown-flags", "flags" },
  { "nonce-flag", "nonce-flag", "flags" },
  { "filler", "filler", "flags" },
  { "result-without-number", "result-without-number", "RESULT" },
  { "log-with-number", "log-with-number", "LOG" },
  { "text-in-job", "text-in-job", "wrote text" },
  { "noise", "noise", NULL },
};

static const LpTestBreak bodies[] = {
  { "non-normal", "non-normal", "normal form" },
  { "non-normal-type", "non-normal-type", "normal form" },
  { "non-normal-text", "non-normal-text", "normal form" },
  { "nested-variants", "nested-variants", NULL },
  { "empty-result", "empty-result", "RESULT" },
  { "body-where-none", "body-where-none", "DROPPED" },
  { "wrong-result-type", "--functions wrong-result-type", "(i)" },
  { "log-level-0", "log-level --argument=0", "level" },
  { "log-level-12", "log-level --argument=12", "level" },
  { "log-level-of-flags", "log-level --argument=2", "level" },
};

static const LpTestBreak times[] = {
  { "result-of-nobody", "result-of-nobody", "a result for job" },
  { "error-of-nobody", "error-of-nobody", "an error for job" },
  { "error-without-number", "error-without-number", "after it said hello" },
  { "started-of-nobody", "started-of-nobody", "it started job" },
  { "dropped-of-nobody", "dropped-of-nobody", "it dropped job" },
  { "progress-of-nobody", "progress-of-nobody", "progress" },
  { "progress-nan", "progress-nan", "progress" },
  { "progress-infinite", "progress-infinite", "progress" },
  { "never-started", "never-started", "a result for job", LP_TEST_UNTOUCHED },
  { "error-never-started", "error-never-started", "an error for job", LP_TEST_UNTOUCHED },
  { "progress-never-started", "progress-never-started", "progress", LP_TEST_UNTOUCHED },
  { "result-twice", "result-twice", NULL, LP_TEST_SUCCEEDED },
  { "result-and-error", "result-and-error", NULL, LP_TEST_SUCCEEDED },
  { "started-twice", "started-twice", "it started job" },
  { "dropped-running", "dropped-running", "it dropped job" },
  { "dropped-unasked", "dropped-unasked", "it dropped job", LP_TEST_UNTOUCHED },
  { "dropped-twice", "dropped-twice", "it dropped job", LP_TEST_UNTOUCHED },
  { "hello-again", "hello-again", "hello twice" },
  { "call-from-worker", "call-from-worker", "CALL" },
  { "recall-from-worker", "recall-from-worker", "RECALL" },
  { "goodbye-in-job", "goodbye-in-job", NULL },
};

static const LpTestBreak files[] = {
  { "without-agreement", "file-good", NULL },
  { "unsealed", "--nonce file-unsealed", "sealed" },
  { "half-sealed", "--nonce file-half-sealed", "sealed" },
  { "missing", "--nonce file-missing", NULL },
  { "empty", "--nonce file-of-size --argument=0", "0 bytes" },
  { "too-large", "--nonce file-of-size --argument=1000000000", "1000000000 bytes" },
  { "not-normal", "--nonce file-of-size --argument=1000", "normal form" },
  { "not-a-file", "--nonce file-not-a-file", NULL },
  { "two", "--nonce file-two", NULL },
  { "and-body", "--nonce file-and-body", "two bodies" },
};

/* Not wrong: the job succeeds, and its executor stays. */
static void
test_garbage_harmless (gconstpointer arguments)
{
  LpTestProc self;
  LpLease *lease;
  LpTestOutcome *outcome;

  lp_test_proc_set_up (&self, arguments);
  lp_manager_set_workers_per_pool (self.manager, 1);
  lp_manager_set_forward_process_logs (self.manager, TRUE);
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "harmless");
  outcome = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 7));
  lp_test_assert_int (outcome, 7);
  lp_test_outcome_free (outcome);
  lp_test_use_and_release (lease);
  g_assert_cmpuint (lp_test_counter (self.manager, "executors_created"), ==, 1);
  lp_test_proc_tear_down (&self);
}

/* A domain nobody has interned here is not interned for a stranger. */
static void
test_garbage_unknown_error_domain (void)
{
  LpTestProc self;
  LpLease *lease;
  LpTestOutcome *outcome;

  lp_test_proc_set_up (&self, "remote-error");
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "remote");
  outcome = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 7));
  lp_test_assert_fails (outcome, LP_ERROR, LP_ERROR_REMOTE);
  lp_test_assert_says (outcome->error, "something of its own");
  lp_test_assert_says (outcome->error, "a-domain-nobody-knows-quark");
  g_assert_cmpuint (g_quark_try_string ("a-domain-nobody-knows-quark"), ==, 0);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);

  lp_test_outcome_free (outcome);
  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
  lp_test_proc_tear_down (&self);
}

/* One byte more than the limit, all of it sent. */
static void
test_garbage_result_larger_than_the_limit (void)
{
  const LpTestBreak large = { "", "result-too-large --argument=4096", "max-message-size" };
  LpTestProc self;
  LpLease *lease;
  LpTestOutcome *outcome;

  lp_test_proc_set_up (&self, large.arguments);
  lp_manager_set_max_message_size (self.manager, 4096);
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "large");
  outcome = lp_test_call (lease, "misbehave", NULL);
  lp_test_assert_fails (outcome, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  lp_test_assert_says (outcome->error, large.says);

  lp_test_outcome_free (outcome);
  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
  lp_test_assert_works (self.manager);
  lp_test_proc_tear_down (&self);
}

/* What the manager would send beyond the limit it refuses; the worker never sees it. */
static void
test_garbage_parameters_larger_than_the_limit (void)
{
  LpTestProc self;
  LpLease *lease;
  LpTestOutcome *outcome;
  g_autofree char *text = g_strnfill (5000, 'x');

  lp_test_proc_set_up (&self, "good");
  lp_manager_set_max_message_size (self.manager, 4096);
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "large");
  outcome = lp_test_call (lease, "echo", g_variant_new ("(s)", text));
  lp_test_wait_outcome (outcome);
  g_assert_nonnull (outcome->error);
  lp_test_assert_says (outcome->error, "max-message-size");
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);

  lp_test_outcome_free (outcome);
  lp_test_use_and_release (lease);
  g_assert_cmpuint (lp_test_counter (self.manager, "executors_created"), ==, 1);
  lp_test_proc_tear_down (&self);
}

/* Descriptors that nobody asked for are not taken, whatever becomes of the one who sends them. */
static void
test_garbage_extra_descriptors (gconstpointer arguments)
{
  LpTestProc self;
  LpLease *lease;
  LpTestOutcome *outcome;

  lp_test_proc_set_up (&self, arguments);
  lp_manager_set_workers_per_pool (self.manager, 1);
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "extra");
  for (guint i = 0; i < 3; i++)
    {
      outcome = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 7));
      lp_test_wait_outcome (outcome);
      if (outcome->error != NULL && !g_error_matches (outcome->error, LP_ERROR, LP_ERROR_EXPIRED))
        g_assert_error (outcome->error, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
      lp_test_outcome_free (outcome);
    }

  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
  lp_test_assert_works (self.manager);
  lp_test_proc_tear_down (&self);
}

/* One read may give the bytes before the descriptors that are too many, too:
 * what they say has happened. */
static void
test_garbage_frames_before_extra_descriptors_count (void)
{
  int fds[2] = { open ("/dev/null", O_RDONLY | O_CLOEXEC), open ("/dev/null", O_RDONLY | O_CLOEXEC) };
  int streams[2];
  guint8 started[LP_FRAME_HEADER_SIZE], result[LP_FRAME_HEADER_SIZE];
  g_autoptr (GSocketControlMessage) message = g_unix_fd_message_new ();
  g_autoptr (LpChannel) channel = NULL;
  g_autoptr (GSocket) socket = NULL;
  g_autoptr (GError) error = NULL;
  LpFrame frame;

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, streams), ==, 0);
  channel = lp_channel_new (streams[0], streams[0], 4096);
  socket = g_socket_new_from_fd (streams[1], &error);
  g_assert_no_error (error);

  lp_frame_pack_header (&(LpFrameHeader) { LP_FRAME_STARTED, 0, 7, 0 }, started);
  lp_frame_pack_header (&(LpFrameHeader) { LP_FRAME_RESULT, LP_FRAME_BODY_IN_FILE, 7, 0 }, result);
  g_assert_cmpint (g_socket_send (socket, (const char *) started, sizeof started, NULL, NULL), ==, sizeof started);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (g_unix_fd_message_append_fd (G_UNIX_FD_MESSAGE (message), fds[i], NULL));
      close (fds[i]);
    }
  g_assert_cmpint (g_socket_send_message (socket, NULL, &(GOutputVector) { result, sizeof result }, 1, &message, 1, 0,
                                          NULL, NULL), ==, sizeof result);

  g_assert_cmpint (lp_channel_read (channel, &frame, &error), ==, LP_CHANNEL_FRAME);
  g_assert_cmpint (frame.type, ==, LP_FRAME_STARTED);
  g_assert_cmpint (lp_channel_read (channel, &frame, &error), ==, LP_CHANNEL_BAD);
  g_assert_error (error, LP_ERROR, LP_ERROR_PROTOCOL);
}

/* Random bytes, a new seed each time. */
static void
test_garbage_random (void)
{
  guint32 seed = g_test_rand_int_range (0, G_MAXINT32 - 20);

  g_test_message ("seed %u", seed);
  for (guint i = 0; i < 10; i++)
    {
      g_autofree char *arguments = g_strdup_printf ("noise --argument=%u", seed + i);
      const LpTestBreak noise = { "", arguments, NULL };

      lp_test_check_break (&noise);
    }
}

int
main (int argc, char *argv[])
{
  lp_test_proc_init (&argc, &argv);

  lp_test_add_breaks ("/process/garbage/header/", headers, G_N_ELEMENTS (headers));
  lp_test_add_breaks ("/process/garbage/body/", bodies, G_N_ELEMENTS (bodies));
  lp_test_add_breaks ("/process/garbage/time/", times, G_N_ELEMENTS (times));
  lp_test_add_breaks ("/process/garbage/file/", files, G_N_ELEMENTS (files));
  g_test_add_data_func ("/process/garbage/file/good", "--nonce file-good", test_garbage_harmless);
  g_test_add_data_func ("/process/garbage/odd-progress", "odd-progress", test_garbage_harmless);
  g_test_add_data_func ("/process/garbage/odd-log-fields", "odd-log-fields", test_garbage_harmless);
  g_test_add_data_func ("/process/garbage/closed-stderr", "close-stderr", test_garbage_harmless);
  g_test_add_data_func ("/process/garbage/extra-descriptor", "extra-fds", test_garbage_extra_descriptors);
  g_test_add_data_func ("/process/garbage/extra-descriptors", "extra-fds --argument=4", test_garbage_extra_descriptors);
  g_test_add_data_func ("/process/garbage/too-many-descriptors", "extra-fds --argument=8",
                        test_garbage_extra_descriptors);
  g_test_add_data_func ("/process/garbage/a-descriptor-with-each-frame", "fd-flood", test_garbage_extra_descriptors);
  g_test_add_func ("/process/garbage/file/frames-before-extra-descriptors-count",
                   test_garbage_frames_before_extra_descriptors_count);
  g_test_add_func ("/process/garbage/unknown-error-domain", test_garbage_unknown_error_domain);
  g_test_add_func ("/process/garbage/result-larger-than-the-limit", test_garbage_result_larger_than_the_limit);
  g_test_add_func ("/process/garbage/parameters-larger-than-the-limit",
                   test_garbage_parameters_larger_than_the_limit);
  g_test_add_func ("/process/garbage/random", test_garbage_random);

  return g_test_run ();
}
