/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Many threads at once: cancels against releases; nobody waits while there is
 * capacity. */

#include "config.h"

#include "lp-test-threads.h"

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

static int n_acting;            /* (atomic) */
static GMutex bag_lock;
static GPtrArray *bag;          /* (bag_lock) of GCancellable */

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

  if (lp_test_has_processes ())
    cancels_race_releases (manager, lp_test_size (5000, 400000, 4000));
  else
    cancels_race_releases (manager, lp_test_size (20000, 400000, 2000));
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
  if (lp_test_has_processes ())
    cancels_race_releases (manager, lp_test_size (2500, 200000, 2000));
  else
    cancels_race_releases (manager, lp_test_size (10000, 200000, 1000));
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

  for (guint i = 0; i < lp_test_size (lp_test_has_processes () ? 1000 : 5000, 300000, 1000); i++)
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

int
main (int argc, char *argv[])
{
  g_setenv ("LP_DEBUG", "check", FALSE);
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (log_writer, NULL, NULL);

  lp_test_conform_add_func ("/threads/cancels-race-releases/three", test_cancels_race_releases);
  lp_test_conform_add_func ("/threads/cancels-race-releases/one-and-a-listener", test_cancels_race_releases_of_one);
  lp_test_conform_add_func ("/threads/no-waiter-while-capacity-is-free", test_no_waiter_while_capacity_is_free);

  return g_test_run ();
}
