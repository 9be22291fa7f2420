/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-parts-private.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

/* From here on a part stays where it is. */
#define LARGE (64 * 1024)

#define MAX_IOVECS 64

typedef struct
{
  const guint8 *data;           /* NULL: in the small ones, at `offset` */
  gsize offset;
  gsize size;
} Part;

void
lp_parts_clear (LpParts *self)
{
  g_clear_pointer (&self->list, g_array_unref);
  g_clear_pointer (&self->values, g_ptr_array_unref);
  lp_serial_clear (&self->small);
}

/* What was added to the small ones since they had BEGIN bytes. */
static void
note_small (LpParts *self, gsize begin)
{
  Part part = { NULL, begin, self->small.size - begin };
  Part *last = self->list->len > 0 ? &g_array_index (self->list, Part, self->list->len - 1) : NULL;

  self->size += part.size;
  if (last != NULL && last->data == NULL)
    last->size += part.size;
  else if (part.size > 0)
    g_array_append_val (self->list, part);
}

static void
add_bytes (LpParts *self, gconstpointer data, gsize size)
{
  gsize begin = self->small.size;

  lp_serial_add (&self->small, data, size);
  note_small (self, begin);
}

/* What needs no more memory to have its data, or little. */
static gboolean
add_leaf (LpParts *self, GVariant *value)
{
  gsize size = g_variant_get_size (value);
  Part part = { g_variant_get_data (value), 0, size };

  if (part.data == NULL && size > 0)
    return FALSE;

  if (size < LARGE)
    {
      add_bytes (self, part.data, size);
      return TRUE;
    }

  g_ptr_array_add (self->values, g_variant_ref (value));
  g_array_append_val (self->list, part);
  self->size += size;
  return TRUE;
}

/* The largest of what is in it. */
static gsize
get_alignment (GVariant *value)
{
  gsize alignment = 1;

  for (const char *c = g_variant_get_type_string (value); *c != '\0'; c++)
    {
      if (strchr ("xtdv", *c) != NULL)
        return 8;
      if (strchr ("iuh", *c) != NULL)
        alignment = 4;
      else if (strchr ("nq", *c) != NULL)
        alignment = MAX (alignment, 2);
    }

  return alignment;
}

static gboolean
has_fixed_size (GVariant *value)
{
  return strpbrk (g_variant_get_type_string (value), "sogvam") == NULL;
}

static void
align (LpParts *self, gsize begin, gsize alignment)
{
  static const guint8 zeros[8];

  add_bytes (self, zeros, -(self->size - begin) & (alignment - 1));
}

static gboolean add (LpParts *self, GVariant *value);

static gboolean
add_tuple (LpParts *self, GVariant *value)
{
  gsize n_children = g_variant_n_children (value);
  g_autofree gsize *ends = g_new (gsize, n_children + 1);
  gsize begin = self->size;
  gsize small_begin;
  gsize n = 0;

  for (gsize i = 0; i < n_children; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      align (self, begin, get_alignment (child));
      if (!add (self, child))
        return FALSE;
      if (i + 1 < n_children && !has_fixed_size (child))
        ends[n++] = self->size - begin;
    }

  small_begin = self->small.size;
  lp_serial_add_offsets (&self->small, self->size - begin, ends, n, TRUE);
  /* The analyzer does not know g_autofree. */
  note_small (self, small_begin); /* NOLINT(clang-analyzer-unix.Malloc) */
  return TRUE;
}

static gboolean
add_variant (LpParts *self, GVariant *value)
{
  g_autoptr (GVariant) child = g_variant_get_variant (value);
  const char *type = g_variant_get_type_string (child);

  if (!add (self, child))
    return FALSE;

  add_bytes (self, "", 1);
  add_bytes (self, type, strlen (type));
  return TRUE;
}

static gboolean
add_maybe (LpParts *self, GVariant *value)
{
  g_autoptr (GVariant) child = g_variant_get_maybe (value);

  if (child == NULL || has_fixed_size (child) || !add (self, child))
    return FALSE;

  add_bytes (self, "", 1);
  return TRUE;
}

/* Whether it never is a tree of values. */
static gboolean
is_plain (GVariant *value)
{
  const char *type = g_variant_get_type_string (value);

  return strchr ("sog", type[0]) != NULL || (type[0] == 'a' && strchr ("bynqiuhxtd", type[1]) != NULL);
}

/* FALSE: it would have to be serialized first. */
static gboolean
add (LpParts *self, GVariant *value)
{
  if (g_variant_get_size (value) < LARGE || is_plain (value))
    return add_leaf (self, value);
  if (has_fixed_size (value))
    return FALSE;

  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_TUPLE: return add_tuple (self, value);
    case G_VARIANT_CLASS_VARIANT: return add_variant (self, value);
    case G_VARIANT_CLASS_MAYBE: return add_maybe (self, value);
    default: return self->all_serialized && add_leaf (self, value);
    }
}

/* FALSE: VALUE is not of the kind that is better written so. It is to be cleared then, too. */
gboolean
lp_parts_init (LpParts *self, GVariant *value, gboolean all_serialized)
{
  *self = (LpParts) { g_array_new (FALSE, FALSE, sizeof (Part)),
                      g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref), LP_SERIAL_INIT, 0,
                      all_serialized };

  /* What was made of bytes that are not in normal form is not what it seems. */
  return add (self, value) && self->size == g_variant_get_size (value);
}

/* Whether they are DATA. A part that lies there, as a part of a value that was made of these bytes does, need not be
 * looked at. */
gboolean
lp_parts_equal (LpParts *self, gconstpointer data, gsize size)
{
  const guint8 *at = data;

  if (self->size != size)
    return FALSE;

  for (guint i = 0; i < self->list->len; i++)
    {
      const Part *part = &g_array_index (self->list, Part, i);
      const guint8 *bytes = part->data != NULL ? part->data : self->small.data + part->offset;

      if (bytes != at && memcmp (bytes, at, part->size) != 0)
        return FALSE;
      at += part->size;
    }

  return TRUE;
}

static int
collect (LpParts *self, guint first, gsize skip, struct iovec *iovecs)
{
  int n = 0;

  for (guint i = first; i < self->list->len && n < MAX_IOVECS; i++)
    {
      const Part *part = &g_array_index (self->list, Part, i);
      const guint8 *data = part->data != NULL ? part->data : self->small.data + part->offset;

      iovecs[n++] = (struct iovec) { (gpointer) (data + skip), part->size - skip };
      skip = 0;
    }

  return n;
}

/* Writes all to the beginning of FD, a file, whose position stays where it is: there, for whoever gets it. FALSE with
 * errno. */
gboolean
lp_parts_write (LpParts *self, int fd)
{
  off_t offset = 0;
  guint first = 0;
  gsize skip = 0;

  while (first < self->list->len)
    {
      struct iovec iovecs[MAX_IOVECS];
      gssize n_written = pwritev (fd, iovecs, collect (self, first, skip, iovecs), offset);

      if (n_written == -1 && errno == EINTR)
        continue;
      if (n_written == -1)
        return FALSE;

      offset += n_written;
      skip += (gsize) n_written;
      while (first < self->list->len && skip >= g_array_index (self->list, Part, first).size)
        skip -= g_array_index (self->list, Part, first++).size;
    }

  return TRUE;
}
