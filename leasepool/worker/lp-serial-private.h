/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The serialized form of a few containers, written and read by hand: for what goes by the hundred thousand a second,
 * where a tree of GVariants is most of the cost. What is written is the normal form, as GVariant writes it. */

typedef struct
{
  guint8 *data;                 /* (owned) (nullable) */
  gsize size;
  gsize capacity;
} LpSerial;

#define LP_SERIAL_INIT { NULL, 0, 0 }

/* Any value that begins at `begin` and has `n` children of a size that varies. */
typedef struct
{
  gsize begin;
  gsize *ends;                  /* room for one for each child that has an end */
  gsize n;
} LpSerialContainer;

void      lp_serial_clear       (LpSerial *self);
void      lp_serial_reserve     (LpSerial *self, gsize size);
void      lp_serial_skip        (LpSerial *self, gsize size);
void      lp_serial_add         (LpSerial *self, gconstpointer data, gsize size);
void      lp_serial_add_text    (LpSerial *self, const char *text, gsize length);
void      lp_serial_add_string  (LpSerial *self, const char *string);
void      lp_serial_align       (LpSerial *self, gsize begin, gsize alignment);
void      lp_serial_begin       (LpSerial *self, LpSerialContainer *container, gsize *ends);
void      lp_serial_end_child   (LpSerial *self, LpSerialContainer *container);
void      lp_serial_end_array   (LpSerial *self, const LpSerialContainer *container);
void      lp_serial_end_tuple   (LpSerial *self, const LpSerialContainer *container);
void      lp_serial_add_offsets (LpSerial *self, gsize size, const gsize *ends, gsize n, gboolean reversed);
void      lp_serial_add_pair    (LpSerial *self, const char *key, const char *value, gsize value_length);
void      lp_serial_add_variant (LpSerial *self, GVariant *value);
void      lp_serial_add_call    (LpSerial *self, const char *name, GVariant *parameters);
void      lp_serial_add_entry   (LpSerial *self, LpSerialContainer *dictionary, const char *key, const char *type,
                                 gconstpointer data, gsize size);
GVariant *lp_serial_end_variant (LpSerial *self, const GVariantType *type);

/* The body of a LOG: (ussa{ss}). */
typedef struct
{
  guint32 level;
  const char *domain;
  const char *message;
  const guint8 *fields;         /* a{ss} */
  gsize fields_size;
} LpSerialLog;

/* A variant: its child and the type of that. */
typedef struct
{
  const guint8 *data;           /* NULL: there is no variant */
  gsize size;
  const GVariantType *type;     /* not followed by a zero byte */
} LpSerialVariant;

/* The body of a CALL: (smv). */
typedef struct
{
  const char *name;
  LpSerialVariant parameters;
} LpSerialCall;

gboolean  lp_serial_read_variant (gconstpointer data, gsize size, LpSerialVariant *variant);
gboolean  lp_serial_read_call   (gconstpointer data, gsize size, LpSerialCall *call);
gboolean  lp_serial_read_log    (gconstpointer data, gsize size, LpSerialLog *log);
gsize     lp_serial_count_pairs (const guint8 *data, gsize size);
gboolean  lp_serial_next_pair   (const guint8 *data, gsize size, gsize *index, const char **key, const char **value);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LpSerial, lp_serial_clear)

G_END_DECLS
