/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-serial-private.h"

#include <string.h>

#include "lp-log-private.h"

/* How containers are serialized
 *
 * Children follow each other, each at its alignment. Where a child ends that is
 * not of a fixed size is said after all of them: for each of an array, and in a tuple
 * for each but a last one, there in reverse order. These offsets are little-endian, and as
 * small as the size of the container, with them, permits: so there is one form
 * for a value. A variant is its child, a zero byte and the type. */

#define MIN_CAPACITY 512

void
lp_serial_clear (LpSerial *self)
{
  g_clear_pointer (&self->data, g_free);
  self->size = self->capacity = 0;
}

/* At least so much more is to be added. */
void
lp_serial_reserve (LpSerial *self, gsize size)
{
  self->capacity = MAX (self->capacity, self->size + size);
  self->data = g_realloc (self->data, self->capacity);
}

static guint8 *
extend (LpSerial *self, gsize size)
{
  guint8 *end;

  if (G_UNLIKELY (self->capacity - self->size < size))
    {
      self->capacity = MAX (MAX (2 * self->capacity, self->size + size), MIN_CAPACITY);
      self->data = g_realloc (self->data, self->capacity);
    }

  end = self->data + self->size;
  self->size += size;
  return end;
}

/* Leaves room for what is written there later. */
void
lp_serial_skip (LpSerial *self, gsize size)
{
  extend (self, size);
}

void
lp_serial_add (LpSerial *self, gconstpointer data, gsize size)
{
  if (size > 0)
    memcpy (extend (self, size), data, size);
}

/* A string. */
void
lp_serial_add_text (LpSerial *self, const char *text, gsize length)
{
  guint8 *at = extend (self, length + 1);

  memcpy (at, text, length);
  at[length] = '\0';
}

void
lp_serial_add_string (LpSerial *self, const char *string)
{
  lp_serial_add_text (self, string, strlen (string));
}

/* Fills up to a multiple of ALIGNMENT, a power of two, from BEGIN. */
void
lp_serial_align (LpSerial *self, gsize begin, gsize alignment)
{
  gsize n = -(self->size - begin) & (alignment - 1);

  if (n > 0)
    memset (extend (self, n), 0, n);
}

/* --- Containers --- */

void
lp_serial_begin (LpSerial *self, LpSerialContainer *container, gsize *ends)
{
  *container = (LpSerialContainer) { self->size, ends, 0 };
}

/* What was added last is a child that has an end. */
void
lp_serial_end_child (LpSerial *self, LpSerialContainer *container)
{
  container->ends[container->n++] = self->size - container->begin;
}

/* Of each of N offsets after SIZE bytes. */
static gsize
choose_offset_size (gsize size, gsize n)
{
  if (size + n <= G_MAXUINT8)
    return 1;
  if (size + 2 * n <= G_MAXUINT16)
    return 2;

  return size + 4 * n <= G_MAXUINT32 ? 4 : 8;
}

/* Returns what is behind it. */
static guint8 *
write_offset (guint8 *at, gsize offset, gsize offset_size)
{
  for (gsize i = 0; i < offset_size; i++, offset >>= 8)
    *at++ = (guint8) offset;

  return at;
}

/* For a container whose children take SIZE bytes. */
void
lp_serial_add_offsets (LpSerial *self, gsize size, const gsize *ends, gsize n, gboolean reversed)
{
  gsize offset_size = choose_offset_size (size, n);
  guint8 *at;

  if (n == 0)
    return;

  at = extend (self, n * offset_size);
  for (gsize i = 0; i < n; i++)
    at = write_offset (at, ends[reversed ? n - 1 - i : i], offset_size);
}

void
lp_serial_end_array (LpSerial *self, const LpSerialContainer *container)
{
  lp_serial_add_offsets (self, self->size - container->begin, container->ends, container->n, FALSE);
}

void
lp_serial_end_tuple (LpSerial *self, const LpSerialContainer *container)
{
  lp_serial_add_offsets (self, self->size - container->begin, container->ends, container->n, TRUE);
}

/* {ss} */
void
lp_serial_add_pair (LpSerial *self, const char *key, const char *value, gsize value_length)
{
  LpSerialContainer pair;
  gsize end;

  lp_serial_begin (self, &pair, &end);
  lp_serial_add_string (self, key);
  lp_serial_end_child (self, &pair);
  lp_serial_add_text (self, value, value_length);
  lp_serial_end_tuple (self, &pair);
}

/* v, of VALUE in the byte order of this machine. */
void
lp_serial_add_variant (LpSerial *self, GVariant *value)
{
  const char *type = g_variant_get_type_string (value);
  gsize size = g_variant_get_size (value);
  gconstpointer data = g_variant_get_data (value);
  gsize type_length = strlen (type);
  guint8 *at = extend (self, size + 1 + type_length);

  /* One of a fixed size whose bytes were not there has no data, and is zero. */
  if (data != NULL)
    memcpy (at, data, size);
  else
    memset (at, 0, size);
  at[size] = '\0';
  memcpy (at + size + 1, type, type_length);
}

/* (smv) */
void
lp_serial_add_call (LpSerial *self, const char *name, GVariant *parameters)
{
  LpSerialContainer call;
  gsize end;

  lp_serial_begin (self, &call, &end);
  lp_serial_add_string (self, name);
  lp_serial_end_child (self, &call);
  lp_serial_align (self, call.begin, 8);
  if (parameters != NULL)
    {
      lp_serial_add_variant (self, parameters);
      lp_serial_add (self, "", 1); /* there is one */
    }
  lp_serial_end_tuple (self, &call);
}

/* {sv}, a child of DICTIONARY: with SIZE bytes that are a serialized value of TYPE. Not by the functions above: there are
 * nine of them in a log record, and their parts are small. */
void
lp_serial_add_entry (LpSerial *self, LpSerialContainer *dictionary, const char *key, const char *type,
                     gconstpointer data, gsize size)
{
  gsize key_size = strlen (key) + 1;
  gsize type_length = strlen (type);
  gsize padding = -(self->size - dictionary->begin) & 7;
  gsize value_begin = (key_size + 7) & ~(gsize) 7;
  gsize offset_begin = value_begin + size + 1 + type_length;
  gsize offset_size = choose_offset_size (offset_begin, 1);
  guint8 *at = extend (self, padding + offset_begin + offset_size);

  memset (at, 0, padding + value_begin);
  at += padding;
  memcpy (at, key, key_size);
  if (size > 0)
    memcpy (at + value_begin, data, size);
  at[value_begin + size] = '\0';
  memcpy (at + value_begin + size + 1, type, type_length);
  write_offset (at + offset_begin, key_size, offset_size);
  lp_serial_end_child (self, dictionary);
}

/* What was written, as a value of TYPE; nothing is left here. */
GVariant *
lp_serial_end_variant (LpSerial *self, const GVariantType *type)
{
  gsize size = self->size;
  gpointer data = g_steal_pointer (&self->data);
  GVariant *value;

  /* To give a little back takes longer than to write what is there. */
  if (self->capacity > 2 * size)
    data = g_realloc (data, size);
  value = g_variant_new_from_data (type, data, size, TRUE, g_free, data);

  self->size = self->capacity = 0;
  return g_variant_ref_sink (value);
}

/* --- Reading: nothing of it is trusted, and only the normal form is taken --- */

static gsize
read_offset (const guint8 *at, gsize offset_size)
{
  gsize offset = 0;

  while (offset_size-- > 0)
    offset = offset << 8 | at[offset_size];

  return offset;
}

/* How large offsets are in a container of that size. */
static gsize
get_offset_size (gsize size)
{
  if (size <= G_MAXUINT8)
    return 1;
  if (size <= G_MAXUINT16)
    return 2;

  return size <= G_MAXUINT32 ? 4 : 8;
}

/* NULL if it is none. */
static const char *
read_string (const guint8 *data, gsize size)
{
  const char *string = (const char *) data;

  if (size == 0 || string[size - 1] != '\0')
    return NULL;
  if (!lp_log_is_plain (string, size - 1) && !g_utf8_validate_len (string, size - 1, NULL))
    return NULL;

  return string;
}

static gboolean
read_pair (const guint8 *data, gsize size, const char **key, const char **value)
{
  gsize offset_size = get_offset_size (size);
  gsize end, key_end;

  if (size <= offset_size)
    return FALSE;

  end = size - offset_size;
  key_end = read_offset (data + end, offset_size);
  if (key_end > end || choose_offset_size (end, 1) != offset_size)
    return FALSE;

  *key = read_string (data, key_end);
  *value = read_string (data + key_end, end - key_end);
  return *key != NULL && *value != NULL;
}

/* How many there are, and the offsets of their ends; FALSE if that is not normal. */
static gboolean
read_array (const guint8 *data, gsize size, gsize *n, gsize *offset_size)
{
  gsize end;

  *n = 0;
  *offset_size = get_offset_size (size);
  if (size == 0)
    return TRUE;
  if (size < *offset_size)
    return FALSE;

  end = read_offset (data + size - *offset_size, *offset_size);
  if (end >= size || (size - end) % *offset_size != 0)
    return FALSE;

  *n = (size - end) / *offset_size;
  return choose_offset_size (end, *n) == *offset_size;
}

static gboolean
read_nth_pair (const guint8 *data, gsize size, gsize n, gsize offset_size, gsize index, const char **key,
               const char **value)
{
  const guint8 *offsets = data + size - n * offset_size;
  gsize begin = index > 0 ? read_offset (offsets + (index - 1) * offset_size, offset_size) : 0;
  gsize end = read_offset (offsets + index * offset_size, offset_size);

  return begin <= end && end <= (gsize) (offsets - data) && read_pair (data + begin, end - begin, key, value);
}

/* The next one of a{ss}, with INDEX from 0. FALSE: there is no more, or it is not normal. */
gboolean
lp_serial_next_pair (const guint8 *data, gsize size, gsize *index, const char **key, const char **value)
{
  gsize n, offset_size;

  return read_array (data, size, &n, &offset_size) && *index < n
         && read_nth_pair (data, size, n, offset_size, (*index)++, key, value);
}

/* How many there are in a{ss}, which is normal. */
gsize
lp_serial_count_pairs (const guint8 *data, gsize size)
{
  gsize n, offset_size;

  read_array (data, size, &n, &offset_size);
  return n;
}

static gboolean
are_fields_normal (const guint8 *data, gsize size)
{
  gsize n, offset_size;
  const char *key, *value;

  if (!read_array (data, size, &n, &offset_size))
    return FALSE;

  for (gsize i = 0; i < n; i++)
    if (!read_nth_pair (data, size, n, offset_size, i, &key, &value))
      return FALSE;

  return TRUE;
}

/* The child is not looked at: whether it is normal is left to the caller. FALSE: there is none. */
gboolean
lp_serial_read_variant (gconstpointer data, gsize size, LpSerialVariant *variant)
{
  const char *bytes = data;
  const char *limit, *end;
  gsize type_begin = size;

  /* There may be no data then, and so nothing to count from. */
  if (size == 0)
    return FALSE;

  limit = bytes + size;
  while (type_begin > 0 && bytes[type_begin - 1] != '\0')
    type_begin--;
  if (type_begin == 0 || !g_variant_type_string_scan (bytes + type_begin, limit, &end) || end != limit)
    return FALSE;

  *variant = (LpSerialVariant) { data, type_begin - 1, (const GVariantType *) (bytes + type_begin) };
  return g_variant_type_is_definite (variant->type);
}

static gboolean
is_zero (const guint8 *data, gsize size)
{
  while (size > 0 && data[size - 1] == 0)
    size--;

  return size == 0;
}

/* FALSE if it is not the normal form of such a value, the parameters left aside: see above. DATA is aligned. */
gboolean
lp_serial_read_call (gconstpointer data, gsize size, LpSerialCall *call)
{
  const guint8 *bytes = data;
  gsize offset_size = get_offset_size (size);
  gsize end, name_end, begin;

  if (size < offset_size)
    return FALSE;

  end = size - offset_size;
  name_end = read_offset (bytes + end, offset_size);
  if (name_end > end || choose_offset_size (end, 1) != offset_size)
    return FALSE;

  begin = (name_end + 7) & ~(gsize) 7;
  if (begin > end || !is_zero (bytes + name_end, begin - name_end))
    return FALSE;

  call->name = read_string (bytes, name_end);
  call->parameters = (LpSerialVariant) { NULL, 0, NULL };
  if (call->name == NULL || begin == end)
    return call->name != NULL;

  return bytes[end - 1] == '\0' && lp_serial_read_variant (bytes + begin, end - 1 - begin, &call->parameters);
}

/* FALSE if it is not the normal form of such a value. What is read is in DATA, the level as it is there. */
gboolean
lp_serial_read_log (gconstpointer data, gsize size, LpSerialLog *log)
{
  const guint8 *bytes = data;
  gsize offset_size = get_offset_size (size);
  gsize end, domain_end, message_end;

  if (size < sizeof log->level + 2 * offset_size)
    return FALSE;

  end = size - 2 * offset_size;
  message_end = read_offset (bytes + end, offset_size);
  domain_end = read_offset (bytes + end + offset_size, offset_size);
  if (domain_end < sizeof log->level || message_end < domain_end || end < message_end
      || choose_offset_size (end, 2) != offset_size)
    return FALSE;

  memcpy (&log->level, bytes, sizeof log->level);
  log->domain = read_string (bytes + sizeof log->level, domain_end - sizeof log->level);
  log->message = read_string (bytes + domain_end, message_end - domain_end);
  log->fields = bytes + message_end;
  log->fields_size = end - message_end;

  return log->domain != NULL && log->message != NULL && are_fields_normal (log->fields, log->fields_size);
}
