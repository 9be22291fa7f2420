/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Bodies in files, and files that nobody asked for. */

#include "config.h"

#include "bad-worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

/* A file with VALUE and SEALS, or, without a value, one of ARGUMENT bytes. */
static int
make_file (GVariant *value, int seals)
{
  int fd = memfd_create ("bad-worker", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  off_t size = get_argument (0);

  if (fd == -1)
    _exit (91);
  if (value != NULL)
    {
      g_variant_ref_sink (value);
      if (write (fd, g_variant_get_data (value), g_variant_get_size (value)) != (gssize) g_variant_get_size (value))
        _exit (90);
      g_variant_unref (value);
    }
  else if (ftruncate (fd, size) == -1)
    _exit (89);
  if (seals != 0 && fcntl (fd, F_ADD_SEALS, seals) == -1)
    _exit (88);

  return fd;
}

static void
send_file (const Job *job, const int *fds, int n_fds)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  wire_put_header (bytes, HEADER_SIZE, RESULT, IN_FILE, job->id);
  if (n_fds > 0)
    wire_flush_with_fds (bytes, fds, n_fds);
  else
    wire_flush (bytes);
  stay ();
}

static void
send_one_file (const Job *job, int fd)
{
  send_file (job, &fd, 1);
}

/* As it should be; then it goes on. */
static void
good (const Job *job)
{
  int fd = make_file (make_result (job), SEALS);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  wire_put_header (bytes, HEADER_SIZE, RESULT, IN_FILE, job->id);
  wire_flush_with_fds (bytes, &fd, 1);
  close (fd);
  forget ();
}

static void
unsealed (const Job *job)
{
  send_one_file (job, make_file (make_result (job), 0));
}

/* It could still be changed by the worker. */
static void
half_sealed (const Job *job)
{
  send_one_file (job, make_file (make_result (job), F_SEAL_SHRINK | F_SEAL_GROW));
}

static void
missing (const Job *job)
{
  send_file (job, NULL, 0);
}

/* Of zeros, without a block of memory. */
static void
of_size (const Job *job)
{
  send_one_file (job, make_file (NULL, SEALS));
}

static void
not_a_file (const Job *job)
{
  send_one_file (job, open ("/dev/zero", O_RDONLY | O_CLOEXEC));
}

static void
two_files (const Job *job)
{
  int fds[2] = { make_file (make_result (job), SEALS), make_file (make_result (job), SEALS) };

  send_file (job, fds, 2);
}

static void
two_bodies (const Job *job)
{
  int fd = make_file (make_result (job), SEALS);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GVariant) body = g_variant_ref_sink (make_result (job));

  wire_put_header (bytes, (guint32) (HEADER_SIZE + g_variant_get_size (body)), RESULT, IN_FILE, job->id);
  g_byte_array_append (bytes, g_variant_get_data (body), (guint) g_variant_get_size (body));
  wire_flush_with_fds (bytes, &fd, 1);
  stay ();
}

/* ARGUMENT descriptors with a frame that has none. */
static void
extra_fds (const Job *job)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  int fds[8];
  int n_fds = CLAMP (get_argument (1), 1, (int) G_N_ELEMENTS (fds));

  for (int i = 0; i < n_fds; i++)
    fds[i] = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  wire_put (bytes, RESULT, job->id, make_result (job));
  wire_flush_with_fds (bytes, fds, n_fds);
  for (int i = 0; i < n_fds; i++)
    close (fds[i]);
  forget ();
}

/* A descriptor with each frame, and no frame that has one. */
static void
fd_flood (const Job *job)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);

  for (int i = 0; i < get_argument (100); i++)
    {
      wire_put (bytes, LOG, 0, wire_log (64, "with a file"));
      wire_flush_with_fds (bytes, &fd, 1);
    }
  close (fd);
}

static void
fd_in_hello (const Job *job)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  int fds[2] = { open ("/dev/null", O_RDONLY | O_CLOEXEC), open ("/dev/null", O_RDONLY | O_CLOEXEC) };

  wire_put (bytes, HELLO, 0, make_hello ());
  wire_flush_with_fds (bytes, fds, 2);
}

const Mode file_modes[] = {
  { "file-good", IN_JOB, good },
  { "file-unsealed", IN_JOB, unsealed },
  { "file-half-sealed", IN_JOB, half_sealed },
  { "file-missing", IN_JOB, missing },
  { "file-of-size", IN_JOB, of_size },
  { "file-not-a-file", IN_JOB, not_a_file },
  { "file-two", IN_JOB, two_files },
  { "file-and-body", IN_JOB, two_bodies },
  { "extra-fds", IN_JOB, extra_fds },
  { "fd-in-hello", IN_HELLO, fd_in_hello },
  { "fd-flood", IN_JOB, fd_flood },
  { NULL }
};
