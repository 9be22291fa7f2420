/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What breaks pools when several threads are at it. LP_TEST_THOROUGH makes the
 * sizes those at which the failures were seen elsewhere. */

#include "config.h"

#include "lp-test.h"

#include <string.h>
#include <time.h>

#include "lp-lease-private.h"
#include "lp-manager-private.h"

static guint
size (guint usual, guint thorough)
{
  return g_getenv ("LP_TEST_THOROUGH") != NULL ? thorough : usual;
}

static void
give_back (LpLease *lease)
{
  lp_lease_release (lease);
  g_object_unref (lease);
}

static guint
lookup (GVariant *stats, const char *name)
{
  guint value;

  g_assert_true (g_variant_lookup (stats, name, "u", &value));
  return value;
}

/* What holds at any moment, whoever looks; returns how many wait. */
static guint
check_snapshot (LpManager *manager)
{
  g_autoptr (GVariant) stats = lp_manager_dup_stats (manager);
  guint total = lookup (stats, "total");
  guint max_pools = lookup (stats, "max_pools");
  guint waiting = lookup (stats, "waiting");
  guint starting = lookup (stats, "starting");

  g_assert_cmpuint (total, ==, lookup (stats, "available") + lookup (stats, "leased") + starting);
  g_assert_cmpuint (total, <=, max_pools);
  g_assert_cmpuint (lookup (stats, "draining"), <=, lookup (stats, "leased"));

  /* Nobody waits for what is there or could be. */
  if (waiting > 0)
    {
      g_assert_cmpuint (lookup (stats, "available"), ==, 0);
      g_assert_true (total == max_pools || starting >= waiting);
    }

  return waiting;
}

static guint64
lookup_counter (GVariant *stats, const char *name)
{
  guint64 value;

  g_assert_true (g_variant_lookup (stats, name, "t", &value));
  return value;
}

/* What was lent is back or replaced, and the books are right. In one look:
 * surplus executors still go while time passes. One that a stop overtakes
 * before it is ready is retired without having been created. */
static gboolean
is_settled (gpointer data)
{
  g_autoptr (GVariant) stats = lp_manager_dup_stats (data);
  guint total = lookup (stats, "total");

  return lookup (stats, "available") == total
         && total >= lookup (stats, "desired")
         && lookup (stats, "waiting") == 0
         && lookup_counter (stats, "executors_created") <= lookup_counter (stats, "executors_retired") + total;
}

/* When nobody is at it any more. */
static void
check_nothing_is_lost (LpManager *manager)
{
  lp_test_wait_for (is_settled, manager, "everything to be back");
}

/* Actors: threads with a context of their own that ask, cancel and release at
 * random. Cancellables are thrown together, so that anybody cancels anybody. */

#define N_ACTORS 4
#define MAX_OUTSTANDING 6

typedef struct
{
  LpManager *manager;
  GThread *thread;
  GRand *rand;
  GMainContext *context;
  guint n_requests;             /* still to make */
  guint n_outstanding;
  GPtrArray *held;              /* of LpLease */

  guint64 n_asked;
  guint64 n_leases;
  guint64 n_cancelled;
  guint64 n_timed_out;
  guint64 n_unavailable;
} Actor;

static GMutex bag_lock;
static GPtrArray *bag;          /* (bag_lock) of GCancellable */
static int n_acting;            /* (atomic) */

static GCancellable *
new_cancellable (void)
{
  GCancellable *cancellable = g_cancellable_new ();

  g_mutex_lock (&bag_lock);
  g_ptr_array_add (bag, g_object_ref (cancellable));
  g_mutex_unlock (&bag_lock);

  return cancellable;
}

static void
cancel_any (Actor *self)
{
  g_autoptr (GCancellable) cancellable = NULL;

  g_mutex_lock (&bag_lock);
  if (bag->len > 0)
    cancellable = g_ptr_array_steal_index_fast (bag, g_rand_int_range (self->rand, 0, bag->len));
  g_mutex_unlock (&bag_lock);

  if (cancellable != NULL)
    g_cancellable_cancel (cancellable);
}

static void
release_somehow (Actor *self, LpLease *lease)
{
  switch (g_rand_int_range (self->rand, 0, 3))
    {
    case 0:
      lp_lease_release (lease);
      break;

    case 1:
      g_assert_true (lp_manager_release (self->manager, lp_lease_get_id (lease)));
      break;

    default:
      lp_lease_drain_async (lease, NULL, NULL, NULL);
      break;
    }

  g_object_unref (lease);
}

static void
take_answer (Actor *self, LpLease *lease, GError *error)
{
  if (lease != NULL)
    {
      self->n_leases++;
      if (self->held->len < 2 && g_rand_boolean (self->rand))
        g_ptr_array_add (self->held, lease);
      else
        release_somehow (self, lease);
    }
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    self->n_cancelled++;
  else if (g_error_matches (error, LP_ERROR, LP_ERROR_UNAVAILABLE))
    self->n_unavailable++;
  else
    {
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
      self->n_timed_out++;
    }

  g_clear_error (&error);
}

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Actor *self = user_data;
  GError *error = NULL;
  LpLease *lease = lp_manager_acquire_finish (LP_MANAGER (source), result, &error);

  self->n_outstanding--;
  take_answer (self, lease, error);
}

static LpRequest *
random_request (Actor *self)
{
  LpRequest *request = lp_request_new ();

  lp_request_set_priority (request, g_rand_int_range (self->rand, -1, 2));
  if (g_rand_int_range (self->rand, 0, 4) == 0)
    lp_request_set_timeout (request, g_rand_double_range (self->rand, 0.0001, 0.003));

  return request;
}

static void
ask (Actor *self)
{
  g_autoptr (LpRequest) request = random_request (self);
  g_autoptr (GCancellable) cancellable = new_cancellable ();
  GError *error = NULL;
  LpLease *lease;

  self->n_asked++;
  self->n_requests--;

  switch (g_rand_int_range (self->rand, 0, 8))
    {
    case 0:
      lease = lp_manager_try_acquire (self->manager, request, &error);
      take_answer (self, lease, error);
      break;

    case 1:
      lp_request_set_timeout (request, 0.002);
      lease = lp_manager_acquire (self->manager, request, cancellable, &error);
      take_answer (self, lease, error);
      break;

    default:
      self->n_outstanding++;
      lp_manager_acquire_async (self->manager, request, cancellable, answered_cb, self);
      break;
    }
}

static void
step (Actor *self)
{
  switch (g_rand_int_range (self->rand, 0, 4))
    {
    case 0:
      if (self->n_outstanding < MAX_OUTSTANDING)
        ask (self);
      break;

    case 1:
      cancel_any (self);
      break;

    case 2:
      if (self->held->len > 0)
        release_somehow (self, g_ptr_array_steal_index_fast (self->held, 0));
      break;

    default:
      g_main_context_iteration (self->context, FALSE);
      break;
    }
}

static gpointer
actor_main (gpointer data)
{
  Actor *self = data;

  self->context = g_main_context_new ();
  self->held = g_ptr_array_new ();
  g_main_context_push_thread_default (self->context);

  while (self->n_requests > 0)
    step (self);

  /* What is still to come is only held for ever by nobody. */
  while (self->n_outstanding > 0 || self->held->len > 0)
    {
      while (self->held->len > 0)
        release_somehow (self, g_ptr_array_steal_index_fast (self->held, 0));
      if (self->n_outstanding > 0)
        g_main_context_iteration (self->context, TRUE);
    }
  while (g_main_context_iteration (self->context, FALSE))
    ;

  g_main_context_pop_thread_default (self->context);
  g_main_context_unref (self->context);
  g_ptr_array_unref (self->held);
  g_rand_free (self->rand);
  g_atomic_int_dec_and_test (&n_acting);

  return NULL;
}

static void
start_actors (Actor *actors, LpManager *manager, guint n_requests)
{
  bag = g_ptr_array_new_with_free_func (g_object_unref);
  g_atomic_int_set (&n_acting, N_ACTORS);

  for (guint i = 0; i < N_ACTORS; i++)
    {
      actors[i] = (Actor) { manager, .rand = g_rand_new_with_seed (g_test_rand_int ()),
                            .n_requests = n_requests / N_ACTORS };
      actors[i].thread = g_thread_new ("actor", actor_main, &actors[i]);
    }
}

static Actor
join_actors (Actor *actors)
{
  Actor sum = { NULL };

  for (guint i = 0; i < N_ACTORS; i++)
    {
      g_thread_join (actors[i].thread);
      sum.n_asked += actors[i].n_asked;
      sum.n_leases += actors[i].n_leases;
      sum.n_cancelled += actors[i].n_cancelled;
      sum.n_timed_out += actors[i].n_timed_out;
      sum.n_unavailable += actors[i].n_unavailable;
    }
  g_clear_pointer (&bag, g_ptr_array_unref);

  return sum;
}

/* A lease is lost where a cancel or a time-out meets the hand-over. */
static void
cancels_race_releases (LpManager *manager, guint n_requests)
{
  Actor actors[N_ACTORS];
  Actor sum;

  start_actors (actors, manager, n_requests);
  while (g_atomic_int_get (&n_acting) > 0)
    {
      check_snapshot (manager);
      g_main_context_iteration (NULL, FALSE);
    }
  sum = join_actors (actors);

  check_nothing_is_lost (manager);
  g_assert_cmpuint (sum.n_asked, ==, sum.n_leases + sum.n_cancelled + sum.n_timed_out + sum.n_unavailable);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, lp_test_counter (manager, "released"));
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), >=, sum.n_leases);
  g_assert_cmpuint (lp_test_counter (manager, "cancelled"), <=, sum.n_cancelled);
  g_assert_cmpuint (lp_test_counter (manager, "revoked"), ==, 0);

  /* One cancelled before it saw its time-out was told so all the same. */
  g_assert_cmpuint (lp_test_counter (manager, "timed_out"), >=, sum.n_timed_out);
  g_assert_cmpuint (lp_test_counter (manager, "timed_out"), <=, sum.n_timed_out + sum.n_cancelled);

  /* And it was a race, not one after the other. */
  g_test_message ("%" G_GUINT64_FORMAT " leases, %" G_GUINT64_FORMAT " cancelled, %" G_GUINT64_FORMAT
                  " of them granted",
                  sum.n_leases, sum.n_cancelled, lp_test_counter (manager, "acquired") - sum.n_leases);
  g_assert_cmpuint (sum.n_leases, >, 0);
  g_assert_cmpuint (sum.n_cancelled, >, 0);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), >, sum.n_leases);
}

static void
test_cancels_race_releases (void)
{
  LpManager *manager = lp_test_start (3, NULL);

  cancels_race_releases (manager, size (20000, 400000));
  lp_test_finish (manager);
}

/* The same with one executor, where every hand-over is contended, and with
 * somebody who listens. */
static void
count_cb (GObject *manager, gpointer info, gpointer user_data)
{
  ++*(guint64 *) user_data;
}

static void
test_cancels_race_releases_of_one (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  guint64 n_acquired = 0;
  guint64 n_ended = 0;

  g_signal_connect (manager, "lease-acquired", G_CALLBACK (count_cb), &n_acquired);
  g_signal_connect (manager, "lease-ended", G_CALLBACK (count_cb), &n_ended);
  cancels_race_releases (manager, size (10000, 200000));
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (n_acquired, ==, lp_test_counter (manager, "acquired"));
  g_assert_cmpuint (n_ended, ==, n_acquired);

  g_signal_handlers_disconnect_by_func (manager, count_cb, &n_acquired);
  g_signal_handlers_disconnect_by_func (manager, count_cb, &n_ended);
  lp_test_finish (manager);
}

/* One step after the other, and a look after each. */

typedef struct
{
  GPtrArray *leases;
  GPtrArray *cancellables;
  guint n_outstanding;
} Schedule;

static void
schedule_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Schedule *self = user_data;
  g_autoptr (GError) error = NULL;
  LpLease *lease = lp_manager_acquire_finish (LP_MANAGER (source), result, &error);

  self->n_outstanding--;
  if (lease != NULL)
    g_ptr_array_add (self->leases, lease);
  else
    g_assert_true (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
                   || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)
                   || g_error_matches (error, LP_ERROR, LP_ERROR_EXPIRED));
}

static void
schedule_acquire (Schedule *self, LpManager *manager)
{
  g_autoptr (LpRequest) request = lp_request_new ();
  GCancellable *cancellable = g_cancellable_new ();

  lp_request_set_priority (request, g_test_rand_int_range (-2, 3));
  if (g_test_rand_int_range (0, 4) == 0)
    lp_request_set_timeout (request, g_test_rand_double_range (0.0001, 0.01));
  if (g_test_rand_int_range (0, 4) == 0)
    lp_request_set_lease_seconds (request, g_test_rand_double_range (0.0001, 0.01));

  self->n_outstanding++;
  g_ptr_array_add (self->cancellables, cancellable);
  lp_manager_acquire_async (manager, request, cancellable, schedule_cb, self);
}

static gpointer
take_any (GPtrArray *array)
{
  return array->len > 0 ? g_ptr_array_steal_index_fast (array, g_test_rand_int_range (0, array->len)) : NULL;
}

static void
schedule_step (Schedule *self, LpManager *manager)
{
  switch (g_test_rand_int_range (0, 8))
    {
    case 0: case 1:
      if (self->n_outstanding < 10)
        schedule_acquire (self, manager);
      break;

    case 2: case 3:
      {
        LpLease *lease = take_any (self->leases);

        if (lease != NULL)
          give_back (lease);
      }
      break;

    case 4:
      {
        g_autoptr (GCancellable) cancellable = take_any (self->cancellables);

        if (cancellable != NULL)
          g_cancellable_cancel (cancellable);
      }
      break;

    case 5:
      lp_manager_set_units (manager, g_test_rand_int_range (0, 60));
      break;

    case 6:
      if (g_test_rand_int_range (0, 10) == 0)
        lp_manager_recycle (manager);
      break;

    default:
      g_main_context_iteration (NULL, FALSE);
      break;
    }
}

static void
test_no_waiter_while_capacity_is_free (void)
{
  LpManager *manager = lp_test_start (4, "lease-grace-seconds", 0.001, "idle-linger-seconds", 0.002,
                                      "check-interval", 0.01, NULL);
  Schedule schedule = { g_ptr_array_new_with_free_func (g_object_unref),
                        g_ptr_array_new_with_free_func (g_object_unref) };
  guint n_waited = 0;

  for (guint i = 0; i < size (5000, 300000); i++)
    {
      schedule_step (&schedule, manager);
      n_waited += check_snapshot (manager) > 0;
    }
  g_assert_cmpuint (n_waited, >, 0);

  while (schedule.n_outstanding > 0)
    {
      g_ptr_array_foreach (schedule.leases, (GFunc) (void (*) (void)) lp_lease_release, NULL);
      g_main_context_iteration (NULL, TRUE);
      check_snapshot (manager);
    }
  g_ptr_array_foreach (schedule.leases, (GFunc) (void (*) (void)) lp_lease_release, NULL);
  g_ptr_array_unref (schedule.leases);
  g_ptr_array_unref (schedule.cancellables);

  check_nothing_is_lost (manager);
  lp_test_finish (manager);
}

/* The bound, in real threads */

typedef struct
{
  guint bound;
  guint most;
  int stop;                     /* (atomic) */
} Sampler;

static gpointer
sampler_main (gpointer data)
{
  Sampler *self = data;

  while (!g_atomic_int_get (&self->stop))
    {
      self->most = MAX (self->most, lp_test_count_threads ("bound-"));
      g_assert_cmpuint (self->most, <=, self->bound);
    }

  return NULL;
}

static gboolean
has_expired (gpointer data)
{
  return lp_lease_get_state (data) == LP_LEASE_STATE_EXPIRED;
}

/* Leases an executor, has all its threads enter the gate, and lets it expire. */
static gboolean
make_stuck (LpManager *manager, LpTestGate *gate, guint n_workers, char **message)
{
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LpLease) lease = NULL;
  guint n_entered = lp_test_gate_get_entered (gate);

  lp_request_set_owner (request, "stuck");
  lp_request_set_timeout (request, 0.1);
  lease = lp_manager_acquire (manager, request, NULL, &error);
  if (lease == NULL)
    {
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
      *message = g_strdup (error->message);
      return FALSE;
    }

  for (guint i = 0; i < n_workers; i++)
    {
      g_autoptr (LpJob) job = lp_test_gate_job (gate);

      lp_test_submit (lease, job);
    }
  lp_test_gate_wait_entered (gate, n_entered + n_workers);

  g_assert_true (lp_lease_renew (lease, 0.001, &error));
  lp_test_block_for (has_expired, lease, "the expiry of a stuck lease");
  g_assert_cmpuint (lp_test_stat (manager, "total") + lp_test_stat (manager, "quarantined"), <=, 4);

  return TRUE;
}

static void
expire_stuck_leases (int max_quarantined, guint n_places)
{
  const guint n_workers = 2;
  LpManager *manager = lp_test_start (2, "name-prefix", "bound", "workers-per-pool", n_workers, "max-quarantined",
                                      max_quarantined, "lease-grace-seconds", 0.0, "cancel-grace-seconds", 0.0,
                                      NULL);
  LpTestGate *gate = lp_test_gate_new ();
  Sampler sampler = { n_places * n_workers };
  GThread *thread = g_thread_new ("sampler", sampler_main, &sampler);
  g_autofree char *message = NULL;
  guint n_stuck = 0;

  while (make_stuck (manager, gate, n_workers, &message))
    n_stuck++;

  /* Every place was used, none more. */
  g_assert_cmpuint (n_stuck, ==, n_places);
  g_assert_cmpuint (lp_test_count_threads ("bound-"), ==, n_places * n_workers);
  g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, n_places - 2);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 2);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 0);
  if (n_places > 2)
    g_assert_nonnull (strstr (message, "quarantine"));

  /* When they return, all is as before. */
  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "quarantined", 0);
  give_back (lp_test_acquire (manager, "after"));
  check_nothing_is_lost (manager);
  g_assert_cmpuint (lp_test_counter (manager, "results_discarded"), ==, n_places * n_workers);

  g_atomic_int_set (&sampler.stop, TRUE);
  g_thread_join (thread);
  lp_test_finish (manager);
  g_assert_cmpuint (lp_test_count_threads ("bound-"), ==, 0);
  lp_test_gate_unref (gate);
}

static void
test_bound_in_real_threads (gconstpointer data)
{
  int max_quarantined = GPOINTER_TO_INT (data);

  expire_stuck_leases (max_quarantined, 2 + (max_quarantined == -1 ? 2 : max_quarantined));
}

/* Many who wait */

typedef struct
{
  LpManager *manager;
  guint n_waiters;
  guint n_answered;
  guint *order;                 /* the numbers of those answered, in that order */
} Crowd;

typedef struct
{
  Crowd *crowd;
  guint number;
} Member;

static void
member_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Member *self = user_data;
  Crowd *crowd = self->crowd;
  g_autoptr (GError) error = NULL;
  LpLease *lease = lp_manager_acquire_finish (crowd->manager, result, &error);

  g_assert_no_error (error);
  crowd->order[crowd->n_answered++] = self->number;
  give_back (lease);
}

static gboolean
all_answered (gpointer data)
{
  Crowd *crowd = data;

  return crowd->n_answered == crowd->n_waiters;
}

/* A tail that starved would come later than its turn: with one queue and one
 * context the order is exact, and each waiter is woken once. */
static void
test_thousand_waiters_on_four (void)
{
  const guint n_waiters = 1000;
  LpManager *manager = lp_test_start (4, "min-pools", 4, NULL);
  g_autofree Member *members = g_new0 (Member, n_waiters);
  g_autofree guint *order = g_new0 (guint, n_waiters);
  Crowd crowd = { manager, n_waiters, 0, order };
  LpLease *held[4];

  for (guint i = 0; i < 4; i++)
    held[i] = lp_test_acquire (manager, "holder");
  for (guint i = 0; i < n_waiters; i++)
    {
      members[i] = (Member) { &crowd, i };
      lp_manager_acquire_async (manager, NULL, NULL, member_cb, &members[i]);
    }
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, n_waiters);

  for (guint i = 0; i < 4; i++)
    {
      give_back (held[i]);
      g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, n_waiters - 1 - i);
    }
  lp_test_wait_for (all_answered, &crowd, "a thousand answers");

  for (guint i = 0; i < n_waiters; i++)
    g_assert_cmpuint (order[i], ==, i);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 4 + n_waiters);
  check_nothing_is_lost (manager);
  lp_test_finish (manager);
}

static void
requeue_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LpLease **lease = user_data;

  /* The stop refuses those who still wait. */
  g_assert_null (*lease);
  *lease = lp_manager_acquire_finish (LP_MANAGER (source), result, NULL);
}

/* Microseconds of this thread's own time for a release, its grant, and another
 * acquire at the end of a queue of N_WAITERS. */
static double
time_cycle (guint n_waiters)
{
  const guint n_cycles = 2000;
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "holder");
  LpLease *next = NULL;
  struct timespec begun, ended;

  for (guint i = 0; i < n_waiters; i++)
    lp_manager_acquire_async (manager, NULL, NULL, requeue_cb, &next);

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &begun);
  for (guint i = 0; i < n_cycles; i++)
    {
      lp_lease_release (lease);
      g_object_unref (lease);
      while (next == NULL)
        g_main_context_iteration (NULL, FALSE);
      lease = g_steal_pointer (&next);
      lp_manager_acquire_async (manager, NULL, NULL, requeue_cb, &next);
    }
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &ended);

  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, n_waiters);
  lp_lease_release (lease);
  g_object_unref (lease);
  lp_test_wait_stat (manager, "waiting", n_waiters - 1);
  while (next == NULL)
    g_main_context_iteration (NULL, FALSE);
  g_clear_object (&next);
  lp_test_finish (manager);

  return ((ended.tv_sec - begun.tv_sec) * 1e6 + (ended.tv_nsec - begun.tv_nsec) / 1e3) / n_cycles;
}

static void
test_cost_does_not_grow_with_waiters (void)
{
  double few = G_MAXDOUBLE;
  double many = G_MAXDOUBLE;

  /* The best of several, which load does not change. */
  for (guint i = 0; i < 5; i++)
    {
      few = MIN (few, time_cycle (4));
      many = MIN (many, time_cycle (2000));
    }

  g_test_message ("%.2f us with 4 waiters, %.2f us with 2000", few, many);
  g_assert_cmpfloat (many, <, 5 * few);
}

/* Blocking threads: each gets its turn again and again. */
static gpointer
blocker_main (gpointer data)
{
  for (guint i = 0; i < 50; i++)
    {
      LpLease *lease = lp_test_acquire (data, "blocker");

      g_thread_yield ();
      give_back (lease);
    }

  return NULL;
}

static void
test_hundred_threads_on_four (void)
{
  LpManager *manager = lp_test_start (4, NULL);
  GThread *threads[100];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("blocker", blocker_main, manager);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);

  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 50 * G_N_ELEMENTS (threads));
  check_nothing_is_lost (manager);
  lp_test_finish (manager);
}

/* Shrinking at the pace of the acquires */

typedef struct
{
  LpManager *manager;
  guint n_acquires;
  gulong pause;                 /* microseconds */
} Customer;

static gpointer
customer_main (gpointer data)
{
  Customer *self = data;

  for (guint i = 0; i < self->n_acquires; i++)
    {
      LpLease *lease = lp_test_acquire (self->manager, "customer");
      g_autoptr (LpJob) job = NULL;
      g_autoptr (GVariant) result = NULL;

      if (i % 8 == 0)
        {
          job = lp_test_value_job (i);
          lp_test_submit (lease, job);
          result = lp_job_wait (job, 30, NULL, NULL);
          g_assert_nonnull (result);
        }
      g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
      give_back (lease);

      /* Not to wait for anything: to meet the moment of the shrink. */
      if (self->pause > 0)
        g_usleep (self->pause);
    }

  g_atomic_int_dec_and_test (&n_acting);
  return NULL;
}

static void
shrink_while_acquiring (double linger)
{
  LpManager *manager = lp_test_start (3, "idle-linger-seconds", linger, NULL);
  Customer customer = { manager, size (1500, 34000), (gulong) (linger * G_USEC_PER_SEC) };
  GThread *threads[3];
  guint n = 0;

  g_atomic_int_set (&n_acting, 3);
  for (guint i = 0; i < 3; i++)
    threads[i] = g_thread_new ("customer", customer_main, &customer);
  while (g_atomic_int_get (&n_acting) > 0)
    {
      lp_manager_set_units (manager, n++ % 2 == 0 ? 30 : 0);
      check_snapshot (manager);
      g_thread_yield ();
    }
  for (guint i = 0; i < 3; i++)
    g_thread_join (threads[i]);

  lp_manager_set_units (manager, 0);
  lp_test_wait_stat (manager, "total", 1);
  check_nothing_is_lost (manager);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 3 * customer.n_acquires);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 3 * customer.n_acquires);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), >, 0);
  lp_test_finish (manager);
}

static void
test_shrink_races_hand_out (void)
{
  shrink_while_acquiring (0);
}

static void
test_linger_ends_at_hand_out (void)
{
  shrink_while_acquiring (0.0005);
}

/* Two threads, one lease: what each can do to it, in every combination. */

typedef struct
{
  LpManager *manager;
  LpLease *lease;               /* a reference for each thread */
  char *id;
  int n_ready;                  /* (atomic) */
  int n_active;                 /* (atomic) ends that said they ended an active lease */
} Duel;

static void
duel_release (Duel *self)
{
  lp_lease_release (self->lease);
}

static void
duel_release_by_id (Duel *self)
{
  if (lp_manager_release (self->manager, self->id))
    g_atomic_int_inc (&self->n_active);
}

static void
duel_drain (Duel *self)
{
  lp_lease_drain_async (self->lease, NULL, NULL, NULL);
}

static void
duel_submit (Duel *self)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GError) error = NULL;

  if (!lp_lease_submit (self->lease, job, &error))
    g_assert_true (g_error_matches (error, LP_ERROR, LP_ERROR_EXPIRED)
                   || g_error_matches (error, LP_ERROR, LP_ERROR_NOT_STARTED)
                   || g_error_matches (error, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR));
}

static void
duel_renew (Duel *self)
{
  g_autoptr (GError) error = NULL;

  if (!lp_lease_renew (self->lease, 0.001, &error))
    g_assert_true (g_error_matches (error, LP_ERROR, LP_ERROR_EXPIRED)
                   || g_error_matches (error, LP_ERROR, LP_ERROR_NOT_STARTED));
}

static void
duel_crash (Duel *self)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, "as the test wants");

  lp_executor_report_died (lp_lease_get_grant (self->lease)->executor, error);
}

static void
duel_recycle (Duel *self)
{
  lp_manager_recycle (self->manager);
}

/* The last one drops the lease. */
static void
duel_drop (Duel *self)
{
}

/* Stop belongs to the owner: only the main thread does it. */
static void
duel_stop (Duel *self)
{
  g_autoptr (GError) error = NULL;

  lp_manager_stop (self->manager, LP_STOP_MODE_CANCEL, -1, NULL, &error);
  g_assert_no_error (error);
}

typedef void (*DuelFunc) (Duel *self);

static const DuelFunc duel_funcs[] = {
  duel_stop, duel_release, duel_release_by_id, duel_drain, duel_submit, duel_renew, duel_crash, duel_recycle,
  duel_drop,
};

typedef struct
{
  Duel *duel;
  DuelFunc func;
} Side;

static gboolean
both_ready (gpointer data)
{
  return g_atomic_int_get ((int *) data) == 2;
}

static gpointer
side_main (gpointer data)
{
  Side *self = data;

  g_atomic_int_inc (&self->duel->n_ready);
  lp_test_block_for (both_ready, &self->duel->n_ready, "the other side");
  self->func (self->duel);
  g_object_unref (self->duel->lease);

  return NULL;
}

/* An executor that has been of use: the death of one that has not would put off
 * the start of the next one. */
static void
warm_up (LpManager *manager)
{
  LpLease *lease = lp_test_acquire (manager, "first");
  g_autoptr (LpJob) job = lp_test_value_job (1);

  lp_test_submit (lease, job);
  g_variant_unref (lp_job_wait (job, 30, NULL, NULL));
  give_back (lease);
}

static void
fight (LpManager *manager, DuelFunc here, DuelFunc there, double seconds)
{
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GError) error = NULL;
  Duel duel = { manager };
  Side sides[2] = { { &duel, here }, { &duel, there } };
  GThread *thread;

  warm_up (manager);
  lp_request_set_lease_seconds (request, seconds);
  lp_request_set_timeout (request, 30);
  duel.lease = lp_manager_acquire (manager, request, NULL, &error);
  g_assert_no_error (error);
  duel.id = g_strdup (lp_lease_get_id (duel.lease));
  g_object_ref (duel.lease);

  thread = g_thread_new ("there", side_main, &sides[1]);
  side_main (&sides[0]);
  g_thread_join (thread);

  /* However it ended: once, and it cannot be ended again. */
  g_assert_cmpint (duel.n_active, <=, 1);
  if (!lp_manager_is_running (manager))
    g_assert_true (lp_manager_start (manager, NULL, NULL));
  g_assert_false (lp_manager_release (manager, duel.id));
  check_nothing_is_lost (manager);
  g_free (duel.id);
}

static void
test_every_order_of_two_ends (gconstpointer data)
{
  DuelFunc here = duel_funcs[GPOINTER_TO_UINT (data)];

  for (guint there = 1; there < G_N_ELEMENTS (duel_funcs); there++)
    for (guint is_short = 0; is_short < 2; is_short++)
      {
        LpManager *manager = lp_test_start (1, "lease-grace-seconds", 0.0, NULL);
        guint n_rounds = size (here == duel_stop ? 20 : 40, 2000);

        for (guint i = 0; i < n_rounds; i++)
          fight (manager, here, duel_funcs[there], is_short ? 0.0002 : 1000);

        lp_test_finish (manager);
      }
}

/* The owners of dropped leases and of broken executors are named at MESSAGE:
 * here that is some thousand times. */
static GLogWriterOutput
log_writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "LEASEPOOL_EVENT"))
      return G_LOG_WRITER_HANDLED;

  return g_log_writer_default (level, fields, n_fields, user_data);
}

static void
add_orders (void)
{
  const char * const names[] = { "stop", "release", "release-by-id", "drain", "submit", "renew", "crash", "recycle",
                                 "drop" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_strdup_printf ("/threads/two-ends/%s", names[i]);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_every_order_of_two_ends);
    }
}

int
main (int argc, char *argv[])
{
  g_setenv ("LP_DEBUG", "check", FALSE);
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (log_writer, NULL, NULL);

  g_test_add_func ("/threads/cancels-race-releases/three", test_cancels_race_releases);
  g_test_add_func ("/threads/cancels-race-releases/one-and-a-listener", test_cancels_race_releases_of_one);
  g_test_add_func ("/threads/no-waiter-while-capacity-is-free", test_no_waiter_while_capacity_is_free);
  g_test_add_data_func ("/threads/bound/quarantine-of-max-pools", GINT_TO_POINTER (-1), test_bound_in_real_threads);
  g_test_add_data_func ("/threads/bound/no-quarantine", GINT_TO_POINTER (0), test_bound_in_real_threads);
  g_test_add_data_func ("/threads/bound/quarantine-of-one", GINT_TO_POINTER (1), test_bound_in_real_threads);
  g_test_add_func ("/threads/waiters/thousand-on-four", test_thousand_waiters_on_four);
  g_test_add_func ("/threads/waiters/cost-does-not-grow", test_cost_does_not_grow_with_waiters);
  g_test_add_func ("/threads/waiters/hundred-threads", test_hundred_threads_on_four);
  g_test_add_func ("/threads/shrink-races-hand-out/no-linger", test_shrink_races_hand_out);
  g_test_add_func ("/threads/shrink-races-hand-out/linger", test_linger_ends_at_hand_out);
  add_orders ();

  return g_test_run ();
}
