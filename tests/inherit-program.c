/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Says which descriptors it was started with, and which seals the file has that it
 * reads from: as a command on its standard output, with --worker only the former
 * and on its standard error. */

#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define MAX_FDS 4096

static void
tell_seals (void)
{
  int seals = fcntl (0, F_GET_SEALS);

  printf ("standard input:%s%s%s%s\n", seals != -1 && (seals & F_SEAL_SHRINK) != 0 ? " shrink" : "",
          seals != -1 && (seals & F_SEAL_GROW) != 0 ? " grow" : "",
          seals != -1 && (seals & F_SEAL_WRITE) != 0 ? " write" : "",
          seals != -1 && (seals & F_SEAL_SEAL) != 0 ? " seal" : "");
}

int
main (int argc, char **argv)
{
  FILE *out = argc > 1 && strcmp (argv[1], "--worker") == 0 ? stderr : stdout;
  char text[1024];
  size_t used = 0;

  for (int fd = 0; fd < MAX_FDS; fd++)
    if (fcntl (fd, F_GETFD) != -1 && used < sizeof text - 16)
      used += (size_t) snprintf (text + used, sizeof text - used, " %d", fd);

  fprintf (out, "descriptors:%s\n", used > 0 ? text : "");
  if (out == stdout)
    tell_seals ();
  return 3;
}
