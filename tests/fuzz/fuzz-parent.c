/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A whole manager of worker processes, with the fuzzer in the place of a worker
 * (fuzz-process.c). An input is a script: valid frames, some of them with bytes
 * that were changed, files, lines, deaths, and what the application does
 * meanwhile. Whatever the worker did, each job ends exactly once, the stop ends,
 * and nothing is left; what goes to the log or into the error of a start is text
 * of one line. */

#include "config.h"

#include "lp-fuzz.h"

#include <fcntl.h>
#include <leasepool.h>
#include <unistd.h>

#include "fuzz-process.h"
#include "lp-frame-private.h"
#include "lp-memfd-private.h"
#include "lp-service-private.h"

#define MAX_OPS  48
#define MAX_JOBS 8

#define MAX_MESSAGE_SIZE (256 * 1024)

enum
{
  LISTEN = 1 << 0,              /* there is a handler of worker-record */
  STUBBORN = 1 << 1,            /* the worker does not end of SIGTERM */
  TWO_WORKERS = 1 << 2,
  PRINT_ONLY = 1 << 3,          /* records are not forwarded */
  ONE_JOB_A_WORKER = 1 << 4,
};

typedef enum
{
  OP_VALID,                     /* a frame that a worker might send now */
  OP_MUTATED,                   /* as that, with bytes changed */
  OP_FRAME,                     /* any type, flags and body; the size is right */
  OP_RAW,
  OP_LINE,
  OP_FILE,
  OP_SUBMIT,
  OP_CANCEL,
  OP_LEASE,                     /* gives it back, and wants another one */
  OP_CLOSE,
  OP_DIE,
  OP_RECYCLE,
  N_OPS,
} Op;

/* Together with the next one, as one write. */
#define AND_MORE 0x80

typedef struct
{
  LpManager *manager;
  LpLease *lease;               /* (nullable) */
  gboolean starting;
  gboolean acquiring;
  gboolean stopping;
  gboolean stopped;
  guint n_waiting;              /* callbacks of jobs that are to come */
  GPtrArray *jobs;
  GByteArray *out;              /* what was not written yet */
  GByteArray *in;               /* what the manager said, up to a part of a frame */
  GArray *calls;                /* of guint64: the jobs that the worker has */
  guint64 serial;               /* of the process that `in` and `calls` are of */
} Case;

static LpService *service;

/* --- What must hold of texts --- */

static void
assert_one_line (const char *text, gssize length)
{
  const char *end = text + (length < 0 ? (gssize) strlen (text) : length);

  g_assert_true (g_utf8_validate (text, end - text, NULL));
  for (; text < end; text = g_utf8_next_char (text))
    {
      gunichar c = g_utf8_get_char (text);

      g_assert_false (g_unichar_iscntrl (c));
      g_assert_false (c >= 0x2028 && c <= 0x202e);
    }
}

static GLogWriterOutput
check_record (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  g_assert_cmpint (level & (G_LOG_LEVEL_ERROR | G_LOG_FLAG_FATAL), ==, 0);
  for (gsize i = 0; i < n_fields; i++)
    {
      assert_one_line (fields[i].value, fields[i].length);
      for (const char *key = fields[i].key; *key != '\0'; key++)
        g_assert_true (g_ascii_isalnum (*key) || *key == '_');
    }

  /* A critical of GLib or of the library is a bug; one of a worker is not. */
  if ((level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)) != 0)
    for (gsize i = 0; i < n_fields; i++)
      if (g_str_equal (fields[i].key, "LEASEPOOL_EVENT"))
        return G_LOG_WRITER_HANDLED;

  return (level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)) != 0 ? G_LOG_WRITER_UNHANDLED : G_LOG_WRITER_HANDLED;
}

static void
check_heard (LpManager *manager, GVariant *record, gpointer user_data)
{
  g_assert_true (g_variant_is_of_type (record, G_VARIANT_TYPE_VARDICT));
  g_assert_true (g_variant_is_normal_form (record));
}

static void
ignore_print (const char *text)
{
}

/* --- The application --- */

static void
job_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Case *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_job_wait_finish (LP_JOB (source), result, &error);

  g_assert_cmpint (value == NULL, ==, error != NULL);
  if (error != NULL)
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
  self->n_waiting--;
}

static void
submit (Case *self)
{
  g_autoptr (LpJob) job = NULL;

  if (self->lease == NULL || self->jobs->len >= MAX_JOBS)
    return;

  job = lp_job_new_for_call ("double", g_variant_new ("(i)", 21));
  if (!lp_lease_submit (self->lease, job, NULL))
    return;

  self->n_waiting++;
  lp_job_wait_async (job, NULL, job_cb, self);
  g_ptr_array_add (self->jobs, g_steal_pointer (&job));
}

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Case *self = user_data;

  self->acquiring = FALSE;
  self->lease = lp_manager_acquire_finish (LP_MANAGER (source), result, NULL);
  submit (self);
}

static void
acquire (Case *self)
{
  if (self->acquiring || self->starting)
    return;

  if (self->lease != NULL)
    lp_lease_release (self->lease);
  g_clear_object (&self->lease);
  self->acquiring = TRUE;
  lp_manager_acquire_async (self->manager, NULL, NULL, acquired_cb, self);
}

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Case *self = user_data;
  g_autoptr (GError) error = NULL;

  self->starting = FALSE;
  if (lp_manager_start_finish (LP_MANAGER (source), result, &error))
    acquire (self);
  else
    assert_one_line (error->message, -1);
}

static void
stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Case *self = user_data;

  lp_manager_stop_finish (LP_MANAGER (source), result, NULL);
  self->stopped = TRUE;
}

/* --- Turns --- */

static GMutex turn_lock;
static GCond turn_cond;
static gboolean turn_over;      /* (turn_lock) */

static gboolean
turn_cb (gpointer data)
{
  g_mutex_lock (&turn_lock);
  turn_over = TRUE;
  g_cond_signal (&turn_cond);
  g_mutex_unlock (&turn_lock);

  return G_SOURCE_REMOVE;
}

/* The service thread has done all it can do now. */
static void
let_service_run (void)
{
  GSource *source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_LOW);
  g_source_set_callback (source, turn_cb, NULL, NULL);
  turn_over = FALSE;
  g_source_attach (source, lp_service_get_context (service));
  g_source_unref (source);

  g_mutex_lock (&turn_lock);
  while (!turn_over)
    g_cond_wait (&turn_cond, &turn_lock);
  g_mutex_unlock (&turn_lock);
}

static void
settle (void)
{
  do
    let_service_run ();
  while (g_main_context_iteration (NULL, FALSE));
}

/* --- The worker --- */

static void
take_frames (Case *self)
{
  while (self->in->len >= LP_FRAME_HEADER_SIZE)
    {
      g_autoptr (GError) error = NULL;
      LpFrameHeader header;
      gsize size;

      g_assert_true (lp_frame_unpack_header (self->in->data, MAX_MESSAGE_SIZE, &header, &error));
      size = LP_FRAME_HEADER_SIZE + header.body_size;
      if (self->in->len < size)
        return;
      if (header.type == LP_FRAME_CALL)
        g_array_append_val (self->calls, header.id);
      g_byte_array_remove_range (self->in, 0, (guint) size);
    }
}

/* Reads what the manager said: which jobs there are. */
static void
listen (Case *self)
{
  guint64 serial = lp_fuzz_process_get_serial ();
  GByteArray *bytes;

  if (serial != self->serial)
    {
      g_byte_array_set_size (self->in, 0);
      g_array_set_size (self->calls, 0);
      self->serial = serial;
    }

  while ((bytes = lp_fuzz_process_read ()) != NULL)
    {
      g_byte_array_append (self->in, bytes->data, bytes->len);
      g_byte_array_unref (bytes);
    }
  take_frames (self);
}

static void
flush (Case *self, int fd)
{
  if (self->out->len > 0)
    lp_fuzz_process_write (self->out->data, self->out->len, fd);
  g_byte_array_set_size (self->out, 0);
}

static void
put_frame (Case *self, guint type, guint flags, guint64 id, gconstpointer data, gsize size)
{
  LpFrameHeader header = { type, flags, id, size };
  guint8 bytes[LP_FRAME_HEADER_SIZE];

  lp_frame_pack_header (&header, bytes);
  g_byte_array_append (self->out, bytes, sizeof bytes);
  if (size > 0)
    g_byte_array_append (self->out, data, (guint) size);
}

/* The number of a job: mostly one that the worker has. */
static guint64
choose_job (Case *self, guint8 choice)
{
  if (choice >= 0xf0)
    return choice - 0xf0;
  if (self->calls->len == 0)
    return 1;

  return g_array_index (self->calls, guint64, choice % self->calls->len);
}

static void
forget_job (Case *self, guint64 id)
{
  for (guint i = 0; i < self->calls->len; i++)
    if (g_array_index (self->calls, guint64, i) == id)
      {
        g_array_remove_index (self->calls, i);
        return;
      }
}

static GVariant *
new_hello (guint8 choice)
{
  g_autoptr (GBytes) nonce = lp_fuzz_process_dup_nonce ();
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "version", g_variant_new_uint32 (1));
  if ((choice & 1) != 0)
    g_variant_builder_add (&builder, "{sv}", "depth", g_variant_new_uint32 (16));
  if ((choice & 2) != 0)
    g_variant_builder_add (&builder, "{sv}", "nonce", g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, nonce, TRUE));
  if ((choice & 4) != 0)
    g_variant_builder_add_parsed (&builder, "{'functions', <[('double', '(i)', '(i)')]>}");
  if ((choice & 8) != 0)
    g_variant_builder_add_parsed (&builder, "{'pid', <uint32 7>}");

  return g_variant_builder_end (&builder);
}

static GVariant *
new_body (LpFrameType type, guint8 choice)
{
  switch (type)
    {
    case LP_FRAME_HELLO: return new_hello (choice);
    case LP_FRAME_RESULT:
      return g_variant_new_variant (choice % 2 == 0 ? g_variant_new ("(i)", 42) : g_variant_new ("s", "42"));
    case LP_FRAME_ERROR:
      return g_variant_new ("(sis)", choice % 2 == 0 ? "g-io-error-quark" : "a-domain-of-its-own", choice, "bad\n\033[31m");
    case LP_FRAME_PROGRESS: return g_variant_new ("(dms)", choice / 100.0, choice % 2 == 0 ? "half\r" : NULL);
    case LP_FRAME_LOG:
      return g_variant_new_parsed ("(%u, 'do\\nmain', 'text\\n\\u001b', {'CODE_LINE': '1', 'K\\n': '\\u202e'})",
                                   1u << (2 + choice % 6));
    case LP_FRAME_CALL:
    case LP_FRAME_CANCEL:
    case LP_FRAME_RECALL:
    case LP_FRAME_GOODBYE:
    case LP_FRAME_STARTED:
    case LP_FRAME_DROPPED:
    default: return NULL;
    }
}

static const LpFrameType said_by_workers[] = {
  LP_FRAME_HELLO, LP_FRAME_STARTED, LP_FRAME_RESULT, LP_FRAME_ERROR, LP_FRAME_DROPPED,
  LP_FRAME_PROGRESS, LP_FRAME_LOG, LP_FRAME_GOODBYE, LP_FRAME_CANCEL,
};

static void
op_valid (Case *self, LpFuzzInput *input)
{
  LpFrameType type = said_by_workers[lp_fuzz_take_byte (input) % G_N_ELEMENTS (said_by_workers)];
  guint8 choice = lp_fuzz_take_byte (input);
  guint64 id = choose_job (self, choice);
  GVariant *body = new_body (type, choice);

  if (type == LP_FRAME_HELLO || type == LP_FRAME_LOG || type == LP_FRAME_GOODBYE)
    id = 0;
  if (body != NULL)
    g_variant_ref_sink (body);
  put_frame (self, type, 0, id, body != NULL ? g_variant_get_data (body) : NULL,
             body != NULL ? g_variant_get_size (body) : 0);
  g_clear_pointer (&body, g_variant_unref);
  if (type == LP_FRAME_RESULT || type == LP_FRAME_ERROR || type == LP_FRAME_DROPPED)
    forget_job (self, id);
}

static void
op_mutated (Case *self, LpFuzzInput *input)
{
  guint8 n_changes = lp_fuzz_take_byte (input) % 4 + 1;
  guint begin = self->out->len;

  op_valid (self, input);
  for (guint8 i = 0; i < n_changes; i++)
    {
      guint offset = begin + lp_fuzz_take_byte (input) % (self->out->len - begin);

      self->out->data[offset] ^= lp_fuzz_take_byte (input);
    }
}

static void
op_frame (Case *self, LpFuzzInput *input)
{
  guint type = lp_fuzz_take_byte (input);
  guint flags = lp_fuzz_take_byte (input);
  guint64 id = choose_job (self, lp_fuzz_take_byte (input));
  gsize size;
  const guint8 *body = lp_fuzz_take_bytes (input, lp_fuzz_take_byte (input), &size);

  put_frame (self, type, flags, type == LP_FRAME_HELLO || type == LP_FRAME_LOG ? 0 : id, body, size);
}

static void
op_raw (Case *self, LpFuzzInput *input)
{
  gsize size;
  const guint8 *bytes = lp_fuzz_take_bytes (input, lp_fuzz_take_byte (input), &size);

  g_byte_array_append (self->out, bytes, (guint) size);
}

static void
op_line (LpFuzzInput *input)
{
  gsize size;
  const guint8 *bytes = lp_fuzz_take_bytes (input, lp_fuzz_take_byte (input), &size);

  lp_fuzz_process_complain (bytes, size);
}

/* A body in a file: with seals or without, or no file at all. */
static void
op_file (Case *self, LpFuzzInput *input)
{
  guint8 kind = lp_fuzz_take_byte (input);
  LpFrameType type = said_by_workers[lp_fuzz_take_byte (input) % G_N_ELEMENTS (said_by_workers)];
  g_autoptr (GVariant) body = NULL;
  int fd = -1;

  flush (self, -1);
  body = new_body (type, kind / 4);
  if (body != NULL)
    g_variant_ref_sink (body);
  if (kind % 4 == 0 && body != NULL)
    fd = lp_memfd_new_for_variant (body, NULL);
  else if (kind % 4 != 3)
    fd = open (kind % 4 == 1 ? "/dev/null" : "/proc/self/exe", O_RDONLY | O_CLOEXEC);

  put_frame (self, type, LP_FRAME_BODY_IN_FILE,
             type == LP_FRAME_HELLO || type == LP_FRAME_LOG ? 0 : choose_job (self, kind / 4), NULL, 0);
  flush (self, fd);
  if (fd != -1)
    close (fd);
}

static void
op_cancel (Case *self, LpFuzzInput *input)
{
  guint8 choice = lp_fuzz_take_byte (input);

  if (self->jobs->len > 0)
    lp_job_cancel (self->jobs->pdata[choice % self->jobs->len]);
}

static void
run_op (Case *self, LpFuzzInput *input)
{
  guint8 op = lp_fuzz_take_byte (input);

  switch ((Op) ((op & ~AND_MORE) % N_OPS))
    {
    case OP_VALID: op_valid (self, input); break;
    case OP_MUTATED: op_mutated (self, input); break;
    case OP_FRAME: op_frame (self, input); break;
    case OP_RAW: op_raw (self, input); break;
    case OP_LINE: op_line (input); break;
    case OP_FILE: op_file (self, input); break;
    case OP_SUBMIT: submit (self); break;
    case OP_CANCEL: op_cancel (self, input); break;
    case OP_LEASE: acquire (self); break;
    case OP_CLOSE: lp_fuzz_process_close (); break;
    case OP_DIE: lp_fuzz_process_die (op / 16, (op & 1) != 0); break;
    case OP_RECYCLE: lp_manager_recycle (self->manager); break;
    case N_OPS:
    default: g_assert_not_reached ();
    }

  if ((op & AND_MORE) != 0)
    return;

  flush (self, -1);
  settle ();
  listen (self);
}

/* --- The case --- */

static void
begin (Case *self, guint8 flags)
{
  const char * const argv[] = { "/nonexistent/worker", NULL };

  *self = (Case) { .manager = lp_manager_new (LP_BACKEND_PROCESS, 1), .starting = TRUE };
  self->jobs = g_ptr_array_new_with_free_func (g_object_unref);
  self->out = g_byte_array_new ();
  self->in = g_byte_array_new ();
  self->calls = g_array_new (FALSE, FALSE, sizeof (guint64));

  lp_fuzz_process_set_stubborn ((flags & STUBBORN) != 0);
  lp_manager_set_worker_argv (self->manager, argv);
  lp_manager_set_workers_per_pool (self->manager, (flags & TWO_WORKERS) != 0 ? 2 : 1);
  lp_manager_set_max_message_size (self->manager, MAX_MESSAGE_SIZE);
  lp_manager_set_cancel_grace_seconds (self->manager, 0);
  lp_manager_set_forward_process_logs (self->manager, (flags & PRINT_ONLY) == 0);
  lp_manager_set_max_jobs_per_worker (self->manager, (flags & ONE_JOB_A_WORKER) != 0 ? 1 : 0);
  if ((flags & LISTEN) != 0)
    g_signal_connect (self->manager, "worker-record", G_CALLBACK (check_heard), NULL);
  lp_manager_start_async (self->manager, NULL, started_cb, self);
  settle ();
  listen (self);
}

static void
end (Case *self)
{
  gpointer manager = self->manager;

  lp_manager_stop_async (self->manager, LP_STOP_MODE_KILL, 0, NULL, stopped_cb, self);
  while (!self->stopped || self->starting || self->acquiring || self->n_waiting > 0)
    g_main_context_iteration (NULL, TRUE);

  g_clear_object (&self->lease);
  for (guint i = 0; i < self->jobs->len; i++)
    g_assert_cmpint (lp_job_get_state (self->jobs->pdata[i]), >=, LP_JOB_STATE_SUCCEEDED);
  g_ptr_array_unref (self->jobs);
  settle ();

  g_object_add_weak_pointer (manager, &manager);
  g_object_unref (self->manager);
  settle ();
  g_assert_null (manager);
  g_assert_cmpuint (lp_fuzz_process_count (), ==, 0);

  g_byte_array_unref (self->out);
  g_byte_array_unref (self->in);
  g_array_unref (self->calls);
}

/* The lowest one that is free: nothing below it was left open. */
static int
get_free_fd (void)
{
  int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);

  close (fd);
  return fd;
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  service = lp_service_acquire (NULL);
  g_assert_nonnull (service);
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
  g_log_set_writer_func (check_record, NULL, NULL);
  g_set_printerr_handler (ignore_print);
  return 0;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  LpFuzzInput input = { data, size };
  int free_fd = get_free_fd ();
  Case self;

  begin (&self, lp_fuzz_take_byte (&input));
  for (guint n = 0; n < MAX_OPS && input.size > 0; n++)
    run_op (&self, &input);

  end (&self);
  g_assert_cmpint (get_free_fd (), ==, free_fd);
  return 0;
}
