/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A backend from outside: its executors run named functions on one pool of threads that all of them share, at most one
 * thread per processor, however many executors there are. The library finds it by its name, "shared-pool", when this
 * module is in one of the directories that it looks into. */

#include <gio/gio.h>
#include <leasepool.h>

#define SHARED_TYPE_POOL_EXECUTOR (shared_pool_executor_get_type ())
G_DECLARE_FINAL_TYPE (SharedPoolExecutor, shared_pool_executor, SHARED, POOL_EXECUTOR, LpExecutor)

struct _SharedPoolExecutor
{
  LpExecutor parent_instance;
  int n_users;          /* (atomic) jobs that run or wait for a thread, and one more until the shut-down */
};

G_DEFINE_DYNAMIC_TYPE (SharedPoolExecutor, shared_pool_executor, LP_TYPE_EXECUTOR)

typedef struct
{
  SharedPoolExecutor *executor;
  LpJob *job;
} Work;

/* Stopped means that no thread has anything of this executor: its place is free then. */
static void
drop_user (SharedPoolExecutor *self)
{
  if (g_atomic_int_dec_and_test (&self->n_users))
    lp_executor_report_stopped (LP_EXECUTOR (self));
}

/* On a thread of the pool. */
static void
run_work (gpointer data, gpointer unused)
{
  Work *work = data;

  lp_job_execute (work->job);
  g_object_unref (work->job);
  drop_user (work->executor);

  g_object_unref (work->executor);
  g_free (work);
}

/* Made by the first executor that starts, never freed: its threads may be needed until the process ends. */
static GThreadPool *
get_pool (GError **error)
{
  static GMutex mutex;
  static GThreadPool *pool;     /* (guarded by mutex) */
  GThreadPool *result;

  g_mutex_lock (&mutex);
  if (pool == NULL)
    pool = g_thread_pool_new (run_work, NULL, (int) g_get_num_processors (), FALSE, error);
  result = pool;
  g_mutex_unlock (&mutex);

  return result;
}

static gboolean
shared_pool_executor_start (LpExecutor *executor, GError **error)
{
  if (get_pool (error) == NULL)
    return FALSE;

  lp_executor_report_ready (executor);
  return TRUE;
}

/* The base class has looked the function up, and hands over no more jobs than the executor has workers. */
static gboolean
shared_pool_executor_submit (LpExecutor *executor, LpJob *job, GError **error)
{
  SharedPoolExecutor *self = SHARED_POOL_EXECUTOR (executor);
  Work *work = g_new (Work, 1);

  work->executor = g_object_ref (self);
  work->job = g_object_ref (job);
  g_atomic_int_inc (&self->n_users);

  /* The pool keeps what it was given also when it cannot start one more thread for it now. */
  g_thread_pool_push (get_pool (NULL), work, NULL);
  return TRUE;
}

static void
shared_pool_executor_shutdown (LpExecutor *executor, LpStopMode mode)
{
  drop_user (SHARED_POOL_EXECUTOR (executor));
}

static void
shared_pool_executor_class_init (SharedPoolExecutorClass *klass)
{
  LP_EXECUTOR_CLASS (klass)->start = shared_pool_executor_start;
  LP_EXECUTOR_CLASS (klass)->submit = shared_pool_executor_submit;
  LP_EXECUTOR_CLASS (klass)->shutdown = shared_pool_executor_shutdown;
}

static void
shared_pool_executor_class_finalize (SharedPoolExecutorClass *klass)
{
}

static void
shared_pool_executor_init (SharedPoolExecutor *self)
{
  self->n_users = 1;
}

/* What GIO looks for in libleasepool-backend-shared-pool.so. */
void g_io_leasepool_backend_shared_pool_load (GIOModule *module);
void g_io_leasepool_backend_shared_pool_unload (GIOModule *module);

G_MODULE_EXPORT void
g_io_leasepool_backend_shared_pool_load (GIOModule *module)
{
  shared_pool_executor_register_type (G_TYPE_MODULE (module));
  g_io_extension_point_implement (LP_EXECUTOR_EXTENSION_POINT_NAME, SHARED_TYPE_POOL_EXECUTOR, "shared-pool", 0);
}

/* The library never unloads a backend. */
G_MODULE_EXPORT void
g_io_leasepool_backend_shared_pool_unload (GIOModule *module)
{
}
