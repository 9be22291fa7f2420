/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Events: how often each is drawn, and how it is written. */

#include "config.h"

#include "model.h"

#include <stdio.h>
#include <stdlib.h>

static const struct
{
  const char *name;
  guint weight;
} kinds[MODEL_N_EVENT_KINDS] = {
  [EVENT_ACQUIRE] = { "acquire", 30 },
  [EVENT_CANCEL] = { "cancel", 6 },
  [EVENT_RELEASE] = { "release", 16 },
  [EVENT_RENEW] = { "renew", 4 },
  [EVENT_SUBMIT] = { "submit", 24 },
  [EVENT_RUN] = { "run", 12 },
  [EVENT_CANCEL_JOB] = { "cancel-job", 6 },
  [EVENT_BEHAVE] = { "behave", 2 },
  [EVENT_READY] = { "ready", 20 },
  [EVENT_FAIL_START] = { "fail-start", 2 },
  [EVENT_FINISH] = { "finish", 20 },
  [EVENT_FAIL_JOB] = { "fail-job", 4 },
  [EVENT_GIVE] = { "give", 6 },
  [EVENT_CRASH] = { "crash", 2 },
  [EVENT_SICKEN] = { "sicken", 2 },
  [EVENT_STOPPED] = { "stopped", 6 },
  [EVENT_SERVICE] = { "service", 60 },
  [EVENT_TIMER] = { "timer", 12 },
  [EVENT_ADVANCE] = { "advance", 8 },
  [EVENT_OWNER] = { "owner", 16 },
  [EVENT_CLIENT] = { "client", 16 },
  [EVENT_RESIZE] = { "resize", 3 },
  [EVENT_RECYCLE] = { "recycle", 2 },
  [EVENT_STOP] = { "stop", 1 },
  [EVENT_START] = { "start", 8 },
};

/* xorshift64*: the same on each machine, and nothing to set up. */
guint32
model_random (guint64 *state)
{
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;

  return (guint32) ((*state * G_GUINT64_CONSTANT (2685821657736338717)) >> 32);
}

static guint
draw (guint64 *random, guint n)
{
  return model_random (random) % n;
}

void
model_config_random (Config *config, guint64 *random)
{
  *config = (Config) {
    .flavour = draw (random, N_FLAVOURS),
    .max_pools = 1 + (int) draw (random, 3),
    .min_pools = 1,
    .units = (int) draw (random, 4),
    .workers = 1 + (int) draw (random, 2),
    .max_waiters = draw (random, 4) == 0 ? 2 : 0,
    .max_queued = draw (random, 4) == 0 ? 1 : 0,
    .max_quarantined = (int) draw (random, 3) - 1,
    .linger = draw (random, 2) == 0 ? 0 : 3,
    .start = draw (random, 2) == 0 ? START_AT_ONCE : START_LATER,
    .n_actors = 2 + draw (random, 3),
    .stop_at_once = draw (random, 2) == 0,
    .provider = draw (random, 4) == 0,
    .signals = draw (random, 2) == 0,
    .orphan = draw (random, 4) == 0,
  };
  if (config->max_pools > 1 && draw (random, 3) == 0)
    config->min_pools = 2;
}

Event
model_event_random (const Config *config, guint64 *random)
{
  guint total = 0;
  guint drawn, kind;

  for (kind = 0; kind < MODEL_N_EVENT_KINDS; kind++)
    total += kinds[kind].weight;

  drawn = draw (random, total);
  for (kind = 0; drawn >= kinds[kind].weight; kind++)
    drawn -= kinds[kind].weight;

  return (Event) { (guint8) kind, (guint8) draw (random, 6), (guint8) draw (random, 256) };
}

char *
model_event_dup_text (const Event *event)
{
  return g_strdup_printf ("%s:%u:%u", kinds[event->kind].name, event->a, event->b);
}

gboolean
model_event_parse (const char *text, Event *event)
{
  g_auto (GStrv) parts = g_strsplit (text, ":", 3);

  if (g_strv_length (parts) != 3)
    return FALSE;

  for (guint kind = 0; kind < MODEL_N_EVENT_KINDS; kind++)
    if (g_str_equal (parts[0], kinds[kind].name))
      {
        *event = (Event) { (guint8) kind, (guint8) atoi (parts[1]), (guint8) atoi (parts[2]) };
        return TRUE;
      }

  return FALSE;
}

/* All of it, in one order. */
#define CONFIG_FORMAT "%d:%d:%d:%d:%d:%d:%d:%d:%lf:%d:%d:%d:%d:%d:%d:%d"

char *
model_config_dup_numbers (const Config *config)
{
  return g_strdup_printf (CONFIG_FORMAT, config->flavour, config->max_pools, config->min_pools, config->units,
                          config->workers, config->max_waiters, config->max_queued, config->max_quarantined,
                          config->linger, config->start, config->n_actors, config->stop_at_once, config->provider,
                          config->signals, config->eager, config->orphan);
}

gboolean
model_config_parse (const char *text, Config *config)
{
  int flavour, start, n_actors;

  *config = (Config) { 0 };
  if (sscanf (text, CONFIG_FORMAT, &flavour, &config->max_pools, &config->min_pools, &config->units,
              &config->workers, &config->max_waiters, &config->max_queued, &config->max_quarantined,
              &config->linger, &start, &n_actors, &config->stop_at_once, &config->provider, &config->signals,
              &config->eager, &config->orphan) != 16)
    return FALSE;

  config->flavour = (Flavour) flavour;
  config->start = (StartMode) start;
  config->n_actors = (guint) n_actors;
  return TRUE;
}

char *
model_config_dup_text (const Config *config)
{
  static const char * const flavours[] = { "foreign", "threads", "vetted", "processes" };

  return g_strdup_printf ("%s, %d to %d executors of %d workers, %d units, max-waiters %d, max-queued-jobs %d, "
                          "max-quarantined %d, linger %g, %u actors%s%s%s%s%s%s",
                          flavours[config->flavour], config->min_pools, config->max_pools, config->workers,
                          config->units, config->max_waiters, config->max_queued, config->max_quarantined,
                          config->linger, config->n_actors,
                          config->start == START_AT_ONCE ? ", starts at once" : "",
                          config->stop_at_once ? ", stops at once" : "",
                          config->provider ? ", size provider" : "", config->signals ? ", signals" : "",
                          config->eager ? ", eager" : "", config->orphan ? ", dropped at the end" : "");
}
