/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Completions: who is told the end of an operation, where, and how often. */

#include "config.h"

#include "lp-test-completion.h"

static int other_tag;

static gpointer
return_thread (gpointer data)
{
  g_assert_true (lp_completion_return (data, &tag, NULL));
  return NULL;
}

static void
test_in_callers_context (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GAsyncResult) result = NULL;
  LpCompletion *completion;

  g_main_context_push_thread_default (context);
  completion = completion_new (NULL, &result);
  g_main_context_pop_thread_default (context);

  g_thread_join (g_thread_new ("test-return", return_thread, completion));
  g_assert_null (result);

  /* Not in another context. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_null (result);

  g_main_context_iteration (context, FALSE);
  g_assert_true (result == G_ASYNC_RESULT (completion));
  g_assert_true (lp_completion_propagate (completion, NULL) == &tag);
}

/* Never from within the call that settles it. */
static void
test_never_within (void)
{
  g_autoptr (GAsyncResult) result = NULL;
  LpCompletion *completion = completion_new (NULL, &result);

  g_assert_true (lp_completion_return (completion, &tag, NULL));
  g_assert_null (result);
  lp_test_wait_result (&result);
  g_assert_true (result == G_ASYNC_RESULT (completion));
}

static void
append_result_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_ptr_array_add (user_data, result);
}

static void
test_order (void)
{
  g_autoptr (GPtrArray) results = g_ptr_array_new ();
  LpCompletion *completions[100];

  for (guint i = 0; i < G_N_ELEMENTS (completions); i++)
    completions[i] = lp_completion_new (NULL, &tag, NULL, append_result_cb, results);
  for (guint i = 0; i < G_N_ELEMENTS (completions); i++)
    lp_completion_return (completions[(i * 37) % 100], NULL, NULL);

  while (results->len < G_N_ELEMENTS (completions))
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (completions); i++)
    g_assert_true (results->pdata[i] == completions[(i * 37) % 100]);
}

typedef struct
{
  LpCompletion *inner;
  GAsyncResult *result;
} Nested;

static void
nested_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Nested *self = user_data;

  lp_completion_return (self->inner, NULL, NULL);
  while (self->result == NULL)
    g_main_context_iteration (NULL, TRUE);
}

/* A callback that runs a main loop gets the results that come meanwhile. */
static void
test_nested_loop (void)
{
  Nested nested = { NULL, NULL };
  LpCompletion *outer = lp_completion_new (NULL, &tag, NULL, nested_cb, &nested);

  nested.inner = completion_new (NULL, &nested.result);
  lp_completion_return (outer, NULL, NULL);
  g_main_context_iteration (NULL, TRUE);
  g_assert_nonnull (nested.result);
  g_object_unref (nested.result);
}

static void
test_settled_once (void)
{
  g_autoptr (GAsyncResult) result = NULL;
  LpCompletion *completion = completion_new (NULL, &result);
  int first = 0;
  int second = 0;

  g_assert_false (lp_completion_is_settled (completion));
  g_assert_true (lp_completion_settle (completion, &first, give_back_cb));
  g_assert_true (lp_completion_is_settled (completion));

  /* What comes later is left to the caller; an error is taken all the same. */
  g_assert_false (lp_completion_settle (completion, &second, give_back_cb));
  g_assert_false (lp_completion_settle_error (completion, error_new ()));
  g_assert_false (lp_completion_return (completion, &second, give_back_cb));
  g_assert_false (lp_completion_fail (completion, error_new ()));

  lp_completion_deliver (completion);
  lp_test_wait_result (&result);
  g_assert_true (lp_completion_propagate (completion, NULL) == &first);
  g_assert_cmpint (first, ==, 0);
  g_assert_cmpint (second, ==, 0);
}

static void
test_error (void)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  LpCompletion *completion = completion_new (NULL, &result);
  int late = 0;

  g_assert_true (lp_completion_fail (completion, error_new ()));
  g_assert_false (lp_completion_return (completion, &late, give_back_cb));
  lp_test_wait_result (&result);
  g_assert_null (lp_completion_propagate (completion, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_cmpint (late, ==, 0);
}

static void
test_unfetched_is_given_back (void)
{
  GAsyncResult *result = NULL;
  int returned = 0;

  lp_completion_return (completion_new (NULL, &result), &returned, give_back_cb);
  g_assert_cmpint (returned, ==, 0);
  lp_test_wait_result (&result);
  g_assert_cmpint (returned, ==, 0);
  g_object_unref (result);
  g_assert_cmpint (returned, ==, 1);
}

/* Without a callback nobody can fetch it. */
static void
test_no_callback (void)
{
  int returned = 0;

  lp_completion_return (lp_completion_new (NULL, &tag, NULL, NULL, NULL), &returned, give_back_cb);
  g_assert_cmpint (returned, ==, 1);
  lp_completion_fail (lp_completion_new (NULL, &tag, NULL, NULL, NULL), error_new ());
}

static void
test_fetched_once (void)
{
  g_autoptr (GAsyncResult) result = NULL;
  LpCompletion *completion = completion_new (NULL, &result);
  int returned = 0;

  lp_completion_return (completion, &returned, give_back_cb);
  lp_test_wait_result (&result);
  g_assert_true (lp_completion_propagate (completion, NULL) == &returned);
  g_assert_null (lp_completion_propagate (completion, NULL));
  g_clear_object (&result);
  g_assert_cmpint (returned, ==, 0);
}

static void
test_take_back (void)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  LpCompletion *completion = completion_new (NULL, &result);
  int returned = 0;

  /* Not before there is one. */
  g_assert_null (lp_completion_take_back (completion, error_new ()));
  lp_completion_return (completion, &returned, give_back_cb);
  g_assert_true (lp_completion_take_back (completion, error_new ()) == &returned);
  g_assert_null (lp_completion_take_back (completion, error_new ()));

  lp_test_wait_result (&result);
  g_assert_null (lp_completion_propagate (completion, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_cmpint (returned, ==, 0);
}

static void
test_take_back_too_late (void)
{
  GAsyncResult *result = NULL;
  GAsyncResult *failed = NULL;
  g_autoptr (GError) error = NULL;
  LpCompletion *completion = completion_new (NULL, &result);
  int returned = 0;

  lp_completion_return (completion, &returned, give_back_cb);
  lp_test_wait_result (&result);
  g_assert_true (lp_completion_propagate (completion, &error) == &returned);
  g_assert_null (lp_completion_take_back (completion, error_new ()));
  g_object_unref (result);
  g_assert_cmpint (returned, ==, 0);

  /* An error is no result, and stands. */
  completion = completion_new (NULL, &failed);
  lp_completion_fail (completion, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_BUSY, "first"));
  g_assert_null (lp_completion_take_back (completion, error_new ()));
  lp_test_wait_result (&failed);
  g_assert_null (lp_completion_propagate (completion, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_object_unref (failed);
}

/* Cancelled between the settling and the fetch: no result, and it is given back. */
static void
test_check_cancellable (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  LpCompletion *completion = completion_new (cancellable, &result);
  int returned = 0;

  lp_completion_set_check (completion);
  lp_completion_return (completion, &returned, give_back_cb);
  lp_test_wait_result (&result);
  g_cancellable_cancel (cancellable);
  g_assert_null (lp_completion_propagate (completion, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (returned, ==, 1);
}

/* Without the check the result stands. */
static void
test_no_check (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  LpCompletion *completion = completion_new (cancellable, &result);
  int returned = 0;

  lp_completion_return (completion, &returned, give_back_cb);
  g_cancellable_cancel (cancellable);
  lp_test_wait_result (&result);
  g_assert_true (lp_completion_propagate (completion, &error) == &returned);
  g_assert_no_error (error);
}

static void
count_watch_cb (LpCompletion *completion, gpointer data)
{
  g_atomic_int_inc ((int *) data);
}

static void
destroyed_cb (gpointer data)
{
  /* The call counts one, the destroy a hundred. */
  g_atomic_int_add ((int *) data, 100);
}

static void
test_watch (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  LpCompletion *completion = completion_new (cancellable, &result);
  int count = 0;

  lp_completion_watch (completion, cancellable, count_watch_cb, &count, destroyed_cb);
  g_assert_cmpint (count, ==, 0);
  g_cancellable_cancel (cancellable);
  g_assert_cmpint (count, ==, 1);

  lp_completion_return (completion, NULL, NULL);
  lp_test_wait_result (&result);
  g_assert_cmpint (count, ==, 101);
}

static void
test_watch_cancelled_before (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  LpCompletion *completion = completion_new (cancellable, &result);
  int count = 0;

  g_cancellable_cancel (cancellable);
  lp_completion_watch (completion, cancellable, count_watch_cb, &count, destroyed_cb);
  g_assert_cmpint (count, ==, 1);
  lp_completion_return (completion, NULL, NULL);
  lp_test_wait_result (&result);
  g_assert_cmpint (count, ==, 101);
}

/* From its callback on it is not watched any more. */
static void
test_watch_ends (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  LpCompletion *completion = completion_new (cancellable, &result);
  int count = 0;

  lp_completion_watch (completion, cancellable, count_watch_cb, &count, destroyed_cb);
  lp_completion_return (completion, NULL, NULL);
  lp_test_wait_result (&result);
  g_assert_cmpint (count, ==, 100);
  g_cancellable_cancel (cancellable);
  g_assert_cmpint (count, ==, 100);
}

static void
test_watch_nothing (void)
{
  LpCompletion *completion = lp_completion_new_blocking ();
  int count = 0;

  lp_completion_watch (completion, NULL, count_watch_cb, &count, destroyed_cb);
  g_assert_cmpint (count, ==, 100);
  g_assert_finalize_object (completion);
}

/* The handler may tell the end itself: it is disconnected from within. */
static void
test_watch_ends_within (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  LpCompletion *completion = lp_completion_new_blocking ();

  lp_completion_watch (completion, cancellable, fail_watched_cb, NULL, NULL);
  g_cancellable_cancel (cancellable);
  g_assert_true (lp_completion_wait (completion, LP_TIME_NEVER));
  g_assert_null (lp_completion_propagate (completion, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_finalize_object (completion);
}

static void
test_blocking (void)
{
  g_autoptr (LpCompletion) completion = lp_completion_new_blocking ();
  GThread *thread;

  g_assert_false (lp_completion_wait (completion, lp_clock_now () - 1));
  g_assert_false (lp_completion_wait (completion, lp_clock_now () + 1000));

  thread = g_thread_new ("test-return", return_thread, g_object_ref (completion));
  g_assert_true (lp_completion_wait (completion, LP_TIME_NEVER));
  g_assert_true (lp_completion_wait (completion, lp_clock_now () - 1));
  g_assert_true (lp_completion_propagate (completion, NULL) == &tag);
  g_thread_join (thread);
}

/* Settled is decided, delivered is told: the blocking form waits for the latter. */
static void
test_blocking_waits_for_deliver (void)
{
  g_autoptr (LpCompletion) completion = lp_completion_new_blocking ();

  lp_completion_settle (completion, &tag, NULL);
  g_assert_false (lp_completion_wait (completion, lp_clock_now () - 1));
  lp_completion_deliver (g_object_ref (completion));
  g_assert_true (lp_completion_wait (completion, lp_clock_now () - 1));
}

static void
step_cb (LpCompletion *completion, gpointer data)
{
  *(GThread **) data = g_thread_self ();
  g_assert_true (lp_completion_propagate (completion, NULL) == &tag);
}

/* A step is told by the thread that delivers, with no context iterated. */
static void
test_step (void)
{
  GThread *told = NULL;
  LpCompletion *completion = lp_completion_new_step (step_cb, &told);
  GThread *thread = g_thread_new ("test-return", return_thread, g_object_ref (completion));

  g_assert_true (lp_completion_wait (completion, LP_TIME_NEVER));
  g_assert_true (told == thread);
  g_thread_join (thread);
  g_assert_finalize_object (completion);
}

static void
test_async_result (void)
{
  g_autoptr (GObject) source = g_object_new (G_TYPE_OBJECT, NULL);
  g_autoptr (GObject) stranger = g_object_new (G_TYPE_OBJECT, NULL);
  g_autoptr (GTask) task = g_task_new (source, NULL, NULL, NULL);
  g_autoptr (GObject) got = NULL;
  GAsyncResult *result = NULL;
  LpCompletion *completion = lp_completion_new (source, &tag, NULL, lp_test_result_cb, &result);

  g_assert_true (g_async_result_get_user_data (G_ASYNC_RESULT (completion)) == &result);
  g_assert_true (g_async_result_is_tagged (G_ASYNC_RESULT (completion), &tag));
  g_assert_false (g_async_result_is_tagged (G_ASYNC_RESULT (completion), &other_tag));
  got = g_async_result_get_source_object (G_ASYNC_RESULT (completion));
  g_assert_true (got == source);

  g_assert_true (lp_completion_is_valid (completion, source, &tag));
  g_assert_false (lp_completion_is_valid (completion, source, &other_tag));
  g_assert_false (lp_completion_is_valid (completion, stranger, &tag));
  g_assert_false (lp_completion_is_valid (task, source, &tag));
  g_assert_false (lp_completion_is_valid (NULL, source, &tag));

  lp_completion_return (completion, NULL, NULL);
  lp_test_wait_result (&result);
  g_object_unref (result);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/completion/callback/in-the-callers-context", test_in_callers_context);
  g_test_add_func ("/completion/callback/never-within-the-settling", test_never_within);
  g_test_add_func ("/completion/callback/in-the-order-of-the-ends", test_order);
  g_test_add_func ("/completion/callback/nested-loop-gets-results", test_nested_loop);
  g_test_add_func ("/completion/settle/once", test_settled_once);
  g_test_add_func ("/completion/settle/error", test_error);
  g_test_add_func ("/completion/result/unfetched-is-given-back", test_unfetched_is_given_back);
  g_test_add_func ("/completion/result/no-callback-gives-back", test_no_callback);
  g_test_add_func ("/completion/result/fetched-once", test_fetched_once);
  g_test_add_func ("/completion/take-back/before-the-fetch", test_take_back);
  g_test_add_func ("/completion/take-back/too-late", test_take_back_too_late);
  g_test_add_func ("/completion/check/cancelled-before-the-fetch", test_check_cancellable);
  g_test_add_func ("/completion/check/only-if-asked", test_no_check);
  g_test_add_func ("/completion/watch/cancel", test_watch);
  g_test_add_func ("/completion/watch/cancelled-before", test_watch_cancelled_before);
  g_test_add_func ("/completion/watch/ends-with-the-callback", test_watch_ends);
  g_test_add_func ("/completion/watch/nothing", test_watch_nothing);
  g_test_add_func ("/completion/watch/ends-within-the-handler", test_watch_ends_within);
  g_test_add_func ("/completion/blocking/wait", test_blocking);
  g_test_add_func ("/completion/blocking/waits-for-the-delivery", test_blocking_waits_for_deliver);
  g_test_add_func ("/completion/step/on-the-thread-that-delivers", test_step);
  g_test_add_func ("/completion/async-result", test_async_result);

  return g_test_run ();
}
