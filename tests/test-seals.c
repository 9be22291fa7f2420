/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The library's only temporary files: in memory, without a name, and sealed before
 * another process has them. */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lp-error.h"
#include "lp-memfd-private.h"

#define ALL_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

static void
assert_is_sealed (int fd)
{
  struct stat info;

  g_assert_cmpint (fcntl (fd, F_GET_SEALS), ==, ALL_SEALS);
  g_assert_cmpint (fcntl (fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
  g_assert_no_errno (fstat (fd, &info));
  g_assert_cmpuint (info.st_nlink, ==, 0);

  g_assert_cmpint (pwrite (fd, "x", 1, 0), ==, -1);
  g_assert_cmpint (errno, ==, EPERM);
  g_assert_cmpint (ftruncate (fd, 0), ==, -1);
  g_assert_cmpint (errno, ==, EPERM);
  g_assert_true (mmap (NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
}

static void
test_bytes_are_sealed (void)
{
  g_autoptr (GError) error = NULL;
  int fd = lp_memfd_new_for_bytes ("abc", 3, &error);

  g_assert_no_error (error);
  assert_is_sealed (fd);
  close (fd);
}

static void
test_values_are_sealed (void)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new ("(s)", "abc"));
  g_autoptr (GError) error = NULL;
  int fd = lp_memfd_new_for_variant (value, &error);

  g_assert_no_error (error);
  assert_is_sealed (fd);
  close (fd);
}

/* Each seal counts: a file that lacks one could still change under its reader. */
static void
test_any_missing_seal_is_refused (void)
{
  static const int seals[] = { F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_SEAL };

  for (gsize i = 0; i < G_N_ELEMENTS (seals); i++)
    {
      int fd = memfd_create ("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
      g_autoptr (GError) error = NULL;

      g_assert_cmpint (write (fd, "abc", 3), ==, 3);
      g_assert_no_errno (fcntl (fd, F_ADD_SEALS, ALL_SEALS & ~seals[i]));
      g_assert_null (lp_memfd_map (fd, 100, &error));
      g_assert_error (error, LP_ERROR, LP_ERROR_PROTOCOL);
      close (fd);
    }
}

static void
test_what_is_sealed_is_mapped (void)
{
  int fd = lp_memfd_new_for_bytes ("abc", 3, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = lp_memfd_map (fd, 3, &error);

  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "abc", 3);
  g_assert_null (lp_memfd_map (fd, 2, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_PROTOCOL);
  close (fd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seals/bytes-are-sealed", test_bytes_are_sealed);
  g_test_add_func ("/seals/values-are-sealed", test_values_are_sealed);
  g_test_add_func ("/seals/any-missing-seal-is-refused", test_any_missing_seal_is_refused);
  g_test_add_func ("/seals/what-is-sealed-is-mapped", test_what_is_sealed_is_mapped);

  return g_test_run ();
}
