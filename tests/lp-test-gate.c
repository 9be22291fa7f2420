/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Jobs: those that stand at a gate until it is opened, and those that end at once. On a backend of processes they are
 * the named functions of conform-module.c, and the gate is one of lp-test-conform.h. */

#include "config.h"

#include "lp-test.h"

#include "lp-test-conform.h"

/* --- Gates --- */

struct _LpTestGate
{
  gatomicrefcount ref_count;
  GMutex lock;
  GCond cond;
  guint n_entered;
  gboolean open;
  LpTestRemoteGate *remote;     /* (nullable) (constant) then all is there */
};

LpTestGate *
lp_test_gate_new (void)
{
  LpTestGate *gate = g_new0 (LpTestGate, 1);

  g_atomic_ref_count_init (&gate->ref_count);
  g_mutex_init (&gate->lock);
  g_cond_init (&gate->cond);
  if (lp_test_get_backend () != NULL)
    gate->remote = lp_test_remote_gate_new ();

  return gate;
}

LpTestGate *
lp_test_gate_ref (LpTestGate *gate)
{
  g_atomic_ref_count_inc (&gate->ref_count);
  return gate;
}

void
lp_test_gate_unref (LpTestGate *gate)
{
  if (!g_atomic_ref_count_dec (&gate->ref_count))
    return;

  g_mutex_clear (&gate->lock);
  g_cond_clear (&gate->cond);
  g_clear_pointer (&gate->remote, lp_test_remote_gate_free);
  g_free (gate);
}

static void
enter (LpTestGate *gate)
{
  g_mutex_lock (&gate->lock);
  gate->n_entered++;
  g_cond_broadcast (&gate->cond);
}

static void
gate_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  LpTestGate *gate = user_data;

  enter (gate);
  while (!gate->open)
    g_cond_wait (&gate->cond, &gate->lock);
  g_mutex_unlock (&gate->lock);

  *result = g_variant_new ("()");
}

static void
wake_gate_cb (GCancellable *cancellable, gpointer user_data)
{
  LpTestGate *gate = user_data;

  g_mutex_lock (&gate->lock);
  g_cond_broadcast (&gate->cond);
  g_mutex_unlock (&gate->lock);
}

static void
polite_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  LpTestGate *gate = user_data;
  GCancellable *cancellable = lp_job_get_cancellable (job);
  gulong id = g_cancellable_connect (cancellable, G_CALLBACK (wake_gate_cb), gate, NULL);

  enter (gate);
  while (!gate->open && !g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&gate->cond, &gate->lock);
  g_mutex_unlock (&gate->lock);

  g_cancellable_disconnect (cancellable, id);
  if (!g_cancellable_set_error_if_cancelled (cancellable, error))
    *result = g_variant_new ("()");
}

LpJob *
lp_test_gate_job (LpTestGate *gate)
{
  if (gate->remote != NULL)
    return lp_test_remote_gate_job (gate->remote, "gate");

  return lp_job_new_for_func (gate_func, lp_test_gate_ref (gate), (GDestroyNotify) lp_test_gate_unref);
}

LpJob *
lp_test_gate_polite_job (LpTestGate *gate)
{
  if (gate->remote != NULL)
    return lp_test_remote_gate_job (gate->remote, "polite");

  return lp_job_new_for_func (polite_func, lp_test_gate_ref (gate), (GDestroyNotify) lp_test_gate_unref);
}

LpJob *
lp_test_gate_function_job (LpTestGate *gate, const char *function)
{
  return lp_test_remote_gate_job (gate->remote, function);
}

void
lp_test_gate_wait_entered (LpTestGate *gate, guint n)
{
  gint64 end = g_get_monotonic_time () + LP_TEST_PATIENCE_SECONDS * G_TIME_SPAN_SECOND;

  if (gate->remote != NULL)
    {
      lp_test_remote_gate_wait_entered (gate->remote, n);
      return;
    }

  g_mutex_lock (&gate->lock);
  while (gate->n_entered < n)
    g_assert_true (g_cond_wait_until (&gate->cond, &gate->lock, end));
  g_mutex_unlock (&gate->lock);
}

guint
lp_test_gate_get_entered (LpTestGate *gate)
{
  guint n_entered;

  if (gate->remote != NULL)
    return lp_test_remote_gate_wait_entered (gate->remote, 0);

  g_mutex_lock (&gate->lock);
  n_entered = gate->n_entered;
  g_mutex_unlock (&gate->lock);

  return n_entered;
}

void
lp_test_gate_open (LpTestGate *gate)
{
  if (gate->remote != NULL)
    {
      lp_test_remote_gate_open (gate->remote);
      return;
    }

  g_mutex_lock (&gate->lock);
  gate->open = TRUE;
  g_cond_broadcast (&gate->cond);
  g_mutex_unlock (&gate->lock);
}

/* --- Jobs that end at once --- */

static void
value_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(i)", GPOINTER_TO_INT (user_data));
}

LpJob *
lp_test_value_job (int value)
{
  if (lp_test_get_backend () != NULL)
    return lp_job_new_for_call ("value", g_variant_new ("(i)", value));

  return lp_job_new_for_func (value_func, GINT_TO_POINTER (value), NULL);
}

static void
error_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "as asked");
}

LpJob *
lp_test_error_job (void)
{
  if (lp_test_get_backend () != NULL)
    return lp_job_new_for_call ("error", NULL);

  return lp_job_new_for_func (error_func, NULL, NULL);
}

void
lp_test_assert_same_bytes (GVariant *value, GVariant *expected)
{
  g_autoptr (GVariant) bytes = NULL;
  g_autoptr (GVariant) expected_bytes = NULL;
  gconstpointer data, expected_data;
  gsize size, expected_size;

  g_assert_cmpstr (g_variant_get_type_string (value), ==, "(ay)");
  bytes = g_variant_get_child_value (value, 0);
  expected_bytes = g_variant_get_child_value (expected, 0);
  data = g_variant_get_fixed_array (bytes, &size, 1);
  expected_data = g_variant_get_fixed_array (expected_bytes, &expected_size, 1);
  g_assert_cmpmem (data, size, expected_data, expected_size);
}
