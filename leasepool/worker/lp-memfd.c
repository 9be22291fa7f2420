/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-memfd-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lp-error.h"
#include "lp-parts-private.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

static int
fail (int fd, const char *what, GError **error)
{
  int saved_errno = errno;

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno), "An anonymous file cannot be %s: %s", what,
               g_strerror (saved_errno));
  if (fd != -1)
    close (fd);

  return -1;
}

static int
open_file (GError **error)
{
#ifdef HAVE_MEMFD_CREATE
  int fd = memfd_create ("leasepool", MFD_CLOEXEC | MFD_ALLOW_SEALING);
#else
  int fd = -1;

  errno = ENOSYS;
#endif

  return fd != -1 ? fd : fail (fd, "made", error);
}

static int
seal (int fd, GError **error)
{
  return fcntl (fd, F_ADD_SEALS, SEALS) != -1 ? fd : fail (fd, "sealed", error);
}

/* Serialized right into the file. */
static int
store (int fd, GVariant *value, GError **error)
{
  gsize size = g_variant_get_size (value);
  gpointer memory;

  if (ftruncate (fd, (off_t) size) == -1)
    return fail (fd, "extended", error);

  /* All pages at once: one by one they take longer than what is written to them. */
  memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (memory == MAP_FAILED)
    return fail (fd, "mapped", error);

  g_variant_store (value, memory);
  /* A writable mapping would forbid the seal. */
  munmap (memory, size);
  return seal (fd, error);
}

/* For VALUE, which must not be empty. Bytes that are there are written: the system copies them to new pages in a quarter
 * of the time that it takes to map these, to clear them, and to copy to them. */
int
lp_memfd_new_for_variant (GVariant *value, GError **error)
{
  g_auto (LpParts) parts = { NULL };
  int fd = open_file (error);

  if (fd == -1)
    return -1;
  if (!lp_parts_init (&parts, value, FALSE))
    return store (fd, value, error);
  if (!lp_parts_write (&parts, fd))
    return fail (fd, "written", error);

  return seal (fd, error);
}

int
lp_memfd_new_for_bytes (gconstpointer data, gsize size, GError **error)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, size, TRUE,
                                                                            NULL, NULL));

  return lp_memfd_new_for_variant (value, error);
}

typedef struct
{
  gpointer memory;
  gsize size;
} Mapping;

static void
mapping_free (gpointer data)
{
  Mapping *self = data;

  munmap (self->memory, self->size);
  g_free (self);
}

static gboolean
check_file (int fd, gsize max_size, struct stat *info, GError **error)
{
  int seals = fcntl (fd, F_GET_SEALS);

  if (seals == -1 || (seals & SEALS) != SEALS)
    g_set_error_literal (error, LP_ERROR, LP_ERROR_PROTOCOL, "a file with a body is not sealed");
  else if (fstat (fd, info) == -1 || !S_ISREG (info->st_mode))
    g_set_error_literal (error, LP_ERROR, LP_ERROR_PROTOCOL, "a file with a body is not a regular file");
  else if (info->st_size <= 0 || (guint64) info->st_size > max_size)
    g_set_error (error, LP_ERROR, LP_ERROR_PROTOCOL,
                 "a file with a body has %" G_GINT64_FORMAT " bytes, the limit is %" G_GSIZE_FORMAT,
                 (gint64) info->st_size, max_size);
  else
    return TRUE;

  return FALSE;
}

/* Maps a file from the other side, which is not trusted: one that is not sealed
 * could still change, or shrink, under the reader. Does not take FD. */
GBytes *
lp_memfd_map (int fd, gsize max_size, GError **error)
{
  struct stat info;
  Mapping *mapping;
  gpointer memory;

  if (!check_file (fd, max_size, &info, error))
    return NULL;

  memory = mmap (NULL, (gsize) info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (memory == MAP_FAILED)
    {
      fail (-1, "mapped", error);
      return NULL;
    }

  mapping = g_new (Mapping, 1);
  *mapping = (Mapping) { memory, (gsize) info.st_size };
  return g_bytes_new_with_free_func (memory, mapping->size, mapping_free, mapping);
}
