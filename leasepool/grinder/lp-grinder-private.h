/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-grind-private.h"

G_BEGIN_DECLS

struct _LpGrinder
{
  GObject parent_instance;

  LpManager *manager;           /* (construct-only) (owned) (nullable) */
  LpGrinderSettings *settings;  /* (owner context) what the next start takes a copy of */
  LpGrind *grind;               /* (set when it is constructed) (owned) */
};

G_END_DECLS
