/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-completion-private.h"
#include "lp-deadlines-private.h"
#include "lp-log-private.h"

G_BEGIN_DECLS

/* What was decided under the pool's mutex and is done after it. Lives on the
 * stack of whoever takes the mutex; costs nothing while it is empty, and little with
 * one action. Not to be copied. */

typedef struct _LpAction LpAction;

typedef void (*LpActionFunc) (gpointer data, gpointer more);

struct _LpAction
{
  LpAction *next;
  LpActionFunc func;
  gpointer data;
  gpointer more;
};

typedef enum
{
  LP_ACTIONS_WATCHED_UNKNOWN,
  LP_ACTIONS_WATCHED,
  LP_ACTIONS_UNWATCHED,
} LpActionsWatched;

struct _LpActions
{
  GQueue completions;           /* settled, by their own links */
  LpAction *first;
  LpAction *last;
  LpAction own;                 /* used for one if it has a function: mostly there is no other */
  LpActionsWatched watched;     /* whether the owner listens, once it was asked; for one passage through the lock */
};

#define LP_ACTIONS_INIT { .completions = G_QUEUE_INIT }

void lp_actions_deliver (LpActions *self, LpCompletion *completion);
void lp_actions_settle_all (LpActions *self, GQueue *completions, const GError *error);
void lp_actions_add     (LpActions *self, LpActionFunc func, gpointer data, gpointer more);
void lp_actions_unref   (LpActions *self, gpointer object);
void lp_actions_log     (LpActions *self, const char *domain, GLogLevelFlags level, LpDebugFlags subject,
                         const char *event, const LpLogField *fields, const char *format, ...) G_GNUC_PRINTF (7, 8);
void lp_actions_run_all (LpActions *self);

/* With no lock held: first who waits is told, then the rest in its order. Mostly there is nothing. */
static inline void
lp_actions_run (LpActions *self)
{
  self->watched = LP_ACTIONS_WATCHED_UNKNOWN;
  if (self->completions.head != NULL || self->first != NULL)
    lp_actions_run_all (self);
}

G_END_DECLS
