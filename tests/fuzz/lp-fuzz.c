/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-fuzz.h"

const char *__asan_default_options (void);
const char *__ubsan_default_options (void);

/* What is freed is kept for a while, and memory that is never used twice costs
 * more than all else; a few megabytes find a late use as well. What cannot be
 * allocated is what the library has to live with. */
const char *
__asan_default_options (void)
{
  return "quarantine_size_mb=8:allocator_may_return_null=1:detect_stack_use_after_return=0:strict_string_checks=1";
}

const char *
__ubsan_default_options (void)
{
  return "print_stacktrace=1:halt_on_error=1";
}
