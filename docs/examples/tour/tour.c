/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The tour in C: tour runs all steps, tour 3 the third one. Each step is a
 * function that returns FALSE with an error, as those of the library do. */

#include <leasepool.h>

#include <stdlib.h>

/* 1. Quick start */
static void
power_of_two (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(i)", 1 << GPOINTER_TO_INT (user_data));
}

static int
number_of (GVariant *result)
{
  int number;

  g_variant_get (result, "(i)", &number);
  return number;
}

/* Has a job run on a lease of its own, and waits for it. */
static GVariant *
run_job (LpManager *manager, LpJob *job, GError **error)
{
  g_autoptr(LpLease) lease = lp_manager_acquire (manager, NULL, NULL, error);
  gboolean is_accepted;

  if (lease == NULL)
    return NULL;

  is_accepted = lp_lease_submit (lease, job, error);
  lp_lease_release (lease);
  return is_accepted ? lp_job_wait (job, -1, NULL, error) : NULL;
}

static gboolean
quick_start (GError **error)
{
  g_autoptr(LpManager) manager = lp_manager_new (LP_BACKEND_THREAD, 2);
  g_autoptr(LpJob) job = lp_job_new_for_func (power_of_two, GINT_TO_POINTER (10), NULL);
  g_autoptr(GVariant) result = NULL;

  if (!lp_manager_start (manager, NULL, error) || !(result = run_job (manager, job, error)))
    return FALSE;

  g_print ("2 to the power of 10: %d\n", number_of (result));
  return lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, error);
}

/* 2. A lease in a scope */
static void
square (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  int number = GPOINTER_TO_INT (user_data);

  *result = g_variant_new ("(i)", number * number);
}

static gboolean
print_squares (LpManager *manager, GError **error)
{
  g_autoptr(LpRequest) request = lp_request_new ();
  g_autoptr(LpLease) lease = NULL;
  g_autoptr(GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);

  lp_request_set_owner (request, "squares");
  lp_request_set_lease_seconds (request, 30);
  if (!(lease = lp_manager_acquire (manager, request, NULL, error)))
    return FALSE;

  for (int i = 1; i <= 3; i++)
    {
      LpJob *job = lp_job_new_for_func (square, GINT_TO_POINTER (i), NULL);

      g_ptr_array_add (jobs, job);
      if (!lp_lease_submit (lease, job, error))
        return FALSE;
    }

  g_print ("squares:");
  for (guint i = 0; i < jobs->len; i++)
    {
      g_autoptr(GVariant) result = lp_job_wait (jobs->pdata[i], -1, NULL, error);

      if (result == NULL)
        return FALSE;
      g_print (" %d", number_of (result));
    }
  g_print ("\n");

  /* The scope releases it as well, but with a message that somebody forgot to. */
  lp_lease_release (lease);
  return TRUE;
}

static gboolean
lease_in_scope (GError **error)
{
  g_autoptr(LpManager) manager = lp_manager_new (LP_BACKEND_THREAD, 1);

  if (!lp_manager_start (manager, NULL, error) || !print_squares (manager, error))
    return FALSE;

  g_print ("idle executors after the scope: %u\n", lp_manager_get_available_count (manager));
  return lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, error);
}

/* 3. Acquire and release */
static gboolean
acquire_and_release (GError **error)
{
  g_autoptr(LpManager) manager = lp_manager_new (LP_BACKEND_THREAD, 1);
  g_autoptr(LpJob) job = lp_job_new_for_func (power_of_two, GINT_TO_POINTER (10), NULL);
  g_autoptr(LpJob) late = lp_job_new_for_func (power_of_two, GINT_TO_POINTER (10), NULL);
  g_autoptr(LpLease) lease = NULL;
  g_autoptr(GVariant) result = NULL;
  g_autoptr(GError) refusal = NULL;

  if (!lp_manager_start (manager, NULL, error) || !(lease = lp_manager_acquire (manager, NULL, NULL, error)))
    return FALSE;

  g_print ("leased executors: %u\n", lp_manager_get_leased_count (manager));
  if (!lp_lease_submit (lease, job, error))
    return FALSE;

  /* Returns at once. What was accepted still runs; nothing more is accepted. */
  lp_lease_release (lease);
  if (!(result = lp_job_wait (job, -1, NULL, error)))
    return FALSE;

  g_print ("accepted before the release: %d\n", number_of (result));
  if (!lp_lease_submit (lease, late, &refusal) && g_error_matches (refusal, LP_ERROR, LP_ERROR_EXPIRED))
    g_print ("submitted after the release: expired\n");

  return lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, error);
}

/* 4. Wait, time out, do not wait */
static void
acquired_cb (GObject *manager, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **ready = user_data;

  *ready = g_object_ref (result);
}

static gboolean
wait_for_lease (GError **error)
{
  g_autoptr(LpManager) manager = lp_manager_new (LP_BACKEND_THREAD, 1);
  g_autoptr(LpRequest) request = lp_request_new ();
  g_autoptr(LpLease) first = NULL;
  g_autoptr(LpLease) second = NULL;
  g_autoptr(GError) unavailable = NULL;
  g_autoptr(GError) timed_out = NULL;
  g_autoptr(GAsyncResult) ready = NULL;

  lp_request_set_owner (request, "second");
  if (!lp_manager_start (manager, NULL, error) || !(first = lp_manager_acquire (manager, NULL, NULL, error)))
    return FALSE;

  second = lp_manager_try_acquire (manager, request, &unavailable);
  if (g_error_matches (unavailable, LP_ERROR, LP_ERROR_UNAVAILABLE))
    g_print ("without waiting: unavailable\n");

  lp_request_set_timeout (request, 0.1);
  second = lp_manager_acquire (manager, request, NULL, &timed_out);
  if (g_error_matches (timed_out, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    g_print ("for 0.1 seconds: timed out\n");

  lp_request_set_timeout (request, -1);
  lp_manager_acquire_async (manager, request, NULL, acquired_cb, &ready);
  lp_lease_release (first);
  while (ready == NULL)
    g_main_context_iteration (NULL, TRUE);
  if (!(second = lp_manager_acquire_finish (manager, ready, error)))
    return FALSE;

  g_print ("as long as it takes: leased to %s\n", lp_lease_get_owner (second));
  lp_lease_release (second);
  return lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, error);
}

/* 5. Adaptive sizing */
static gint64
count_devices (LpManager *manager, gpointer user_data, GError **error)
{
  int *n_devices = user_data;

  return *n_devices;
}

static void
total_count_cb (LpManager *manager, GParamSpec *pspec, gpointer user_data)
{
  if (lp_manager_get_total_count (manager) == 1)
    g_main_loop_quit (user_data);
}

static gboolean
adaptive_sizing (GError **error)
{
  g_autoptr(LpManager) manager = lp_manager_new (LP_BACKEND_THREAD, 4);
  g_autoptr(GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  int n_devices = 25;

  lp_manager_set_units_per_pool (manager, 10);
  lp_manager_set_size_provider (manager, count_devices, &n_devices, NULL);
  if (!lp_manager_start (manager, NULL, error))
    return FALSE;

  g_print ("%d devices: %u executors\n", n_devices, lp_manager_get_total_count (manager));
  g_signal_connect (manager, "notify::total-count", G_CALLBACK (total_count_cb), loop);
  n_devices = 5;
  lp_manager_notify_scale_changed (manager);
  g_main_loop_run (loop);
  g_print ("%d devices: %u executor\n", n_devices, lp_manager_get_total_count (manager));
  g_signal_handlers_disconnect_by_data (manager, loop);
  return lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, error);
}

/* 6. Statistics */
static void
fail (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "It cannot be done");
}

static void
print_holders (GVariant *stats)
{
  g_autoptr(GVariant) leases = g_variant_lookup_value (stats, "leases", G_VARIANT_TYPE ("aa{sv}"));

  for (gsize i = 0; i < g_variant_n_children (leases); i++)
    {
      g_autoptr(GVariant) entry = g_variant_get_child_value (leases, i);
      const char *owner = NULL;

      g_variant_lookup (entry, "owner", "m&s", &owner);
      g_print ("held by: %s\n", owner);
    }
}

static guint
count_of (GVariant *stats, const char *key)
{
  guint64 count = 0;

  g_variant_lookup (stats, key, "t", &count);
  return count;
}

static gboolean
statistics (GError **error)
{
  g_autoptr(LpManager) manager = lp_manager_new (LP_BACKEND_THREAD, 1);
  g_autoptr(LpRequest) request = lp_request_new ();
  g_autoptr(LpJob) good = lp_job_new_for_func (power_of_two, GINT_TO_POINTER (10), NULL);
  g_autoptr(LpJob) bad = lp_job_new_for_func (fail, NULL, NULL);
  g_autoptr(LpLease) lease = NULL;
  g_autoptr(GVariant) result = NULL;
  g_autoptr(GVariant) nothing = NULL;
  g_autoptr(GVariant) before = NULL;
  g_autoptr(GVariant) after = NULL;

  lp_request_set_owner (request, "counted");
  if (!lp_manager_start (manager, NULL, error) || !(lease = lp_manager_acquire (manager, request, NULL, error))
      || !lp_lease_submit (lease, good, error) || !lp_lease_submit (lease, bad, error)
      || !(result = lp_job_wait (good, -1, NULL, error)))
    return FALSE;

  nothing = lp_job_wait (bad, -1, NULL, NULL);
  before = lp_manager_dup_stats (manager);
  print_holders (before);
  g_print ("jobs: %u succeeded, %u failed\n", count_of (before, "jobs_succeeded"), count_of (before, "jobs_failed"));

  lp_lease_release (lease);
  after = lp_manager_dup_stats (manager);
  g_print ("leases: %u acquired, %u released, %u revoked\n", count_of (after, "acquired"), count_of (after, "released"),
           count_of (after, "revoked"));
  return lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, error);
}

/* 7. Expiry */
static gboolean
forget_lease (LpManager *manager, GError **error)
{
  const char * const argv[] = { "sleep", "1000", NULL };
  g_autoptr(LpJob) job = lp_job_new_for_command (argv, NULL);
  g_autoptr(LpJob) late = lp_job_new_for_command (argv, NULL);
  g_autoptr(LpRequest) request = lp_request_new ();
  g_autoptr(LpLease) lease = NULL;
  g_autoptr(GVariant) nothing = NULL;
  g_autoptr(GError) cancelled = NULL;
  g_autoptr(GError) expired = NULL;

  lp_request_set_owner (request, "forgetful");
  lp_request_set_lease_seconds (request, 60);
  /* The renewal counts from now on; nobody releases it. */
  if (!(lease = lp_manager_acquire (manager, request, NULL, error)) || !lp_lease_submit (lease, job, error)
      || !lp_lease_renew (lease, 0.1, error))
    return FALSE;

  nothing = lp_job_wait (job, -1, NULL, &cancelled);
  if (g_error_matches (cancelled, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_print ("its job: cancelled\n");
  if (!lp_lease_submit (lease, late, &expired) && g_error_matches (expired, LP_ERROR, LP_ERROR_EXPIRED))
    g_print ("a submit: expired\n");
  return TRUE;
}

static gboolean
expiry (GError **error)
{
  g_autoptr(LpManager) manager = lp_manager_new (LP_BACKEND_THREAD, 1);
  g_autoptr(LpRequest) request = lp_request_new ();
  g_autoptr(LpLease) lease = NULL;

  lp_manager_set_lease_grace_seconds (manager, 0);
  lp_request_set_owner (request, "next");
  if (!lp_manager_start (manager, NULL, error) || !forget_lease (manager, error)
      || !(lease = lp_manager_acquire (manager, request, NULL, error)))
    return FALSE;

  g_print ("leased to %s\n", lp_lease_get_owner (lease));
  lp_lease_release (lease);
  return lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, error);
}

/* 8. Processes */
static gboolean
print_primes (LpManager *manager, int limit, GError **error)
{
  g_autoptr(LpJob) job = lp_job_new_for_call ("count_primes", g_variant_new ("(i)", limit));
  g_autoptr(GVariant) result = run_job (manager, job, error);

  if (result != NULL)
    g_print (" %d", number_of (result));
  return result != NULL;
}

static gboolean
processes (GError **error)
{
  g_autoptr(LpManager) manager = lp_manager_new (LP_BACKEND_PROCESS, 2);
  g_autoptr(LpJob) job = lp_job_new_for_call ("crash", NULL);
  g_autoptr(GVariant) nothing = NULL;
  g_autoptr(GError) broken = NULL;

  lp_manager_set_function_module (manager, "tour-module");
  lp_manager_set_workers_per_pool (manager, 2);
  lp_manager_set_start_timeout_seconds (manager, 60);
  if (!lp_manager_start (manager, NULL, error))
    return FALSE;

  g_print ("primes up to 10, 100 and 1000:");
  if (!print_primes (manager, 10, error) || !print_primes (manager, 100, error) || !print_primes (manager, 1000, error))
    return FALSE;

  nothing = run_job (manager, job, &broken);
  if (g_error_matches (broken, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR))
    g_print ("\na worker that dies: broken executor\n");

  g_print ("primes up to 20, in another worker:");
  if (!print_primes (manager, 20, error))
    return FALSE;

  g_print ("\n");
  return lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, error);
}

/* 9. Commands */
static gboolean
commands (GError **error)
{
  g_autoptr(LpManager) manager = lp_manager_new (LP_BACKEND_THREAD, 1);
  const char * const shout[] = { "sh", "-c", "tr a-z A-Z; exit 3", NULL };
  const char * const nap[] = { "sleep", "1000", NULL };
  g_autoptr(GBytes) input = g_bytes_new_static ("hello", 5);
  g_autoptr(LpJob) job = lp_job_new_for_command (shout, input);
  g_autoptr(LpJob) slow = lp_job_new_for_command (nap, NULL);
  g_autoptr(GVariant) result = NULL;
  g_autoptr(GVariant) output = NULL;
  g_autoptr(GVariant) nothing = NULL;
  g_autoptr(GError) timed_out = NULL;
  int status;

  if (!lp_manager_start (manager, NULL, error) || !(result = run_job (manager, job, error)))
    return FALSE;

  g_variant_get (result, "(i@ay@ay)", &status, &output, NULL);
  g_print ("%.*s, exit status %d\n", (int) g_variant_get_size (output), (char *) g_variant_get_data (output), status);

  lp_job_set_timeout_seconds (slow, 0.1);
  nothing = run_job (manager, slow, &timed_out);
  if (g_error_matches (timed_out, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    g_print ("sleep: timed out\n");

  return lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, error);
}

/* 10. Errors */
static void
half (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  int number = GPOINTER_TO_INT (user_data);

  if (number % 2 != 0)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%d is odd", number);
  else
    *result = g_variant_new ("(i)", number / 2);
}

static gboolean
errors (GError **error)
{
  g_autoptr(LpManager) manager = lp_manager_new (LP_BACKEND_THREAD, 1);
  g_autoptr(LpJob) odd = lp_job_new_for_func (half, GINT_TO_POINTER (5), NULL);
  g_autoptr(LpJob) unknown = lp_job_new_for_call ("third", NULL);
  g_autoptr(GError) setting = NULL;
  g_autoptr(GError) function = NULL;
  g_autoptr(GError) name = NULL;
  g_autoptr(GError) stopped = NULL;

  lp_manager_set_min_pools (manager, 2);
  if (!lp_manager_validate (manager, &setting) && g_error_matches (setting, LP_ERROR, LP_ERROR_INVALID_ARGUMENT))
    g_print ("a setting: invalid argument\n");

  lp_manager_set_min_pools (manager, 1);
  if (!lp_manager_start (manager, NULL, error))
    return FALSE;

  if (!run_job (manager, odd, &function) && g_error_matches (function, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT))
    g_print ("a function: %s\n", function->message);
  if (!run_job (manager, unknown, &name) && g_error_matches (name, LP_ERROR, LP_ERROR_UNKNOWN_FUNCTION))
    g_print ("a name: unknown function\n");

  if (!lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, error))
    return FALSE;

  if (!lp_manager_acquire (manager, NULL, NULL, &stopped) && g_error_matches (stopped, LP_ERROR, LP_ERROR_NOT_STARTED))
    g_print ("after the stop: not started\n");

  return TRUE;
}

/* The steps */
static const struct
{
  const char *name;
  gboolean (*func) (GError **error);
} steps[] = {
  { "quick_start", quick_start },
  { "lease_in_scope", lease_in_scope },
  { "acquire_and_release", acquire_and_release },
  { "wait_for_lease", wait_for_lease },
  { "adaptive_sizing", adaptive_sizing },
  { "statistics", statistics },
  { "expiry", expiry },
  { "processes", processes },
  { "commands", commands },
  { "errors", errors },
};

int
main (int argc, char **argv)
{
  guint chosen = argc > 1 ? atoi (argv[1]) : 0;

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      g_autoptr(GError) error = NULL;

      if (chosen != 0 && chosen != i + 1)
        continue;

      g_print ("%u. %s\n", i + 1, steps[i].name);
      if (!steps[i].func (&error))
        {
          g_printerr ("%s\n", error->message);
          return 1;
        }
    }

  return 0;
}
