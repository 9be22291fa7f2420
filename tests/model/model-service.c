/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The service thread of the library, without a thread: what is posted for it
 * waits until the driver runs it. It takes the place of the library's own when
 * the program is linked, as the clock does. */

#include "config.h"

#include "model-world.h"

#include "lp-service-private.h"

struct _LpService
{
  guint n_users;
  guint depth;                  /* of what is being run */
  GMainContext *context;        /* has the timers of pools; nobody iterates it but model_service_run_timer() */
  GQueue posts;                 /* of Post */
};

typedef struct
{
  GFunc func;
  gpointer data;
  gpointer more;
} Post;

static LpService service;

LpService *
lp_service_acquire (GError **error)
{
  if (service.context == NULL)
    service.context = g_main_context_new ();

  return lp_service_hold (&service);
}

LpService *
lp_service_hold (LpService *self)
{
  self->n_users++;
  return self;
}

/* The last use is dropped: what was posted before is still run, by the thread
 * that is then joined, unless that is the one that drops it. */
void
lp_service_release (LpService *self)
{
  if (--self->n_users > 0 || self->depth > 0)
    return;

  while (model_service_run_one ())
    ;
}

GMainContext *
lp_service_get_context (LpService *self)
{
  return self->context;
}

gboolean
lp_service_is_current (LpService *self)
{
  return self->depth > 0;
}

void
lp_service_post (LpService *self, GFunc func, gpointer data, gpointer more)
{
  Post *post = g_new (Post, 1);

  *post = (Post) { func, data, more };
  g_queue_push_tail (&self->posts, post);
}

/* The model forks, to look at a failure from outside: the library is not to
 * take the child for a stranger. */
guint lp_fork_generation_now;

guint
lp_fork_generation (void)
{
  return 0;
}

/* FALSE: nothing was posted. */
gboolean
model_service_run_one (void)
{
  Post *post = g_queue_pop_head (&service.posts);

  if (post == NULL)
    return FALSE;

  service.depth++;
  post->func (post->data, post->more);
  service.depth--;
  g_free (post);

  return TRUE;
}

/* Has the timer of POOL fire, as it would if its time had come. FALSE: that has
 * not. */
gboolean
model_service_run_timer (LpPool *pool)
{
  if (pool->timer == NULL || pool->timer_when > lp_clock_now ())
    return FALSE;

  g_source_set_ready_time (pool->timer, 0);
  service.depth++;
  g_main_context_iteration (service.context, FALSE);
  service.depth--;

  return TRUE;
}

guint
model_service_get_users (void)
{
  return service.n_users;
}

guint
model_service_get_posts (void)
{
  return service.posts.length;
}
