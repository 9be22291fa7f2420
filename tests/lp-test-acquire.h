/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of acquires share: an asker for each way to ask (a thread that
 * blocks, a callback in the owner context, a callback in another context); for one program at a
 * time. */

#include "lp-test.h"
#include "lp-test-conform.h"

#include <math.h>
#include <string.h>

#include "lp-lease-private.h"
#include "lp-manager-private.h"

typedef enum
{
  BLOCKING,
  IN_OWNER,
  IN_OTHER_CONTEXT,
  N_WAYS
} Way;

/* One acquire, from its call to its answer. */
typedef struct
{
  Way way;
  LpManager *manager;
  LpRequest *request;
  GCancellable *cancellable;
  GThread *thread;              /* NULL in the owner context */
  GThread *home;                /* where the callback is to come */
  LpLease *lease;
  GError *error;
  int answered;                 /* (atomic) the rest may be read */
} Asker;

static inline gboolean
is_answered (gpointer data)
{
  return g_atomic_int_get (&((Asker *) data)->answered);
}

static inline void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Asker *self = user_data;

  g_assert_true (g_thread_self () == self->home);
  self->lease = lp_manager_acquire_finish (LP_MANAGER (source), result, &self->error);
  g_atomic_int_set (&self->answered, TRUE);
}

static inline void
begin_here (Asker *self)
{
  self->home = g_thread_self ();
  lp_manager_acquire_async (self->manager, self->request, self->cancellable, answered_cb, self);

  /* A callback never comes before the call has returned. */
  g_assert_false (is_answered (self));
}

static inline gpointer
blocking_main (gpointer data)
{
  Asker *self = data;

  self->lease = lp_manager_acquire (self->manager, self->request, self->cancellable, &self->error);
  g_atomic_int_set (&self->answered, TRUE);

  return NULL;
}

static inline gpointer
other_context_main (gpointer data)
{
  Asker *self = data;
  g_autoptr (GMainContext) context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  begin_here (self);
  while (!is_answered (self))
    g_main_context_iteration (context, TRUE);
  g_main_context_pop_thread_default (context);

  return NULL;
}

static inline Asker *
ask_full (Way way, LpManager *manager, LpRequest *request, GCancellable *cancellable)
{
  Asker *self = g_new0 (Asker, 1);

  self->way = way;
  self->manager = manager;
  self->request = g_object_ref (request);
  g_set_object (&self->cancellable, cancellable);

  if (way == IN_OWNER)
    begin_here (self);
  else
    self->thread = g_thread_new ("asker", way == BLOCKING ? blocking_main : other_context_main, self);

  return self;
}

static inline LpRequest *
new_request (const char *owner, double timeout)
{
  LpRequest *request = lp_request_new ();

  lp_request_set_owner (request, owner);
  lp_request_set_timeout (request, timeout);

  return request;
}

static inline Asker *
ask (Way way, LpManager *manager, const char *owner)
{
  g_autoptr (LpRequest) request = new_request (owner, -1);

  return ask_full (way, manager, request, NULL);
}

/* The same, and it is in the queue behind those who are. */
static inline Asker *
queue_full (Way way, LpManager *manager, LpRequest *request, GCancellable *cancellable)
{
  guint n_waiting = lp_test_stat (manager, "waiting");
  Asker *self = ask_full (way, manager, request, cancellable);

  lp_test_block_stat (manager, "waiting", n_waiting + 1);
  return self;
}

static inline Asker *
queue (Way way, LpManager *manager, const char *owner)
{
  g_autoptr (LpRequest) request = new_request (owner, -1);

  return queue_full (way, manager, request, NULL);
}

typedef struct
{
  LpManager *manager;
  guint64 n;
} Acquired;

static inline gboolean
has_acquired (gpointer data)
{
  Acquired *self = data;

  return lp_test_counter (self->manager, "acquired") == self->n;
}

/* With threads it is so at once; a process is first asked whether it lives. */
static inline void
block_acquired (LpManager *manager, guint64 n)
{
  Acquired acquired = { manager, n };

  if (!lp_test_has_processes ())
    g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, n);
  lp_test_block_for (has_acquired, &acquired, "a grant");
}

static inline void
await (Asker *self)
{
  lp_test_wait_for (is_answered, self, "the answer to an acquire");
  g_clear_pointer (&self->thread, g_thread_join);
  g_clear_object (&self->request);
  g_clear_object (&self->cancellable);
}

static inline LpLease *
get_lease (Asker *self)
{
  LpLease *lease;

  await (self);
  g_assert_no_error (self->error);
  g_assert_nonnull (self->lease);
  lease = self->lease;
  g_free (self);

  return lease;
}

/* Returns the message. */
static inline char *
get_error (Asker *self, GQuark domain, int code)
{
  char *message;

  await (self);
  g_assert_error (self->error, domain, code);
  g_assert_null (self->lease);
  message = g_strdup (self->error->message);
  g_error_free (self->error);
  g_free (self);

  return message;
}

static inline void
assert_fails (Asker *self, GQuark domain, int code)
{
  g_autofree char *message = get_error (self, domain, code);

  g_assert_cmpstr (message, !=, "");
}

static inline void
assert_contains (const char *text, const char *part)
{
  if (strstr (text, part) == NULL)
    g_error ("“%s” is not in “%s”", part, text);
}

static inline void
give_back (LpLease *lease)
{
  lp_lease_release (lease);
  g_object_unref (lease);
}

static inline guint64
executor_of (LpLease *lease)
{
  return lp_executor_get_seq (lp_lease_get_grant (lease)->executor);
}

static inline LpLease *
try_now (LpManager *manager)
{
  g_autoptr (GError) error = NULL;
  LpLease *lease = lp_manager_try_acquire (manager, NULL, &error);

  if (lease == NULL)
    g_assert_error (error, LP_ERROR, LP_ERROR_UNAVAILABLE);
  else
    g_assert_no_error (error);

  return lease;
}

static inline gboolean
is_past (gpointer data)
{
  return g_get_monotonic_time () > *(gint64 *) data;
}

typedef void (*AddFunc) (const char *path, gconstpointer data, GTestDataFunc func);

static inline void
add_each_way (const char *path, AddFunc add_func, GTestDataFunc func)
{
  const char * const ways[] = { "blocking", "in-owner", "in-other-context" };

  for (guint way = 0; way < N_WAYS; way++)
    {
      g_autofree char *full = g_strdup_printf ("/acquire/%s/%s", path, ways[way]);

      add_func (full, GUINT_TO_POINTER (way), func);
    }
}

/* On each backend. */
static inline void
add (const char *path, GTestDataFunc func)
{
  add_each_way (path, lp_test_conform_add_data_func, func);
}

/* For a case that needs a closure, or a class of executors of its own. */
static inline void
add_hooked (const char *path, GTestDataFunc func)
{
  add_each_way (path, g_test_add_data_func, func);
}
