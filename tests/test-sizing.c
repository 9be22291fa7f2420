/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How many executors there are: who is asked for the size and when, growing,
 * shrinking, recycling, backing off. */

#include "config.h"

#include "lp-test.h"

#include <string.h>

#include "lp-lease-private.h"
#include "lp-manager-private.h"

/* The library's records, which come from any thread. */
static GMutex log_lock;
static GHashTable *log_counts;  /* (log_lock) event -> how many */
static GHashTable *log_texts;   /* (log_lock) event -> the last text */

static const char *
get_field (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, key))
      return fields[i].value;

  return NULL;
}

static GLogWriterOutput
log_writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  const char *event = get_field (fields, n_fields, "LEASEPOOL_EVENT");
  guint count;

  if (event == NULL)
    return g_log_writer_default (level, fields, n_fields, user_data);

  g_mutex_lock (&log_lock);
  count = GPOINTER_TO_UINT (g_hash_table_lookup (log_counts, event)) + 1;
  g_hash_table_insert (log_counts, g_strdup (event), GUINT_TO_POINTER (count));
  g_hash_table_insert (log_texts, g_strdup (event), g_strdup (get_field (fields, n_fields, "MESSAGE")));
  g_mutex_unlock (&log_lock);

  return G_LOG_WRITER_HANDLED;
}

static void
log_set_up (void)
{
  log_counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  log_texts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_log_set_writer_func (log_writer, NULL, NULL);
}

static void
log_forget (void)
{
  g_mutex_lock (&log_lock);
  g_hash_table_remove_all (log_counts);
  g_hash_table_remove_all (log_texts);
  g_mutex_unlock (&log_lock);
}

static guint
count_logged (const char *event)
{
  guint count;

  g_mutex_lock (&log_lock);
  count = GPOINTER_TO_UINT (g_hash_table_lookup (log_counts, event));
  g_mutex_unlock (&log_lock);

  return count;
}

static char *
dup_logged (const char *event)
{
  char *text;

  g_mutex_lock (&log_lock);
  text = g_strdup (g_hash_table_lookup (log_texts, event));
  g_mutex_unlock (&log_lock);

  return text;
}

static void
assert_contains (const char *text, const char *part)
{
  if (text == NULL || strstr (text, part) == NULL)
    g_error ("“%s” is not in “%s”", part, text);
}

/* An executor class whose starts fail, hang or die, and one that can be dead. */
typedef struct { LpExecutor parent_instance; } TestExecutor;
typedef struct { LpExecutorClass parent_class; } TestExecutorClass;
typedef struct { TestExecutor parent_instance; } MortalExecutor;
typedef struct { TestExecutorClass parent_class; } MortalExecutorClass;

static GType test_executor_get_type (void);
static GType mortal_executor_get_type (void);

G_DEFINE_TYPE (TestExecutor, test_executor, LP_TYPE_EXECUTOR)
G_DEFINE_TYPE (MortalExecutor, mortal_executor, test_executor_get_type ())

#define ALWAYS G_MAXINT
#define MAX_START_TIMES 64

static int n_starts;            /* (atomic) */
static int n_to_fail;           /* (atomic) of the next starts */
static int n_to_die;            /* (atomic) of those after them */
static int n_to_hang;           /* (atomic) of those after them */
static LpExecutor *hung;        /* (atomic) (owned) the last that hangs */
static gint64 start_times[MAX_START_TIMES];
static int n_asked;             /* (atomic) calls of has_died */
static int dead_up_to;          /* (atomic) these numbers are dead */
static GThread *asked_on;       /* (atomic) */

static gboolean
take_one (int *count)
{
  if (g_atomic_int_get (count) == ALWAYS)
    return TRUE;
  if (g_atomic_int_get (count) == 0)
    return FALSE;

  g_atomic_int_dec_and_test (count);
  return TRUE;
}

static gboolean
test_executor_start (LpExecutor *self, GError **error)
{
  int n = g_atomic_int_get (&n_starts);

  if (n < MAX_START_TIMES)
    start_times[n] = g_get_monotonic_time ();
  g_atomic_int_inc (&n_starts);

  if (take_one (&n_to_fail))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY, "not today");
      return FALSE;
    }

  if (take_one (&n_to_die))
    {
      g_autoptr (GError) death = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_BUSY, "died of it");

      lp_executor_report_died (self, death);
    }
  else if (take_one (&n_to_hang))
    g_atomic_pointer_set (&hung, g_object_ref (self));
  else
    lp_executor_report_ready (self);

  return TRUE;
}

static void
test_executor_class_init (TestExecutorClass *klass)
{
  LP_EXECUTOR_CLASS (klass)->start = test_executor_start;
}

static void
test_executor_init (TestExecutor *self)
{
}

static gboolean
mortal_executor_has_died (LpExecutor *self)
{
  g_atomic_pointer_set (&asked_on, g_thread_self ());
  g_atomic_int_inc (&n_asked);

  return lp_executor_get_seq (self) <= (guint64) g_atomic_int_get (&dead_up_to);
}

static void
mortal_executor_class_init (MortalExecutorClass *klass)
{
  LP_EXECUTOR_CLASS (klass)->has_died = mortal_executor_has_died;
}

static void
mortal_executor_init (MortalExecutor *self)
{
}

static void
reset_executors (void)
{
  n_starts = n_to_fail = n_to_die = n_to_hang = n_asked = dead_up_to = 0;
  log_forget ();
}

/* What a condition is made of: at least so many. */
typedef struct
{
  int *count;
  int at_least;
} Count;

static gboolean
has_counted (gpointer data)
{
  Count *count = data;

  return g_atomic_int_get (count->count) >= count->at_least;
}

static void
wait_count (int *counter, int at_least)
{
  Count count = { counter, at_least };

  lp_test_wait_for (has_counted, &count, "a count");
}

static gboolean
is_past (gpointer data)
{
  return g_get_monotonic_time () >= *(gint64 *) data;
}

static void
block_until (gint64 when)
{
  lp_test_block_for (is_past, &when, "a time");
}

/* What the owner was told of executors that went. */
typedef struct
{
  guint64 seq;
  LpRetireReason reason;
  gint64 when;
} Retired;

static void
retired_cb (LpManager *manager, guint64 seq, LpRetireReason reason, gpointer data)
{
  Retired retired = { seq, reason, g_get_monotonic_time () };

  g_array_append_val ((GArray *) data, retired);
}

static GArray *
watch_retired (LpManager *manager)
{
  GArray *retired = g_array_new (FALSE, FALSE, sizeof (Retired));

  g_signal_connect (manager, "executor-retired", G_CALLBACK (retired_cb), retired);
  return retired;
}

static gboolean
is_retired (gpointer data)
{
  GArray *retired = ((gpointer *) data)[0];

  return retired->len >= GPOINTER_TO_UINT (((gpointer *) data)[1]);
}

static Retired *
wait_retired (GArray *retired, guint n)
{
  gpointer data[] = { retired, GUINT_TO_POINTER (n) };

  lp_test_wait_for (is_retired, data, "a retirement");
  return &g_array_index (retired, Retired, n - 1);
}

static void
finish (LpManager *manager, GArray *retired)
{
  g_signal_handlers_disconnect_by_data (manager, retired);
  g_clear_pointer (&retired, g_array_unref);
  lp_test_finish (manager);
  reset_executors ();
}

static void
give_back (LpLease *lease)
{
  lp_lease_release (lease);
  g_object_unref (lease);
}

static guint64
executor_of (LpLease *lease)
{
  return lp_executor_get_seq (lp_lease_get_grant (lease)->executor);
}

/* The size provider */

typedef struct
{
  gint64 value;
  gboolean fails;
  gboolean nests;               /* iterates, and wants to be asked again */
  gboolean blocks;              /* until it is said that it does */
  GMainContext *context;        /* where it belongs */
  GThread *thread;
  int n_calls;                  /* (atomic) */
  guint depth;
  guint max_depth;
  guint desired_inside;
  guint n_destroyed;
} Provider;

static gboolean
was_block_logged (gpointer data)
{
  return count_logged ("size-provider-failed") > 0;
}

static void
nest (Provider *self, LpManager *manager)
{
  lp_manager_notify_scale_changed (manager);
  while (g_main_context_iteration (self->context, FALSE) && self->max_depth == 1
         && count_logged ("size-provider-failed") == 0)
    ;
}

static gint64
provide (LpManager *manager, gpointer data, GError **error)
{
  Provider *self = data;

  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  g_assert_true (context == self->context);
  g_assert_true (g_thread_self () == self->thread);
  g_atomic_int_inc (&self->n_calls);
  self->depth++;
  self->max_depth = MAX (self->max_depth, self->depth);

  /* Would not return if the pool were locked. */
  self->desired_inside = lp_test_stat (manager, "desired");
  g_assert_cmpuint (lp_manager_get_desired_executor_count (manager), ==, self->desired_inside);

  if (self->nests)
    nest (self, manager);
  if (self->blocks)
    lp_test_block_for (was_block_logged, NULL, "the record of a provider that blocks");

  self->depth--;
  if (self->fails)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY, "no idea");
  return self->value;
}

static void
provider_destroyed (gpointer data)
{
  Provider *self = data;

  g_assert_true (g_thread_self () == self->thread);
  self->n_destroyed++;
}

static void
set_provider (LpManager *manager, Provider *self)
{
  self->thread = g_thread_self ();
  self->context = g_main_context_get_thread_default ();
  if (self->context == NULL)
    self->context = g_main_context_default ();

  lp_manager_set_size_provider (manager, provide, self, provider_destroyed);
}

static LpManager *
start_with_provider (Provider *provider, int max_pools, double check_interval)
{
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, max_pools);
  g_autoptr (GError) error = NULL;

  log_forget ();
  lp_manager_set_check_interval (manager, check_interval);
  set_provider (manager, provider);
  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);

  return manager;
}

static guint
desired (LpManager *manager)
{
  return lp_manager_get_desired_executor_count (manager);
}

static gpointer
notify_main (gpointer data)
{
  lp_manager_notify_scale_changed (data);
  return NULL;
}

static void
notify_and_wait (LpManager *manager, Provider *provider)
{
  int n_calls = g_atomic_int_get (&provider->n_calls);

  lp_manager_notify_scale_changed (manager);
  wait_count (&provider->n_calls, n_calls + 1);
}

/* The provider itself asserts where it is. */
static gpointer
ask_in_owner_context (gpointer data)
{
  Provider provider = { 25 };
  LpManager *manager = start_with_provider (&provider, 5, 1000);

  g_assert_cmpint (provider.n_calls, ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 3);

  g_thread_join (g_thread_new ("notifier", notify_main, manager));
  g_assert_cmpint (provider.n_calls, ==, 1);
  wait_count (&provider.n_calls, 2);

  lp_test_finish (manager);
  return NULL;
}

static gpointer
ask_at_checks (gpointer data)
{
  Provider provider = { 0 };
  LpManager *manager = start_with_provider (&provider, 5, 0.005);

  wait_count (&provider.n_calls, 4);

  lp_test_finish (manager);
  return NULL;
}

static gpointer
in_own_context_main (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  GThreadFunc func = data;

  g_main_context_push_thread_default (context);
  func (NULL);
  g_main_context_pop_thread_default (context);

  return NULL;
}

static void
test_provider_in_owner_context (void)
{
  ask_in_owner_context (NULL);
  g_thread_join (g_thread_new ("owner", in_own_context_main, ask_in_owner_context));
}

static void
test_provider_at_checks (void)
{
  ask_at_checks (NULL);
  g_thread_join (g_thread_new ("owner", in_own_context_main, ask_at_checks));
}

static void
test_provider_not_by_getters (void)
{
  Provider provider = { 25 };
  LpManager *manager = start_with_provider (&provider, 5, 1000);
  g_autoptr (GVariant) stats = NULL;
  LpLease *lease;

  provider.value = 45;
  stats = lp_manager_dup_stats (manager);
  g_assert_cmpuint (desired (manager), ==, 3);
  g_assert_cmpuint (lp_manager_get_total_count (manager), ==, 3);
  g_assert_cmpuint (lp_manager_get_available_count (manager), ==, 3);
  g_assert_true (lp_manager_validate (manager, NULL));
  lease = lp_test_acquire (manager, "somebody");
  give_back (lease);
  lp_manager_recycle (manager);

  /* Not by what they might have posted, either. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (provider.n_calls, ==, 1);

  lp_test_finish (manager);
}

static void
test_provider_negative_is_zero (void)
{
  const gint64 values[] = { -1, -1000, G_MININT64 };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      Provider provider = { values[i] };
      LpManager *manager = start_with_provider (&provider, 5, 1000);

      g_assert_cmpuint (desired (manager), ==, 1);
      g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 1);

      provider.value = 25;
      notify_and_wait (manager, &provider);
      g_assert_cmpuint (desired (manager), ==, 3);
      provider.value = values[i];
      notify_and_wait (manager, &provider);
      g_assert_cmpuint (desired (manager), ==, 1);
      g_assert_cmpuint (count_logged ("size-provider-failed"), ==, 0);

      lp_test_finish (manager);
    }
}

static void
test_provider_failure_keeps_last (void)
{
  Provider provider = { 25 };
  LpManager *manager = start_with_provider (&provider, 5, 1000);
  g_autofree char *text = NULL;

  /* What it returns with an error is nothing. */
  provider.value = 45;
  provider.fails = TRUE;
  notify_and_wait (manager, &provider);
  g_assert_cmpuint (desired (manager), ==, 3);
  g_assert_cmpuint (count_logged ("size-provider-failed"), ==, 1);
  text = dup_logged ("size-provider-failed");
  assert_contains (text, "no idea");
  assert_contains (text, "25");

  provider.fails = FALSE;
  notify_and_wait (manager, &provider);
  g_assert_cmpuint (desired (manager), ==, 5);

  lp_test_finish (manager);
}

static void
test_provider_zero_before_success (void)
{
  Provider provider = { 45, TRUE };
  LpManager *manager = start_with_provider (&provider, 5, 1000);

  g_assert_cmpuint (desired (manager), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  g_assert_cmpuint (count_logged ("size-provider-failed"), ==, 1);

  provider.fails = FALSE;
  notify_and_wait (manager, &provider);
  g_assert_cmpuint (desired (manager), ==, 5);

  lp_test_finish (manager);
}

/* One that iterates the owner context is not called while it runs. */
static void
test_provider_re_entered (void)
{
  Provider provider = { 25 };
  LpManager *manager = start_with_provider (&provider, 5, 1000);

  provider.value = 45;
  provider.nests = TRUE;
  notify_and_wait (manager, &provider);

  g_assert_cmpuint (provider.max_depth, ==, 1);
  g_assert_cmpuint (provider.desired_inside, ==, 3);
  g_assert_cmpuint (count_logged ("size-provider-failed"), ==, 1);
  g_assert_cmpuint (desired (manager), ==, 5);

  lp_test_finish (manager);
}

/* It holds up the owner context and nothing else, and somebody says so. */
static void
test_provider_blocks (void)
{
  Provider provider = { 25 };
  LpManager *manager = start_with_provider (&provider, 5, 0.01);

  provider.value = 45;
  provider.blocks = TRUE;
  notify_and_wait (manager, &provider);
  g_assert_cmpuint (provider.desired_inside, ==, 3);
  g_assert_cmpuint (count_logged ("size-provider-failed"), >=, 1);
  provider.blocks = FALSE;
  notify_and_wait (manager, &provider);
  g_assert_cmpuint (desired (manager), ==, 5);

  lp_test_finish (manager);
}

static void
test_provider_destroyed (void)
{
  Provider provider = { 25 };
  Provider other = { 45 };
  LpManager *manager = start_with_provider (&provider, 5, 1000);

  set_provider (manager, &other);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (provider.n_destroyed, ==, 1);
  notify_and_wait (manager, &other);
  g_assert_cmpuint (desired (manager), ==, 5);
  g_assert_cmpint (provider.n_calls, ==, 1);

  lp_test_finish (manager);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (other.n_destroyed, ==, 1);
}

/* An owner that hangs for a hundred checks is not asked a hundred times after. */
static void
test_checks_do_not_pile_up (void)
{
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, 2);
  Provider provider = { 0 };
  Count checks = { &n_asked, 50 };
  int n_before;

  lp_manager_set_executor_type (manager, mortal_executor_get_type ());
  lp_manager_set_check_interval (manager, 0.002);
  set_provider (manager, &provider);
  g_assert_true (lp_manager_start (manager, NULL, NULL));

  /* There is one executor: each check asks once whether it lives. */
  lp_test_block_for (has_counted, &checks, "checks");
  g_assert_cmpint (provider.n_calls, ==, 1);
  n_before = g_atomic_int_get (&n_asked);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (provider.n_calls, <=, 4 + g_atomic_int_get (&n_asked) - n_before);

  finish (manager, NULL);
}

/* Units, notify, the formula */

static void
test_units_at_once (void)
{
  LpManager *manager = lp_test_start (5, NULL);

  lp_manager_set_units (manager, 25);
  g_assert_cmpuint (desired (manager), ==, 3);
  lp_test_block_stat (manager, "available", 3);
  lp_manager_set_units (manager, 0);
  g_assert_cmpuint (desired (manager), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  lp_manager_set_units (manager, -5);
  g_assert_cmpuint (desired (manager), ==, 1);

  lp_test_finish (manager);
}

static void
test_units_before_start (void)
{
  LpManager *manager = lp_test_start (5, "units", 25, NULL);

  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 3);

  lp_test_finish (manager);
}

static void
test_provider_wins_over_units (void)
{
  Provider provider = { 25 };
  LpManager *manager = start_with_provider (&provider, 9, 1000);

  lp_manager_set_units (manager, 50);
  g_assert_cmpuint (desired (manager), ==, 3);
  lp_manager_set_size_provider (manager, NULL, NULL, NULL);
  g_assert_cmpuint (desired (manager), ==, 5);
  lp_manager_set_units (manager, 60);
  g_assert_cmpuint (desired (manager), ==, 6);

  lp_test_finish (manager);
}

static void
test_notify_when_not_running (void)
{
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, 5);
  g_autoptr (GError) error = NULL;
  Provider provider = { 25 };

  set_provider (manager, &provider);
  lp_manager_notify_scale_changed (manager);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (provider.n_calls, ==, 0);

  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (provider.n_calls, ==, 1);
  lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, &error);
  g_assert_no_error (error);

  lp_manager_notify_scale_changed (manager);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (provider.n_calls, ==, 1);

  lp_test_finish (manager);
}

static void
test_notify_grows_and_shrinks (void)
{
  Provider provider = { 0 };
  LpManager *manager = start_with_provider (&provider, 5, 1000);

  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 1);
  provider.value = 41;
  notify_and_wait (manager, &provider);
  lp_test_wait_stat (manager, "available", 5);
  provider.value = 20;
  notify_and_wait (manager, &provider);
  lp_test_wait_stat (manager, "total", 2);

  lp_test_finish (manager);
}

static void
test_desired_formula (void)
{
  static const struct { int max, min, per_pool, units; guint desired; } cases[] = {
    { 5, 1, 10, 0, 1 }, { 5, 1, 10, 1, 1 }, { 5, 1, 10, 10, 1 }, { 5, 1, 10, 11, 2 },
    { 5, 1, 10, 50, 5 }, { 5, 1, 10, 51, 5 }, { 5, 3, 10, 0, 3 }, { 5, 3, 10, 31, 4 },
    { 5, 5, 10, 0, 5 }, { 5, 1, 1, 4, 4 }, { 5, 1, 10, -1, 1 }, { 5, 1, 10, G_MININT, 1 },
    { 5, 1, 1, G_MAXINT, 5 }, { 5, 1, G_MAXINT, G_MAXINT, 1 }, { 5, 1, G_MAXINT - 1, G_MAXINT, 2 },
    { G_MAXINT, 1, 1, G_MAXINT, G_MAXINT }, { G_MAXINT, 1, 2, G_MAXINT, G_MAXINT / 2 + 1 },
    { G_MAXINT, G_MAXINT, G_MAXINT, 0, G_MAXINT },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, cases[i].max);

      lp_manager_set_min_pools (manager, cases[i].min);
      lp_manager_set_units_per_pool (manager, cases[i].per_pool);
      lp_manager_set_units (manager, cases[i].units);
      g_assert_cmpuint (desired (manager), ==, cases[i].desired);
      g_assert_cmpuint (lp_test_stat (manager, "desired"), ==, cases[i].desired);

      g_assert_finalize_object (manager);
    }
}

static void
test_desired_of_huge_sizes (void)
{
  static const struct { gint64 size; guint desired; } cases[] = {
    { G_MAXINT64, 3 }, { G_MAXINT64 - 9, 3 }, { (gint64) G_MAXUINT32 + 1, 3 }, { ((gint64) 1 << 62), 3 },
    { (gint64) G_MAXINT + 1, 3 }, { G_MININT64, 1 }, { G_MININT64 + 1, 1 }, { -((gint64) 1 << 32), 1 }, { 11, 2 },
  };
  Provider provider = { 0 };
  LpManager *manager = start_with_provider (&provider, 3, 1000);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      provider.value = cases[i].size;
      notify_and_wait (manager, &provider);
      g_assert_cmpuint (desired (manager), ==, cases[i].desired);
    }

  lp_test_finish (manager);
}

/* Lingering and shrinking */

static void
acquire_all (LpManager *manager, LpLease **leases, guint n)
{
  for (guint i = 0; i < n; i++)
    leases[i] = lp_test_acquire (manager, "holder");
}

static void
test_linger_default_is_none_for_threads (void)
{
  LpManager *manager = lp_test_start (3, "units", 30, NULL);
  GArray *retired = watch_retired (manager);

  lp_manager_set_units (manager, 0);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  for (guint i = 1; i <= 2; i++)
    g_assert_cmpint (wait_retired (retired, i)->reason, ==, LP_RETIRE_REASON_SURPLUS);
  lp_test_wait_stat (manager, "total", 1);

  finish (manager, retired);
}

static void
test_linger_keeps (void)
{
  Provider provider = { 30 };
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, 3);

  lp_manager_set_idle_linger_seconds (manager, 1000);
  lp_manager_set_check_interval (manager, 0.005);
  set_provider (manager, &provider);
  g_assert_true (lp_manager_start (manager, NULL, NULL));

  provider.value = 0;
  wait_count (&provider.n_calls, 5);
  g_assert_cmpuint (desired (manager), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 3);

  lp_test_finish (manager);
}

/* From when it became idle, not from when it became too much. */
static void
test_linger_counts_from_idle (void)
{
  LpManager *manager = lp_test_start (3, "units", 30, "idle-linger-seconds", 0.05, NULL);
  GArray *retired = watch_retired (manager);
  LpLease *leases[3];
  gint64 released_at;

  acquire_all (manager, leases, 3);
  lp_manager_set_units (manager, 0);
  released_at = g_get_monotonic_time ();
  for (guint i = 0; i < 3; i++)
    give_back (leases[i]);
  for (guint i = 1; i <= 2; i++)
    g_assert_cmpint (wait_retired (retired, i)->when, >=, released_at + 50000);
  lp_test_wait_stat (manager, "total", 1);

  /* These have been idle for long enough when they become too much. */
  lp_manager_set_units (manager, 30);
  lp_test_wait_stat (manager, "available", 3);
  block_until (g_get_monotonic_time () + 50000);
  lp_manager_set_units (manager, 0);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);

  finish (manager, retired);
}

static void
test_least_recently_released_is_shrunk_first (void)
{
  LpManager *manager = lp_test_start (3, "units", 30, NULL);
  GArray *retired = watch_retired (manager);
  const guint order[] = { 1, 2, 0 };
  guint64 executors[3];
  LpLease *leases[3];

  acquire_all (manager, leases, 3);
  for (guint i = 0; i < 3; i++)
    executors[i] = executor_of (leases[i]);
  for (guint i = 0; i < 3; i++)
    give_back (leases[order[i]]);

  lp_manager_set_units (manager, 20);
  g_assert_cmpuint (wait_retired (retired, 1)->seq, ==, executors[order[0]]);
  lp_manager_set_units (manager, 0);
  g_assert_cmpuint (wait_retired (retired, 2)->seq, ==, executors[order[1]]);

  leases[0] = lp_test_acquire (manager, "holder");
  g_assert_cmpuint (executor_of (leases[0]), ==, executors[order[2]]);
  give_back (leases[0]);

  finish (manager, retired);
}

static void
test_never_revokes_leases (void)
{
  Provider provider = { 30 };
  LpManager *manager = start_with_provider (&provider, 3, 0.005);
  GArray *retired = watch_retired (manager);
  g_autoptr (LpJob) job = lp_test_value_job (7);
  LpLease *leases[3];

  acquire_all (manager, leases, 3);
  provider.value = 0;
  wait_count (&provider.n_calls, 5);
  g_assert_cmpuint (desired (manager), ==, 1);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (lp_lease_get_state (leases[i]), ==, LP_LEASE_STATE_ACTIVE);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 3);
  g_assert_cmpuint (lp_test_counter (manager, "revoked"), ==, 0);

  lp_test_submit (leases[2], job);
  g_variant_unref (lp_job_wait (job, 30, NULL, NULL));

  /* What comes back goes, down to what is wanted. */
  for (guint i = 0; i < 3; i++)
    give_back (leases[i]);
  lp_test_wait_stat (manager, "total", 1);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 2);

  finish (manager, retired);
}

/* Recycling */

static void
test_recycle_idle (void)
{
  LpManager *manager = lp_test_start (3, "min-pools", 3, NULL);
  GArray *retired = watch_retired (manager);

  lp_manager_recycle (manager);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 0);
  for (guint i = 1; i <= 3; i++)
    {
      g_assert_cmpint (wait_retired (retired, i)->reason, ==, LP_RETIRE_REASON_RECYCLED);
      g_assert_cmpuint (wait_retired (retired, i)->seq, <=, 3);
    }
  lp_test_wait_stat (manager, "available", 3);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 6);

  finish (manager, retired);
}

static void
test_recycle_leased_when_released (void)
{
  LpManager *manager = lp_test_start (2, NULL);
  GArray *retired = watch_retired (manager);
  g_autoptr (LpJob) job = lp_test_value_job (7);
  LpLease *lease = lp_test_acquire (manager, "holder");
  guint64 executor = executor_of (lease);

  lp_manager_recycle (manager);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
  lp_test_submit (lease, job);
  g_variant_unref (lp_job_wait (job, 30, NULL, NULL));

  give_back (lease);
  g_assert_cmpint (wait_retired (retired, 1)->reason, ==, LP_RETIRE_REASON_RECYCLED);
  g_assert_cmpuint (wait_retired (retired, 1)->seq, ==, executor);
  lp_test_wait_stat (manager, "available", 1);

  /* Those that came after are not concerned. */
  lease = lp_test_acquire (manager, "holder");
  executor = executor_of (lease);
  give_back (lease);
  lease = lp_test_acquire (manager, "holder");
  g_assert_cmpuint (executor_of (lease), ==, executor);
  give_back (lease);

  finish (manager, retired);
}

static void
test_recycle_replaces_as_desired_asks (void)
{
  LpManager *manager = lp_test_start (3, "units", 30, "idle-linger-seconds", 1000.0, NULL);
  GArray *retired = watch_retired (manager);

  lp_manager_set_units (manager, 0);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 3);
  lp_manager_recycle (manager);
  wait_retired (retired, 3);
  lp_test_wait_stat (manager, "available", 1);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 4);

  finish (manager, retired);
}

/* A waiter for the last place gets the one that replaces the recycled one. */
static void
test_recycle_serves_waiters (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  GArray *retired = watch_retired (manager);
  LpLease *held = lp_test_acquire (manager, "holder");
  guint64 executor = executor_of (held);
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  lp_manager_acquire_async (manager, NULL, NULL, lp_test_result_cb, &result);
  lp_manager_recycle (manager);
  give_back (held);
  lease = lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (executor_of (lease), >, executor);

  g_object_unref (result);
  give_back (lease);
  finish (manager, retired);
}

/* Starts that fail */

/* The half of the library's first wait, to stay clear of its rounding. */
#define FIRST_BACKOFF_USEC 50000

static LpManager *
start_testing (GType type, int max_pools, const char *property, double value)
{
  reset_executors ();
  return lp_test_start (max_pools, "executor-type", type, property, value, NULL);
}

static LpRequest *
request_within (double timeout)
{
  LpRequest *request = lp_request_new ();

  lp_request_set_owner (request, "waiter");
  lp_request_set_timeout (request, timeout);

  return request;
}

static void
test_backoff_recovers (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 3, "check-interval", 1000);
  GArray *retired = watch_retired (manager);
  g_autofree char *text = NULL;

  g_atomic_int_set (&n_to_fail, 3);
  lp_manager_set_units (manager, 20);
  lp_test_wait_stat (manager, "available", 2);

  /* One try, three more, each after twice the time; nothing in between. */
  g_assert_cmpint (g_atomic_int_get (&n_starts), ==, 1 + 4);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (start_times[2 + i] - start_times[1 + i], >=, FIRST_BACKOFF_USEC << i);

  g_assert_cmpuint (count_logged ("executor-start-failed"), ==, 3);
  text = dup_logged ("executor-start-failed");
  assert_contains (text, "not today");
  for (guint i = 1; i <= 3; i++)
    g_assert_cmpint (wait_retired (retired, i)->reason, ==, LP_RETIRE_REASON_START_FAILED);

  finish (manager, retired);
}

/* What the record of a failed start says of the next one. */
static double
next_start_in (void)
{
  g_autofree char *text = dup_logged ("executor-start-failed");
  g_autoptr (GRegex) regex = g_regex_new ("in ([0-9]+\\.[0-9]+) s", 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  g_autofree char *number = NULL;

  g_assert_nonnull (text);
  g_assert_true (g_regex_match (regex, text, 0, &match));
  number = g_match_info_fetch (match, 1);

  return g_ascii_strtod (number, NULL);
}

/* After an executor that started has been of use, the next failure is a first
 * one again. */
static void
test_backoff_starts_anew_after_success (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 3, "check-interval", 1000);
  LpLease *leases[2];
  double second;

  g_atomic_int_set (&n_to_fail, 2);
  lp_manager_set_units (manager, 20);
  lp_test_wait_stat (manager, "available", 2);
  second = next_start_in ();

  acquire_all (manager, leases, 2);
  give_back (leases[0]);
  give_back (leases[1]);

  g_atomic_int_set (&n_to_fail, 1);
  lp_manager_set_units (manager, 30);
  lp_test_wait_stat (manager, "available", 3);
  g_assert_cmpfloat (next_start_in (), <, second);

  finish (manager, NULL);
}

/* One that started long ago and is in use says nothing about those that do not. */
static void
test_backoff_outlasts_the_use_of_others (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 2, "check-interval", 1000);
  g_autoptr (LpRequest) request = request_within (0.01);
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  g_atomic_int_set (&n_to_fail, ALWAYS);
  lp_manager_set_units (manager, 20);
  for (guint i = 0; i < 4; i++)
    {
      wait_count (&n_starts, 2 + i);
      lp_test_wait_stat (manager, "starting", 0);
      give_back (lp_test_acquire (manager, "user"));
    }
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (start_times[2 + i] - start_times[1 + i], >=, FIRST_BACKOFF_USEC << i);

  /* Nor does it make anybody forget the reason. */
  lease = lp_test_acquire (manager, "user");
  g_assert_null (lp_manager_acquire (manager, request, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  assert_contains (error->message, "not today");

  g_atomic_int_set (&n_to_fail, 0);
  give_back (lease);
  finish (manager, NULL);
}

static void
test_backoff_is_not_cut_short (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 3, "check-interval", 0.002);
  LpLease *lease = lp_test_acquire (manager, "holder");
  int n;

  g_atomic_int_set (&n_to_fail, ALWAYS);
  lp_manager_set_units (manager, 30);
  wait_count (&n_starts, 4);

  /* The wait is now long. Whoever asks, no start comes of it. */
  n = g_atomic_int_get (&n_starts);
  for (guint i = 0; i < 200; i++)
    {
      lp_manager_set_units (manager, i % 30);
      lp_manager_notify_scale_changed (manager);
      lp_manager_recycle (manager);
      g_assert_null (lp_manager_try_acquire (manager, NULL, NULL));
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
  g_assert_cmpint (g_atomic_int_get (&n_starts), <=, n + 2);

  g_atomic_int_set (&n_to_fail, 0);
  give_back (lease);
  finish (manager, NULL);
}

static void
test_waiter_outlasts_failing_starts (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 2, "check-interval", 1000);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = request_within (1000);
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  g_atomic_int_set (&n_to_fail, 2);
  lp_manager_acquire_async (manager, request, NULL, lp_test_result_cb, &result);
  lease = lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_atomic_int_get (&n_starts), ==, 1 + 3);
  g_assert_cmpint (lp_lease_get_state (held), ==, LP_LEASE_STATE_ACTIVE);

  g_object_unref (result);
  give_back (lease);
  give_back (held);
  finish (manager, NULL);
}

/* A waiter that no start can serve gets what is released. */
static void
test_release_serves_while_starts_fail (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 2, "check-interval", 1000);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = request_within (1000);
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  g_atomic_int_set (&n_to_fail, ALWAYS);
  lp_manager_acquire_async (manager, request, NULL, lp_test_result_cb, &result);
  wait_count (&n_starts, 3);
  give_back (held);
  lease = lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);

  g_object_unref (result);
  give_back (lease);
  finish (manager, NULL);
}

static void
time_out_and_count_starts (LpManager *manager, const char *reason)
{
  g_autoptr (LpRequest) request = request_within (0.3);
  g_autoptr (GError) error = NULL;
  gint64 begun = g_get_monotonic_time ();

  g_assert_null (lp_manager_acquire (manager, request, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (g_get_monotonic_time () - begun, >=, 300000);
  assert_contains (error->message, reason);

  /* Every wait is at least the half of the first one, and mostly twice the one before. */
  g_assert_cmpint (g_atomic_int_get (&n_starts), <=,
                   3 + (g_get_monotonic_time () - begun) / FIRST_BACKOFF_USEC);
}

static void
test_timeout_says_why_nothing_starts (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 2, "check-interval", 1000);
  LpLease *held = lp_test_acquire (manager, "holder");

  g_atomic_int_set (&n_to_fail, ALWAYS);
  time_out_and_count_starts (manager, "not today");

  g_atomic_int_set (&n_to_fail, 0);
  give_back (held);
  finish (manager, NULL);
}

static void
test_death_while_starting_is_a_failed_start (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 2, "check-interval", 1000);
  LpLease *held = lp_test_acquire (manager, "holder");

  g_atomic_int_set (&n_to_die, ALWAYS);
  time_out_and_count_starts (manager, "died of it");

  g_atomic_int_set (&n_to_die, 0);
  give_back (held);
  finish (manager, NULL);
}

/* No use to anybody is no start, however ready it said it was. */
static void
test_death_after_starting_backs_off (void)
{
  LpManager *manager = start_testing (mortal_executor_get_type (), 2, "check-interval", 1000);
  LpLease *held = lp_test_acquire (manager, "holder");

  g_atomic_int_set (&dead_up_to, G_MAXINT);
  time_out_and_count_starts (manager, "waiter");

  g_atomic_int_set (&dead_up_to, 0);
  give_back (held);
  finish (manager, NULL);
}

static void
test_start_that_hangs_is_given_up (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 2, "start-timeout-seconds", 0.03);
  GArray *retired = watch_retired (manager);
  g_autofree char *text = NULL;
  LpExecutor *late;

  g_atomic_int_set (&n_to_hang, 1);
  lp_manager_set_units (manager, 20);
  lp_test_wait_stat (manager, "available", 2);
  g_assert_cmpint (g_atomic_int_get (&n_starts), ==, 1 + 2);
  g_assert_cmpint (wait_retired (retired, 1)->reason, ==, LP_RETIRE_REASON_START_FAILED);
  text = dup_logged ("executor-start-failed");
  assert_contains (text, "start-timeout-seconds");

  /* Its report comes too late. */
  late = g_atomic_pointer_get (&hung);
  lp_executor_report_ready (late);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 2);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 2);
  g_clear_object (&hung);

  finish (manager, retired);
}

/* Checks */

/* However short the interval, the service thread has other things to do. */
static void
check_as_fast_as_possible (double interval)
{
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, 1);
  Provider provider = { 0 };
  gint64 begun, milliseconds;
  LpLease *lease;

  reset_executors ();
  lp_manager_set_executor_type (manager, mortal_executor_get_type ());
  lp_manager_set_check_interval (manager, interval);
  set_provider (manager, &provider);
  begun = g_get_monotonic_time ();
  g_assert_true (lp_manager_start (manager, NULL, NULL));

  wait_count (&n_asked, 50);
  lease = lp_test_acquire (manager, "somebody");
  give_back (lease);

  milliseconds = (g_get_monotonic_time () - begun) / 1000;
  g_assert_cmpint (g_atomic_int_get (&n_asked), <=, milliseconds + 3);
  g_assert_cmpint (g_atomic_int_get (&provider.n_calls), <=, milliseconds + 3);

  finish (manager, NULL);
}

static void
test_tiny_check_interval_does_not_spin (void)
{
  check_as_fast_as_possible (1e-5);
  check_as_fast_as_possible (G_MINDOUBLE);
}

static void
test_check_finds_the_dead_idle_one (void)
{
  LpManager *manager = start_testing (mortal_executor_get_type (), 2, "check-interval", 0.01);
  GArray *retired = watch_retired (manager);

  g_atomic_int_set (&dead_up_to, 1);
  g_assert_cmpint (wait_retired (retired, 1)->reason, ==, LP_RETIRE_REASON_BROKEN);
  g_assert_cmpuint (wait_retired (retired, 1)->seq, ==, 1);
  lp_test_wait_stat (manager, "available", 1);
  g_assert_true (g_atomic_pointer_get (&asked_on) != g_thread_self ());
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 0);
  g_assert_cmpuint (count_logged ("executor-broken"), ==, 1);

  finish (manager, retired);
}

static gboolean
is_broken (gpointer data)
{
  return lp_lease_get_state (data) == LP_LEASE_STATE_BROKEN;
}

static void
test_check_finds_the_dead_leased_one (void)
{
  LpManager *manager = start_testing (mortal_executor_get_type (), 1, "check-interval", 0.01);
  GArray *retired = watch_retired (manager);
  LpLease *lease = lp_test_acquire (manager, "holder");

  g_atomic_int_set (&dead_up_to, 1);
  lp_test_wait_for (is_broken, lease, "the end of a broken lease");
  g_assert_cmpint (wait_retired (retired, 1)->reason, ==, LP_RETIRE_REASON_BROKEN);
  g_object_unref (lease);

  lease = lp_test_acquire (manager, "next");
  g_assert_cmpuint (executor_of (lease), ==, 2);
  give_back (lease);

  finish (manager, retired);
}

static void
test_dead_one_is_not_handed_over (void)
{
  LpManager *manager = start_testing (mortal_executor_get_type (), 1, "check-interval", 1000);
  GArray *retired = watch_retired (manager);
  LpLease *lease;

  g_atomic_int_set (&dead_up_to, 1);
  lease = lp_test_acquire (manager, "somebody");
  g_assert_cmpuint (executor_of (lease), ==, 2);
  g_assert_cmpint (wait_retired (retired, 1)->reason, ==, LP_RETIRE_REASON_BROKEN);

  /* Nor after it came back. */
  give_back (lease);
  g_atomic_int_set (&dead_up_to, 2);
  lease = lp_test_acquire (manager, "somebody");
  g_assert_cmpuint (executor_of (lease), ==, 3);
  give_back (lease);

  finish (manager, retired);
}

static void
add_sizes (void)
{
  g_test_add_func ("/sizing/provider/in-owner-context", test_provider_in_owner_context);
  g_test_add_func ("/sizing/provider/at-checks", test_provider_at_checks);
  g_test_add_func ("/sizing/provider/not-by-getters", test_provider_not_by_getters);
  g_test_add_func ("/sizing/provider/negative-is-zero", test_provider_negative_is_zero);
  g_test_add_func ("/sizing/provider/failure-keeps-last-value", test_provider_failure_keeps_last);
  g_test_add_func ("/sizing/provider/zero-before-first-success", test_provider_zero_before_success);
  g_test_add_func ("/sizing/provider/re-entered", test_provider_re_entered);
  g_test_add_func ("/sizing/provider/blocks", test_provider_blocks);
  g_test_add_func ("/sizing/provider/destroyed", test_provider_destroyed);
  g_test_add_func ("/sizing/provider/wins-over-units", test_provider_wins_over_units);
  g_test_add_func ("/sizing/units/at-once", test_units_at_once);
  g_test_add_func ("/sizing/units/before-start", test_units_before_start);
  g_test_add_func ("/sizing/notify/not-running", test_notify_when_not_running);
  g_test_add_func ("/sizing/notify/grows-and-shrinks", test_notify_grows_and_shrinks);
  g_test_add_func ("/sizing/desired/formula", test_desired_formula);
  g_test_add_func ("/sizing/desired/huge-sizes", test_desired_of_huge_sizes);
}

static void
add_shrinking (void)
{
  g_test_add_func ("/sizing/linger/default-is-none-for-threads", test_linger_default_is_none_for_threads);
  g_test_add_func ("/sizing/linger/keeps", test_linger_keeps);
  g_test_add_func ("/sizing/linger/counts-from-idle", test_linger_counts_from_idle);
  g_test_add_func ("/sizing/shrink/least-recently-released-first", test_least_recently_released_is_shrunk_first);
  g_test_add_func ("/sizing/shrink/never-revokes-leases", test_never_revokes_leases);
  g_test_add_func ("/sizing/recycle/idle", test_recycle_idle);
  g_test_add_func ("/sizing/recycle/leased-when-released", test_recycle_leased_when_released);
  g_test_add_func ("/sizing/recycle/as-desired-asks", test_recycle_replaces_as_desired_asks);
  g_test_add_func ("/sizing/recycle/serves-waiters", test_recycle_serves_waiters);
}

static void
add_failures (void)
{
  g_test_add_func ("/sizing/back-off/recovers", test_backoff_recovers);
  g_test_add_func ("/sizing/back-off/starts-anew-after-success", test_backoff_starts_anew_after_success);
  g_test_add_func ("/sizing/back-off/outlasts-the-use-of-others", test_backoff_outlasts_the_use_of_others);
  g_test_add_func ("/sizing/back-off/is-not-cut-short", test_backoff_is_not_cut_short);
  g_test_add_func ("/sizing/back-off/waiter-outlasts-it", test_waiter_outlasts_failing_starts);
  g_test_add_func ("/sizing/back-off/release-serves", test_release_serves_while_starts_fail);
  g_test_add_func ("/sizing/back-off/timeout-says-why", test_timeout_says_why_nothing_starts);
  g_test_add_func ("/sizing/back-off/death-while-starting", test_death_while_starting_is_a_failed_start);
  g_test_add_func ("/sizing/back-off/death-after-starting", test_death_after_starting_backs_off);
  g_test_add_func ("/sizing/back-off/start-that-hangs", test_start_that_hangs_is_given_up);
}

int
main (int argc, char *argv[])
{
  /* The invariants are looked at after every decision. */
  g_setenv ("LP_DEBUG", "check", FALSE);
  g_test_init (&argc, &argv, NULL);
  log_set_up ();

  add_sizes ();
  add_shrinking ();
  add_failures ();
  g_test_add_func ("/sizing/check/tiny-interval-does-not-spin", test_tiny_check_interval_does_not_spin);
  g_test_add_func ("/sizing/check/do-not-pile-up", test_checks_do_not_pile_up);
  g_test_add_func ("/sizing/has-died/idle", test_check_finds_the_dead_idle_one);
  g_test_add_func ("/sizing/has-died/leased", test_check_finds_the_dead_leased_one);
  g_test_add_func ("/sizing/has-died/hand-over", test_dead_one_is_not_handed_over);

  return g_test_run ();
}
