/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <glib.h>

typedef struct
{
  int pools;
  int workers;
  int owners;
  int limit_mb;                 /* 0: no limit */
  double lease_seconds;
  double timeout;
  gboolean sums;
  char *backend, *worker;       /* N: as they were given */
  gboolean is_process;
  gboolean is_own;              /* the program lp-checksum-worker, not a module */
  char **paths;
} Options;

gboolean options_parse (Options *self,
                        int     *argc,
                        char  ***argv);
void     options_clear (Options *self);
