/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How a worker process starts. */

#include "config.h"

#include "lp-test-worker.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lp-memfd-private.h"

static GVariant *
hello_with (const char *key, GVariant *value)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert_value (&dict, key, value);
  return g_variant_dict_end (&dict);
}

/* --- Both hellos --- */

static void
test_answer (void)
{
  LpTestWorker *worker = lp_test_worker_new (LP_TEST_STREAM_OF_MANAGER);
  g_autoptr (GVariant) hello = NULL;
  g_autoptr (GVariant) functions = NULL;
  gboolean has_double = FALSE, has_echo = FALSE;
  guint32 number;

  lp_test_worker_say_hello (worker, NULL, -1);
  hello = lp_test_worker_wait_hello (worker);

  g_assert_true (g_variant_lookup (hello, "version", "u", &number));
  g_assert_cmpuint (number, ==, 1);
  g_assert_true (g_variant_lookup (hello, "pid", "u", &number));
  g_assert_cmpuint (g_ascii_strtoull (g_subprocess_get_identifier (worker->process), NULL, 10), ==, number);
  g_assert_true (g_variant_lookup (hello, "depth", "u", &number));
  g_assert_cmpuint (number, ==, 16);
  g_assert_false (g_variant_lookup (hello, "nonce", "ay", NULL));

  functions = g_variant_lookup_value (hello, "functions", G_VARIANT_TYPE ("a(sss)"));
  g_assert_nonnull (functions);
  for (gsize i = 0; i < g_variant_n_children (functions); i++)
    {
      const char *name, *parameters, *result;

      g_variant_get_child (functions, i, "(&s&s&s)", &name, &parameters, &result);
      if (g_str_equal (name, "double"))
        has_double = g_str_equal (parameters, "(i)") && g_str_equal (result, "(i)");
      if (g_str_equal (name, "echo"))
        has_echo = g_str_equal (parameters, "") && g_str_equal (result, "");
    }
  g_assert_true (has_double);
  g_assert_true (has_echo);

  lp_test_worker_finish (worker);
}

static void
test_unknown_keys_are_ignored (void)
{
  lp_test_worker_finish (lp_test_worker_start_with (hello_with ("something-new", g_variant_new_string ("x"))));
}

/* It cannot start: the manager is told with the number 0, the process fails. MODE: of the program. */
static void
assert_start_of_mode_fails (const char *mode, GVariant *hello, GQuark domain, int code, const char *message)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "worker-program", NULL);
  const char *argv[] = { program, mode, NULL };
  LpTestWorker *worker = lp_test_worker_spawn (argv, LP_TEST_STREAM_OF_MANAGER);
  g_autofree char *said = NULL;
  LpFrame frame;

  lp_test_worker_say_hello (worker, hello, -1);
  lp_test_worker_expect_error (worker, 0, domain, code, message);
  g_assert_false (lp_test_worker_read (worker, &frame));
  g_assert_cmpint (lp_test_worker_wait_status (worker), ==, 1);
  said = lp_test_worker_read_stderr (worker);
  g_assert_nonnull (strstr (said, message));
  lp_test_worker_free (worker);
}

static void
assert_start_fails (GVariant *hello, GQuark domain, int code, const char *message)
{
  assert_start_of_mode_fails (NULL, hello, domain, code, message);
}

/* It has more functions than a message can list. */
static void
test_too_large (void)
{
  assert_start_of_mode_fails ("many-functions", hello_with ("max-message-size", g_variant_new_uint64 (4096)),
                              LP_ERROR, LP_ERROR_START_FAILED,
                              "What functions there are does not fit into a hello of max-message-size (4096) bytes");
}

static void
test_other_version_is_refused (void)
{
  assert_start_fails (hello_with ("version", g_variant_new_uint32 (2)), LP_ERROR, LP_ERROR_PROTOCOL,
                      "The manager speaks version 2 of the worker protocol, this worker speaks version 1");
}

/* --- The init function and the module --- */

static GVariant *
hello_with_init (const char *function, const char *how)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "init-function", "s", function);
  g_variant_dict_insert (&dict, "init-parameters", "v", g_variant_new ("(s)", how));
  return g_variant_dict_end (&dict);
}

/* What it logs comes before the hello. */
static void
test_init_function (void)
{
  LpTestWorker *worker = lp_test_worker_new (LP_TEST_STREAM_OF_MANAGER);
  g_autoptr (GVariant) hello = NULL;

  lp_test_worker_say_hello (worker, hello_with_init ("init", "succeed"), -1);
  lp_test_worker_expect_log (worker, G_LOG_LEVEL_INFO, "init", "succeed");
  hello = lp_test_worker_wait_hello (worker);
  lp_test_worker_finish (worker);
}

static void
test_init_function_fails (void)
{
  LpTestWorker *worker = lp_test_worker_new (LP_TEST_STREAM_OF_MANAGER);

  lp_test_worker_say_hello (worker, hello_with_init ("init", "fail"), -1);
  lp_test_worker_expect_log (worker, G_LOG_LEVEL_INFO, "init", "fail");
  lp_test_worker_expect_error (worker, 0, LP_ERROR, LP_ERROR_START_FAILED,
                               "The worker-init-function init failed: as asked");
  g_assert_cmpint (lp_test_worker_wait_status (worker), ==, 1);
  lp_test_worker_free (worker);
}

static void
test_init_function_is_unknown (void)
{
  assert_start_fails (hello_with_init ("nobody", "x"), LP_ERROR, LP_ERROR_START_FAILED,
                      "The worker-init-function nobody failed: The function “nobody” is not one of this process");
}

static void
test_module (void)
{
  LpTestWorker *worker = lp_test_worker_new (LP_TEST_STREAM_OF_MANAGER);
  g_autofree char *module = g_test_build_filename (G_TEST_BUILT, "test-module-good.so", NULL);
  g_autoptr (GVariant) hello = NULL;
  g_autoptr (GVariant) value = NULL;

  lp_test_worker_say_hello (worker, hello_with ("module", g_variant_new_string (module)), -1);
  hello = lp_test_worker_wait_hello (worker);
  value = lp_test_worker_run (worker, 1, "answer", NULL);
  g_assert_cmpint (g_variant_get_int32 (value), ==, 42);
  lp_test_worker_finish (worker);
}

static void
test_module_is_missing (void)
{
  assert_start_fails (hello_with ("module", g_variant_new_string ("/nowhere.so")), LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
                      "Cannot load the function module “/nowhere.so” (/nowhere.so: no such file)");
}

/* The program that has no functions of its own. */
static void
test_leasepool_worker (void)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "..", "leasepool", "leasepool-worker", NULL);
  g_autofree char *module = g_test_build_filename (G_TEST_BUILT, "test-module-good.so", NULL);
  const char *argv[] = { program, NULL };
  LpTestWorker *worker = lp_test_worker_spawn (argv, LP_TEST_STREAM_OF_MANAGER);
  g_autoptr (GVariant) hello = NULL;

  lp_test_worker_say_hello (worker, hello_with ("module", g_variant_new_string (module)), -1);
  hello = lp_test_worker_wait_hello (worker);
  g_variant_unref (lp_test_worker_run (worker, 1, "answer", NULL));
  lp_test_worker_finish (worker);
}

/* As behind a launcher that passes no variables on. */
static void
test_without_the_name_variable (void)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "worker-program", NULL);
  const char *argv[] = { "/usr/bin/env", "-u", "LP_WORKER_NAME", program, NULL };
  LpTestWorker *worker = lp_test_worker_spawn (argv, LP_TEST_STREAM_OF_MANAGER);
  g_autoptr (GVariant) hello = NULL;

  lp_test_worker_say_hello (worker, NULL, -1);
  hello = lp_test_worker_wait_hello (worker);
  g_variant_unref (lp_test_worker_run (worker, 1, "print", g_variant_new ("(s)", "printed")));
  lp_test_worker_finish (worker);
}

/* --- The nonce --- */

static void
test_nonce (gconstpointer data)
{
  LpTestStream stream = GPOINTER_TO_INT (data);
  LpTestWorker *worker = lp_test_worker_new (stream);
  const char nonce[] = "0123456789abcdef";
  g_autoptr (GVariant) hello = NULL;
  g_autoptr (GVariant) echo = NULL;

  lp_test_worker_say_hello (worker, NULL, stream == LP_TEST_STREAM_PIPES ? -1 : lp_memfd_new_for_bytes (nonce, 16, NULL));
  hello = lp_test_worker_wait_hello (worker);
  echo = g_variant_lookup_value (hello, "nonce", G_VARIANT_TYPE_BYTESTRING);
  if (stream == LP_TEST_STREAM_PIPES)
    g_assert_null (echo);
  else
    g_assert_cmpmem (g_variant_get_data (echo), g_variant_get_size (echo), nonce, 16);
  lp_test_worker_finish (worker);
}

/* --- Started by hand --- */

/* What a program says that is started with FD, which is taken, as its input. */
static void
assert_no_manager (int fd, const char *argument, const char *message)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "worker-program", NULL);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE
                                                                        | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *errors = NULL;

  g_subprocess_launcher_take_stdin_fd (launcher, fd);
  process = g_subprocess_launcher_spawn (launcher, &error, program, argument, NULL);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, NULL, NULL, NULL, &errors, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 1);
  g_assert_cmpstr (errors, ==, message);
}

static void
test_no_input (void)
{
  assert_no_manager (open ("/dev/null", O_RDONLY | O_CLOEXEC), NULL,
                     "lp-error-quark:1: This program is a worker: a manager starts it\n");
}

static void
test_terminal (void)
{
  int terminal = posix_openpt (O_RDWR | O_NOCTTY | O_CLOEXEC);
  int input;

  if (terminal == -1 || grantpt (terminal) == -1 || unlockpt (terminal) == -1
      || (input = open (ptsname (terminal), O_RDWR | O_NOCTTY | O_CLOEXEC)) == -1)
    {
      g_test_skip ("there are no terminals");
      return;
    }

  /* It does not wait for input. */
  assert_no_manager (input, NULL, "lp-error-quark:1: This program is a worker: a manager starts it\n");
  close (terminal);
}

static void
test_text (void)
{
  int pipe_fds[2];

  g_assert_cmpint (pipe2 (pipe_fds, O_CLOEXEC), ==, 0);
  g_assert_cmpint (write (pipe_fds[1], "this is not a manager\n", 22), ==, 22);
  assert_no_manager (pipe_fds[0], NULL,
                     "lp-error-quark:13: This program is a worker: a manager starts it; what it read is something else: "
                     "a frame is of the unknown type 32\n");
  close (pipe_fds[1]);
}

static void
test_foreign_context (void)
{
  assert_no_manager (open ("/dev/null", O_RDONLY | O_CLOEXEC), "foreign-context",
                     "lp-error-quark:6: A worker iterates the default main context, which another thread does already\n");
}

/* --- In this process --- */

static void
test_functions_property (void)
{
  g_autoptr (LpFunctions) functions = lp_functions_new ();
  LpWorker *worker = lp_worker_new (functions);
  LpWorker *without = g_object_new (LP_TYPE_WORKER, NULL);
  LpFunctions *property;

  g_assert_true (lp_worker_get_functions (worker) == functions);
  g_object_get (worker, "functions", &property, NULL);
  g_assert_true (property == functions);
  g_object_unref (property);
  g_assert_nonnull (lp_worker_get_functions (without));

  g_assert_finalize_object (worker);
  g_assert_finalize_object (without);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/worker/hello/answer", test_answer);
  g_test_add_func ("/worker/hello/unknown-keys-are-ignored", test_unknown_keys_are_ignored);
  g_test_add_func ("/worker/hello/too-large", test_too_large);
  g_test_add_func ("/worker/hello/other-version-is-refused", test_other_version_is_refused);
  g_test_add_func ("/worker/hello/init-function", test_init_function);
  g_test_add_func ("/worker/hello/init-function-fails", test_init_function_fails);
  g_test_add_func ("/worker/hello/init-function-is-unknown", test_init_function_is_unknown);
  g_test_add_func ("/worker/hello/module", test_module);
  g_test_add_func ("/worker/hello/module-is-missing", test_module_is_missing);
  g_test_add_func ("/worker/hello/leasepool-worker", test_leasepool_worker);
  g_test_add_func ("/worker/hello/without-the-name-variable", test_without_the_name_variable);
  g_test_add_data_func ("/worker/hello/nonce", GINT_TO_POINTER (LP_TEST_STREAM_OF_MANAGER), test_nonce);
  g_test_add_data_func ("/worker/hello/nonce-of-socket", GINT_TO_POINTER (LP_TEST_STREAM_SOCKET), test_nonce);
  g_test_add_data_func ("/worker/hello/no-nonce-of-pipes", GINT_TO_POINTER (LP_TEST_STREAM_PIPES), test_nonce);
  g_test_add_func ("/worker/by-hand/no-input", test_no_input);
  g_test_add_func ("/worker/by-hand/terminal", test_terminal);
  g_test_add_func ("/worker/by-hand/text", test_text);
  g_test_add_func ("/worker/by-hand/foreign-context", test_foreign_context);
  g_test_add_func ("/worker/functions-property", test_functions_property);

  return g_test_run ();
}
