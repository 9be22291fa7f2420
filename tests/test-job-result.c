/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What the callback of a submit is given: the job itself, once it was accepted. */

#include "config.h"

#include "lp-test-job.h"

#define JOBS 50

/* What a callback saw, and what it was given. */
typedef struct
{
  GAsyncResult *result;
  GObject *source;
  GVariant *value;
  GError *error;
  guint n_called;
} Told;

static void
told_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Told *self = user_data;
  g_autoptr (GObject) of_result = g_async_result_get_source_object (result);

  g_assert_true (of_result == source);
  g_assert_true (g_async_result_get_user_data (result) == self);

  self->n_called++;
  g_set_object (&self->result, result);
  self->source = source;
  self->value = lp_lease_submit_finish (LP_LEASE (source), result, &self->error);
}

static gboolean
is_told (gpointer data)
{
  return ((Told *) data)->n_called > 0;
}

static void
wait_told (Told *self)
{
  lp_test_wait_for (is_told, self, "the callback of the submit");
  g_assert_cmpuint (self->n_called, ==, 1);
}

static void
told_clear (Told *self)
{
  g_clear_object (&self->result);
  g_clear_pointer (&self->value, g_variant_unref);
  g_clear_error (&self->error);
}

static int
value_of (GVariant *value)
{
  int number;

  g_variant_get (value, "(i)", &number);
  return number;
}

static void
test_is_the_job (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (3);
  g_autoptr (GVariant) again = NULL;
  Told told = { NULL };

  lp_lease_submit_async (self->lease, job, NULL, told_cb, &told);
  wait_told (&told);

  g_assert_true (told.result == G_ASYNC_RESULT (job));
  g_assert_true (told.source == G_OBJECT (self->lease));
  g_assert_true (g_async_result_is_tagged (told.result, lp_lease_submit_async));
  g_assert_no_error (told.error);
  g_assert_cmpint (value_of (told.value), ==, 3);

  /* The end of a job does not change, and is not used up. */
  again = lp_lease_submit_finish (self->lease, told.result, NULL);
  g_assert_cmpint (value_of (again), ==, 3);

  told_clear (&told);
}

static void
test_fails (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_error_job ();
  Told told = { NULL };

  lp_lease_submit_async (self->lease, job, NULL, told_cb, &told);
  wait_told (&told);

  g_assert_true (told.result == G_ASYNC_RESULT (job));
  g_assert_null (told.value);
  g_assert_error (told.error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  told_clear (&told);
}

static void
test_is_of_one_operation (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (3);
  g_autoptr (LpJob) new_job = lp_test_value_job (4);
  Told told = { NULL };

  lp_lease_submit_async (self->lease, job, NULL, told_cb, &told);
  wait_told (&told);

  g_test_expect_message ("leasepool", G_LOG_LEVEL_CRITICAL, "*lp_completion_is_valid*");
  g_assert_null (lp_lease_call_finish (self->lease, told.result, NULL));
  g_test_assert_expected_messages ();

  g_test_expect_message ("leasepool", G_LOG_LEVEL_CRITICAL, "*lp_completion_is_valid*");
  g_assert_null (lp_lease_submit_finish (self->lease, G_ASYNC_RESULT (new_job), NULL));
  g_test_assert_expected_messages ();

  told_clear (&told);
}

/* A job without a callback is the result of nothing. */
static void
test_of_no_submit (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (3);

  lp_test_submit (self->lease, job);
  assert_value (job, 3);

  g_assert_null (g_async_result_get_source_object (G_ASYNC_RESULT (job)));
  g_assert_null (g_async_result_get_user_data (G_ASYNC_RESULT (job)));
  g_assert_false (g_async_result_is_tagged (G_ASYNC_RESULT (job), lp_lease_submit_async));
}

static void
test_refused_is_not_the_job (Fixture *self, gconstpointer data)
{
  g_autoptr (LpLease) other = NULL;
  g_autoptr (LpJob) job = lp_test_value_job (3);
  Told told = { NULL };

  lp_lease_release (self->lease);
  lp_lease_submit_async (self->lease, job, NULL, told_cb, &told);
  wait_told (&told);
  g_assert_false (LP_IS_JOB (told.result));
  g_assert_error (told.error, LP_ERROR, LP_ERROR_EXPIRED);
  told_clear (&told);

  /* It is as new. */
  other = lp_test_acquire (self->manager, "other");
  told = (Told) { NULL };
  lp_lease_submit_async (other, job, NULL, told_cb, &told);
  wait_told (&told);
  g_assert_true (told.result == G_ASYNC_RESULT (job));
  g_assert_cmpint (value_of (told.value), ==, 3);
  told_clear (&told);
}

/* The second submit of a job is told why, and does not touch what the first waits for. */
static void
test_refused_beside_accepted (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_gate_polite_job (self->gate);
  Told first = { NULL }, second = { NULL };

  lp_lease_submit_async (self->lease, job, NULL, told_cb, &first);
  lp_lease_submit_async (self->lease, job, NULL, told_cb, &second);
  wait_told (&second);
  g_assert_false (LP_IS_JOB (second.result));
  g_assert_error (second.error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_assert_cmpuint (first.n_called, ==, 0);

  lp_test_gate_open (self->gate);
  wait_told (&first);
  g_assert_true (first.result == G_ASYNC_RESULT (job));
  g_assert_no_error (first.error);
  told_clear (&first);
  told_clear (&second);
}

/* A job that is kept does not keep its lease. */
static void
test_source_until_told (Fixture *self, gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "dropped");
  g_autoptr (LpJob) job = lp_test_value_job (3);
  int gone = FALSE;
  Told told = { NULL };

  lp_test_watch (lease, &gone);
  lp_lease_submit_async (lease, job, NULL, told_cb, &told);
  g_object_unref (lease);
  g_assert_false (g_atomic_int_get (&gone));
  wait_told (&told);

  lp_test_wait_for (lp_test_is_gone, &gone, "the lease to go");
  g_assert_null (g_async_result_get_source_object (G_ASYNC_RESULT (job)));
  lp_test_wait_stat (manager, "leased", 0);
  told_clear (&told);
  lp_test_finish (manager);
}

typedef struct
{
  LpJob *job;
  int asked;                    /* (atomic) at least once */
  int over;                     /* (atomic) */
} Asker;

static gpointer
ask_main (gpointer data)
{
  Asker *self = data;

  while (!g_atomic_int_get (&self->over))
    {
      g_autoptr (GObject) source = g_async_result_get_source_object (G_ASYNC_RESULT (self->job));

      g_assert_true (source == NULL || LP_IS_LEASE (source));
      g_async_result_is_tagged (G_ASYNC_RESULT (self->job), lp_lease_submit_async);
      g_atomic_int_set (&self->asked, TRUE);
    }

  return NULL;
}

/* Any thread may ask for the source object, also when it is about to go. */
static void
test_source_asked_elsewhere (Fixture *self, gconstpointer data)
{
  for (guint i = 0; i < lp_test_size (50, 1000, 10); i++)
    {
      g_autoptr (LpJob) job = lp_test_value_job (3);
      LpManager *manager = lp_test_start (1, NULL);
      LpLease *lease = lp_test_acquire (manager, "asked for");
      Asker asker = { job, FALSE, FALSE };
      GThread *thread = g_thread_new ("asker", ask_main, &asker);
      Told told = { NULL };

      lp_test_block_for (is_set, &asker.asked, "the other thread to ask");
      lp_lease_submit_async (lease, job, NULL, told_cb, &told);
      g_object_unref (lease);
      wait_told (&told);
      told_clear (&told);

      g_atomic_int_set (&asker.over, TRUE);
      g_thread_join (thread);
      lp_test_wait_stat (manager, "leased", 0);
      lp_test_finish (manager);
    }
}

static GThread *main_thread;

static void
count_elsewhere (gpointer data, GObject *where_it_was)
{
  if (g_thread_self () != main_thread)
    g_atomic_int_inc ((int *) data);
}

typedef struct
{
  guint n_told;
  guint n_jobs;
} Count;

static void
count_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  ((Count *) user_data)->n_told++;
}

static gboolean
all_are_told (gpointer data)
{
  return ((Count *) data)->n_told == ((Count *) data)->n_jobs;
}

/* What nobody keeps is finalized in the context that is told, and not by a worker. */
static void
test_finalized_where_told (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = lp_test_gate_job (self->gate);
  Count count = { 0, JOBS };
  int n_elsewhere = 0;

  lp_test_submit (self->lease, first);
  for (guint i = 0; i < JOBS; i++)
    {
      g_autoptr (LpJob) job = lp_test_value_job ((int) i);

      g_object_weak_ref (G_OBJECT (job), count_elsewhere, &n_elsewhere);
      lp_lease_submit_async (self->lease, job, NULL, count_cb, &count);
    }

  lp_test_gate_open (self->gate);
  lp_test_wait_for (all_are_told, &count, "all callbacks");
  g_assert_cmpint (g_atomic_int_get (&n_elsewhere), ==, 0);
}

/* Others who wait for the job are told as well, whoever came first. */
static void
test_others_wait (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_gate_polite_job (self->gate);
  g_autoptr (GAsyncResult) before = NULL;
  g_autoptr (GAsyncResult) after = NULL;
  Told told = { NULL };

  lp_job_wait_async (job, NULL, lp_test_result_cb, &before);
  lp_lease_submit_async (self->lease, job, NULL, told_cb, &told);
  lp_job_wait_async (job, NULL, lp_test_result_cb, &after);
  lp_test_gate_open (self->gate);

  lp_test_wait_result (&before);
  lp_test_wait_result (&after);
  wait_told (&told);
  told_clear (&told);
}

static void
test_cancellable_cancels (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LpJob) job = lp_test_gate_polite_job (self->gate);
  Told told = { NULL };

  lp_lease_submit_async (self->lease, job, cancellable, told_cb, &told);
  lp_test_gate_wait_entered (self->gate, 1);
  g_cancellable_cancel (cancellable);
  wait_told (&told);

  g_assert_true (told.result == G_ASYNC_RESULT (job));
  g_assert_error (told.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_CANCELLED);
  told_clear (&told);
}

static void
test_cancelled_before (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LpJob) job = lp_test_value_job (3);
  Told told = { NULL };

  g_cancellable_cancel (cancellable);
  lp_lease_submit_async (self->lease, job, cancellable, told_cb, &told);
  wait_told (&told);

  g_assert_false (LP_IS_JOB (told.result));
  g_assert_error (told.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_NEW);
  told_clear (&told);
}

/* When the callback has run, the cancellable holds the job no longer. */
static void
test_cancellable_lets_go (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  LpJob *job = lp_test_value_job (3);
  int gone = FALSE;
  Told told = { NULL };

  lp_test_watch (job, &gone);
  lp_lease_submit_async (self->lease, job, cancellable, told_cb, &told);
  g_object_unref (job);
  wait_told (&told);
  told_clear (&told);

  lp_test_wait_for (lp_test_is_gone, &gone, "the job to go");
  g_assert_cmpuint (g_signal_handler_find (cancellable, G_SIGNAL_MATCH_ID, g_signal_lookup ("cancelled",
                    G_TYPE_CANCELLABLE), 0, NULL, NULL, NULL), ==, 0);
}

static void
never_cb (GCancellable *cancellable, gpointer data)
{
  g_assert_not_reached ();
}

static void
unref_job (gpointer data, GClosure *closure)
{
  g_object_unref (data);
}

/* And a job that is kept, here by a handler of the cancellable, does not hold that. */
static void
test_cancellable_is_let_go (Fixture *self, gconstpointer data)
{
  GCancellable *cancellable = g_cancellable_new ();
  LpJob *job = lp_test_value_job (3);
  int cancellable_gone = FALSE, job_gone = FALSE;
  Told told = { NULL };

  lp_test_watch (cancellable, &cancellable_gone);
  lp_test_watch (job, &job_gone);
  lp_lease_submit_async (self->lease, job, cancellable, told_cb, &told);
  g_signal_connect_data (cancellable, "cancelled", G_CALLBACK (never_cb), job, unref_job, 0);
  wait_told (&told);
  told_clear (&told);

  g_object_unref (cancellable);
  lp_test_wait_for (lp_test_is_gone, &cancellable_gone, "the cancellable to go");
  lp_test_wait_for (lp_test_is_gone, &job_gone, "the job to go");
}

/* The job may have ended when its submit comes to wait for it, or not: it is told once. */
static void
test_ends_at_once (Fixture *self, gconstpointer data)
{
  for (guint i = 0; i < lp_test_size (300, 20000, 100); i++)
    {
      g_autoptr (GCancellable) cancellable = i % 2 == 0 ? g_cancellable_new () : NULL;
      g_autoptr (LpJob) job = lp_test_value_job ((int) i);
      Told told = { NULL };

      lp_lease_submit_async (self->lease, job, cancellable, told_cb, &told);
      wait_told (&told);
      g_assert_cmpint (value_of (told.value), ==, (int) i);
      told_clear (&told);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  main_thread = g_thread_self ();

#define TEST(name, func) \
  g_test_add ("/job-result/" name, Fixture, GINT_TO_POINTER (1), set_up, func, tear_down)

  TEST ("is-the-job", test_is_the_job);
  TEST ("fails", test_fails);
  TEST ("is-of-one-operation", test_is_of_one_operation);
  TEST ("of-no-submit", test_of_no_submit);
  TEST ("refused/is-not-the-job", test_refused_is_not_the_job);
  TEST ("refused/beside-accepted", test_refused_beside_accepted);
  TEST ("source-until-told", test_source_until_told);
  TEST ("source-asked-elsewhere", test_source_asked_elsewhere);
  TEST ("finalized-where-told", test_finalized_where_told);
  TEST ("others-wait", test_others_wait);
  TEST ("cancellable/cancels", test_cancellable_cancels);
  TEST ("cancellable/before", test_cancelled_before);
  TEST ("cancellable/lets-go", test_cancellable_lets_go);
  TEST ("cancellable/is-let-go", test_cancellable_is_let_go);
  TEST ("ends-at-once", test_ends_at_once);

  return g_test_run ();
}
