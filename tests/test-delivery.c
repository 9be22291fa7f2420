/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Delivery into a context: order, wake-ups, nesting, bursts. */

#include "config.h"

#include "lp-test-delivery.h"

static void
test_one_per_context (Fixture *self, gconstpointer data)
{
  g_autoptr (GMainContext) other = g_main_context_new ();
  LpDelivery *again = lp_delivery_ref_context (self->context);
  LpDelivery *another = lp_delivery_ref_context (other);
  LpDelivery *global = lp_delivery_ref_current ();
  LpDelivery *current;

  g_assert_true (again == self->delivery);
  g_assert_true (another != self->delivery);
  g_assert_true (lp_delivery_get_context (again) == self->context);
  g_assert_true (lp_delivery_get_context (global) == g_main_context_default ());
  g_assert_true (lp_delivery_is_current (global));
  g_assert_false (lp_delivery_is_current (again));

  g_main_context_push_thread_default (self->context);
  current = lp_delivery_ref_current ();
  g_assert_true (current == self->delivery);
  g_assert_true (lp_delivery_is_current (current));
  g_assert_false (lp_delivery_is_current (global));
  g_main_context_pop_thread_default (self->context);

  lp_delivery_unref (current);
  lp_delivery_unref (global);
  lp_delivery_unref (another);
  lp_delivery_unref (again);
}

static void
test_order (Fixture *self, gconstpointer data)
{
  post (self, "a");
  post (self, "b");
  g_assert_cmpstr (self->log->str, ==, "");
  post (self, "c");
  g_main_context_iteration (self->context, FALSE);
  g_assert_cmpstr (self->log->str, ==, "abc");
  g_assert_false (g_main_context_iteration (self->context, FALSE));
}

static void
post_again_cb (gpointer data, gpointer more)
{
  append_cb (data, more);
  post (data, "3");
}

/* What a callback posts comes after all that was there. */
static void
test_order_posted_within (Fixture *self, gconstpointer data)
{
  lp_delivery_post_func (self->delivery, post_again_cb, self, (gpointer) "1");
  post (self, "2");
  drain (self);
  g_assert_cmpstr (self->log->str, ==, "123");
}

typedef struct
{
  LpDelivery *delivery;
  guint number;
  guint n_posts;
  guint *last;                  /* the last number that ran, of each poster */
  guint *n_ran;                 /* (atomic) */
} Poster;

static void
ordered_cb (gpointer data, gpointer more)
{
  Poster *self = data;

  g_assert_cmpuint (GPOINTER_TO_UINT (more), ==, self->last[self->number] + 1);
  self->last[self->number]++;
  g_atomic_int_inc (self->n_ran);
}

static gpointer
post_many (gpointer data)
{
  Poster *self = data;

  for (guint i = 1; i <= self->n_posts; i++)
    lp_delivery_post_func (self->delivery, ordered_cb, self, GUINT_TO_POINTER (i));

  return NULL;
}

/* Several threads, one context that sleeps and wakes: nothing is lost, and each
 * thread's posts come in its order. A lost wake-up is a hang. */
static void
test_order_threads (Fixture *self, gconstpointer data)
{
  enum { N_POSTERS = 4, N_POSTS = 20000 };
  Poster posters[N_POSTERS];
  GThread *threads[N_POSTERS];
  guint last[N_POSTERS] = { 0 };
  guint n_ran = 0;

  for (guint i = 0; i < N_POSTERS; i++)
    {
      posters[i] = (Poster) { self->delivery, i, N_POSTS, last, &n_ran };
      threads[i] = g_thread_new ("test-poster", post_many, &posters[i]);
    }

  while (n_ran < N_POSTERS * N_POSTS)
    g_main_context_iteration (self->context, TRUE);

  for (guint i = 0; i < N_POSTERS; i++)
    g_thread_join (threads[i]);
}

static gpointer
ping (gpointer data)
{
  Poster *self = data;

  for (guint i = 1; i <= self->n_posts; i++)
    {
      lp_delivery_post_func (self->delivery, ordered_cb, self, GUINT_TO_POINTER (i));
      while ((guint) g_atomic_int_get ((int *) self->n_ran) < i)
        g_thread_yield ();
    }

  return NULL;
}

/* One at a time, right when the context falls asleep. */
static void
test_no_lost_wakeup (Fixture *self, gconstpointer data)
{
  guint last = 0;
  guint n_ran = 0;
  Poster poster = { self->delivery, 0, 20000, &last, &n_ran };
  GThread *thread = g_thread_new ("test-poster", ping, &poster);

  while (n_ran < poster.n_posts)
    g_main_context_iteration (self->context, TRUE);
  g_thread_join (thread);

  g_assert_cmpuint (polls.wakeups, <=, poster.n_posts);
}

static gpointer
post_burst_at_sleeper (gpointer data)
{
  Poster *self = data;

  /* Asleep for good: prepared, and in a poll that blocks. */
  while (!g_atomic_int_get (&polls.sleeping))
    g_thread_yield ();

  return post_many (self);
}

/* A burst into a context that sleeps wakes it once, not once per item. The
 * context cannot run meanwhile, or it would fall asleep again in between. */
static void
test_wakes_once (Fixture *self, gconstpointer data)
{
  enum { N_POSTS = 1000 };
  guint last = 0;
  guint n_ran = 0;
  Poster poster = { self->delivery, 0, N_POSTS, &last, &n_ran };
  GThread *thread;
  GPollFD fds[1];
  int timeout;
  int priority;
  guint64 value = 0;

  g_assert_true (g_main_context_acquire (self->context));
  g_main_context_prepare (self->context, &priority);
  g_assert_cmpint (g_main_context_query (self->context, priority, &timeout, fds, 1), ==, 1);
  g_assert_cmpint (timeout, ==, -1);

  g_atomic_int_set (&polls.sleeping, TRUE);
  thread = g_thread_new ("test-poster", post_burst_at_sleeper, &poster);
  g_thread_join (thread);

  g_assert_cmpint (counting_poll (fds, 1, timeout), ==, 1);
  value = polls.wakeups;
  g_assert_true (g_main_context_check (self->context, priority, fds, 1));
  g_main_context_dispatch (self->context);
  g_main_context_release (self->context);

  drain (self);
  g_assert_cmpuint (n_ran, ==, N_POSTS);
  g_assert_cmpuint (value, ==, 1);
}

static void
burst_within_cb (gpointer data, gpointer more)
{
  on_thread (post_many, data);
}

/* While the context is awake nobody wakes it. */
static void
test_awake_is_not_woken (Fixture *self, gconstpointer data)
{
  guint last = 0;
  guint n_ran = 0;
  Poster poster = { self->delivery, 0, 1000, &last, &n_ran };

  lp_delivery_post_func (self->delivery, burst_within_cb, &poster, NULL);
  drain (self);
  g_assert_cmpuint (n_ran, ==, poster.n_posts);
  g_assert_cmpuint (polls.wakeups, ==, 0);
}

static void
nested_cb (gpointer data, gpointer more)
{
  Fixture *self = data;

  g_string_append (self->log, "(");
  while (strchr (self->log->str, 'c') == NULL)
    g_main_context_iteration (self->context, TRUE);
  g_string_append (self->log, ")");
}

/* A callback that iterates the context gets what was posted after it, also the
 * rest of the batch it is itself of. */
static void
test_nested_rest_of_batch (Fixture *self, gconstpointer data)
{
  post (self, "a");
  lp_delivery_post_func (self->delivery, nested_cb, self, NULL);
  post (self, "b");
  post (self, "c");
  post (self, "d");
  drain (self);
  g_assert_cmpstr (self->log->str, ==, "a(bcd)");
}

static gpointer
post_c (gpointer data)
{
  post (data, "c");
  return NULL;
}

static void
nested_with_thread_cb (gpointer data, gpointer more)
{
  GThread *thread = g_thread_new ("test-poster", post_c, data);

  nested_cb (data, NULL);
  g_thread_join (thread);
}

/* Also what comes from another thread only then, when the inner loop sleeps. */
static void
test_nested_new_post (Fixture *self, gconstpointer data)
{
  lp_delivery_post_func (self->delivery, nested_with_thread_cb, self, NULL);
  post (self, "b");
  drain (self);
  g_assert_cmpstr (self->log->str, ==, "(bc)");
}

static void
deeper_cb (gpointer data, gpointer more)
{
  Fixture *self = data;
  gsize length = self->log->len;

  g_string_append_c (self->log, '(');
  if (GPOINTER_TO_UINT (more) > 0)
    {
      lp_delivery_post_func (self->delivery, deeper_cb, self, GUINT_TO_POINTER (GPOINTER_TO_UINT (more) - 1));
      while (self->log->len < length + 2)
        g_main_context_iteration (self->context, TRUE);
    }
  g_string_append_c (self->log, ')');
}

static void
test_nested_deep (Fixture *self, gconstpointer data)
{
  lp_delivery_post_func (self->delivery, deeper_cb, self, GUINT_TO_POINTER (20));
  drain (self);
  g_assert_cmpuint (self->log->len, ==, 42);
  g_assert_true (g_str_has_prefix (self->log->str, "((((((((((((((((((((("));
}

typedef struct
{
  guint n_ran;
  guint n_others;
  guint n_ran_at_first_other;
} Burst;

static void
slow_cb (gpointer data, gpointer more)
{
  gint64 end = g_get_monotonic_time () + 100;

  while (g_get_monotonic_time () < end)
    ;
  ((Burst *) data)->n_ran++;
}

static gboolean
other_cb (gpointer data)
{
  Burst *self = data;

  if (self->n_others++ == 0)
    self->n_ran_at_first_other = self->n_ran;
  return G_SOURCE_CONTINUE;
}

/* A burst does not keep the loop from its other sources: 4000 items of 0.1 ms
 * come in many dispatches, and the other source has its turn after each. */
static void
test_burst_is_bounded (Fixture *self, gconstpointer data)
{
  enum { N_POSTS = 4000 };
  g_autoptr (GSource) source = g_timeout_source_new (0);
  Burst burst = { 0, 0, 0 };

  g_source_set_callback (source, other_cb, &burst, NULL);
  g_source_attach (source, self->context);
  for (guint i = 0; i < N_POSTS; i++)
    lp_delivery_post_func (self->delivery, slow_cb, &burst, NULL);

  while (burst.n_ran < N_POSTS)
    g_main_context_iteration (self->context, FALSE);

  g_assert_cmpuint (burst.n_ran, ==, N_POSTS);
  g_assert_cmpuint (burst.n_ran_at_first_other, <, N_POSTS / 4);
  g_assert_cmpuint (burst.n_others, >=, 8);
  g_source_destroy (source);
}

/* But a short one comes in one dispatch, whatever its number. */
static void
test_short_burst_at_once (Fixture *self, gconstpointer data)
{
  guint count = 0;

  for (guint i = 0; i < 31; i++)
    lp_delivery_post_func (self->delivery, count_cb, &count, NULL);
  g_main_context_iteration (self->context, FALSE);
  g_assert_cmpuint (count, ==, 31);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("/delivery/one-per-context", test_one_per_context);
  ADD ("/delivery/order/posts", test_order);
  ADD ("/delivery/order/posted-within", test_order_posted_within);
  ADD ("/delivery/order/threads", test_order_threads);
  ADD ("/delivery/wake/none-is-lost", test_no_lost_wakeup);
  ADD ("/delivery/wake/burst-wakes-once", test_wakes_once);
  ADD ("/delivery/wake/awake-is-not-woken", test_awake_is_not_woken);
  ADD ("/delivery/nested/rest-of-batch", test_nested_rest_of_batch);
  ADD ("/delivery/nested/new-post", test_nested_new_post);
  ADD ("/delivery/nested/deep", test_nested_deep);
  ADD ("/delivery/burst/is-bounded-per-dispatch", test_burst_is_bounded);
  ADD ("/delivery/burst/short-one-comes-at-once", test_short_burst_at_once);

  return g_test_run ();
}
