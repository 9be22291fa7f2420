/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A function module: "sha256" for thread and process executors, whatever the language of the application is.
 *
 * "sha256" takes (ay), the name of a file as a bytestring (any file name works), and returns (st), the digest in
 * hexadecimal and the number of bytes read. Only regular files are read: a symbolic link, a device or a pipe is refused,
 * also when it took the place of a file after the caller looked.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <leasepool.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_SIZE (128 * 1024)
#define PROGRESS_STEP (G_GUINT64_CONSTANT (8) * 1000 * 1000)

G_MODULE_EXPORT void lp_module_register (LpFunctions *functions);

static gboolean
set_errno_error (GError     **error,
                 const char  *path,
                 int          saved_errno)
{
  g_autofree char *name = g_filename_display_name (path);

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno), "%s: %s", name, g_strerror (saved_errno));
  return FALSE;
}

/* O_NONBLOCK: opening a pipe that took the place of a file does not wait for its writer. */
static int
open_regular_file (const char  *path,
                   guint64     *size,
                   GError     **error)
{
  struct stat info;
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

  if (fd < 0 || fstat (fd, &info) < 0)
    set_errno_error (error, path, errno);
  else if (!S_ISREG (info.st_mode))
    set_errno_error (error, path, S_ISDIR (info.st_mode) ? EISDIR : EINVAL);
  else
    {
      *size = info.st_size;
      return fd;
    }

  if (fd >= 0)
    close (fd);
  return -1;
}

/* Called for a big file only, so that the many small ones pay nothing. */
static void
report_progress (LpJob   *job,
                 guint64  done,
                 guint64  size)
{
  g_autofree char *status = g_strdup_printf ("%u of %u MB", (guint) (done / 1000000), (guint) (size / 1000000));

  lp_job_set_progress (job, MIN (1.0, (double) done / size), status);
}

static gboolean
hash_blocks (LpJob       *job,
             int          fd,
             const char  *path,
             guint64      size,
             GChecksum   *checksum,
             guint64     *bytes_read,
             GError     **error)
{
  g_autofree guint8 *block = g_malloc (BLOCK_SIZE);
  GCancellable *cancellable = lp_job_get_cancellable (job);
  guint64 reported = 0;

  for (*bytes_read = 0;;)
    {
      gssize n;

      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;

      n = read (fd, block, BLOCK_SIZE);
      if (n == 0)
        return TRUE;
      if (n < 0 && errno != EINTR)
        return set_errno_error (error, path, errno);
      if (n < 0)
        continue;

      g_checksum_update (checksum, block, n);
      *bytes_read += n;
      if (*bytes_read - reported >= PROGRESS_STEP && *bytes_read < size)
        report_progress (job, reported = *bytes_read, size);
    }
}

static void
sha256_func (LpJob     *job,
             GVariant **result,
             gpointer   user_data,
             GError   **error)
{
  g_autoptr(GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  const char *path;
  guint64 bytes_read, size;
  int fd;

  g_variant_get (lp_job_get_parameters (job), "(^&ay)", &path);
  fd = open_regular_file (path, &size, error);
  if (fd < 0)
    return;

  if (hash_blocks (job, fd, path, size, checksum, &bytes_read, error))
    *result = g_variant_new ("(st)", g_checksum_get_string (checksum), bytes_read);
  close (fd);
}

void
lp_module_register (LpFunctions *functions)
{
  g_autoptr(GError) error = NULL;

  if (!lp_functions_add (functions, "sha256", G_VARIANT_TYPE ("(ay)"), G_VARIANT_TYPE ("(st)"),
                         sha256_func, NULL, NULL, &error))
    g_critical ("Cannot offer sha256: %s", error->message);
}
