/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-environment-private.h"

#include <stdlib.h>
#include <unistd.h>

/* The environment of a set-user-ID or set-group-ID program, or of one with file capabilities, is that of somebody with
 * fewer rights. g_getenv() does not look. */
const char *
lp_environment_get (const char *name)
{
#ifdef HAVE_SECURE_GETENV
  return secure_getenv (name);
#else
  if (getuid () != geteuid () || getgid () != getegid ())
    return NULL;

  return g_getenv (name);
#endif
}
