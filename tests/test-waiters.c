/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-test.h"
#include "lp-test-conform.h"

#include "lp-manager-private.h"
#include "lp-waiters-private.h"

#define N_WAITERS 8

/* Waiters that only wait: what the queue needs of one is its priority. */
static void
set_up (LpWaiter *waiters, const int *priorities, guint n)
{
  for (guint i = 0; i < n; i++)
    waiters[i] = (LpWaiter) { .priority = priorities != NULL ? priorities[i] : 0 };
}

static void
push_all (LpWaiters *self, LpWaiter *waiters, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      lp_waiters_push (self, &waiters[i]);
      g_assert_cmpuint (self->n_waiters, ==, i + 1);
    }
}

static guint
count_levels (LpWaiters *self)
{
  return (self->levels != NULL ? g_tree_nnodes (self->levels) : 0) + (self->ordinary.length > 0);
}

/* Takes out the one whose turn it is and checks that it is EXPECTED. */
static void
assert_next (LpWaiters *self, LpWaiter *expected)
{
  guint n_waiters = self->n_waiters;

  g_assert_true (lp_waiters_peek (self) == expected);
  g_assert_cmpuint (self->n_waiters, ==, n_waiters);
  lp_waiters_remove (self, expected);
  g_assert_cmpuint (self->n_waiters, ==, n_waiters - 1);
}

static void
assert_empty (LpWaiters *self)
{
  g_assert_null (lp_waiters_peek (self));
  g_assert_cmpuint (self->n_waiters, ==, 0);
  g_assert_cmpuint (count_levels (self), ==, 0);
  lp_waiters_clear (self);
  g_assert_null (self->levels);
}

static void
test_empty (void)
{
  LpWaiters queue = { G_QUEUE_INIT, NULL, 0 };

  g_assert_null (lp_waiters_peek (&queue));
  g_assert_false (lp_waiters_blocks (&queue, 0));
  g_assert_false (lp_waiters_blocks (&queue, G_MAXINT));

  assert_empty (&queue);
}

static void
test_fifo (void)
{
  LpWaiters queue = { G_QUEUE_INIT, NULL, 0 };
  LpWaiter waiters[N_WAITERS];

  set_up (waiters, NULL, N_WAITERS);
  push_all (&queue, waiters, N_WAITERS);
  g_assert_cmpuint (count_levels (&queue), ==, 1);

  for (guint i = 0; i < N_WAITERS; i++)
    assert_next (&queue, &waiters[i]);

  assert_empty (&queue);
}

static void
test_lower_number_first (void)
{
  const int priorities[] = { 0, G_MAXINT, -1, G_MININT, 1, 0, G_MININT, -1 };
  const guint order[] = { 3, 6, 2, 7, 0, 5, 4, 1 };
  LpWaiters queue = { G_QUEUE_INIT, NULL, 0 };
  LpWaiter waiters[N_WAITERS];

  set_up (waiters, priorities, N_WAITERS);
  push_all (&queue, waiters, N_WAITERS);
  g_assert_cmpuint (count_levels (&queue), ==, 5);

  for (guint i = 0; i < N_WAITERS; i++)
    assert_next (&queue, &waiters[order[i]]);

  assert_empty (&queue);
}

/* Each number is its own priority, however large: none is cut on its way
 * through a pointer, and no difference of two overflows. */
static void
test_extreme_numbers_keep_apart (void)
{
  const int priorities[] = { G_MAXINT, G_MAXINT - 1, G_MININT + 1, G_MININT };
  LpWaiters queue = { G_QUEUE_INIT, NULL, 0 };
  LpWaiter waiters[4];

  set_up (waiters, priorities, 4);
  push_all (&queue, waiters, 4);
  g_assert_cmpuint (count_levels (&queue), ==, 4);

  for (guint i = 4; i > 0; i--)
    assert_next (&queue, &waiters[i - 1]);

  assert_empty (&queue);
}

static void
test_newcomer_goes_behind_its_equals (void)
{
  LpWaiters queue = { G_QUEUE_INIT, NULL, 0 };
  LpWaiter waiters[3];

  set_up (waiters, NULL, 3);
  push_all (&queue, waiters, 2);
  assert_next (&queue, &waiters[0]);
  lp_waiters_push (&queue, &waiters[2]);

  assert_next (&queue, &waiters[1]);
  assert_next (&queue, &waiters[2]);

  assert_empty (&queue);
}

static void
test_leaves_from_anywhere (void)
{
  LpWaiters queue = { G_QUEUE_INIT, NULL, 0 };
  LpWaiter waiters[5];

  set_up (waiters, NULL, 5);
  push_all (&queue, waiters, 5);

  /* The middle, the tail, the head: the others keep their order. */
  lp_waiters_remove (&queue, &waiters[2]);
  lp_waiters_remove (&queue, &waiters[4]);
  lp_waiters_remove (&queue, &waiters[0]);
  g_assert_cmpuint (queue.n_waiters, ==, 2);
  assert_next (&queue, &waiters[1]);
  assert_next (&queue, &waiters[3]);

  assert_empty (&queue);
}

static void
test_comes_again_at_the_end (void)
{
  LpWaiters queue = { G_QUEUE_INIT, NULL, 0 };
  LpWaiter waiters[2];

  set_up (waiters, NULL, 2);
  push_all (&queue, waiters, 2);
  lp_waiters_remove (&queue, &waiters[0]);
  lp_waiters_push (&queue, &waiters[0]);

  assert_next (&queue, &waiters[1]);
  assert_next (&queue, &waiters[0]);

  assert_empty (&queue);
}

/* Or a program that uses a new priority for each acquire would grow for ever. */
static void
test_empty_priorities_are_removed (void)
{
  LpWaiters queue = { G_QUEUE_INIT, NULL, 0 };
  LpWaiter waiters[2];

  for (int priority = -100; priority < 100; priority++)
    {
      set_up (waiters, (int[]) { priority, priority }, 2);
      push_all (&queue, waiters, 2);
      g_assert_cmpuint (count_levels (&queue), ==, 1);
      lp_waiters_remove (&queue, &waiters[0]);
      g_assert_cmpuint (count_levels (&queue), ==, 1);
      lp_waiters_remove (&queue, &waiters[1]);
      g_assert_cmpuint (count_levels (&queue), ==, 0);
    }

  assert_empty (&queue);
}

static void
test_blocks_equals_and_those_behind (void)
{
  LpWaiters queue = { G_QUEUE_INIT, NULL, 0 };
  LpWaiter waiters[2];

  set_up (waiters, (int[]) { 5, 7 }, 2);
  push_all (&queue, waiters, 2);

  g_assert_true (lp_waiters_blocks (&queue, 5));
  g_assert_true (lp_waiters_blocks (&queue, 6));
  g_assert_true (lp_waiters_blocks (&queue, G_MAXINT));
  g_assert_false (lp_waiters_blocks (&queue, 4));
  g_assert_false (lp_waiters_blocks (&queue, G_MININT));

  /* It is the head that counts. */
  assert_next (&queue, &waiters[0]);
  g_assert_false (lp_waiters_blocks (&queue, 6));
  g_assert_true (lp_waiters_blocks (&queue, 7));
  assert_next (&queue, &waiters[1]);

  assert_empty (&queue);
}

/* What the queue is compared with: a plain list, searched from the front. */
static LpWaiter *
find_first (GPtrArray *list)
{
  LpWaiter *first = NULL;

  for (guint i = 0; i < list->len; i++)
    {
      LpWaiter *waiter = list->pdata[i];

      if (first == NULL || waiter->priority < first->priority)
        first = waiter;
    }

  return first;
}

static void
test_random_schedule (void)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new ();
  g_autofree LpWaiter *waiters = g_new0 (LpWaiter, 200);
  LpWaiters queue = { G_QUEUE_INIT, NULL, 0 };

  for (guint step = 0; step < 20000; step++)
    {
      LpWaiter *waiter = &waiters[g_test_rand_int_range (0, 200)];

      if (g_ptr_array_find (list, waiter, NULL))
        {
          lp_waiters_remove (&queue, waiter);
          g_ptr_array_remove (list, waiter);
        }
      else
        {
          *waiter = (LpWaiter) { .priority = g_test_rand_int_range (-3, 4) };
          lp_waiters_push (&queue, waiter);
          g_ptr_array_add (list, waiter);
        }

      g_assert_cmpuint (queue.n_waiters, ==, list->len);
      g_assert_true (lp_waiters_peek (&queue) == find_first (list));
    }

  while (list->len > 0)
    {
      LpWaiter *first = find_first (list);

      assert_next (&queue, first);
      g_ptr_array_remove (list, first);
    }

  assert_empty (&queue);
}

/* The last reference gives up what the waiter holds: a pool that one of them
 * kept would never be freed. */
static void
test_last_reference_frees (void)
{
  LpManager *manager = lp_test_new (1);
  LpPool *pool = manager->pool;
  int pool_refs = g_atomic_int_get (&pool->ref_count);
  LpWaiter *waiter = g_new0 (LpWaiter, 1);
  LpCompletion *completion = lp_completion_new_blocking ();

  g_atomic_ref_count_init (&waiter->ref_count);
  waiter->pool = lp_pool_ref (pool);
  waiter->owner = g_ref_string_new ("somebody");
  waiter->completion = g_object_ref (completion);

  g_assert_true (lp_waiter_ref (waiter) == waiter);
  lp_waiter_unref (waiter);
  g_assert_cmpstr (waiter->owner, ==, "somebody");
  g_assert_true (g_atomic_int_get (&pool->ref_count) != pool_refs);

  lp_waiter_unref (waiter);
  g_assert_cmpint (g_atomic_int_get (&pool->ref_count), ==, pool_refs);
  g_assert_finalize_object (completion);
  g_assert_finalize_object (manager);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  lp_test_conform_add_func ("/waiters/empty", test_empty);
  lp_test_conform_add_func ("/waiters/fifo", test_fifo);
  lp_test_conform_add_func ("/waiters/lower-number-first", test_lower_number_first);
  lp_test_conform_add_func ("/waiters/extreme-numbers-keep-apart", test_extreme_numbers_keep_apart);
  lp_test_conform_add_func ("/waiters/newcomer-goes-behind-its-equals", test_newcomer_goes_behind_its_equals);
  lp_test_conform_add_func ("/waiters/leaves-from-anywhere", test_leaves_from_anywhere);
  lp_test_conform_add_func ("/waiters/comes-again-at-the-end", test_comes_again_at_the_end);
  lp_test_conform_add_func ("/waiters/empty-priorities-are-removed", test_empty_priorities_are_removed);
  lp_test_conform_add_func ("/waiters/blocks-equals-and-those-behind", test_blocks_equals_and_those_behind);
  lp_test_conform_add_func ("/waiters/random-schedule", test_random_schedule);
  lp_test_conform_add_func ("/waiters/last-reference-frees", test_last_reference_frees);

  return g_test_run ();
}
