/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* A manager, a lease of it, and a gate that its jobs can stand at; for one program at a
 * time. Each header that includes this says how the manager is set up. */

#include "lp-test.h"

#define PATIENCE_SECONDS ((double) LP_TEST_PATIENCE_SECONDS)
#define SHORT_SECONDS 0.05

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  LpTestGate *gate;
} Fixture;

/* Takes the manager, which runs. */
static inline void
fixture_init (Fixture *self, LpManager *manager, const char *owner)
{
  self->manager = manager;
  self->lease = lp_test_acquire (manager, owner);
  self->gate = lp_test_gate_new ();
}

static inline void
tear_down (Fixture *self, gconstpointer data)
{
  lp_test_gate_open (self->gate);
  lp_lease_release (self->lease);
  lp_test_wait_stat (self->manager, "quarantined", 0);
  lp_test_finish (self->manager);
  g_assert_finalize_object (self->lease);
  lp_test_gate_unref (self->gate);
}
