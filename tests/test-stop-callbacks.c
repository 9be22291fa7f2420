/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Stop from wherever a program may call it. */

#include "config.h"

#include "lp-test-run.h"

typedef struct
{
  const char *where;
  gboolean blocking;
} CallbackCase;

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  gboolean blocking;
  gboolean armed;
  guint n_stops;
  GAsyncResult *result;
} FromCallback;

static void
stop_from_callback (FromCallback *self)
{
  if (!self->armed)
    return;

  self->armed = FALSE;
  self->n_stops++;
  if (self->blocking)
    assert_stops (self->manager, LP_STOP_MODE_CANCEL);
  else
    lp_manager_stop_async (self->manager, LP_STOP_MODE_CANCEL, -1, NULL, lp_test_result_cb, &self->result);
}

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  FromCallback *self = user_data;
  g_autoptr (GError) error = NULL;

  self->lease = lp_manager_acquire_finish (LP_MANAGER (source), result, &error);
  g_assert_no_error (error);
  stop_from_callback (self);
}

static void
job_ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GVariant) value = lp_lease_submit_finish (LP_LEASE (source), result, NULL);

  g_assert_nonnull (value);
  stop_from_callback (user_data);
}

static void
lease_signal_cb (LpManager *manager, LpLeaseInfo *info, gpointer user_data)
{
  stop_from_callback (user_data);
}

static void
notify_cb (GObject *object, GParamSpec *pspec, gpointer user_data)
{
  stop_from_callback (user_data);
}

static gint64
stopping_size_func (LpManager *manager, gpointer user_data, GError **error)
{
  stop_from_callback (user_data);
  return 0;
}

static gboolean
has_stopped (gpointer data)
{
  FromCallback *self = data;

  return self->n_stops > 0 && (self->blocking || self->result != NULL);
}

static void
begin_callback_case (FromCallback *self, const char *where)
{
  LpManager *manager = self->manager;
  g_autoptr (LpJob) job = lp_test_value_job (1);

  if (g_str_equal (where, "size-provider"))
    {
      lp_manager_set_size_provider (manager, stopping_size_func, self, NULL);
      lp_manager_notify_scale_changed (manager);
      return;
    }

  if (g_str_equal (where, "acquire"))
    {
      lp_manager_acquire_async (manager, NULL, NULL, acquired_cb, self);
      return;
    }

  if (g_str_equal (where, "signal"))
    g_signal_connect (manager, "lease-acquired", G_CALLBACK (lease_signal_cb), self);
  else if (g_str_equal (where, "notify"))
    g_signal_connect (manager, "notify::leased-count", G_CALLBACK (notify_cb), self);

  self->lease = lp_test_acquire (manager, "tester");
  if (g_str_equal (where, "job"))
    lp_lease_submit_async (self->lease, job, NULL, job_ended_cb, self);
}

static void
test_stop_from_callback (gconstpointer data)
{
  const CallbackCase *row = data;
  FromCallback from = { .blocking = row->blocking, .armed = TRUE };

  from.manager = start_plain (2);
  begin_callback_case (&from, row->where);
  lp_test_wait_for (has_stopped, &from, "the stop in the callback");

  if (!from.blocking)
    assert_stop_result (from.manager, &from.result);
  g_assert_cmpuint (from.n_stops, ==, 1);
  if (from.lease != NULL)
    g_assert_cmpint (lp_lease_get_state (from.lease), ==, LP_LEASE_STATE_STOPPED);
  assert_nothing_left (from.manager);

  g_clear_object (&from.lease);
  finish (from.manager);
}

/* The provider is asked before there is anything to stop. */
static void
test_stop_from_the_size_provider_of_the_start (void)
{
  LpManager *manager = lp_test_new (1);
  FromCallback from = { .manager = manager, .blocking = TRUE, .armed = TRUE };

  lp_manager_set_size_provider (manager, stopping_size_func, &from, NULL);
  assert_starts (manager);
  g_assert_cmpuint (from.n_stops, ==, 1);
  assert_still_works (manager);

  finish (manager);
}

static void
stop_in_job_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  if (lp_manager_stop (user_data, LP_STOP_MODE_KILL, -1, NULL, error))
    *result = g_variant_new ("()");
}

static void
test_stop_in_a_job_would_deadlock (void)
{
  LpManager *manager = start_plain (1);
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  g_autoptr (LpJob) job = lp_job_new_for_func (stop_in_job_func, manager, NULL);
  g_autoptr (GError) error = NULL;

  lp_test_submit (lease, job);
  g_assert_null (lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_WOULD_DEADLOCK);
  g_assert_true (lp_manager_is_running (manager));

  lp_lease_release (lease);
  finish (manager);
}

static void
test_stop_in_a_job_of_another_manager_is_allowed (void)
{
  LpManager *manager = start_plain (1);
  LpManager *other = start_plain (1);
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  g_autoptr (LpJob) job = lp_job_new_for_func (stop_in_job_func, other, NULL);

  lp_test_submit (lease, job);
  assert_job_succeeded (job);
  g_assert_false (lp_manager_is_running (other));

  lp_lease_release (lease);
  lp_test_finish (other);
  finish (manager);
}

typedef struct
{
  LpManager *manager;
  GAsyncResult *result;
} JobStop;

static void
stop_async_in_job_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  JobStop *self = user_data;

  lp_manager_stop_async (self->manager, LP_STOP_MODE_DRAIN, -1, NULL, lp_test_result_cb, &self->result);
  *result = g_variant_new ("()");
}

static void
test_stop_in_a_job_in_its_asynchronous_form (void)
{
  LpManager *manager = start_plain (1);
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  JobStop stop = { manager, NULL };
  g_autoptr (LpJob) job = lp_job_new_for_func (stop_async_in_job_func, &stop, NULL);

  lp_test_submit (lease, job);
  assert_stop_result (manager, &stop.result);
  assert_job_succeeded (job);
  assert_nothing_left (manager);

  g_assert_finalize_object (manager);
}

int
main (int argc, char **argv)
{
  static const CallbackCase rows[] = {
    { "acquire", TRUE }, { "acquire", FALSE }, { "job", TRUE }, { "job", FALSE }, { "signal", TRUE },
    { "signal", FALSE }, { "notify", TRUE }, { "notify", FALSE }, { "size-provider", TRUE },
    { "size-provider", FALSE },
  };

  g_test_init (&argc, &argv, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/stop/from-a-callback/%s/%s", rows[i].where,
                                               rows[i].blocking ? "blocking" : "asynchronous");

      lp_test_conform_add_data_func (path, &rows[i], test_stop_from_callback);
    }

  lp_test_conform_add_func ("/stop/from-a-callback/size-provider-of-the-start",
                   test_stop_from_the_size_provider_of_the_start);
  g_test_add_func ("/stop/in-a-job/would-deadlock", test_stop_in_a_job_would_deadlock);
  g_test_add_func ("/stop/in-a-job/of-another-manager-is-allowed", test_stop_in_a_job_of_another_manager_is_allowed);
  g_test_add_func ("/stop/in-a-job/asynchronous-form", test_stop_in_a_job_in_its_asynchronous_form);

  return g_test_run ();
}
