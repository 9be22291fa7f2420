/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What is said to a worker process and what it says. Nothing of the latter is
 * believed: what does not fit to what was said before ends the process. */

#include "config.h"

#include "lp-child-private.h"

#include <glib-unix.h>
#include <math.h>
#include <string.h>

#include "lp-clock-private.h"
#include "lp-functions-private.h"
#include "lp-pool-private.h"
#include "lp-process-executor-private.h"

/* How many frames one dispatch handles: the thread has others to serve. */
#define FRAMES_A_DISPATCH 512

/* How long one that closed its stream may take to end. */
#define CLOSED_SECONDS 1.0

static GError *
fault (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* Goes on after "The worker X". */
static GError *
fault (const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  return lp_log_new_error (LP_ERROR, LP_ERROR_PROTOCOL, "broke the protocol: %s", text);
}

typedef GError *(*Handler) (LpChild *self, LpFrame *frame);

static GError *
on_hello (LpChild *self, LpFrame *frame)
{
  g_autoptr (GVariant) nonce = NULL;
  g_autofree char *wrong = NULL;
  gconstpointer bytes;
  guint32 version = 0;
  guint32 number;
  guint64 limit;
  gsize size;

  if (self->greeted)
    return fault ("it said hello twice");

  /* A program that sends back what it gets, because a launcher is not what it
   * should be, must not pass for a worker. */
  if (g_variant_lookup (frame->body, "max-message-size", "t", &limit))
    return fault ("it sent the hello of the manager back");

  if (!g_variant_lookup (frame->body, "version", "u", &version) || version != LP_PROTOCOL_VERSION)
    return fault ("it speaks version %u, not %u", version, LP_PROTOCOL_VERSION);

  if (g_variant_lookup (frame->body, "pid", "u", &number))
    lp_record_sink_set_pid (self->sink, number);
  if (g_variant_lookup (frame->body, "depth", "u", &number))
    self->depth = MIN (number, LP_CHILD_MAX_DEPTH);
  g_variant_lookup (frame->body, "late-start", "b", &self->starts_late);

  nonce = g_variant_lookup_value (frame->body, "nonce", G_VARIANT_TYPE_BYTESTRING);
  if (nonce != NULL)
    {
      bytes = g_variant_get_fixed_array (nonce, &size, 1);
      if (self->nonce_sent && size == sizeof self->nonce && memcmp (bytes, self->nonce, size) == 0)
        lp_channel_use_files (self->channel);
    }

  if (self->state != LP_CHILD_STARTING)
    return NULL;

  wrong = lp_process_executor_take_functions (LP_PROCESS_EXECUTOR (self->executor), frame->body);
  if (wrong != NULL)
    return fault ("%s", wrong);

  /* As before a result: what its init function wrote to its standard error. */
  lp_lines_drain (self->lines);
  self->greeted = TRUE;
  self->state = LP_CHILD_READY;
  lp_child_arm (self, LP_CHILD_NO_STEP, 0);
  self->events->ready (self->executor, self);
  return NULL;
}

static GError *
on_started (LpChild *self, LpFrame *frame)
{
  LpJob *job = self->sent->len > 0 ? self->sent->pdata[0] : NULL;

  if (self->running != NULL)
    return fault ("it started job %" G_GUINT64_FORMAT " while another one ran", frame->id);
  if (job == NULL || job->number != frame->id)
    return fault ("it started job %" G_GUINT64_FORMAT ", which was not its turn", frame->id);

  lp_child_begin_sent (self);
  lp_child_settle_stop (self);

  return NULL;
}

static void
note_duration (LpChild *self)
{
  gint64 usec = lp_clock_now () - self->started_at;

  self->mean_usec = self->mean_usec < 0 ? usec : (3 * self->mean_usec + usec) / 4;
}

/* The job that runs is over: with OUTCOME, taken. */
static GError *
end_running (LpChild *self, LpOutcome outcome)
{
  g_autoptr (LpJob) job = g_steal_pointer (&self->running);

  note_duration (self);
  lp_child_settle_stop (self);

  /* What it wrote to its standard error before the result comes before it. */
  if (!self->lines_read && !self->attendance.reading)
    lp_lines_drain (self->lines);
  self->lines_read = TRUE;

  if (self->attendance.reading)
    lp_executor_job_read (self->executor, job, &outcome);
  else
    {
      lp_executor_job_returned (self->executor, job, &outcome);
      self->events->moved (self->executor, self);
    }
  lp_outcome_clear (&outcome);

  return NULL;
}

static gboolean
is_running (LpChild *self, LpFrame *frame)
{
  return self->running != NULL && self->running->number == frame->id;
}

static GError *
on_result (LpChild *self, LpFrame *frame)
{
  g_autoptr (GVariant) result = NULL;
  g_autofree char *declared = NULL;

  if (!is_running (self, frame))
    return fault ("it gave a result for job %" G_GUINT64_FORMAT ", which it does not run", frame->id);

  result = g_steal_pointer (&frame->value);
  if (!lp_process_executor_check_result (LP_PROCESS_EXECUTOR (self->executor), self->running, result, &declared))
    return fault ("the function %s gave a result of type %s, but is declared to return %s", self->running->name,
                  g_variant_get_type_string (result), declared);

  return end_running (self, (LpOutcome) { g_steal_pointer (&result), NULL });
}

/* Those that everybody uses are known before they are first used here. */
static void
make_common_domains (void)
{
  static gsize once;

  if (g_once_init_enter (&once))
    {
      const GQuark domains[] = { LP_ERROR, G_IO_ERROR, G_FILE_ERROR, G_SPAWN_ERROR, G_CONVERT_ERROR, G_SHELL_ERROR,
                                 G_KEY_FILE_ERROR, G_MARKUP_ERROR, G_REGEX_ERROR, G_THREAD_ERROR, G_URI_ERROR,
                                 G_VARIANT_PARSE_ERROR, G_NUMBER_PARSER_ERROR, G_RESOLVER_ERROR, G_TLS_ERROR,
                                 G_RESOURCE_ERROR, G_DBUS_ERROR };

      g_once_init_leave (&once, domains[0]);
    }
}

/* A quark of a stranger is not made, but one that is here is the same. What the
 * function says is the outcome of the job, as a result is, and stays as it is. */
static GError *
new_remote_error (GVariant *body)
{
  g_autofree char *escaped = NULL;
  const char *domain, *message;
  GQuark quark;
  gint32 code;

  make_common_domains ();
  g_variant_get (body, "(&si&s)", &domain, &code, &message);
  quark = g_quark_try_string (domain);
  if (quark != 0)
    return g_error_new_literal (quark, code, message);

  escaped = lp_log_escape (domain);
  return g_error_new (LP_ERROR, LP_ERROR_REMOTE, "%s (%s, %d)", message, escaped, code);
}

static GError *
on_start_error (LpChild *self, LpFrame *frame)
{
  g_autoptr (GError) error = new_remote_error (frame->body);

  if (self->greeted)
    return fault ("it failed to start after it said hello");

  return lp_log_new_error (LP_ERROR, LP_ERROR_START_FAILED, "failed to start: %s", error->message);
}

static GError *
on_error (LpChild *self, LpFrame *frame)
{
  if (frame->id == 0)
    return on_start_error (self, frame);
  if (!is_running (self, frame))
    return fault ("it gave an error for job %" G_GUINT64_FORMAT ", which it does not run", frame->id);

  return end_running (self, (LpOutcome) { NULL, new_remote_error (frame->body) });
}

static GError *
on_dropped (LpChild *self, LpFrame *frame)
{
  g_autoptr (LpJob) job = NULL;
  guint index;

  if (!lp_child_find_sent (self, frame->id, &index))
    return fault ("it dropped job %" G_GUINT64_FORMAT ", which it does not have", frame->id);

  /* Nobody drops what it likes, or it would be sent the same again for ever. */
  if (!self->recalled && lp_job_get_interrupt (self->sent->pdata[index]) == LP_INTERRUPT_NONE)
    return fault ("it dropped job %" G_GUINT64_FORMAT " unasked", frame->id);

  job = g_ptr_array_steal_index (self->sent, index);
  self->n_assigned--;
  self->recalled = self->recalled && self->sent->len > 0;
  self->called_at = 0;
  lp_executor_job_dropped (self->executor, job);
  lp_child_settle_stop (self);
  self->events->moved (self->executor, self);

  return NULL;
}

static GError *
on_progress (LpChild *self, LpFrame *frame)
{
  const char *status;
  double progress;

  g_variant_get (frame->body, "(dm&s)", &progress, &status);
  if (!is_running (self, frame) || !isfinite (progress))
    return fault ("it told a progress of %g of job %" G_GUINT64_FORMAT, progress, frame->id);

  lp_job_set_progress (self->running, progress, status);
  return NULL;
}

static GError *
on_log (LpChild *self, LpFrame *frame)
{
  const LpSerialLog *log = &frame->log;
  LpRecord record;

  if ((log->level & (log->level - 1)) != 0 || (log->level & G_LOG_LEVEL_MASK) == 0 || log->level > G_LOG_LEVEL_DEBUG)
    return fault ("a log record has the level %u", log->level);

  record = (LpRecord) { .level = log->level, .domain = log->domain[0] != '\0' ? log->domain : NULL,
                        .message = log->message, .fields = log->fields, .fields_size = log->fields_size };
  lp_record_sink_add (self->sink, &record);
  if (lp_record_sink_is_full (self->sink))
    lp_child_set_paused (self, TRUE);

  return NULL;
}

static GError *
on_goodbye (LpChild *self, LpFrame *frame)
{
  if (self->running != NULL || self->state != LP_CHILD_LEAVING)
    return fault ("it said goodbye unasked");

  /* A relay in between ends of this. */
  lp_channel_end (self->channel);
  return NULL;
}

/* As if somebody here had cancelled it. */
static GError *
on_cancel (LpChild *self, LpFrame *frame)
{
  if (!is_running (self, frame))
    return fault ("it cancelled job %" G_GUINT64_FORMAT ", which it does not run", frame->id);

  lp_executor_interrupt_job (self->executor, self->running, LP_INTERRUPT_CANCEL);
  return NULL;
}

static GError *
on_wrong_side (LpChild *self, LpFrame *frame)
{
  return fault ("it sent a frame of type %s, which is for the manager to send", lp_frame_type_get_name (frame->type));
}

static const Handler handlers[] = {
  [LP_FRAME_HELLO] = on_hello,
  [LP_FRAME_CALL] = on_wrong_side,
  [LP_FRAME_CANCEL] = on_cancel,
  [LP_FRAME_RECALL] = on_wrong_side,
  [LP_FRAME_GOODBYE] = on_goodbye,
  [LP_FRAME_STARTED] = on_started,
  [LP_FRAME_RESULT] = on_result,
  [LP_FRAME_ERROR] = on_error,
  [LP_FRAME_DROPPED] = on_dropped,
  [LP_FRAME_PROGRESS] = on_progress,
  [LP_FRAME_LOG] = on_log,
};

/* The sink is gone with the last frame of a process that has ended. */
static void
flush_records (LpChild *self)
{
  if (self->sink != NULL)
    lp_record_sink_flush (self->sink);
}

static void
handle_frame (LpChild *self, LpFrame *frame)
{
  GError *error;

  self->n_handling++;

  /* Nothing overtakes a record that came before it. */
  if (frame->type != LP_FRAME_LOG)
    flush_records (self);

  /* Log records may come before the hello: an init function is user code. */
  if (!self->greeted && frame->type != LP_FRAME_HELLO && frame->type != LP_FRAME_ERROR && frame->type != LP_FRAME_LOG)
    error = fault ("it sent a frame of type %s before its hello", lp_frame_type_get_name (frame->type));
  else
    error = handlers[frame->type] (self, frame);

  self->n_handling--;
  lp_frame_clear (frame);
  if (error != NULL)
    {
      self->over = TRUE;
      lp_child_fail (self, error);
    }
}

static void
stream_bad (LpChild *self, GError *error)
{
  g_autofree char *garbage = lp_channel_dup_garbage (self->channel);
  g_autofree char *escaped = garbage != NULL ? lp_log_escape (garbage) : NULL;

  self->over = TRUE;
  if (escaped != NULL)
    lp_child_fail (self, fault ("it wrote text to the stream, its standard output%s: “%s”",
                                self->greeted ? "" : ", before its hello", escaped));
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES))
    lp_child_fail (self, lp_log_new_error (LP_ERROR, LP_ERROR_PROTOCOL, "was not at fault: %s", error->message));
  else
    lp_child_fail (self, fault ("%s", error->message));
  g_error_free (error);
}

/* A process that ends closes its stream a moment before. */
static void
stream_ended (LpChild *self)
{
  self->over = TRUE;
  self->cut = lp_channel_is_cut (self->channel);
  if (self->cut && self->garbage == NULL)
    self->garbage = lp_channel_dup_garbage (self->channel);
  if (self->reaped || (self->state != LP_CHILD_STARTING && self->state != LP_CHILD_READY))
    return;

  lp_child_arm (self, LP_CHILD_STEP_CLOSED, CLOSED_SECONDS);
  self->events->moved (self->executor, self);
}

typedef LpChannelStatus (*Take) (LpChannel *channel, LpFrame *frame, GError **error);

/* FALSE: there is none now where TAKE looks. */
static gboolean
take_frame (LpChild *self, Take take)
{
  LpFrame frame;
  GError *error = NULL;

  switch (take (self->channel, &frame, &error))
    {
    case LP_CHANNEL_FRAME: handle_frame (self, &frame); return TRUE;
    case LP_CHANNEL_END: stream_ended (self); return TRUE;
    case LP_CHANNEL_BAD: stream_bad (self, error); return TRUE;
    case LP_CHANNEL_EMPTY:
    default: return FALSE;
    }
}

static void
read_frames (LpChild *self, guint max_frames)
{
  gboolean is_polled = max_frames < LP_CHILD_ALL_FRAMES;
  gboolean has_read = FALSE;

  for (guint n = 0; n < max_frames && !self->over && (!self->paused || self->reaped); n++)
    {
      if (take_frame (self, lp_channel_take))
        continue;
      if (has_read && is_polled && lp_channel_is_drained (self->channel))
        return;

      self->lines_read = FALSE;
      has_read = TRUE;
      if (!take_frame (self, lp_channel_read))
        return;
    }
}

/* Whether it is one that says how a job goes, and no line has to be told before it. */
static gboolean
is_answer (LpChild *self, LpFrameType type)
{
  return type == LP_FRAME_STARTED
         || ((type == LP_FRAME_RESULT || type == LP_FRAME_ERROR) && self->running != NULL
             && !lp_lines_has_more (self->lines));
}

/* On any thread: takes what there is of a job that runs. FALSE: there is, or is now, something that the service thread
 * has to take. */
gboolean
lp_child_read_answer (LpChild *self)
{
  gboolean has_read = FALSE;

  self->attendance.reading = TRUE;
  self->lines_read = FALSE;
  while (!self->over)
    {
      LpFrameType type = lp_channel_peek (self->channel);

      if (type == 0 && (has_read || !lp_channel_fill (self->channel)))
        break;
      if (type == 0)
        has_read = TRUE;
      else if (!is_answer (self, type) || !take_frame (self, lp_channel_take))
        break;
    }
  self->attendance.reading = FALSE;

  return has_read && !self->over && !self->attendance.moved && !lp_channel_has_buffered (self->channel);
}

/* Handles what there is, at most MAX_FRAMES. */
void
lp_child_read (LpChild *self, guint max_frames)
{
  read_frames (self, max_frames);
  flush_records (self);
}

static gboolean readable_cb (int fd, GIOCondition condition, gpointer user_data);

void
lp_child_watch (LpChild *self)
{
  self->in_source = g_unix_fd_source_new (lp_channel_get_in_fd (self->channel), G_IO_IN | G_IO_HUP | G_IO_ERR);
  g_source_set_static_name (self->in_source, "[leasepool] worker stream, in");
  /* Else GLib takes the descriptor out of what it polls for each dispatch and puts it back, and wakes its own thread for
   * both. */
  g_source_set_can_recurse (self->in_source, TRUE);
  g_source_set_callback (self->in_source, G_SOURCE_FUNC (readable_cb), self, NULL);
  g_source_attach (self->in_source, self->context);
}

/* More frames may be in the buffer, which the descriptor says nothing about. */
static gboolean
again_cb (gpointer user_data)
{
  readable_cb (-1, 0, user_data);
  return G_SOURCE_REMOVE;
}

void
lp_child_come_again (LpChild *self)
{
  GSource *source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_static_name (source, "[leasepool] worker stream, buffered");
  g_source_set_callback (source, again_cb, lp_child_ref (self), (GDestroyNotify) lp_child_unref);
  g_source_attach (source, self->context);
  g_source_unref (source);
}

static gboolean
readable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  g_autoptr (LpChild) self = lp_child_ref (user_data);
  LpProcessExecutor *executor = LP_PROCESS_EXECUTOR (self->executor);
  LP_PROCESS_EXECUTOR_ENTER (executor);
  LpProcessBatch batch;

  if (self->channel == NULL)
    return G_SOURCE_REMOVE;
  if (self->n_handling > 0)
    return G_SOURCE_CONTINUE;

  lp_process_executor_begin_batch (executor, &batch);
  lp_child_read (self, FRAMES_A_DISPATCH);
  if (self->attendance.moved)
    {
      self->attendance.moved = FALSE;
      self->events->moved (self->executor, self);
    }
  lp_process_executor_end_batch (executor, &batch);

  if (self->channel == NULL)
    return G_SOURCE_REMOVE;
  if (self->over)
    lp_child_drop_stream (self);
  else if (!self->paused && lp_channel_has_buffered (self->channel))
    lp_child_come_again (self);

  return self->in_source != NULL ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* The manager's hello is queued: begins to write and to read. */
void
lp_child_hello (LpChild *self)
{
  self->dirty = TRUE;
  lp_child_flush (self);
  lp_child_watch (self);
}

/* While the log cannot take more, the process is not read, and comes to wait
 * itself when its pipe is full. */
void
lp_child_set_paused (LpChild *self, gboolean paused)
{
  if (self->paused == paused || self->channel == NULL)
    return;

  lp_child_unattend (self);
  self->paused = paused;
  lp_lines_set_paused (self->lines, paused);
  if (paused && self->in_source != NULL)
    {
      g_source_destroy (self->in_source);
      g_clear_pointer (&self->in_source, g_source_unref);
    }
  else if (!paused && !self->over)
    {
      lp_child_watch (self);
      lp_child_come_again (self);
    }
}
