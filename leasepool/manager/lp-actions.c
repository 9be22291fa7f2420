/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-actions-private.h"

typedef struct
{
  char *domain;
  GLogLevelFlags level;
  LpDebugFlags subject;
  const char *event;
  GArray *fields;               /* of LpLogField, values owned */
  char *message;
} Record;

/* COMPLETION, with its reference, was settled and is told. */
void
lp_actions_deliver (LpActions *self, LpCompletion *completion)
{
  g_queue_push_tail_link (&self->completions, lp_completion_get_link (completion));
}

static void
deliver_cb (gpointer data, gpointer more)
{
  lp_completion_deliver (data);
}

/* Settles all COMPLETIONS, with TRUE or with ERROR, and has them told after
 * what was added before. One whose wait was cancelled has been told already. */
void
lp_actions_settle_all (LpActions *self, GQueue *completions, const GError *error)
{
  GList *link;

  while ((link = g_queue_pop_head_link (completions)) != NULL)
    {
      gboolean settled;

      if (error != NULL)
        settled = lp_completion_settle_error (link->data, g_error_copy (error));
      else
        settled = lp_completion_settle (link->data, GINT_TO_POINTER (TRUE), NULL);

      if (settled)
        lp_actions_add (self, deliver_cb, link->data, NULL);
      else
        lp_actions_unref (self, link->data);
    }
}

void
lp_actions_add (LpActions *self, LpActionFunc func, gpointer data, gpointer more)
{
  LpAction *action = self->own.func == NULL ? &self->own : g_new (LpAction, 1);

  *action = (LpAction) { NULL, func, data, more };
  if (self->last != NULL)
    self->last->next = action;
  else
    self->first = action;
  self->last = action;
}

static void
unref_cb (gpointer data, gpointer more)
{
  g_object_unref (data);
}

/* Drops OBJECT, whose last reference may run foreign code. */
void
lp_actions_unref (LpActions *self, gpointer object)
{
  if (object != NULL)
    lp_actions_add (self, unref_cb, object, NULL);
}

static void
log_cb (gpointer data, gpointer more)
{
  Record *record = data;

  lp_log (record->domain, record->level, record->subject, record->event,
          (const LpLogField *) record->fields->data, "%s", record->message);

  for (guint i = 0; i < record->fields->len; i++)
    g_free ((char *) g_array_index (record->fields, LpLogField, i).value);
  g_array_unref (record->fields);
  g_free (record->domain);
  g_free (record->message);
  g_free (record);
}

/* A record, unless nobody would see it. EVENT and the keys are literals. */
void
lp_actions_log (LpActions *self, const char *domain, GLogLevelFlags level, LpDebugFlags subject,
                const char *event, const LpLogField *fields, const char *format, ...)
{
  Record *record;
  va_list args;

  if (!lp_log_wants (domain, level, subject))
    return;

  record = g_new0 (Record, 1);
  record->domain = g_strdup (domain);
  record->level = level;
  record->subject = subject;
  record->event = event;
  record->fields = g_array_new (TRUE, FALSE, sizeof (LpLogField));
  for (; fields != NULL && fields->key != NULL; fields++)
    {
      LpLogField field = { fields->key, g_strdup (fields->value) };

      g_array_append_val (record->fields, field);
    }

  va_start (args, format);
  record->message = g_strdup_vprintf (format, args);
  va_end (args);

  lp_actions_add (self, log_cb, record, NULL);
}

void
lp_actions_run_all (LpActions *self)
{
  GList *link;

  while ((link = g_queue_pop_head_link (&self->completions)) != NULL)
    lp_completion_deliver (link->data);

  while (self->first != NULL)
    {
      LpAction *first = self->first;
      LpAction action = *first;

      self->first = action.next;
      if (self->first == NULL)
        self->last = NULL;
      if (first == &self->own)
        self->own.func = NULL;
      else
        g_free (first);
      action.func (action.data, action.more);
    }
}
