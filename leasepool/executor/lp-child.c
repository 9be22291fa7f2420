/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How a worker process ends, in all the ways there are. */

#include "config.h"

#include "lp-child-private.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lp-clock-private.h"
#include "lp-pool-private.h"
#include "lp-process-executor-private.h"

/* P_PIDFD, which not all C libraries have. */
#define LP_P_PIDFD 3

/* How often one that cannot be reaped yet is looked at. */
#define REAP_MSEC 10

/* How long one may take to leave that nothing runs in: it may have records to
 * write, and exit handlers. */
#define LEAVE_SECONDS 2.0

static void child_due (LpDeadline *deadline, gint64 now, LpActions *actions);

LpChild *
lp_child_new (LpExecutor *executor, guint number, const LpChildEvents *events)
{
  LpChild *self = g_new0 (LpChild, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->executor = g_object_ref (executor);
  self->events = events;
  self->name = g_strdup_printf ("%s-%u", lp_executor_get_name (executor), number);
  self->deadline.fire = child_due;
  self->mean_usec = -1;
  self->pidfd = -1;
  self->sent = g_ptr_array_new ();

  return self;
}

LpChild *
lp_child_ref (LpChild *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
lp_child_unref (LpChild *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_ptr_array_unref (self->sent);
  g_clear_error (&self->cause);
  g_free (self->garbage);
  g_clear_object (&self->process);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_object_unref (self->executor);
  g_free (self->command);
  g_free (self->name);
  g_free (self);
}

/* --- Deadlines --- */

static void
due_cb (gpointer data, gpointer more)
{
  g_autoptr (LpChild) self = data;
  LpChildStep step = GPOINTER_TO_INT (more);
  LP_PROCESS_EXECUTOR_ENTER (LP_PROCESS_EXECUTOR (self->executor));

  /* It may have moved on between the deadline and this. */
  if (self->step == step && self->state != LP_CHILD_DEAD)
    {
      self->step = LP_CHILD_NO_STEP;
      switch (step)
        {
        case LP_CHILD_STEP_HELLO:
          lp_child_fail (self, g_error_new (LP_ERROR, LP_ERROR_START_FAILED,
                                            "did not say hello within the start-timeout-seconds (%g)",
                                            lp_executor_get_settings (self->executor)->start_timeout_seconds));
          break;
        case LP_CHILD_STEP_CLOSED:
          lp_child_fail (self, g_error_new_literal (LP_ERROR, LP_ERROR_PROTOCOL, "closed its stream and lived on"));
          break;
        case LP_CHILD_STEP_TERM: lp_child_terminate (self); break;
        case LP_CHILD_STEP_KILL: lp_child_kill (self); break;
        case LP_CHILD_NO_STEP:
        default: break;
        }
    }
}

static void
post_due_cb (gpointer data, gpointer more)
{
  LpChild *self = data;

  if (!lp_slot_post (lp_executor_get_private (self->executor)->slot, due_cb, self, more))
    lp_child_unref (self);
}

/* With the pool's mutex held, on any thread. */
static void
child_due (LpDeadline *deadline, gint64 now, LpActions *actions)
{
  LpChild *self = (LpChild *) ((char *) deadline - G_STRUCT_OFFSET (LpChild, deadline));

  lp_actions_add (actions, post_due_cb, lp_child_ref (self), GINT_TO_POINTER (self->step));
}

/* Has STEP come in SECONDS, in place of what was to come. */
void
lp_child_arm (LpChild *self, LpChildStep step, double seconds)
{
  LpPool *pool = lp_executor_get_pool (self->executor);

  g_mutex_lock (&pool->lock);
  lp_deadlines_remove (&pool->deadlines, &self->deadline);
  self->step = step;
  if (step != LP_CHILD_NO_STEP)
    lp_pool_arm_locked (pool, &self->deadline, lp_clock_add (lp_clock_now (), seconds));
  g_mutex_unlock (&pool->lock);
}

/* --- Signals --- */

/* GLib reaps on a thread of its own where the kernel has no pidfds, so the
 * kernel is asked: until it is reaped, the number is the child's. */
static gboolean
is_unreaped (LpChild *self)
{
  siginfo_t info;

  return !self->reaped && self->pid != 0
         && waitid (P_PID, (id_t) self->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void
signal_group (LpChild *self, int signum)
{
  if (is_unreaped (self))
    kill (-self->pid, signum);
}

static double
grace_of (LpChild *self)
{
  return lp_executor_get_settings (self->executor)->cancel_grace_seconds;
}

/* Its end is wanted: SIGTERM now, SIGKILL after the grace. */
void
lp_child_terminate (LpChild *self)
{
  if (self->state == LP_CHILD_DEAD || self->state == LP_CHILD_DYING)
    return;

  self->asked = TRUE;
  self->state = LP_CHILD_DYING;
  signal_group (self, SIGTERM);
  lp_child_arm (self, LP_CHILD_STEP_KILL, grace_of (self));
  self->events->moved (self->executor, self);
}

void
lp_child_kill (LpChild *self)
{
  gboolean moved = self->state != LP_CHILD_DYING;

  if (self->state == LP_CHILD_DEAD)
    return;

  if (self->cause == NULL)
    self->asked = TRUE;
  self->state = LP_CHILD_DYING;
  lp_child_arm (self, LP_CHILD_NO_STEP, 0);
  signal_group (self, SIGKILL);
  if (moved)
    self->events->moved (self->executor, self);
}

/* It did what it must not, and is killed for it. Takes CAUSE, whose message goes
 * on after "The worker X". */
void
lp_child_fail (LpChild *self, GError *cause)
{
  if (self->cause == NULL && !self->asked)
    self->cause = cause;
  else
    g_error_free (cause);

  lp_child_kill (self);
}

/* Tells an idle one goodbye; it is killed if it does not go. */
void
lp_child_leave (LpChild *self)
{
  if (self->state != LP_CHILD_READY)
    return;

  lp_child_unattend (self);
  self->state = LP_CHILD_LEAVING;
  self->asked = TRUE;
  lp_channel_send (self->channel, LP_FRAME_GOODBYE, 0, NULL, NULL);
  self->dirty = TRUE;
  lp_child_flush (self);
  lp_child_arm (self, LP_CHILD_STEP_TERM, MAX (grace_of (self), LEAVE_SECONDS));
}

/* --- The stream ends --- */

void
lp_child_drop_stream (LpChild *self)
{
  lp_child_unattend (self);
  if (self->in_source != NULL)
    {
      g_source_destroy (self->in_source);
      g_clear_pointer (&self->in_source, g_source_unref);
    }
  if (self->out_source != NULL)
    {
      g_source_destroy (self->out_source);
      g_clear_pointer (&self->out_source, g_source_unref);
    }
}

/* Whether its process has ended, or its stream, though nobody has said so yet. */
gboolean
lp_child_looks_dead (LpChild *self)
{
  struct pollfd stream = { 0 };

  if (self->reaped || self->channel == NULL || !is_unreaped (self))
    return TRUE;

  stream.fd = lp_channel_get_in_fd (self->channel);
  return poll (&stream, 1, 0) == 1 && (stream.revents & (POLLHUP | POLLERR)) != 0;
}

/* --- The end --- */

static gboolean
was_signaled (LpChild *self)
{
  if (self->end_code != 0)
    return self->end_code == CLD_KILLED || self->end_code == CLD_DUMPED;

  return g_subprocess_get_if_signaled (self->process);
}

static char *
describe_status (LpChild *self)
{
  if (self->process == NULL)
    return g_strdup ("was not started");
  if (was_signaled (self))
    {
      int signum = self->end_code != 0 ? self->end_status : g_subprocess_get_term_sig (self->process);

      return g_strdup_printf ("was killed by signal %d (%s)", signum, g_strsignal (signum));
    }

  return g_strdup_printf ("exited with status %d", self->end_code != 0 ? self->end_status
                                                                      : g_subprocess_get_exit_status (self->process));
}

/* Why it ended: itself, its number, its end, and what it said last. */
GError *
lp_child_dup_cause (LpChild *self)
{
  g_autofree char *status = describe_status (self);
  g_autofree char *last = self->lines != NULL ? lp_lines_dup_last (self->lines) : NULL;
  g_autofree char *escaped = last != NULL ? lp_log_escape (last) : NULL;
  GString *text = g_string_new (NULL);
  GError *error;

  g_string_append_printf (text, "The worker %s (%s", self->name, self->command);
  if (self->pid != 0)
    g_string_append_printf (text, ", pid %d", (int) self->pid);
  g_string_append_printf (text, ") %s", self->cause != NULL ? self->cause->message : status);
  if (self->cause != NULL && !was_signaled (self))
    g_string_append_printf (text, "; it %s", status);
  if (self->cause == NULL && !self->greeted)
    g_string_append (text, " before it said hello");
  if (self->garbage != NULL)
    {
      g_autofree char *text_there = lp_log_escape (self->garbage);

      g_string_append_printf (text, ", after it wrote text to the stream, its standard output: “%s”", text_there);
    }
  else if (self->cut)
    g_string_append (text, " in the middle of a frame");
  if (escaped != NULL)
    g_string_append_printf (text, "; the last line of its standard error: “%s”", escaped);

  error = g_error_new_literal (LP_ERROR, self->greeted ? LP_ERROR_BROKEN_EXECUTOR : LP_ERROR_START_FAILED, text->str);
  g_string_free (text, TRUE);

  return error;
}

/* What it still said before it ended: results, records, the last words. */
static void
read_rest (LpChild *self)
{
  if (self->channel != NULL)
    lp_child_read (self, LP_CHILD_ALL_FRAMES);
  if (self->lines != NULL)
    lp_lines_finish (self->lines);
}

/* A process that is late to say what it began may have died of it. Also where the job was sent ahead of the end of another
 * one: the process may have had nothing to do by the time it came. */
static void
presume_started (LpChild *self)
{
  if (self->starts_late && self->running == NULL && self->sent->len > 0)
    lp_child_begin_sent (self);
}

static void
give_back_sent (LpChild *self)
{
  /* The last one first: each goes before those that were behind it. */
  while (self->sent->len > 0)
    {
      g_autoptr (LpJob) job = g_ptr_array_steal_index (self->sent, self->sent->len - 1);

      lp_executor_job_dropped (self->executor, job);
    }
}

/* GLib says that a child has ended when its descriptor says so. While somebody
 * traces the child, a debugger or a leak checker, the parent cannot reap it then:
 * it stays a zombie, and its status is not known. FALSE: not yet, or what it said
 * is being handled. By its descriptor no other child is meant. */
static gboolean
reap (LpChild *self)
{
  siginfo_t info = { 0 };

  if (self->n_handling > 0)
    return FALSE;
  if (self->pidfd == -1)
    return TRUE;

  if (waitid ((idtype_t) LP_P_PIDFD, (id_t) self->pidfd, &info, WEXITED | WNOHANG) == 0)
    {
      if (info.si_pid == 0)
        return FALSE;
      self->end_code = info.si_code;
      self->end_status = info.si_status;
    }

  close (self->pidfd);
  self->pidfd = -1;
  return TRUE;
}

static gboolean
reap_again_cb (gpointer user_data)
{
  g_autoptr (LpChild) self = lp_child_ref (user_data);
  LP_PROCESS_EXECUTOR_ENTER (LP_PROCESS_EXECUTOR (self->executor));

  if (!reap (self))
    return G_SOURCE_CONTINUE;

  lp_child_reaped (self);
  return G_SOURCE_REMOVE;
}

/* On the service thread: GLib says that the process has ended. */
void
lp_child_ended (LpChild *self)
{
  GSource *source;

  if (reap (self))
    {
      lp_child_reaped (self);
      return;
    }

  source = g_timeout_source_new (REAP_MSEC);
  g_source_set_static_name (source, "[leasepool] worker that has ended");
  g_source_set_callback (source, reap_again_cb, lp_child_ref (self), (GDestroyNotify) lp_child_unref);
  g_source_attach (source, self->context);
  g_source_unref (source);
}

/* The kernel has said that it is over. A grandchild may hold the stream, and
 * standard error, open: they are read until there is nothing, not to their end. */
void
lp_child_reaped (LpChild *self)
{
  self->reaped = TRUE;
  if (self->pid != 0)
    kill (-self->pid, SIGKILL);

  lp_child_arm (self, LP_CHILD_NO_STEP, 0);
  read_rest (self);
  lp_child_drop_stream (self);
  self->state = LP_CHILD_DEAD;
  lp_child_arm (self, LP_CHILD_NO_STEP, 0); /* what it said last may have set one again */

  presume_started (self);
  give_back_sent (self);
  self->events->ended (self->executor, self);

  g_clear_pointer (&self->channel, lp_channel_free);
  g_clear_pointer (&self->lines, lp_lines_free);
  g_clear_pointer (&self->sink, lp_record_sink_close);
}
