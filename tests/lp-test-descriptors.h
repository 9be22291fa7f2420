/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* For tests of a process that gets no more descriptors. */

#include <glib.h>
#include <sys/resource.h>
#include <unistd.h>

/* No more than N new ones; -1: as many as before. */
static inline void
limit_descriptors (int n)
{
  static struct rlimit usual;
  struct rlimit limit;
  int lowest;

  if (usual.rlim_max == 0)
    g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &usual), ==, 0);
  limit = usual;
  if (n >= 0)
    {
      lowest = dup (STDERR_FILENO);
      g_assert_cmpint (lowest, >=, 0);
      close (lowest);
      limit.rlim_cur = (rlim_t) (lowest + n);
    }
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
}
