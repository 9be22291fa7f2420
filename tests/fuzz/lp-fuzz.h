/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <gio/gio.h>
#include <string.h>

G_BEGIN_DECLS

/* The bytes of one input, which a harness takes bit by bit: any bytes are an
 * input, and one that ends early has zeros from there on. */
typedef struct
{
  const guint8 *data;
  gsize size;
} LpFuzzInput;

static inline guint8
lp_fuzz_take_byte (LpFuzzInput *input)
{
  if (input->size == 0)
    return 0;

  input->size--;
  return *input->data++;
}

static inline guint
lp_fuzz_take_short (LpFuzzInput *input)
{
  guint low = lp_fuzz_take_byte (input);

  return low | (guint) lp_fuzz_take_byte (input) << 8;
}

/* As many as there are, of N_WANTED. */
static inline const guint8 *
lp_fuzz_take_bytes (LpFuzzInput *input, gsize n_wanted, gsize *n_taken)
{
  const guint8 *data = input->data;

  *n_taken = MIN (n_wanted, input->size);
  input->data += *n_taken;
  input->size -= *n_taken;
  return data;
}

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);
int LLVMFuzzerInitialize (int *argc, char ***argv);

G_END_DECLS
