/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-clock-private.h"
#include "lp-deadlines-private.h"

/* A deadline that knows what it was set to. */
typedef struct
{
  LpDeadline deadline;
  gint64 when;
  GSequenceIter *iter;          /* in the reference, while it is set */
} Entry;

static void
fixture_clear (LpDeadlines *self)
{
  lp_deadlines_clear (self);
  g_assert_cmpuint (self->n_entries, ==, 0);
  g_assert_null (self->entries);
}

/* What must hold at any moment: each entry is where it thinks it is, and none is
 * due before its parent. */
static void
check_heap (const LpDeadlines *self)
{
  for (guint i = 0; i < self->n_entries; i++)
    {
      const LpDeadlineEntry *entry = &self->entries[i];

      g_assert_cmpuint (entry->deadline->position, ==, i + 1);
      if (i > 0)
        g_assert_cmpint (self->entries[(i - 1) / 4].when, <=, entry->when);
    }
}

static void
test_empty (void)
{
  LpDeadlines heap = { NULL, 0, 0 };
  LpDeadline deadline = { NULL, 0 };

  g_assert_cmpint (lp_deadlines_next (&heap), ==, LP_TIME_NEVER);
  g_assert_null (lp_deadlines_pop (&heap, LP_TIME_NEVER - 1));
  g_assert_false (lp_deadline_is_set (&deadline));

  /* What is not there can be removed. */
  lp_deadlines_remove (&heap, &deadline);
  g_assert_cmpint (lp_deadlines_next (&heap), ==, LP_TIME_NEVER);

  fixture_clear (&heap);
}

static void
test_set (void)
{
  LpDeadlines heap = { NULL, 0, 0 };
  LpDeadline deadline = { NULL, 0 };

  lp_deadlines_set (&heap, &deadline, 100);
  g_assert_true (lp_deadline_is_set (&deadline));
  g_assert_cmpint (lp_deadlines_next (&heap), ==, 100);

  g_assert_null (lp_deadlines_pop (&heap, 99));
  g_assert_true (lp_deadline_is_set (&deadline));
  g_assert_true (lp_deadlines_pop (&heap, 100) == &deadline);
  g_assert_false (lp_deadline_is_set (&deadline));
  g_assert_null (lp_deadlines_pop (&heap, 100));

  fixture_clear (&heap);
}

/* The past is a time like any other: it is due. */
static void
test_past (void)
{
  LpDeadlines heap = { NULL, 0, 0 };
  LpDeadline deadlines[3] = { { NULL, 0 } };

  lp_deadlines_set (&heap, &deadlines[0], 0);
  lp_deadlines_set (&heap, &deadlines[1], -5);
  lp_deadlines_set (&heap, &deadlines[2], G_MININT64);

  g_assert_true (lp_deadlines_pop (&heap, 0) == &deadlines[2]);
  g_assert_true (lp_deadlines_pop (&heap, 0) == &deadlines[1]);
  g_assert_true (lp_deadlines_pop (&heap, 0) == &deadlines[0]);

  fixture_clear (&heap);
}

static void
test_set_again (void)
{
  LpDeadlines heap = { NULL, 0, 0 };
  LpDeadline first = { NULL, 0 };
  LpDeadline second = { NULL, 0 };

  lp_deadlines_set (&heap, &first, 100);
  lp_deadlines_set (&heap, &second, 200);
  g_assert_cmpuint (heap.n_entries, ==, 2);

  /* Later than the other, and sooner again: moved, not doubled. */
  lp_deadlines_set (&heap, &first, 300);
  g_assert_cmpuint (heap.n_entries, ==, 2);
  g_assert_cmpint (lp_deadlines_next (&heap), ==, 200);
  lp_deadlines_set (&heap, &first, 50);
  g_assert_cmpuint (heap.n_entries, ==, 2);
  g_assert_cmpint (lp_deadlines_next (&heap), ==, 50);

  g_assert_true (lp_deadlines_pop (&heap, 1000) == &first);
  g_assert_true (lp_deadlines_pop (&heap, 1000) == &second);
  g_assert_null (lp_deadlines_pop (&heap, 1000));

  fixture_clear (&heap);
}

static void
test_never (void)
{
  LpDeadlines heap = { NULL, 0, 0 };
  LpDeadline deadline = { NULL, 0 };

  lp_deadlines_set (&heap, &deadline, LP_TIME_NEVER);
  g_assert_false (lp_deadline_is_set (&deadline));
  g_assert_cmpuint (heap.n_entries, ==, 0);

  lp_deadlines_set (&heap, &deadline, 10);
  lp_deadlines_set (&heap, &deadline, LP_TIME_NEVER);
  g_assert_false (lp_deadline_is_set (&deadline));
  g_assert_cmpint (lp_deadlines_next (&heap), ==, LP_TIME_NEVER);
  g_assert_null (lp_deadlines_pop (&heap, LP_TIME_NEVER - 1));

  /* The latest that comes at all. */
  lp_deadlines_set (&heap, &deadline, LP_TIME_NEVER - 1);
  g_assert_true (lp_deadline_is_set (&deadline));
  g_assert_true (lp_deadlines_pop (&heap, LP_TIME_NEVER - 1) == &deadline);

  fixture_clear (&heap);
}

static void
test_remove (void)
{
  LpDeadlines heap = { NULL, 0, 0 };
  LpDeadline deadlines[20] = { { NULL, 0 } };

  for (guint i = 0; i < G_N_ELEMENTS (deadlines); i++)
    lp_deadlines_set (&heap, &deadlines[i], 100 + i);

  /* The first, one in the middle, the last. */
  lp_deadlines_remove (&heap, &deadlines[0]);
  lp_deadlines_remove (&heap, &deadlines[7]);
  lp_deadlines_remove (&heap, &deadlines[19]);
  lp_deadlines_remove (&heap, &deadlines[7]);
  check_heap (&heap);
  g_assert_cmpuint (heap.n_entries, ==, 17);

  for (guint i = 0; i < G_N_ELEMENTS (deadlines); i++)
    {
      gboolean removed = i == 0 || i == 7 || i == 19;

      g_assert_cmpint (lp_deadline_is_set (&deadlines[i]), ==, !removed);
      if (!removed)
        g_assert_true (lp_deadlines_pop (&heap, 1000) == &deadlines[i]);
    }

  fixture_clear (&heap);
}

/* The one that fills the hole of a removed one may have to go up, not down: it
 * comes from another branch. */
static void
test_remove_sifts_up (void)
{
  LpDeadlines heap = { NULL, 0, 0 };
  const gint64 whens[] = { 0, 100, 1, 2, 3, 101, 102, 103, 104, 4, 5, 6 };
  LpDeadline deadlines[G_N_ELEMENTS (whens)] = { { NULL, 0 } };
  gint64 last = -1;

  for (guint i = 0; i < G_N_ELEMENTS (whens); i++)
    lp_deadlines_set (&heap, &deadlines[i], whens[i]);

  /* 6 takes the place of 103, below 100. */
  g_assert_cmpuint (deadlines[7].position, ==, 8);
  lp_deadlines_remove (&heap, &deadlines[7]);
  check_heap (&heap);

  while (heap.n_entries > 0)
    {
      gint64 next = lp_deadlines_next (&heap);

      g_assert_cmpint (next, >, last);
      last = next;
      g_assert_nonnull (lp_deadlines_pop (&heap, 1000));
      check_heap (&heap);
    }

  fixture_clear (&heap);
}

static void
test_clear_twice (void)
{
  LpDeadlines heap = { NULL, 0, 0 };
  LpDeadline deadline = { NULL, 0 };

  lp_deadlines_set (&heap, &deadline, 1);
  lp_deadlines_remove (&heap, &deadline);
  fixture_clear (&heap);
  fixture_clear (&heap);

  lp_deadlines_set (&heap, &deadline, 2);
  g_assert_true (lp_deadlines_pop (&heap, 2) == &deadline);
  fixture_clear (&heap);
}

static int
compare_entries (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const Entry *left = a;
  const Entry *right = b;

  return (left->when > right->when) - (left->when < right->when);
}

static gint64
reference_next (GSequence *reference)
{
  GSequenceIter *first = g_sequence_get_begin_iter (reference);

  return g_sequence_iter_is_end (first) ? LP_TIME_NEVER : ((Entry *) g_sequence_get (first))->when;
}

static void
set_both (LpDeadlines *heap, GSequence *reference, Entry *entry, gint64 when)
{
  g_clear_pointer (&entry->iter, g_sequence_remove);
  entry->when = when;
  if (when != LP_TIME_NEVER)
    entry->iter = g_sequence_insert_sorted (reference, entry, compare_entries, NULL);

  lp_deadlines_set (heap, &entry->deadline, when);
}

static void
remove_both (LpDeadlines *heap, Entry *entry)
{
  g_clear_pointer (&entry->iter, g_sequence_remove);
  lp_deadlines_remove (heap, &entry->deadline);
}

static void
pop_both (LpDeadlines *heap, GSequence *reference, gint64 now)
{
  gint64 next = reference_next (reference);
  Entry *entry = (Entry *) lp_deadlines_pop (heap, now);

  if (next > now)
    {
      g_assert_null (entry);
      return;
    }

  /* Of several that are due at the same time any may come. */
  g_assert_nonnull (entry);
  g_assert_nonnull (entry->iter);
  g_assert_cmpint (entry->when, ==, next);
  g_assert_false (lp_deadline_is_set (&entry->deadline));
  g_clear_pointer (&entry->iter, g_sequence_remove);
}

/* Few different times, so that many are equal. */
static gint64
random_when (void)
{
  return g_test_rand_int_range (0, 50) == 0 ? LP_TIME_NEVER : g_test_rand_int_range (-1000, 1000);
}

static void
random_step (LpDeadlines *heap, GSequence *reference, Entry *entries, guint n_entries)
{
  Entry *entry = &entries[g_test_rand_int_range (0, n_entries)];
  int dice = g_test_rand_int_range (0, 10);

  if (dice < 6)
    set_both (heap, reference, entry, random_when ());
  else if (dice < 8)
    remove_both (heap, entry);
  else
    pop_both (heap, reference, g_test_rand_int_range (-1100, 1000));

  g_assert_cmpint (lp_deadlines_next (heap), ==, reference_next (reference));
  g_assert_cmpint (lp_deadline_is_set (&entry->deadline), ==, entry->iter != NULL);
  g_assert_cmpuint (heap->n_entries, ==, g_sequence_get_length (reference));
}

static void
test_against_reference (void)
{
  const guint n_entries = 700;
  const guint n_steps = 100000;
  LpDeadlines heap = { NULL, 0, 0 };
  g_autofree Entry *entries = g_new0 (Entry, n_entries);
  GSequence *reference = g_sequence_new (NULL);
  gint64 last = G_MININT64;

  for (guint i = 0; i < n_steps; i++)
    {
      random_step (&heap, reference, entries, n_entries);
      if (i % 1000 == 0)
        check_heap (&heap);
    }

  while (heap.n_entries > 0)
    {
      gint64 next = lp_deadlines_next (&heap);

      g_assert_cmpint (next, >=, last);
      last = next;
      pop_both (&heap, reference, LP_TIME_NEVER - 1);
    }

  for (guint i = 0; i < n_entries; i++)
    g_assert_false (lp_deadline_is_set (&entries[i].deadline));

  g_sequence_free (reference);
  fixture_clear (&heap);
}

static void
test_clock_add (void)
{
  gint64 now = lp_clock_now ();

  g_assert_cmpint (lp_clock_add (now, 0), ==, now);
  g_assert_cmpint (lp_clock_add (now, 1.5), ==, now + 1500000);
  /* No span that is more than nothing is nothing. */
  g_assert_cmpint (lp_clock_add (now, 1e-9), ==, now + 1);
  /* Too far away is never, and never stays never. */
  g_assert_cmpint (lp_clock_add (now, 1e300), ==, LP_TIME_NEVER);
  g_assert_cmpint (lp_clock_add (now, 9.3e12), ==, LP_TIME_NEVER);
  g_assert_cmpint (lp_clock_add (LP_TIME_NEVER, 0), ==, LP_TIME_NEVER);
  g_assert_cmpint (lp_clock_add (LP_TIME_NEVER - 10, 1), ==, LP_TIME_NEVER);
  g_assert_cmpint (lp_clock_add (now, 1e9), >, now);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/deadlines/empty", test_empty);
  g_test_add_func ("/deadlines/set", test_set);
  g_test_add_func ("/deadlines/past-is-due", test_past);
  g_test_add_func ("/deadlines/set-again-moves", test_set_again);
  g_test_add_func ("/deadlines/never-is-not-kept", test_never);
  g_test_add_func ("/deadlines/remove", test_remove);
  g_test_add_func ("/deadlines/remove-sifts-up", test_remove_sifts_up);
  g_test_add_func ("/deadlines/clear-twice", test_clear_twice);
  g_test_add_func ("/deadlines/against-sorted-reference", test_against_reference);
  g_test_add_func ("/clock/add-saturates", test_clock_add);

  return g_test_run ();
}
