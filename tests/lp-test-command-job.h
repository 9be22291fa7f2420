/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of commands as jobs share; for one program at a time. */

#include "lp-test.h"
#include "lp-test-conform.h"
#include "lp-test-proc.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lp-manager-private.h"

#define FOR_EVER 1000.0

typedef struct
{
  double grace;
  int workers;
  double lease_seconds;
} Setting;

static const Setting patient = { FOR_EVER, 1, FOR_EVER };

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  char *directory;
  char *fifo;                   /* a script says through it that it has come so far */
  int fifo_fd;
} Fixture;

static inline void
set_up (Fixture *self, gconstpointer data)
{
  const Setting *setting = data;
  g_autoptr (GError) error = NULL;

  self->directory = g_dir_make_tmp ("leasepool-test-XXXXXX", &error);
  g_assert_no_error (error);
  self->fifo = g_build_filename (self->directory, "fifo", NULL);
  g_assert_cmpint (mkfifo (self->fifo, 0600), ==, 0);
  self->fifo_fd = open (self->fifo, O_RDWR | O_CLOEXEC);
  g_assert_cmpint (self->fifo_fd, >=, 0);

  self->manager = lp_test_start (1, "workers-per-pool", setting->workers, "cancel-grace-seconds", setting->grace,
                                 "default-lease-seconds", setting->lease_seconds, "lease-grace-seconds", 0.0,
                                 "max-message-size", 65536, NULL);
  self->lease = lp_test_acquire (self->manager, "test");
}

/* Neither a zombie nor anything that still runs, but for the workers. */
static inline void
assert_no_child (Fixture *self)
{
  if (lp_test_has_processes () && self->manager != NULL && lp_manager_is_running (self->manager))
    {
      g_assert_cmpuint (lp_test_count_children (), ==, lp_manager_get_workers_per_pool (self->manager));
      return;
    }

  g_assert_cmpint (waitpid (-1, NULL, WNOHANG), ==, -1);
  g_assert_cmpint (errno, ==, ECHILD);
}

static inline void
tear_down (Fixture *self, gconstpointer data)
{
  if (self->lease != NULL)
    lp_lease_release (self->lease);
  g_clear_object (&self->lease);
  g_assert_cmpuint (lp_test_stat (self->manager, "quarantined"), ==, 0);
  lp_test_finish (g_steal_pointer (&self->manager));
  assert_no_child (self);

  close (self->fifo_fd);
  g_unlink (self->fifo);
  g_rmdir (self->directory);
  g_free (self->fifo);
  g_free (self->directory);
}

/* The script finds the name of the fifo in $1. */
static inline LpJob *
new_script (Fixture *self, const char *script)
{
  const char * const argv[] = { "sh", "-c", script, "sh", self->fifo, NULL };

  return lp_job_new_for_command (argv, NULL);
}

static inline LpJob *
submit_script (Fixture *self, const char *script)
{
  LpJob *job = new_script (self, script);

  lp_test_submit (self->lease, job);
  return job;
}

/* Blocks until a script has written a line with a number into the fifo. */
static inline int
read_number (Fixture *self)
{
  char line[32] = "";

  for (gsize i = 0; i < sizeof line - 1; i++)
    {
      g_assert_cmpint (read (self->fifo_fd, line + i, 1), ==, 1);
      if (line[i] == '\n')
        break;
    }

  return (int) g_ascii_strtoll (line, NULL, 10);
}

static inline void
assert_bytes (GVariant *result, gsize index, const char *expected)
{
  g_autoptr (GVariant) bytes = g_variant_get_child_value (result, index);

  g_assert_cmpmem (g_variant_get_data (bytes), g_variant_get_size (bytes), expected, strlen (expected));
}

static inline void
assert_result (LpJob *job, int status, const char *out, const char *err)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, &error);
  int got;

  g_assert_no_error (error);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);
  g_assert_cmpstr (g_variant_get_type_string (result), ==, "(iayay)");
  g_variant_get_child (result, 0, "i", &got);
  g_assert_cmpint (got, ==, status);
  assert_bytes (result, 1, out);
  /* A shell says there when one of its children was ended by our signal. */
  if (err != NULL)
    assert_bytes (result, 2, err);
}

static inline void
assert_failed (LpJob *job, LpJobState state, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, &error));
  g_assert_error (error, domain, code);
  g_assert_cmpint (lp_job_get_state (job), ==, state);
}

static inline void
assert_cancelled (LpJob *job)
{
  assert_failed (job, LP_JOB_STATE_CANCELLED, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* A process executor claims jobs on the thread that such a case holds up. */
#define ADD_THREAD(path, setting, test) g_test_add (path, Fixture, &setting, set_up, test, tear_down)
#define ADD(path, setting, test) lp_test_conform_add (path, Fixture, &setting, set_up, test, tear_down)
