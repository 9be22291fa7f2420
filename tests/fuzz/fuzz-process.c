/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "fuzz-process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Above all that a kernel gives. */
#define FIRST_PID 0x3f000000

typedef struct
{
  GSubprocess *object;          /* not owned */
  GPid pid;
  guint64 serial;
  int in;                       /* the ends of the process; -1 once closed */
  int out;
  int errors;
  gboolean dead;
  gboolean told;                /* that it is dead */
  int status;
  gboolean signaled;
  int nonce_fd;                 /* -1 */
  GAsyncReadyCallback callback;
  gpointer user_data;
  GMainContext *context;        /* (owned) (nullable) of who waits for its end */
} Process;

static GMutex lock;             /* all of this, and the descriptors with it: they are closed by two threads */
static GQueue processes = G_QUEUE_INIT;  /* of Process, the youngest first; those that have not been reaped */
static guint64 last_serial;
static gboolean is_stubborn;
static int taken_fds[3] = { -1, -1, -1 };

/* The types of what is replaced. */
void         __wrap_g_subprocess_launcher_take_stdin_fd (GSubprocessLauncher *launcher, int fd);
void         __wrap_g_subprocess_launcher_take_stdout_fd (GSubprocessLauncher *launcher, int fd);
void         __wrap_g_subprocess_launcher_take_stderr_fd (GSubprocessLauncher *launcher, int fd);
GSubprocess *__wrap_g_subprocess_launcher_spawnv (GSubprocessLauncher *launcher, const char * const *argv, GError **error);
void         __wrap_g_subprocess_wait_async (GSubprocess *object, GCancellable *cancellable, GAsyncReadyCallback callback,
                                             gpointer user_data);
gboolean     __wrap_g_subprocess_wait_finish (GSubprocess *object, GAsyncResult *result, GError **error);
const char  *__wrap_g_subprocess_get_identifier (GSubprocess *object);
gboolean     __wrap_g_subprocess_get_if_signaled (GSubprocess *object);
int          __wrap_g_subprocess_get_term_sig (GSubprocess *object);
int          __wrap_g_subprocess_get_exit_status (GSubprocess *object);
int          __wrap_kill (pid_t pid, int signum);
int          __wrap_waitid (idtype_t type, id_t id, siginfo_t *info, int options);
int          __real_kill (pid_t pid, int signum);
int          __real_waitid (idtype_t type, id_t id, siginfo_t *info, int options);

static void
close_fd (int *fd)
{
  if (*fd != -1)
    close (*fd);
  *fd = -1;
}

static void
close_stream_locked (Process *self)
{
  if (self->in == self->out)
    self->in = -1;
  close_fd (&self->in);
  close_fd (&self->out);
}

static void
process_free (gpointer data)
{
  Process *self = data;

  close_fd (&self->nonce_fd);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_free (self);
}

static Process *
get_process (GSubprocess *object)
{
  return g_object_get_data (G_OBJECT (object), "fuzz-process");
}

/* --- Its end --- */

static gboolean
tell_cb (gpointer data)
{
  GSubprocess *object = data;
  Process *self = get_process (object);

  g_mutex_lock (&lock);
  g_queue_remove (&processes, self);
  g_mutex_unlock (&lock);

  self->callback (G_OBJECT (object), NULL, self->user_data);
  return G_SOURCE_REMOVE;
}

static void
tell_locked (Process *self)
{
  GSource *source;

  if (!self->dead || self->told || self->callback == NULL)
    return;

  self->told = TRUE;
  source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, tell_cb, g_object_ref (self->object), g_object_unref);
  g_source_attach (source, self->context);
  g_source_unref (source);
}

static void
die_locked (Process *self, int status, gboolean signaled)
{
  if (self->dead)
    return;

  self->dead = TRUE;
  self->status = status;
  self->signaled = signaled;
  close_stream_locked (self);
  close_fd (&self->errors);
  tell_locked (self);
}

/* --- What the library calls --- */

void
__wrap_g_subprocess_launcher_take_stdin_fd (GSubprocessLauncher *launcher, int fd)
{
  taken_fds[0] = fd;
}

void
__wrap_g_subprocess_launcher_take_stdout_fd (GSubprocessLauncher *launcher, int fd)
{
  taken_fds[1] = fd;
}

void
__wrap_g_subprocess_launcher_take_stderr_fd (GSubprocessLauncher *launcher, int fd)
{
  taken_fds[2] = fd;
}

GSubprocess *
__wrap_g_subprocess_launcher_spawnv (GSubprocessLauncher *launcher, const char * const *argv, GError **error)
{
  Process *self = g_new0 (Process, 1);

  /* As it is without g_initable_init(): nothing was started. */
  self->object = g_object_new (G_TYPE_SUBPROCESS, NULL);
  self->in = taken_fds[0];
  self->out = taken_fds[1];
  self->errors = taken_fds[2];
  self->nonce_fd = -1;
  fcntl (self->out, F_SETFL, O_NONBLOCK);
  fcntl (self->errors, F_SETFL, O_NONBLOCK);
  g_object_set_data_full (G_OBJECT (self->object), "fuzz-process", self, process_free);

  g_mutex_lock (&lock);
  self->serial = ++last_serial;
  self->pid = FIRST_PID + (GPid) (self->serial % 0xffffff);
  g_queue_push_head (&processes, self);
  g_mutex_unlock (&lock);

  return self->object;
}

void
__wrap_g_subprocess_wait_async (GSubprocess *object, GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  Process *self = get_process (object);

  g_mutex_lock (&lock);
  self->callback = callback;
  self->user_data = user_data;
  self->context = g_main_context_ref_thread_default ();
  tell_locked (self);
  g_mutex_unlock (&lock);
}

gboolean
__wrap_g_subprocess_wait_finish (GSubprocess *object, GAsyncResult *result, GError **error)
{
  return TRUE;
}

const char *
__wrap_g_subprocess_get_identifier (GSubprocess *object)
{
  static char text[16];

  g_snprintf (text, sizeof text, "%d", (int) get_process (object)->pid);
  return text;
}

gboolean
__wrap_g_subprocess_get_if_signaled (GSubprocess *object)
{
  return get_process (object)->signaled;
}

int
__wrap_g_subprocess_get_term_sig (GSubprocess *object)
{
  return get_process (object)->status;
}

int
__wrap_g_subprocess_get_exit_status (GSubprocess *object)
{
  return get_process (object)->status;
}

static Process *
find_locked (GPid pid)
{
  for (GList *link = processes.head; link != NULL; link = link->next)
    if (((Process *) link->data)->pid == pid)
      return link->data;

  return NULL;
}

int
__wrap_kill (pid_t pid, int signum)
{
  Process *self;

  if (ABS (pid) < FIRST_PID)
    return __real_kill (pid, signum);

  g_mutex_lock (&lock);
  self = find_locked (ABS (pid));
  if (self != NULL && (signum == SIGKILL || !is_stubborn))
    die_locked (self, signum, TRUE);
  g_mutex_unlock (&lock);

  errno = ESRCH;
  return self != NULL ? 0 : -1;
}

int
__wrap_waitid (idtype_t type, id_t id, siginfo_t *info, int options)
{
  gboolean there;

  if (type != P_PID || id < FIRST_PID)
    return __real_waitid (type, id, info, options);

  g_mutex_lock (&lock);
  there = find_locked ((GPid) id) != NULL;
  g_mutex_unlock (&lock);

  errno = ECHILD;
  return there ? 0 : -1;
}

/* --- What the harness calls --- */

static Process *
get_living_locked (void)
{
  for (GList *link = processes.head; link != NULL; link = link->next)
    if (!((Process *) link->data)->dead)
      return link->data;

  return NULL;
}

/* Over the socket, with one byte. */
static void
send_fd (int socket, int fd)
{
  struct iovec iovec = { (char[]) { 0 }, 1 };
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (sizeof (int))];
  } control = { 0 };
  struct msghdr message = {
    .msg_iov = &iovec,
    .msg_iovlen = 1,
    .msg_control = &control,
    .msg_controllen = sizeof control,
  };
  struct cmsghdr *header = CMSG_FIRSTHDR (&message);

  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN (sizeof fd);
  memcpy (CMSG_DATA (header), &fd, sizeof fd);
  sendmsg (socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* What does not fit is lost: as if it had died in the middle. */
gboolean
lp_fuzz_process_write (const guint8 *data, gsize size, int fd)
{
  Process *self;

  g_mutex_lock (&lock);
  self = get_living_locked ();
  if (self != NULL && self->in != -1 && fd != -1)
    send_fd (self->in, fd);
  if (self != NULL && self->out != -1 && write (self->out, data, size) == -1)
    g_assert_true (errno == EAGAIN || errno == EPIPE);
  g_mutex_unlock (&lock);

  return self != NULL;
}

gboolean
lp_fuzz_process_complain (const guint8 *data, gsize size)
{
  Process *self;

  g_mutex_lock (&lock);
  self = get_living_locked ();
  if (self != NULL && self->errors != -1 && write (self->errors, data, size) == -1)
    g_assert_true (errno == EAGAIN || errno == EPIPE);
  g_mutex_unlock (&lock);

  return self != NULL;
}

static void
keep_nonce (Process *self, struct msghdr *message)
{
  struct cmsghdr *header = CMSG_FIRSTHDR (message);

  if (header == NULL)
    return;

  close_fd (&self->nonce_fd);
  memcpy (&self->nonce_fd, CMSG_DATA (header), sizeof self->nonce_fd);
}

GByteArray *
lp_fuzz_process_read (void)
{
  guint8 bytes[4096];
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (sizeof (int))];
  } control;
  struct iovec iovec = { bytes, sizeof bytes };
  struct msghdr message = { .msg_iov = &iovec, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
  GByteArray *array = NULL;
  gssize n_read = -1;
  Process *self;

  g_mutex_lock (&lock);
  self = get_living_locked ();
  if (self != NULL && self->in != -1)
    n_read = recvmsg (self->in, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n_read > 0)
    {
      keep_nonce (self, &message);
      array = g_byte_array_append (g_byte_array_new (), bytes, (guint) n_read);
    }
  g_mutex_unlock (&lock);

  return array;
}

GBytes *
lp_fuzz_process_dup_nonce (void)
{
  guint8 bytes[16] = { 0 };
  Process *self;

  g_mutex_lock (&lock);
  self = get_living_locked ();
  if (self != NULL && self->nonce_fd != -1)
    g_assert_cmpint (pread (self->nonce_fd, bytes, sizeof bytes, 0), ==, sizeof bytes);
  g_mutex_unlock (&lock);

  return g_bytes_new (bytes, sizeof bytes);
}

gboolean
lp_fuzz_process_close (void)
{
  Process *self;

  g_mutex_lock (&lock);
  self = get_living_locked ();
  if (self != NULL)
    close_stream_locked (self);
  g_mutex_unlock (&lock);

  return self != NULL;
}

gboolean
lp_fuzz_process_die (int status, gboolean signaled)
{
  Process *self;

  g_mutex_lock (&lock);
  self = get_living_locked ();
  if (self != NULL)
    die_locked (self, status, signaled);
  g_mutex_unlock (&lock);

  return self != NULL;
}

guint64
lp_fuzz_process_get_serial (void)
{
  guint64 serial;
  Process *self;

  g_mutex_lock (&lock);
  self = get_living_locked ();
  serial = self != NULL ? self->serial : 0;
  g_mutex_unlock (&lock);

  return serial;
}

guint
lp_fuzz_process_count (void)
{
  guint n;

  g_mutex_lock (&lock);
  n = processes.length;
  g_mutex_unlock (&lock);

  return n;
}

void
lp_fuzz_process_set_stubborn (gboolean stubborn)
{
  g_mutex_lock (&lock);
  is_stubborn = stubborn;
  g_mutex_unlock (&lock);
}
