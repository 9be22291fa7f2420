/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The checker of schedules with a library that has a defect. */

#include "config.h"

#include "model-run.h"

/* Each of these defects needs no more events than that. */
#define MAX_SHORT 12

/* What is found is made short, and that is found again by itself. */
static void
defect_is_found (void)
{
  Record *record = model_record_new ();
  g_autofree char *text = NULL;
  gboolean well = model_check_random (record, 1, MODEL_N_RANDOM_RUNS, TRUE);
  guint n_events;

  if (well)
    for (guint i = 0; model_get_small_scope (i) != NULL && well; i++)
      well = model_check_small (record, i, TRUE);
  g_assert_false (well);
  model_report (record, "found after");

  n_events = record->n_events;
  model_shrink (record);
  text = model_record_dup_text (record);
  g_test_message ("of %u events are left:\n%s", n_events, text);
  g_assert_cmpuint (record->n_events, <=, MIN (n_events, MAX_SHORT));
  g_assert_false (model_run_in_child (record, model_run_list, NULL, TRUE));

  model_record_free (record);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  model_drop_records ();

  g_test_add_func ("/model/defect/is-found", defect_is_found);

  return g_test_run ();
}
