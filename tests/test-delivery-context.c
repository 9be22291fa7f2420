/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Delivery into contexts that end, and the destroy notifies. */

#include "config.h"

#include "lp-test-delivery.h"

/* What was posted into a context that nobody iterates keeps it; it is run by
 * whoever iterates it at last. */
static void
test_never_iterated (void)
{
  GMainContext *context = g_main_context_new ();
  LpDelivery *delivery = lp_delivery_ref_context (context);
  guint count = 0;

  lp_delivery_post_func (delivery, count_cb, &count, NULL);
  g_main_context_unref (context);
  g_assert_cmpuint (count, ==, 0);

  g_main_context_iteration (lp_delivery_get_context (delivery), FALSE);
  g_assert_cmpuint (count, ==, 1);
  lp_delivery_unref (delivery);
}

/* The delivery goes with its context: another one at the same address starts
 * anew. Under a sanitizer this finds a table that keeps what is gone. */
static void
test_context_destroyed (void)
{
  for (guint i = 0; i < 2000; i++)
    {
      GMainContext *context = g_main_context_new ();
      LpDelivery *delivery = lp_delivery_ref_context (context);
      guint count = 0;

      lp_delivery_post_func (delivery, count_cb, &count, NULL);
      g_main_context_iteration (context, FALSE);
      g_assert_cmpuint (count, ==, 1);

      lp_delivery_unref (delivery);
      g_main_context_unref (context);
    }
}

static gpointer
unref_context (gpointer context)
{
  g_main_context_unref (context);
  return NULL;
}

/* The same where the thread that goes on finding deliveries is not the one that
 * destroys the context: it remembers what it found last. */
static void
test_context_destroyed_elsewhere (void)
{
  for (guint i = 0; i < 100; i++)
    {
      GMainContext *context = g_main_context_new ();
      LpDelivery *delivery = lp_delivery_ref_context (context);
      LpDelivery *again = lp_delivery_ref_context (context);
      guint count = 0;

      g_assert_true (again == delivery);
      lp_delivery_post_func (delivery, count_cb, &count, NULL);
      g_main_context_iteration (context, FALSE);
      g_assert_cmpuint (count, ==, 1);

      lp_delivery_unref (again);
      lp_delivery_unref (delivery);
      on_thread (unref_context, context);
    }
}

static gpointer
unref_last (gpointer data)
{
  lp_delivery_unref (data);
  return NULL;
}

/* The last reference may be dropped on any thread. */
static void
test_last_ref_elsewhere (void)
{
  GMainContext *context = g_main_context_new ();
  LpDelivery *delivery = lp_delivery_ref_context (context);

  g_main_context_unref (context);
  on_thread (unref_last, delivery);
}

static void
destroy_cb (gpointer data)
{
  guint *count = data;

  (*count)++;
}

static void
test_destroys (Fixture *self, gconstpointer data)
{
  guint count = 0;

  lp_delivery_post_destroy (self->delivery, destroy_cb, &count);
  lp_delivery_post_destroy (self->delivery, destroy_cb, &count);
  g_assert_cmpuint (count, ==, 0);
  g_main_context_iteration (self->context, FALSE);
  g_assert_cmpuint (count, ==, 2);
  g_assert_false (g_main_context_iteration (self->context, FALSE));
  g_assert_cmpuint (count, ==, 2);
}

static void
destroy_and_post_cb (gpointer data)
{
  Fixture *self = data;

  g_string_append (self->log, "d");
  post (self, "p");
}

/* A destroy notify may come back into the library. */
static void
test_destroy_posts (Fixture *self, gconstpointer data)
{
  lp_delivery_post_destroy (self->delivery, destroy_and_post_cb, self);
  drain (self);
  g_assert_cmpstr (self->log->str, ==, "dp");
}

/* The owner that runs no loop reaps the destroy notifies, and only those. */
static void
test_reap (Fixture *self, gconstpointer data)
{
  guint count = 0;

  lp_delivery_post_destroy (self->delivery, destroy_cb, &count);
  post (self, "a");
  lp_delivery_reap (self->delivery);
  g_assert_cmpuint (count, ==, 1);
  g_assert_cmpstr (self->log->str, ==, "");

  lp_delivery_reap (self->delivery);
  drain (self);
  g_assert_cmpuint (count, ==, 1);
  g_assert_cmpstr (self->log->str, ==, "a");
}

static guint n_leaked_records;

static GLogWriterOutput
count_leaked (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, "LEASEPOOL_EVENT") == 0 && strcmp (fields[i].value, "user-data-leaked") == 0)
      {
        g_assert_cmpint (level & G_LOG_LEVEL_MASK, ==, G_LOG_LEVEL_MESSAGE);
        n_leaked_records++;
      }

  return G_LOG_WRITER_HANDLED;
}

/* Destroy notifies hold no context. When it goes they are not run on whatever
 * thread that is; the data is leaked, and somebody is told. */
static void
test_destroys_leak (void)
{
  GMainContext *context = g_main_context_new ();
  LpDelivery *delivery = lp_delivery_ref_context (context);
  guint count = 0;

  lp_delivery_post_destroy (delivery, destroy_cb, &count);
  g_main_context_unref (context);
  g_assert_cmpuint (n_leaked_records, ==, 0);
  on_thread (unref_last, delivery);

  g_assert_cmpuint (count, ==, 0);
  g_assert_cmpuint (n_leaked_records, ==, 1);
}

int
main (int argc, char **argv)
{
  g_log_set_writer_func (count_leaked, NULL, NULL);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/delivery/context/never-iterated", test_never_iterated);
  g_test_add_func ("/delivery/context/destroyed", test_context_destroyed);
  g_test_add_func ("/delivery/context/destroyed-elsewhere", test_context_destroyed_elsewhere);
  g_test_add_func ("/delivery/context/last-reference-elsewhere", test_last_ref_elsewhere);
  ADD ("/delivery/destroys/in-the-context", test_destroys);
  ADD ("/delivery/destroys/may-post", test_destroy_posts);
  ADD ("/delivery/destroys/reaped-without-a-loop", test_reap);
  g_test_add_func ("/delivery/destroys/leak-with-the-context", test_destroys_leak);

  return g_test_run ();
}
