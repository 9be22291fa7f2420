/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* Defects on purpose, for tests/model, which is to find each of them: it compiles
 * one file anew for each number. In the library this is 0, and nothing is left of
 * what it guards. */
#ifdef LP_TEST_DEFECT
#define LP_DEFECT(number) (LP_TEST_DEFECT == (number))
#else
#define LP_DEFECT(number) 0
#endif
