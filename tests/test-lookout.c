/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Threads that look out for work before they sleep: only where that is worth it, and not for long. */

#include "config.h"

#include "lp-lookout-private.h"
#include "lp-test.h"

#define SOON (LP_LOOKOUT_USEC - 1)
#define LATE LP_LOOKOUT_USEC
#define ROUNDS 2000

/* One where the last thread that ran out of work had some again after GAP. Each time is later than the one before. */
static LpLookout
after_gap (gint64 gap)
{
  LpLookout lookout = { 0 };

  g_assert_false (lp_lookout_begin_locked (&lookout, 1000));
  lp_lookout_woke_locked (&lookout, 1000 + gap);

  return lookout;
}

static void
test_not_at_first (void)
{
  LpLookout lookout = { 0 };

  g_assert_false (lp_lookout_begin_locked (&lookout, 1000));
  g_assert_false (lp_lookout_begin_locked (&lookout, 1001));
}

static void
test_not_after_a_pause (void)
{
  LpLookout lookout = after_gap (LATE);

  g_assert_false (lp_lookout_begin_locked (&lookout, 2000));
}

static void
test_not_on_one_processor (void)
{
  LpLookout lookout = after_gap (SOON);

  g_assert_cmpint (lp_lookout_begin_locked (&lookout, 2000), ==, g_get_num_processors () > 1);
}

static gboolean
begins_to_look (LpLookout *lookout)
{
  if (g_get_num_processors () > 1)
    {
      g_assert_true (lp_lookout_begin_locked (lookout, 2000));
      return TRUE;
    }

  g_test_skip ("There is one processor, so nothing looks out");
  return FALSE;
}

static void
test_sees_an_offer (void)
{
  LpLookout lookout = after_gap (SOON);

  if (!begins_to_look (&lookout))
    return;

  g_assert_true (lp_lookout_offer_locked (&lookout));
  lp_lookout_look (&lookout);
  lp_lookout_end_locked (&lookout);

  /* That was worth it, so the next one looks, too. */
  g_assert_true (lp_lookout_begin_locked (&lookout, 3000));
}

static void
test_one_at_a_time (void)
{
  LpLookout lookout = after_gap (SOON);

  if (!begins_to_look (&lookout))
    return;

  g_assert_false (lp_lookout_begin_locked (&lookout, 2001));
  lp_lookout_offer_locked (&lookout);
  lp_lookout_end_locked (&lookout);
  g_assert_true (lp_lookout_begin_locked (&lookout, 3000));
}

/* It ends by itself, and the next one does not look. */
static void
test_in_vain (void)
{
  LpLookout lookout = after_gap (SOON);

  if (!begins_to_look (&lookout))
    return;

  lp_lookout_look (&lookout);
  lp_lookout_end_locked (&lookout);
  g_assert_false (lp_lookout_begin_locked (&lookout, 3000));
  g_assert_false (lp_lookout_offer_locked (&lookout));

  /* But one does again as soon as it would have been worth it. */
  lp_lookout_woke_locked (&lookout, 3000 + SOON);
  g_assert_true (lp_lookout_begin_locked (&lookout, 4000));
}

/* An offer of before is none for the next one. */
static void
test_forgets_the_offer (void)
{
  LpLookout lookout = after_gap (SOON);

  if (!begins_to_look (&lookout))
    return;

  lp_lookout_offer_locked (&lookout);
  lp_lookout_end_locked (&lookout);
  g_assert_true (lp_lookout_begin_locked (&lookout, 3000));
  lp_lookout_look (&lookout);
  lp_lookout_end_locked (&lookout);
  g_assert_false (lp_lookout_begin_locked (&lookout, 4000));
}

/* --- Worker threads --- */

static gboolean
all_sleep (gpointer data)
{
  return lp_test_count_threads_awake (data) == 0;
}

/* Jobs in such a hurry that threads look out for them; then there are none. */
static void
test_workers_sleep (void)
{
  char prefix[] = "lookout";
  LpManager *manager = lp_test_start (1, "workers-per-pool", 2, "name-prefix", prefix, NULL);
  LpLease *lease = lp_test_acquire (manager, "hurry");

  for (guint i = 0; i < lp_test_size (ROUNDS, 10 * ROUNDS, ROUNDS / 10); i++)
    {
      g_autoptr (LpJob) job = lp_test_value_job ((int) i);
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) value = NULL;

      lp_test_submit (lease, job);
      value = lp_job_wait (job, -1, NULL, &error);
      g_assert_no_error (error);
      g_assert_nonnull (value);
    }

  g_assert_cmpuint (lp_test_count_threads (prefix), >, 0);
  lp_test_block_for (all_sleep, prefix, "all worker threads to sleep");

  lp_lease_release (lease);
  g_object_unref (lease);
  lp_test_finish (manager);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/lookout/not/at-first", test_not_at_first);
  g_test_add_func ("/lookout/not/after-a-pause", test_not_after_a_pause);
  g_test_add_func ("/lookout/not/on-one-processor", test_not_on_one_processor);
  g_test_add_func ("/lookout/sees-an-offer", test_sees_an_offer);
  g_test_add_func ("/lookout/one-at-a-time", test_one_at_a_time);
  g_test_add_func ("/lookout/in-vain", test_in_vain);
  g_test_add_func ("/lookout/forgets-the-offer", test_forgets_the_offer);
  g_test_add_func ("/lookout/workers-sleep", test_workers_sleep);

  return g_test_run ();
}
