/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The callback of a submit while another thread cancels the job: it is called once, whatever becomes of the job. */

#include "config.h"

#include "lp-job-private.h"
#include "lp-test-job.h"
#include "lp-test-race.h"

#define ROUNDS lp_test_size (1000, 50000, 200)

typedef struct
{
  GError *error;
  guint n_called;
  gboolean is_job;              /* the result was the job */
} Told;

static void
told_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Told *self = user_data;
  g_autoptr (GVariant) value = lp_lease_submit_finish (LP_LEASE (source), result, &self->error);

  self->n_called++;
  self->is_job = LP_IS_JOB (result);
  g_assert_true ((value != NULL) == (self->error == NULL));
}

/* Those of its lease, which has come to the main context by then, are all told. */
static void
wait_told (Told *self)
{
  while (self->n_called == 0)
    g_main_context_iteration (NULL, TRUE);
}

static void
assert_told_once (Told *self)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (self->n_called, ==, 1);
}

static void
cancel_job_act (gpointer subject)
{
  lp_job_cancel (subject);
}

static void
cancel_act (gpointer subject)
{
  g_cancellable_cancel (subject);
}

static void
assert_cancelled_or (const GError *error, GQuark domain, int code)
{
  if (!g_error_matches (error, domain, code))
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_cancel (Fixture *self, gconstpointer data)
{
  Race race = { ROUNDS, 0, 0, NULL, cancel_job_act };
  GThread *thread = g_thread_new ("test-race", race_main, &race);
  guint n_fates[3] = { 0 };

  for (guint round = 1; round <= race.n_rounds; round++)
    {
      g_autoptr (LpJob) job = lp_test_value_job (1);
      Told told = { NULL };
      int gone = 0;

      lp_test_watch (job, &gone);
      race_begin (&race, round, job);
      lp_lease_submit_async (self->lease, job, NULL, told_cb, &told);
      wait_told (&told);
      race_end (&race, round);
      assert_told_once (&told);

      if (told.error != NULL)
        assert_cancelled_or (told.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      n_fates[told.error == NULL ? 0 : told.is_job ? 1 : 2]++;
      g_clear_error (&told.error);

      g_clear_object (&job);
      lp_test_wait_for (lp_test_is_gone, &gone, "the job to be finalized");
    }

  g_thread_join (thread);
  g_test_message ("ran %u, cancelled %u, refused %u", n_fates[0], n_fates[1], n_fates[2]);
}

static void
set_up_full (Fixture *self, gconstpointer data)
{
  fixture_init (self, lp_test_start (1, "workers-per-pool", 1, "max-queued-jobs", 1, NULL), "job");
}

/* One that was refused and not cancelled is as new: its callback is of its next submit alone. */
static void
test_cancel_refused (Fixture *self, gconstpointer data)
{
  Race race = { ROUNDS, 0, 0, NULL, cancel_job_act };
  GThread *thread = g_thread_new ("test-race", race_main, &race);
  g_autoptr (GError) error = NULL;
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) running = lp_test_gate_job (gate);
  g_autoptr (LpJob) queued = lp_test_value_job (1);
  guint n_fates[3] = { 0 };

  lp_test_submit (self->lease, running);
  lp_test_gate_wait_entered (gate, 1);
  lp_test_submit (self->lease, queued);

  for (guint round = 1; round <= race.n_rounds; round++)
    {
      g_autoptr (LpJob) job = lp_test_value_job (1);
      Told told = { NULL };
      Told again = { NULL };

      race_begin (&race, round, job);
      lp_lease_submit_async (self->lease, job, NULL, told_cb, &told);
      wait_told (&told);
      lp_lease_submit_async (self->lease, job, NULL, told_cb, &again);
      wait_told (&again);
      race_end (&race, round);
      assert_told_once (&told);
      assert_told_once (&again);

      assert_cancelled_or (told.error, LP_ERROR, LP_ERROR_QUEUE_FULL);
      assert_cancelled_or (again.error, LP_ERROR, LP_ERROR_QUEUE_FULL);
      /* Then nobody claims it again, who may have looked at its state before. */
      if (told.is_job)
        {
          g_assert_error (told.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
          g_assert_true (g_atomic_int_get (&job->submitted));
        }
      n_fates[told.is_job ? 2 : g_error_matches (told.error, G_IO_ERROR, G_IO_ERROR_CANCELLED)]++;
      g_clear_error (&told.error);
      g_clear_error (&again.error);
    }

  lp_test_gate_open (gate);
  lp_test_gate_unref (gate);
  lp_test_assert_done (running);
  lp_test_assert_done (queued);
  g_thread_join (thread);
  g_test_message ("refused %u, cancelled before %u, cancelled meanwhile %u", n_fates[0], n_fates[1], n_fates[2]);
}

static void
ask_act (gpointer subject)
{
  g_autoptr (GObject) source = g_async_result_get_source_object (subject);

  g_async_result_get_user_data (subject);
  g_async_result_is_tagged (subject, lp_lease_submit_async);
}

/* Whoever has the job may ask it as a result, also while its submit is refused. */
static void
test_ask_refused (Fixture *self, gconstpointer data)
{
  Race race = { ROUNDS, 0, 0, NULL, ask_act };
  GThread *thread = g_thread_new ("test-race", race_main, &race);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) running = lp_test_gate_job (gate);
  g_autoptr (LpJob) queued = lp_test_value_job (1);
  g_autoptr (LpJob) job = lp_test_value_job (1);

  lp_test_submit (self->lease, running);
  lp_test_gate_wait_entered (gate, 1);
  lp_test_submit (self->lease, queued);

  for (guint round = 1; round <= race.n_rounds; round++)
    {
      Told told = { NULL };

      race_begin (&race, round, job);
      lp_lease_submit_async (self->lease, job, NULL, told_cb, &told);
      wait_told (&told);
      race_end (&race, round);
      g_assert_error (told.error, LP_ERROR, LP_ERROR_QUEUE_FULL);
      g_clear_error (&told.error);
    }

  lp_test_gate_open (gate);
  lp_test_gate_unref (gate);
  lp_test_assert_done (running);
  lp_test_assert_done (queued);
  g_thread_join (thread);
}

typedef struct
{
  LpManager *manager;
  guint n_rounds;
  int n_done;                   /* (atomic) */
  GCancellable *cancellable;    /* (nullable) of this round */
} Dropper;

static void
drop_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GVariant) value = lp_lease_submit_finish (LP_LEASE (source), result, NULL);
  Dropper *self = user_data;

  g_assert_nonnull (value);
  lp_lease_release (LP_LEASE (source));
  g_object_unref (source);
  g_object_unref (result);
  g_clear_object (&self->cancellable);
  g_atomic_int_inc (&self->n_done);
}

/* Has no main context of its own, so that its callbacks run on the main thread. */
static gpointer
dropper_main (gpointer data)
{
  Dropper *self = data;

  for (guint i = 0; i < self->n_rounds; i++)
    {
      LpLease *lease = lp_manager_acquire (self->manager, NULL, NULL, NULL);

      g_assert_nonnull (lease);
      self->cancellable = i % 2 == 0 ? g_cancellable_new () : NULL;
      lp_lease_submit_async (lease, lp_test_value_job (1), self->cancellable, drop_cb, self);
      while ((guint) g_atomic_int_get (&self->n_done) <= i)
        g_thread_yield ();
    }

  return NULL;
}

/* The callback may run before the submit has returned, and drop what that was given. */
static void
test_drop_elsewhere (Fixture *self, gconstpointer data)
{
  Dropper dropper = { self->manager, ROUNDS, 0, NULL };
  GThread *thread;

  lp_lease_release (self->lease);
  thread = g_thread_new ("test-drop", dropper_main, &dropper);
  while ((guint) g_atomic_int_get (&dropper.n_done) < dropper.n_rounds)
    g_main_context_iteration (NULL, FALSE);
  g_thread_join (thread);
}

static void
drop_job_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_object_unref (job);
  *result = g_variant_new ("()");
}

static void
count_destroy (gpointer n)
{
  ++*(guint *) n;
}

/* Nobody is told, and the job drops what the submit was given. */
static void
test_drop_untold (Fixture *self, gconstpointer data)
{
  guint n_rounds = ROUNDS, n_gone = 0;

  for (guint i = 0; i < n_rounds; i++)
    {
      g_autoptr (GCancellable) cancellable = i % 2 == 0 ? g_cancellable_new () : NULL;

      lp_lease_submit_async (self->lease, lp_job_new_for_func (drop_job_func, &n_gone, count_destroy), cancellable, NULL,
                             NULL);
    }
  while (n_gone < n_rounds)
    g_main_context_iteration (NULL, TRUE);
}

static gboolean
has_handler (GCancellable *cancellable)
{
  return g_signal_has_handler_pending (cancellable, g_signal_lookup ("cancelled", G_TYPE_CANCELLABLE), 0, TRUE);
}

static void
test_cancellable (Fixture *self, gconstpointer data)
{
  Race race = { ROUNDS, 0, 0, NULL, cancel_act };
  GThread *thread = g_thread_new ("test-race", race_main, &race);

  for (guint round = 1; round <= race.n_rounds; round++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (LpJob) job = lp_test_value_job (1);
      Told told = { NULL };

      race_begin (&race, round, cancellable);
      lp_lease_submit_async (self->lease, job, cancellable, told_cb, &told);
      wait_told (&told);
      g_assert_false (has_handler (cancellable));
      race_end (&race, round);
      assert_told_once (&told);

      if (told.error != NULL)
        assert_cancelled_or (told.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_clear_error (&told.error);
    }

  g_thread_join (thread);
}

/* --- A callback that runs on another thread, maybe before the submit has returned --- */

typedef struct
{
  GMainContext *context;
  int stops;                    /* (atomic) */
} Elsewhere;

static gpointer
elsewhere_main (gpointer data)
{
  Elsewhere *self = data;

  g_main_context_push_thread_default (self->context);
  while (!g_atomic_int_get (&self->stops))
    g_main_context_iteration (self->context, TRUE);
  g_main_context_pop_thread_default (self->context);
  return NULL;
}

typedef struct
{
  GCancellable *cancellable;
  LpLease *lease;
  int n_told;                   /* (atomic) */
} Task;

static void
task_told_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_atomic_int_inc (&((Task *) user_data)->n_told);
}

static void
return_func (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  g_task_return_boolean (task, TRUE);
}

static gboolean
new_task_cb (gpointer data)
{
  GTask **task = data;
  Task *self = (Task *) *task;

  g_atomic_pointer_set (task, g_task_new (NULL, self->cancellable, task_told_cb, self));
  return G_SOURCE_REMOVE;
}

/* A task whose context is that of the other thread. */
static GTask *
task_new (Task *self, GMainContext *context)
{
  GTask *task = (GTask *) self;

  g_main_context_invoke (context, new_task_cb, &task);
  while (g_atomic_pointer_get (&task) == (GTask *) self)
    g_thread_yield ();

  return task;
}

static gboolean
is_task_told (gpointer data)
{
  return g_atomic_int_get (&((Task *) data)->n_told) > 0;
}

static gboolean
is_let_go (gpointer data)
{
  return !has_handler (data) && g_atomic_int_get (&G_OBJECT (data)->ref_count) == 1;
}

static void
test_elsewhere (Fixture *self, gconstpointer data)
{
  Race race = { ROUNDS, 0, 0, NULL, cancel_act };
  GThread *canceller = g_thread_new ("test-race", race_main, &race);
  Elsewhere elsewhere = { g_main_context_new (), FALSE };
  GThread *thread = g_thread_new ("test-elsewhere", elsewhere_main, &elsewhere);

  for (guint round = 1; round <= race.n_rounds; round++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GCancellable) other = g_cancellable_new ();
      Task told = { cancellable, self->lease, 0 };
      GTask *task = task_new (&told, elsewhere.context);

      /* Half of them are not cancelled: nothing else than the callback has them let go of the cancellable. */
      race_begin (&race, round, round % 2 == 0 ? cancellable : other);
      lp_lease_run_task (self->lease, task, return_func);
      g_object_unref (task);
      lp_test_block_for (is_task_told, &told, "the callback of the task");
      race_end (&race, round);
      lp_test_block_for (is_let_go, cancellable, "the cancellable to be let go");
      g_assert_cmpint (g_atomic_int_get (&told.n_told), ==, 1);
    }

  g_atomic_int_set (&elsewhere.stops, TRUE);
  g_main_context_wakeup (elsewhere.context);
  g_thread_join (thread);
  g_thread_join (canceller);
  g_main_context_unref (elsewhere.context);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

#define TEST(name, set_up, func) \
  g_test_add ("/job-result/race/" name, Fixture, GINT_TO_POINTER (2), set_up, func, tear_down)

  TEST ("cancel", set_up, test_cancel);
  TEST ("cancel-refused", set_up_full, test_cancel_refused);
  TEST ("ask-refused", set_up_full, test_ask_refused);
  TEST ("drop-elsewhere", set_up, test_drop_elsewhere);
  TEST ("drop-untold", set_up, test_drop_untold);
  TEST ("cancellable", set_up, test_cancellable);
  TEST ("elsewhere", set_up, test_elsewhere);

  return g_test_run ();
}
