/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A failure is made short: delta debugging over the list of events. */

#include "config.h"

#include "model-run.h"

#include <string.h>

/* Parts of up to so many events are looked for at each place. */
#define SMALL 3

/* Whether EVENTS without those from FIRST to before LAST still fail, in whatever
 * way; RECORD is then the shorter one. */
static gboolean
fails_without (Record *record, guint first, guint last)
{
  g_autofree Record *before = g_memdup2 (record, sizeof *record);

  memmove (record->events + first, record->events + last, sizeof (Event) * (record->n_events - last));
  record->n_events -= last - first;
  if (!model_run_in_child (record, model_run_list, NULL, TRUE))
    return TRUE;

  *record = *before;
  return FALSE;
}

/* Whether anything could go, of parts of SIZE; small ones may begin anywhere. */
static gboolean
take_out (Record *record, guint size)
{
  gboolean shorter = FALSE;
  guint first = 0;

  while (first + size <= record->n_events)
    if (fails_without (record, first, first + size))
      shorter = TRUE;
    else
      first += size <= SMALL ? 1 : size;

  return shorter;
}

/* Whether EVENT of RECORD could be replaced by one with A and B. */
static gboolean
fails_with (Record *record, guint index, guint8 a, guint8 b)
{
  g_autofree Record *before = g_memdup2 (record, sizeof *record);
  Event *event = &record->events[index];

  if (event->a == a && event->b == b)
    return FALSE;

  event->a = a;
  event->b = b;
  if (!model_run_in_child (record, model_run_list, NULL, TRUE) && record->n_events <= before->n_events)
    return TRUE;

  *record = *before;
  return FALSE;
}

/* Halves, then smaller and smaller parts; then the details of what is left, after
 * which more may be left out; until no part of a few events can go. What a run
 * leaves in RECORD are the events that it applied, up to the failure. */
void
model_shrink (Record *record)
{
  gboolean simpler;

  do
    {
      simpler = FALSE;
      for (guint size = MAX (record->n_events / 2, 1); size > SMALL; size /= 2)
        take_out (record, size);
      for (guint size = SMALL; size > 0; size--)
        simpler |= take_out (record, size);
      for (guint i = 0; i < record->n_events; i++)
        {
          Event event = record->events[i];

          simpler |= fails_with (record, i, event.a, 0) || fails_with (record, i, event.a, event.b & 0xf0);
          if (i < record->n_events)
            simpler |= fails_with (record, i, 0, record->events[i].b);
        }
    }
  while (simpler);
}

/* What a person needs, and what runs it again. */
char *
model_record_dup_text (const Record *record)
{
  GString *text = g_string_new (NULL);
  g_autofree char *config = model_config_dup_text (&record->config);
  g_autofree char *numbers = model_config_dup_numbers (&record->config);

  g_string_append_printf (text, "%s\nseed: %" G_GUINT64_FORMAT "\nconfiguration: %s\nagain: LP_MODEL_CONFIG=%s "
                          "LP_MODEL_EVENTS=\"", record->failure, record->seed, config, numbers);
  for (guint i = 0; i < record->n_events; i++)
    {
      g_autofree char *event = model_event_dup_text (&record->events[i]);

      g_string_append_printf (text, "%s%s", i > 0 ? " " : "", event);
    }
  g_string_append_printf (text, "\"\n(%u events)", record->n_events);

  return g_string_free (text, FALSE);
}
