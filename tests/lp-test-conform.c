/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-test-conform.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lp-test.h"

/* --- Cases --- */

static const char * const backends[] = { LP_BACKEND_THREAD, LP_BACKEND_PROCESS };
static const char *backend;     /* of the case that runs; set by the main thread between cases */

typedef struct
{
  const char *backend;
  GTestFunc func;               /* one of these three */
  GTestDataFunc data_func;
  GTestFixtureFunc fixture_func;
  GTestFixtureFunc set_up;
  GTestFixtureFunc tear_down;
  gsize size;
  gconstpointer data;
} Case;

const char *
lp_test_get_backend (void)
{
  return backend;
}

gboolean
lp_test_has_processes (void)
{
  return g_strcmp0 (backend, LP_BACKEND_PROCESS) == 0;
}

gboolean
lp_test_has_own_threads (void)
{
  return backend == NULL || g_strcmp0 (backend, LP_BACKEND_THREAD) == 0;
}

/* Zombies are children. */
static gboolean
has_no_child (gpointer data)
{
  siginfo_t info;

  return waitid (P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD;
}

static void
run_fixture (const Case *self)
{
  gpointer fixture = g_malloc0 (self->size);

  self->set_up (fixture, self->data);
  self->fixture_func (fixture, self->data);
  self->tear_down (fixture, self->data);
  g_free (fixture);
}

static void
run_case (gconstpointer data)
{
  const Case *self = data;

  backend = self->backend;
  if (self->fixture_func != NULL)
    run_fixture (self);
  else if (self->data_func != NULL)
    self->data_func (self->data);
  else
    self->func ();

  lp_test_wait_for (has_no_child, NULL, "the last child to go");
  backend = NULL;
}

/* GTest frees what belongs to a case that has run; one that is not chosen has it to the end. */
static void
add_case (const char *path, const Case *template)
{
  static GSList *cases;
  g_autofree char *full = g_strconcat ("/", template->backend, path, NULL);

  cases = g_slist_prepend (cases, g_memdup2 (template, sizeof *template));
  g_test_add_data_func (full, cases->data, run_case);
}

/* The backend of a module, on which all these cases run instead. */
static const char *
get_outside (void)
{
  return g_getenv ("LP_TEST_BACKEND");
}

static void
add_for_all (const char *path, Case template)
{
  template.backend = get_outside ();
  if (template.backend != NULL)
    {
      add_case (path, &template);
      return;
    }

  for (guint i = 0; i < G_N_ELEMENTS (backends); i++)
    {
      template.backend = backends[i];
      add_case (path, &template);
    }
}

void
lp_test_conform_add_func (const char *path, GTestFunc func)
{
  add_for_all (path, (Case) { .func = func });
}

void
lp_test_conform_add_data_func (const char *path, gconstpointer data, GTestDataFunc func)
{
  add_for_all (path, (Case) { .data_func = func, .data = data });
}

void
lp_test_conform_add_fixture (const char *path, gsize size, gconstpointer data, GTestFixtureFunc set_up,
                             GTestFixtureFunc func, GTestFixtureFunc tear_down)
{
  add_for_all (path, (Case) { .fixture_func = func, .set_up = set_up, .tear_down = tear_down, .size = size,
                              .data = data });
}

void
lp_test_conform_add_own_func (const char *path, GTestFunc func)
{
  if (get_outside () == NULL)
    add_for_all (path, (Case) { .func = func });
}

void
lp_test_conform_add_only (const char *only, const char *path, GTestFunc func)
{
  if (get_outside () == NULL)
    add_case (path, &(Case) { .backend = only, .func = func });
}

void
lp_test_conform_add_only_data (const char *only, const char *path, gconstpointer data, GTestDataFunc func)
{
  if (get_outside () == NULL)
    add_case (path, &(Case) { .backend = only, .data_func = func, .data = data });
}

/* --- Gates --- */

struct _LpTestRemoteGate
{
  char *directory;
  char *entered_path;
  char *open_path;
  int entered_fd;               /* a byte from each that enters */
  int open_fd;                  /* readable, and never read, once the gate is open */
  GMutex lock;
  guint n_entered;              /* (lock) */
  GPtrArray *jobs;              /* (lock) of GWeakRef */
};

static int
make_fifo (const char *path)
{
  int fd;

  g_assert_no_errno (mkfifo (path, 0600));
  fd = open (path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  g_assert_no_errno (fd);

  return fd;
}

static void
weak_ref_free (gpointer data)
{
  g_weak_ref_clear (data);
  g_free (data);
}

LpTestRemoteGate *
lp_test_remote_gate_new (void)
{
  LpTestRemoteGate *self = g_new0 (LpTestRemoteGate, 1);
  g_autoptr (GError) error = NULL;

  self->directory = g_dir_make_tmp ("leasepool-gate-XXXXXX", &error);
  g_assert_no_error (error);
  self->entered_path = g_build_filename (self->directory, "entered", NULL);
  self->open_path = g_build_filename (self->directory, "open", NULL);
  self->entered_fd = make_fifo (self->entered_path);
  self->open_fd = make_fifo (self->open_path);
  g_mutex_init (&self->lock);
  self->jobs = g_ptr_array_new_with_free_func (weak_ref_free);

  return self;
}

void
lp_test_remote_gate_free (LpTestRemoteGate *self)
{
  close (self->entered_fd);
  close (self->open_fd);
  g_unlink (self->entered_path);
  g_unlink (self->open_path);
  g_rmdir (self->directory);
  g_free (self->entered_path);
  g_free (self->open_path);
  g_free (self->directory);
  g_ptr_array_unref (self->jobs);
  g_mutex_clear (&self->lock);
  g_free (self);
}

LpJob *
lp_test_remote_gate_job (LpTestRemoteGate *self, const char *function)
{
  LpJob *job = lp_job_new_for_call (function, g_variant_new ("(^ay)", self->directory));
  GWeakRef *ref = g_new (GWeakRef, 1);

  g_weak_ref_init (ref, job);
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->jobs, ref);
  g_mutex_unlock (&self->lock);

  return job;
}

/* A function may have entered before the manager has heard that it runs. Those
 * that were not made here, or are gone, are none to wait for. */
static gboolean
all_heard (LpTestRemoteGate *self, guint n)
{
  guint n_heard = 0;
  guint n_jobs;

  g_mutex_lock (&self->lock);
  n_jobs = self->jobs->len;
  for (guint i = 0; i < n_jobs; i++)
    {
      g_autoptr (LpJob) job = g_weak_ref_get (self->jobs->pdata[i]);

      n_heard += job == NULL || lp_job_get_state (job) >= LP_JOB_STATE_RUNNING;
    }
  g_mutex_unlock (&self->lock);

  return n_heard >= MIN (n, n_jobs);
}

const char *
lp_test_remote_gate_get_directory (LpTestRemoteGate *self)
{
  return self->directory;
}

static guint
count_entered (LpTestRemoteGate *self)
{
  char buffer[256];
  guint n_entered;
  gssize n;

  g_mutex_lock (&self->lock);
  while ((n = read (self->entered_fd, buffer, sizeof buffer)) > 0)
    self->n_entered += n;
  n_entered = self->n_entered;
  g_mutex_unlock (&self->lock);

  return n_entered;
}

guint
lp_test_remote_gate_wait_entered (LpTestRemoteGate *self, guint n)
{
  guint n_entered;

  while ((n_entered = count_entered (self)) < n)
    lp_test_block_fd (self->entered_fd, POLLIN, "jobs to enter a gate");

  /* Nothing says when but a notification in the owner context, which must not be iterated here. */
  for (guint i = 0; !all_heard (self, n); i++)
    {
      g_assert_cmpuint (i, <, LP_TEST_PATIENCE_SECONDS * 1000);
      g_usleep (1000);
    }

  return n_entered;
}

void
lp_test_remote_gate_open (LpTestRemoteGate *self)
{
  gssize n = write (self->open_fd, "o", 1);

  g_assert_cmpint (n, ==, 1);
}
