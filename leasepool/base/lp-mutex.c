/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-mutex-private.h"

/* They take a fraction of a microsecond, some more where the lock changes hands meanwhile:
 * less than it costs to sleep. More of them gain nothing. */
#define TRIES 50

/* A GMutex that is taken puts to sleep whoever wants it, and whoever has it must wake
 * that one: two calls of the system, where the lock is free again after some hundred
 * nanoseconds. Of threads that follow close upon each other, as a worker does upon the
 * thread that submits, each would do that again and again. */
void
lp_mutex_lock_awake (GMutex *mutex)
{
  for (guint i = 0; i < TRIES; i++)
    if (g_mutex_trylock (mutex))
      return;

  g_mutex_lock (mutex);
}
