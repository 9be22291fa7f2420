/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Text from elsewhere in the library's error messages and records: it neither ends
 * a line, nor turns its direction, nor tells a terminal anything. One case for each
 * place where some comes in. */

#include "config.h"

#include "lp-test.h"

#include <string.h>

#include "lp-frame-private.h"
#include "lp-functions-private.h"
#include "lp-module-private.h"

/* A line that ends, one of its own, a colour, the same in one character, a text from right to left. */
#define EVIL    "a\nroot: b\x1b[31m\xc2\x9b" "31m\xe2\x80\xae" "c"
#define ESCAPED "a\\x0aroot: b\\x1b[31m\\xc2\\x9b31m\\xe2\\x80\\xae" "c"

static void
assert_tells (const char *text)
{
  if (strstr (text, ESCAPED) == NULL)
    g_test_message ("%s", text);
  g_assert_nonnull (strstr (text, ESCAPED));
  for (; *text != '\0'; text = g_utf8_next_char (text))
    g_assert_false (g_unichar_iscntrl (g_utf8_get_char (text)));
}

static void
assert_error_tells (const GError *error, GQuark domain, int code)
{
  g_assert_error (error, domain, code);
  assert_tells (error->message);
}

/* --- Owners --- */

static void
test_owner_of_an_ended_lease (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, EVIL);
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GError) error = NULL;

  lp_lease_release (lease);
  g_assert_false (lp_lease_submit (lease, job, &error));
  assert_error_tells (error, LP_ERROR, LP_ERROR_EXPIRED);

  g_object_unref (lease);
  lp_test_finish (manager);
}

static void
test_owner_of_a_stopped_lease (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, EVIL);
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GError) error = NULL;

  g_assert_true (lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, NULL));
  g_assert_true (lp_manager_start (manager, NULL, NULL));
  g_assert_false (lp_lease_submit (lease, job, &error));
  assert_error_tells (error, LP_ERROR, LP_ERROR_EXPIRED);

  g_object_unref (lease);
  lp_test_finish (manager);
}

static void
test_owner_of_a_cancelled_job (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, EVIL);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) job = lp_test_gate_polite_job (gate);
  g_autoptr (GError) error = NULL;

  lp_test_submit (lease, job);
  lp_test_gate_wait_entered (gate, 1);
  lp_job_cancel (job);
  g_assert_null (lp_job_wait (job, -1, NULL, &error));
  assert_error_tells (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  lp_test_gate_unref (gate);
  g_object_unref (lease);
  lp_test_finish (manager);
}

static void
test_owners_who_hold_and_wait (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, EVIL);
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GError) error = NULL;

  lp_request_set_timeout (request, 0);
  g_assert_null (lp_manager_acquire (manager, request, NULL, &error));
  assert_error_tells (error, LP_ERROR, LP_ERROR_UNAVAILABLE);
  g_clear_error (&error);

  lp_request_set_owner (request, EVIL);
  lp_request_set_timeout (request, 0.001);
  g_assert_null (lp_manager_acquire (manager, request, NULL, &error));
  assert_error_tells (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);

  g_object_unref (lease);
  lp_test_finish (manager);
}

/* --- Names --- */

static void
empty_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("()");
}

static void
test_name_of_a_function (void)
{
  g_autoptr (LpFunctions) functions = lp_functions_new ();
  LpManager *manager = lp_test_start (1, "functions", functions, NULL);
  LpLease *lease = lp_test_acquire (manager, "names");
  g_autoptr (LpJob) unknown = lp_job_new_for_call (EVIL, NULL);
  g_autoptr (LpJob) wrong = lp_job_new_for_call (EVIL, g_variant_new ("(s)", ""));
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_lease_submit (lease, unknown, &error));
  assert_error_tells (error, LP_ERROR, LP_ERROR_UNKNOWN_FUNCTION);
  g_clear_error (&error);

  g_assert_true (lp_functions_add (functions, EVIL, G_VARIANT_TYPE ("(i)"), NULL, empty_func, NULL, NULL, NULL));
  g_assert_false (lp_functions_add (functions, EVIL, NULL, NULL, empty_func, NULL, NULL, &error));
  assert_error_tells (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);

  g_assert_false (lp_function_check_parameters (G_VARIANT_TYPE ("(i)"), EVIL, lp_job_get_parameters (wrong), &error));
  assert_error_tells (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);

  g_object_unref (lease);
  lp_test_finish (manager);
}

static void
test_name_of_a_backend (void)
{
  g_autoptr (LpManager) manager = lp_manager_new (EVIL, 1);
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_manager_validate (manager, &error));
  assert_error_tells (error, LP_ERROR, LP_ERROR_UNSUPPORTED_BACKEND);
}

static void
test_name_of_a_module (void)
{
  g_autoptr (LpFunctions) functions = lp_functions_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_module_load (EVIL, functions, &error));
  assert_error_tells (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
}

static void
test_name_of_an_init_function (void)
{
  g_autoptr (LpFunctions) functions = lp_functions_new ();
  g_autoptr (LpManager) manager = lp_test_new (1);
  g_autoptr (GError) error = NULL;

  lp_manager_set_functions (manager, functions);
  lp_manager_set_worker_init_function (manager, EVIL);
  g_assert_false (lp_manager_start (manager, NULL, &error));
  assert_error_tells (error, LP_ERROR, LP_ERROR_UNKNOWN_FUNCTION);
}

static void
failing_init (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, EVIL);
}

static void
test_error_of_an_init_function (void)
{
  g_autoptr (LpFunctions) functions = lp_functions_new ();
  g_autoptr (LpManager) manager = lp_test_new (1);
  g_autoptr (GError) error = NULL;

  g_assert_true (lp_functions_add (functions, "init", NULL, NULL, failing_init, NULL, NULL, NULL));
  lp_manager_set_functions (manager, functions);
  lp_manager_set_worker_init_function (manager, "init");
  g_assert_false (lp_manager_start (manager, NULL, &error));
  assert_error_tells (error, LP_ERROR, LP_ERROR_START_FAILED);
}

static void
test_name_of_a_command (void)
{
  const char * const argv[] = { "/nonexistent/" EVIL, NULL };
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "commands");
  g_autoptr (LpJob) job = lp_job_new_for_command (argv, NULL);
  g_autoptr (GError) error = NULL;

  lp_test_submit (lease, job);
  g_assert_null (lp_job_wait (job, -1, NULL, &error));
  assert_error_tells (error, LP_ERROR, LP_ERROR_START_FAILED);

  g_object_unref (lease);
  lp_test_finish (manager);
}

/* --- What workers say --- */

static LpManager *
new_manager_of (const char * const *argv)
{
  LpManager *manager = lp_manager_new (LP_BACKEND_PROCESS, 1);

  lp_manager_set_workers_per_pool (manager, 1);
  lp_manager_set_worker_argv (manager, argv);
  return manager;
}

static void
assert_start_tells (const char * const *argv)
{
  g_autoptr (LpManager) manager = new_manager_of (argv);
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_manager_start (manager, NULL, &error));
  assert_error_tells (error, LP_ERROR, LP_ERROR_START_FAILED);
}

static void
test_command_line_of_a_worker (void)
{
  assert_start_tells ((const char * const[]) { "/nonexistent/worker", EVIL, NULL });
}

/* All but the newline, which ends it. */
static void
test_last_line_of_a_worker (void)
{
  g_autoptr (LpManager) manager =
    new_manager_of ((const char * const[]) { "sh", "-c", "printf 'b\\033[31m\\302\\233c\\n' >&2; exit 3", NULL });
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_START_FAILED);
  g_assert_nonnull (strstr (error->message, "“b\\x1b[31m\\xc2\\x9bc”"));
}

static void
test_output_of_a_worker (void)
{
  g_autoptr (LpManager) manager =
    new_manager_of ((const char * const[]) { "sh", "-c", "printf 'one line\\nanother one\\n'", NULL });
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_START_FAILED);
  g_assert_nonnull (strstr (error->message, "“one line\\x0aanother one”"));
}

static void
add_octal (GString *octal, gconstpointer data, gsize size)
{
  for (gsize i = 0; i < size; i++)
    g_string_append_printf (octal, "\\%03o", ((const guint8 *) data)[i]);
}

static void
add_frame (GString *octal, LpFrameType type, GVariant *body)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (body);
  LpFrameHeader header = { type, 0, 0, g_variant_get_size (held) };
  guint8 bytes[LP_FRAME_HEADER_SIZE];

  lp_frame_pack_header (&header, bytes);
  add_octal (octal, bytes, sizeof bytes);
  add_octal (octal, g_variant_get_data (held), g_variant_get_size (held));
}

/* A worker that sends FRAMES and waits for its end. The builtin of a shell may not know zeros. */
#define SAY(frames) ((const char * const[]) { "sh", "-c", "env printf \"$1\"; exec cat >/dev/null", "sh", (frames), NULL })

static void
test_start_error_of_a_worker (void)
{
  g_autoptr (GString) frames = g_string_new (NULL);

  add_frame (frames, LP_FRAME_ERROR, g_variant_new ("(sis)", "nobody", 1, EVIL));
  assert_start_tells (SAY (frames->str));
}

static void
test_error_domain_of_a_worker (void)
{
  g_autoptr (GString) frames = g_string_new (NULL);

  add_frame (frames, LP_FRAME_ERROR, g_variant_new ("(sis)", EVIL, 1, "text"));
  assert_start_tells (SAY (frames->str));
}

static void
test_declaration_of_a_worker (void)
{
  g_autoptr (GString) frames = g_string_new (NULL);

  add_frame (frames, LP_FRAME_HELLO,
             g_variant_new_parsed ("{'version': <uint32 1>, 'functions': <[(%s, 'none', '')]>}", EVIL));
  assert_start_tells (SAY (frames->str));
}

/* --- Records --- */

static GPtrArray *seen;         /* (records) of "KEY=VALUE" */
static GMutex records;

static GLogWriterOutput
keep_fields (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  g_mutex_lock (&records);
  for (gsize i = 0; i < n_fields; i++)
    g_ptr_array_add (seen, g_strdup_printf ("%s=%s", fields[i].key, (const char *) fields[i].value));
  g_mutex_unlock (&records);

  return G_LOG_WRITER_HANDLED;
}

static gboolean
has_field (const char *field)
{
  gboolean found;

  g_mutex_lock (&records);
  found = g_ptr_array_find_with_equal_func (seen, field, g_str_equal, NULL);
  g_mutex_unlock (&records);

  return found;
}

static void
assert_no_field_misleads (void)
{
  g_mutex_lock (&records);
  for (guint i = 0; i < seen->len; i++)
    for (const char *text = seen->pdata[i]; *text != '\0'; text = g_utf8_next_char (text))
      g_assert_false (g_unichar_iscntrl (g_utf8_get_char (text)));
  g_mutex_unlock (&records);
}

/* Message, domain and values are escaped; a field whose name is no name is left out. */
static void
test_record_of_a_worker (void)
{
  g_autoptr (GString) frames = g_string_new (NULL);
  g_autoptr (LpManager) manager = NULL;

  add_frame (frames, LP_FRAME_LOG,
             g_variant_new_parsed ("(uint32 16, %s, %s, {'K': %s, 'A=1\\nB': 'forged', 'SYSLOG_IDENTIFIER': 'sshd'})", EVIL, EVIL,
                                   EVIL));
  add_frame (frames, LP_FRAME_HELLO, g_variant_new_parsed ("{'version': <uint32 1>}"));
  manager = new_manager_of (SAY (frames->str));
  lp_manager_set_forward_process_logs (manager, TRUE);
  g_assert_true (lp_manager_start (manager, NULL, NULL));
  g_assert_true (lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, NULL));

  g_assert_true (has_field ("MESSAGE=" ESCAPED));
  g_assert_true (has_field ("GLIB_DOMAIN=" ESCAPED));
  g_assert_true (has_field ("WORKER_DOMAIN=" ESCAPED));
  g_assert_true (has_field ("K=" ESCAPED));
  g_assert_false (has_field ("SYSLOG_IDENTIFIER=sshd"));
  assert_no_field_misleads ();
}

/* A worker's line of standard error. */
static void
test_line_of_a_worker (void)
{
  g_autoptr (LpManager) manager =
    new_manager_of ((const char * const[]) { "sh", "-c", "printf 'b\\033[31m\\342\\200\\256c\\n' >&2; exit 3", NULL });

  lp_manager_set_forward_process_logs (manager, TRUE);
  g_assert_false (lp_manager_start (manager, NULL, NULL));
  g_assert_true (has_field ("MESSAGE=b\\x1b[31m\\xe2\\x80\\xaec"));
  assert_no_field_misleads ();
}

static void
test_record_of_an_owner (void)
{
  LpManager *manager = lp_test_start (1, NULL);

  g_object_unref (lp_test_acquire (manager, EVIL));
  g_assert_true (has_field ("OWNER=" ESCAPED));
  assert_no_field_misleads ();
  lp_test_finish (manager);
}

/* What the function of a job says is the outcome of the job, not the library's text. */
static void
test_error_of_a_function_is_its_own (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "own");
  g_autoptr (LpJob) job = lp_job_new_for_func (failing_init, NULL, NULL);
  g_autoptr (GError) error = NULL;

  lp_test_submit (lease, job);
  g_assert_null (lp_job_wait (job, -1, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_FAILED);
  g_assert_cmpstr (error->message, ==, EVIL);

  g_object_unref (lease);
  lp_test_finish (manager);
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  seen = g_ptr_array_new_with_free_func (g_free);
  g_log_set_writer_func (keep_fields, NULL, NULL);

  g_test_add_func ("/escape/owner/ended-lease", test_owner_of_an_ended_lease);
  g_test_add_func ("/escape/owner/stopped-lease", test_owner_of_a_stopped_lease);
  g_test_add_func ("/escape/owner/cancelled-job", test_owner_of_a_cancelled_job);
  g_test_add_func ("/escape/owner/who-holds-and-who-waits", test_owners_who_hold_and_wait);
  g_test_add_func ("/escape/name/function", test_name_of_a_function);
  g_test_add_func ("/escape/name/backend", test_name_of_a_backend);
  g_test_add_func ("/escape/name/module", test_name_of_a_module);
  g_test_add_func ("/escape/name/init-function", test_name_of_an_init_function);
  g_test_add_func ("/escape/name/command", test_name_of_a_command);
  g_test_add_func ("/escape/function/error-of-init-function", test_error_of_an_init_function);
  g_test_add_func ("/escape/function/own-error-stays", test_error_of_a_function_is_its_own);
  g_test_add_func ("/escape/worker/command-line", test_command_line_of_a_worker);
  g_test_add_func ("/escape/worker/last-line", test_last_line_of_a_worker);
  g_test_add_func ("/escape/worker/output", test_output_of_a_worker);
  g_test_add_func ("/escape/worker/start-error", test_start_error_of_a_worker);
  g_test_add_func ("/escape/worker/error-domain", test_error_domain_of_a_worker);
  g_test_add_func ("/escape/worker/declaration", test_declaration_of_a_worker);
  g_test_add_func ("/escape/record/worker", test_record_of_a_worker);
  g_test_add_func ("/escape/record/line", test_line_of_a_worker);
  g_test_add_func ("/escape/record/owner", test_record_of_an_owner);

  status = g_test_run ();
  g_ptr_array_unref (seen);

  return status;
}
