/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include <leasepool.h>

#include <sys/wait.h>
#include <unistd.h>

#include "lp-service-private.h"
#include "lp-test.h"

#define THREAD_NAME "leasepool"

static gboolean
has_threads (gpointer data)
{
  return lp_test_count_threads (THREAD_NAME) == GPOINTER_TO_UINT (data);
}

/* A thread takes its name a moment after it was started, and is gone from /proc
 * a moment after it was joined. */
static void
wait_threads (guint n)
{
  lp_test_block_for (has_threads, GUINT_TO_POINTER (n), "the number of service threads");
}

static LpService *
acquire (void)
{
  g_autoptr (GError) error = NULL;
  LpService *service = lp_service_acquire (&error);

  g_assert_no_error (error);
  g_assert_nonnull (service);

  return service;
}

typedef struct
{
  GMutex lock;
  GCond cond;
  guint n_calls;
  guint expected;               /* what the next one is to be given */
  GThread *thread;
  gboolean was_current;
  LpService *service;
} Calls;

static void
calls_init (Calls *self, LpService *service)
{
  *self = (Calls) { .service = service };
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
}

static void
calls_clear (Calls *self)
{
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
}

static void
call_cb (gpointer data, gpointer more)
{
  Calls *self = data;

  g_mutex_lock (&self->lock);
  if (more != NULL)
    g_assert_cmpuint (GPOINTER_TO_UINT (more), ==, ++self->expected);
  self->thread = g_thread_self ();
  self->was_current = lp_service_is_current (self->service);
  self->n_calls++;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

static void
wait_calls (Calls *self, guint n)
{
  gint64 end = g_get_monotonic_time () + LP_TEST_PATIENCE_SECONDS * G_TIME_SPAN_SECOND;

  g_mutex_lock (&self->lock);
  while (self->n_calls < n)
    g_assert_true (g_cond_wait_until (&self->cond, &self->lock, end));
  g_mutex_unlock (&self->lock);
}

static void
test_started_and_joined (void)
{
  LpService *service;

  g_assert_cmpuint (lp_test_count_threads (THREAD_NAME), ==, 0);
  service = acquire ();
  wait_threads (1);
  g_assert_false (lp_service_is_current (service));
  lp_service_release (service);
  wait_threads (0);
}

/* Released at once, when its loop may not run yet: no lost quit, no hang. */
static void
test_released_at_once (void)
{
  for (guint i = 0; i < 500; i++)
    lp_service_release (acquire ());

  wait_threads (0);
}

static void
test_one_for_all (void)
{
  LpService *first = acquire ();
  LpService *second = acquire ();

  g_assert_true (first == second);
  wait_threads (1);
  lp_service_release (first);
  wait_threads (1);
  lp_service_release (second);
  wait_threads (0);
}

static void
test_nested_holds (void)
{
  LpService *service = acquire ();
  Calls calls;

  calls_init (&calls, service);
  g_assert_true (lp_service_hold (service) == service);
  g_assert_true (lp_service_hold (service) == service);
  lp_service_release (service);
  lp_service_release (service);

  /* One use is left, so it still serves. */
  lp_service_post (service, call_cb, &calls, NULL);
  wait_calls (&calls, 1);

  lp_service_release (service);
  wait_threads (0);
  calls_clear (&calls);
}

static void
test_posts_in_order (void)
{
  const guint n_posts = 10000;
  LpService *service = acquire ();
  Calls calls;

  calls_init (&calls, service);
  for (guint i = 1; i <= n_posts; i++)
    lp_service_post (service, call_cb, &calls, GUINT_TO_POINTER (i));
  wait_calls (&calls, n_posts);

  g_assert_cmpuint (calls.n_calls, ==, n_posts);
  g_assert_true (calls.thread != g_thread_self ());
  g_assert_true (calls.was_current);
  lp_service_release (service);
  calls_clear (&calls);
}

/* What was posted before the last use was dropped is run, not lost. */
static void
test_release_runs_posts (void)
{
  for (guint round = 0; round < 100; round++)
    {
      LpService *service = acquire ();
      Calls calls;

      calls_init (&calls, service);
      for (guint i = 1; i <= 20; i++)
        lp_service_post (service, call_cb, &calls, GUINT_TO_POINTER (i));
      lp_service_release (service);

      g_assert_cmpuint (calls.n_calls, ==, 20);
      calls_clear (&calls);
    }
}

static void
post_more_cb (gpointer data, gpointer more)
{
  Calls *self = data;

  lp_service_post (self->service, call_cb, self, NULL);
}

/* So is what those that run then post. */
static void
test_release_runs_posts_of_posts (void)
{
  LpService *service = acquire ();
  Calls calls;

  calls_init (&calls, service);
  lp_service_post (service, post_more_cb, &calls, NULL);
  lp_service_release (service);

  g_assert_cmpuint (calls.n_calls, ==, 1);
  calls_clear (&calls);
}

static void
test_context (void)
{
  LpService *service = acquire ();
  GMainContext *context = lp_service_get_context (service);
  Calls calls;

  /* Until its thread has it, who tries would take it away from that. */
  calls_init (&calls, service);
  lp_service_post (service, call_cb, &calls, NULL);
  wait_calls (&calls, 1);

  /* It iterates it, and nobody else may. */
  g_assert_true (context != g_main_context_default ());
  g_assert_false (g_main_context_acquire (context));

  lp_service_release (service);
  calls_clear (&calls);
}

static void
release_cb (gpointer data, gpointer more)
{
  Calls *self = data;

  lp_service_release (self->service);
  g_mutex_lock (&self->lock);
  self->n_calls++;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* The last use dropped on the thread itself: it ends by itself, joined by
 * nobody, and does not hang in joining itself. */
static void
test_release_on_itself (void)
{
  for (guint i = 0; i < 100; i++)
    {
      LpService *service = acquire ();
      Calls calls;

      calls_init (&calls, service);
      lp_service_post (service, release_cb, &calls, NULL);
      wait_calls (&calls, 1);
      wait_threads (0);
      calls_clear (&calls);
    }
}

static void
release_late_cb (gpointer data, gpointer more)
{
  GMutex *gate = more;

  lp_service_release (((Calls *) data)->service);

  /* Still in this callback, the thread is ending and cannot end. */
  call_cb (data, NULL);
  g_mutex_lock (gate);
  g_mutex_unlock (gate);
}

/* A use taken while the last thread is still ending gets a new one. */
static void
test_acquire_while_ending (void)
{
  LpService *ending = acquire ();
  LpService *service;
  Calls calls, later;
  GMutex gate;

  g_mutex_init (&gate);
  calls_init (&calls, ending);
  g_mutex_lock (&gate);
  lp_service_post (ending, release_late_cb, &calls, &gate);
  wait_calls (&calls, 1);

  service = acquire ();
  g_assert_true (service != ending);
  wait_threads (2);
  calls_init (&later, service);
  lp_service_post (service, call_cb, &later, NULL);
  wait_calls (&later, 1);

  g_mutex_unlock (&gate);
  lp_service_release (service);
  wait_threads (0);
  calls_clear (&later);
  calls_clear (&calls);

  /* That the thread is gone from /proc is no order of memory; its unlock is. */
  g_mutex_lock (&gate);
  g_mutex_unlock (&gate);
  g_mutex_clear (&gate);
}

static gpointer
churn (gpointer data)
{
  for (guint i = 0; i < 500; i++)
    {
      LpService *service = acquire ();
      Calls calls;

      calls_init (&calls, service);
      lp_service_hold (service);
      lp_service_post (service, call_cb, &calls, NULL);
      lp_service_release (service);
      wait_calls (&calls, 1);
      lp_service_release (service);
      calls_clear (&calls);
    }

  return NULL;
}

static void
test_threads (void)
{
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("test-churn", churn, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);

  wait_threads (0);
}

/* In a child that was forked the generation is another one, here it is not. */
static void
test_fork_generation (void)
{
  guint before = lp_fork_generation ();
  int status;
  pid_t pid = fork ();

  if (pid == 0)
    _exit (lp_fork_generation () == before ? 1 : 0);

  g_assert_cmpint (pid, >, 0);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  g_assert_cmpuint (lp_fork_generation (), ==, before);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/service/started-and-joined", test_started_and_joined);
  g_test_add_func ("/service/released-at-once", test_released_at_once);
  g_test_add_func ("/service/one-for-all", test_one_for_all);
  g_test_add_func ("/service/nested-holds", test_nested_holds);
  g_test_add_func ("/service/posts-in-order", test_posts_in_order);
  g_test_add_func ("/service/release-runs-what-was-posted", test_release_runs_posts);
  g_test_add_func ("/service/release-runs-what-that-posts", test_release_runs_posts_of_posts);
  g_test_add_func ("/service/its-thread-owns-the-context", test_context);
  g_test_add_func ("/service/release-on-itself", test_release_on_itself);
  g_test_add_func ("/service/acquire-while-the-last-is-ending", test_acquire_while_ending);
  g_test_add_func ("/service/threads", test_threads);
  g_test_add_func ("/service/fork-generation", test_fork_generation);

  return g_test_run ();
}
