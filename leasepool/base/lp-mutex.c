/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-mutex-private.h"

/* They take about a microsecond, some more on processors that pause longer: no more than
 * it costs to sleep and be woken. More of them gain nothing. */
#define TRIES 20
#define PAUSES 6

/* Leaves the memory of the lock to who has it: each try takes it away from there. */
static void
pause_awake (void)
{
  for (guint i = 0; i < PAUSES; i++)
    {
#if defined (__x86_64__) || defined (__i386__)
      __builtin_ia32_pause ();
#elif defined (__aarch64__)
      __asm__ volatile ("yield" ::: "memory");
#endif
    }
}

/* A GMutex that is taken puts to sleep whoever wants it, and whoever has it must wake
 * that one: two calls of the system, where the lock is free again after some hundred
 * nanoseconds. Of threads that follow close upon each other, as a worker does upon the
 * thread that submits, each would do that again and again. */
void
lp_mutex_lock_awake (GMutex *mutex)
{
  for (guint i = 0; i < TRIES; i++)
    {
      if (g_mutex_trylock (mutex))
        return;
      pause_awake ();
    }

  g_mutex_lock (mutex);
}
