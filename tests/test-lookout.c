/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Threads that look out for work before they sleep: only where that is worth it, and not for long. */

#include "config.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lp-lookout-private.h"
#include "lp-test.h"

#define SOON (LP_LOOKOUT_USEC - 1)
#define LATE LP_LOOKOUT_USEC
#define ROUNDS 2000
#define MOST_TRIES 20
#define N_WORKERS 3
#define N_DEFERRED 20
#define PAUSE_USEC 1000
#define WORKER "lookout"

/* In the place of the C library's, which the yields of a look come down to: how many there were, and for how long
 * others have the processor. */
static int n_yields;            /* (atomic) */
static int n_worker_yields;     /* (atomic) those of them of threads called WORKER */
static int lost_usec;           /* (atomic) */

int
sched_yield (void)
{
  int usec = g_atomic_int_get (&lost_usec);
  char name[16] = "";

  prctl (PR_GET_NAME, name);
  g_atomic_int_inc (&n_yields);
  if (g_str_has_prefix (name, WORKER))
    g_atomic_int_inc (&n_worker_yields);
  if (usec > 0)
    g_usleep ((gulong) usec);
  return (int) syscall (SYS_sched_yield);
}

/* In the place of GLib's: the time-out of the last one. */
static int last_timeout;        /* (atomic) */

typedef int (*PollFunc) (GPollFD *, guint, int);

int
g_poll (GPollFD *fds, guint n_fds, int timeout_msec)
{
  PollFunc real_poll = (PollFunc) dlsym (RTLD_NEXT, "g_poll");

  g_atomic_int_set (&last_timeout, timeout_msec);
  return real_poll (fds, n_fds, timeout_msec);
}

/* One where the last thread that ran out of work had some again after GAP. Each time is later than the one before. */
static LpLookout
after_gap (gint64 gap)
{
  LpLookout lookout = { 0 };

  g_assert_false (lp_lookout_begin_locked (&lookout, 1000));
  lp_lookout_woke_locked (&lookout, 1000 + gap);

  return lookout;
}

static void
test_not_at_first (void)
{
  LpLookout lookout = { 0 };

  g_assert_false (lp_lookout_begin_locked (&lookout, 1000));
  g_assert_false (lp_lookout_begin_locked (&lookout, 1001));
}

static void
test_not_after_a_pause (void)
{
  LpLookout lookout = after_gap (LATE);

  g_assert_false (lp_lookout_begin_locked (&lookout, 2000));
}

static void
test_not_on_one_processor (void)
{
  LpLookout lookout = after_gap (SOON);

  g_assert_cmpint (lp_lookout_begin_locked (&lookout, 2000), ==, g_get_num_processors () > 1);
}

static gboolean
begins_to_look (LpLookout *lookout)
{
  if (g_get_num_processors () > 1)
    {
      g_assert_true (lp_lookout_begin_locked (lookout, 2000));
      return TRUE;
    }

  g_test_skip ("There is one processor, so nothing looks out");
  return FALSE;
}

static void
test_sees_an_offer (void)
{
  LpLookout lookout = after_gap (SOON);

  if (!begins_to_look (&lookout))
    return;

  g_assert_true (lp_lookout_offer_locked (&lookout));
  lp_lookout_look (&lookout);
  lp_lookout_end_locked (&lookout);

  /* That was worth it, so the next one looks, too. */
  g_assert_true (lp_lookout_begin_locked (&lookout, 3000));
}

static void
test_one_at_a_time (void)
{
  LpLookout lookout = after_gap (SOON);

  if (!begins_to_look (&lookout))
    return;

  g_assert_false (lp_lookout_begin_locked (&lookout, 2001));
  lp_lookout_offer_locked (&lookout);
  lp_lookout_end_locked (&lookout);
  g_assert_true (lp_lookout_begin_locked (&lookout, 3000));
}

/* It ends by itself, and the next one does not look. */
static void
test_in_vain (void)
{
  LpLookout lookout = after_gap (SOON);

  if (!begins_to_look (&lookout))
    return;

  lp_lookout_look (&lookout);
  lp_lookout_end_locked (&lookout);
  g_assert_false (lp_lookout_begin_locked (&lookout, 3000));
  g_assert_false (lp_lookout_offer_locked (&lookout));

  /* But one does again as soon as it would have been worth it. */
  lp_lookout_woke_locked (&lookout, 3000 + SOON);
  g_assert_true (lp_lookout_begin_locked (&lookout, 4000));
}

/* An offer of before is none for the next one. */
static void
test_forgets_the_offer (void)
{
  LpLookout lookout = after_gap (SOON);

  if (!begins_to_look (&lookout))
    return;

  lp_lookout_offer_locked (&lookout);
  lp_lookout_end_locked (&lookout);
  g_assert_true (lp_lookout_begin_locked (&lookout, 3000));
  lp_lookout_look (&lookout);
  lp_lookout_end_locked (&lookout);
  g_assert_false (lp_lookout_begin_locked (&lookout, 4000));
}

/* --- Polling --- */

typedef struct
{
  int fds[2];
  GPollFD poll;
} Pipe;

static void
pipe_init (Pipe *self)
{
  g_autoptr (GError) error = NULL;

  g_unix_open_pipe (self->fds, FD_CLOEXEC, &error);
  g_assert_no_error (error);
  self->poll = (GPollFD) { self->fds[0], G_IO_IN, 0 };
}

static void
pipe_clear (Pipe *self)
{
  close (self->fds[0]);
  close (self->fds[1]);
}

static void
pipe_put (Pipe *self)
{
  g_assert_cmpint (write (self->fds[1], "x", 1), ==, 1);
}

static void
pipe_take (Pipe *self)
{
  char byte;

  g_assert_cmpint (read (self->fds[0], &byte, 1), ==, 1);
}

static void
poll_what_is_there (Pipe *pipe)
{
  pipe_put (pipe);
  g_assert_cmpint (lp_lookout_poll (&pipe->poll, 1, -1), ==, 1);
  pipe_take (pipe);
}

/* Whether it was worth it to look or not, what is there is seen, and nothing else. */
static void
test_poll_sees_all (void)
{
  Pipe pipe;

  pipe_init (&pipe);
  for (guint i = 0; i < 50; i++)
    {
      pipe_put (&pipe);
      g_assert_cmpint (lp_lookout_poll (&pipe.poll, 1, i % 2 == 0 ? -1 : 1000), ==, 1);
      g_assert_cmpint (pipe.poll.revents, ==, G_IO_IN);
      pipe_take (&pipe);

      g_assert_cmpint (lp_lookout_poll (&pipe.poll, 1, i % 5 == 0 ? 2 : 0), ==, 0);
      g_assert_cmpint (pipe.poll.revents, ==, 0);
    }
  pipe_clear (&pipe);
}

static gpointer
put_thread (gpointer data)
{
  g_usleep (2000);
  pipe_put (data);
  return NULL;
}

/* What comes when it no longer looks wakes it. */
static void
test_poll_is_woken (void)
{
  Pipe pipe;

  pipe_init (&pipe);
  for (guint i = 0; i < 10; i++)
    {
      GThread *thread;

      pipe_put (&pipe);
      g_assert_cmpint (lp_lookout_poll (&pipe.poll, 1, -1), ==, 1);
      pipe_take (&pipe);

      thread = g_thread_new ("put", put_thread, &pipe);
      g_assert_cmpint (lp_lookout_poll (&pipe.poll, 1, -1), ==, 1);
      g_thread_join (thread);
      pipe_take (&pipe);
    }
  pipe_clear (&pipe);
}

/* Polls until it looks, for which something has to have been there in time before, and it must not rest; then others
 * have the processor for USEC. When that poll began; 0: it does not look on this machine. */
static gint64
poll_and_lose (Pipe *pipe, int usec, int timeout_msec)
{
  gint64 began = 0;

  g_atomic_int_set (&n_yields, 0);
  for (guint i = 0; i < MOST_TRIES && g_atomic_int_get (&n_yields) == 0; i++)
    {
      if (i > 0)
        g_usleep (LP_LOOKOUT_POLL_REST_USEC / 5);
      poll_what_is_there (pipe);
      g_atomic_int_set (&lost_usec, usec);
      began = g_get_monotonic_time ();
      g_assert_cmpint (lp_lookout_poll (&pipe->poll, 1, timeout_msec), ==, 0);
      g_atomic_int_set (&lost_usec, 0);
    }

  if (g_atomic_int_get (&n_yields) > 0)
    return began;
  g_test_skip ("There is one processor, or this machine is so slow that nothing is there in time");
  return 0;
}

/* Who yields where all processors are wanted gets his back late: then it does not look, for a while. */
static void
test_poll_rests (void)
{
  Pipe pipe;
  gint64 began;

  pipe_init (&pipe);
  began = poll_and_lose (&pipe, 2 * LP_LOOKOUT_POLL_LOST_USEC, 1);
  g_atomic_int_set (&n_yields, 0);
  for (guint i = 0; i < 5; i++)
    {
      poll_what_is_there (&pipe);
      g_assert_cmpint (lp_lookout_poll (&pipe.poll, 1, 1), ==, 0);
    }
  if (g_get_monotonic_time () - began < LP_LOOKOUT_POLL_REST_USEC)
    g_assert_cmpint (g_atomic_int_get (&n_yields), ==, 0);
  pipe_clear (&pipe);
}

/* What others take of the processor counts for the time-out. */
static void
test_poll_is_on_time (void)
{
  const int lost = 5, timeout = 20;
  Pipe pipe;

  pipe_init (&pipe);
  if (poll_and_lose (&pipe, lost * 1000, timeout) != 0)
    g_assert_cmpint (g_atomic_int_get (&last_timeout), <=, timeout - lost);
  pipe_clear (&pipe);
}

/* --- Threads of the library --- */

static gboolean
all_sleep (gpointer data)
{
  return lp_test_count_threads_awake (data) == 0;
}

/* Jobs in such a hurry that threads look out for them; then there are none. */
static void
hurry (LpManager *manager, LpJob *(*new_job) (void))
{
  LpLease *lease = lp_test_acquire (manager, "hurry");

  for (guint i = 0; i < lp_test_size (ROUNDS, 10 * ROUNDS, ROUNDS / 10); i++)
    {
      g_autoptr (LpJob) job = new_job ();

      lp_test_submit (lease, job);
      lp_test_assert_done (job);
    }

  lp_lease_release (lease);
  g_object_unref (lease);
}

static LpJob *
new_value_job (void)
{
  return lp_test_value_job (1);
}

static void
test_workers_sleep (void)
{
  char prefix[] = WORKER;
  LpManager *manager = lp_test_start (1, "workers-per-pool", 2, "name-prefix", prefix, NULL);

  hurry (manager, new_value_job);
  g_assert_cmpuint (lp_test_count_threads (prefix), >, 0);
  lp_test_block_for (all_sleep, prefix, "all worker threads to sleep");
  lp_test_finish (manager);
}

/* Who looks comes for one job, whatever that does: for the others somebody else is woken, or started. */
static void
test_looks_for_one_job (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", N_WORKERS, NULL);
  LpLease *lease = lp_test_acquire (manager, "meetings");

  for (guint i = 0; i < lp_test_size (ROUNDS / 2, 5 * ROUNDS, ROUNDS / 20); i++)
    {
      g_autoptr (LpJob) hurry = lp_test_value_job (1);
      g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);
      LpTestGate *gate = lp_test_gate_new ();

      lp_test_submit (lease, hurry);
      lp_test_assert_done (hurry);
      for (guint j = 0; j < N_WORKERS; j++)
        {
          g_ptr_array_add (jobs, lp_test_gate_job (gate));
          lp_test_submit (lease, jobs->pdata[j]);
        }
      lp_test_gate_wait_entered (gate, N_WORKERS);
      lp_test_gate_open (gate);
      for (guint j = 0; j < N_WORKERS; j++)
        lp_test_assert_done (jobs->pdata[j]);
      lp_test_gate_unref (gate);
    }

  lp_lease_release (lease);
  g_object_unref (lease);
  lp_test_finish (manager);
}

static void
deferred_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_job_defer (job);
  g_async_queue_push (user_data, job);
}

/* The jobs wait in the queue for a worker that is free, but there is a pause until then: it is in vain to look. */
static void
test_not_while_others_occupy (void)
{
  char prefix[] = WORKER;
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, "name-prefix", prefix, NULL);
  LpLease *lease = lp_test_acquire (manager, "deferred");
  g_autoptr (GAsyncQueue) begun = g_async_queue_new ();
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);

  g_atomic_int_set (&n_worker_yields, 0);
  for (guint i = 0; i < N_DEFERRED; i++)
    {
      g_ptr_array_add (jobs, lp_job_new_for_func (deferred_func, begun, NULL));
      lp_test_submit (lease, jobs->pdata[i]);
    }
  for (guint i = 0; i < N_DEFERRED; i++)
    {
      LpJob *job = g_async_queue_pop (begun);

      lp_test_block_for (all_sleep, prefix, "the worker thread to sleep");
      g_usleep (PAUSE_USEC);
      lp_job_return_value (job, g_variant_new ("()"));
    }
  /* One that had not come to sleep yet, on a busy machine, may look. */
  g_assert_cmpint (g_atomic_int_get (&n_worker_yields), <, N_DEFERRED / 2);

  lp_lease_release (lease);
  g_object_unref (lease);
  lp_test_finish (manager);
}

static LpJob *
new_call (void)
{
  return lp_job_new_for_call ("double", g_variant_new ("(i)", 1));
}

/* It reads what the worker processes say. */
static void
test_service_thread_sleeps (void)
{
  g_autofree char *worker = g_test_build_filename (G_TEST_BUILT, "worker-program", NULL);
  const char *argv[] = { worker, NULL };
  LpManager *manager = lp_manager_new (LP_BACKEND_PROCESS, 1);
  g_autoptr (GError) error = NULL;
  char prefix[] = "leasepool";

  lp_manager_set_worker_argv (manager, argv);
  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);

  hurry (manager, new_call);
  g_assert_cmpuint (lp_test_count_threads (prefix), >, 0);
  lp_test_block_for (all_sleep, prefix, "the service thread to sleep");
  lp_test_finish (manager);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/lookout/not/at-first", test_not_at_first);
  g_test_add_func ("/lookout/not/after-a-pause", test_not_after_a_pause);
  g_test_add_func ("/lookout/not/on-one-processor", test_not_on_one_processor);
  g_test_add_func ("/lookout/sees-an-offer", test_sees_an_offer);
  g_test_add_func ("/lookout/one-at-a-time", test_one_at_a_time);
  g_test_add_func ("/lookout/in-vain", test_in_vain);
  g_test_add_func ("/lookout/forgets-the-offer", test_forgets_the_offer);
  g_test_add_func ("/lookout/poll/sees-all", test_poll_sees_all);
  g_test_add_func ("/lookout/poll/is-woken", test_poll_is_woken);
  g_test_add_func ("/lookout/poll/rests", test_poll_rests);
  g_test_add_func ("/lookout/poll/is-on-time", test_poll_is_on_time);
  g_test_add_func ("/lookout/looks-for-one-job", test_looks_for_one_job);
  g_test_add_func ("/lookout/workers-sleep", test_workers_sleep);
  g_test_add_func ("/lookout/not/while-others-occupy", test_not_while_others_occupy);
  g_test_add_func ("/lookout/service-thread-sleeps", test_service_thread_sleeps);

  return g_test_run ();
}
