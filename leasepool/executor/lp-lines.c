/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-lines-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define READ_SIZE 16384
#define MAX_LINE  65536         /* a longer one is handed on in pieces */
#define TAIL_SIZE 4096          /* of what was written last, for error messages */

struct _LpLines
{
  int fd;                       /* -1 once it has ended */
  GMainContext *context;        /* (owned) */
  GRecMutex *lock;              /* (construct-only) (not owned) */
  GSource *source;              /* (owned) (nullable) while it is watched */
  gboolean paused;
  GString *partial;             /* the beginning of a line */
  GString *tail;                /* whole lines, the last ones */
  LpLinesFunc func;
  gpointer user_data;
};

static gboolean readable_cb (int fd, GIOCondition condition, gpointer user_data);

static void
unwatch (LpLines *self)
{
  if (self->source == NULL)
    return;

  g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
}

static void
watch (LpLines *self)
{
  if (self->fd == -1 || self->paused || self->source != NULL)
    return;

  self->source = g_unix_fd_source_new (self->fd, G_IO_IN | G_IO_HUP | G_IO_ERR);
  g_source_set_static_name (self->source, "[leasepool] worker errors");
  g_source_set_callback (self->source, G_SOURCE_FUNC (readable_cb), self, NULL);
  g_source_attach (self->source, self->context);
}

/* Takes FD. LOCK lives longer. */
LpLines *
lp_lines_new (int fd, GMainContext *context, GRecMutex *lock, LpLinesFunc func, gpointer user_data)
{
  LpLines *self = g_new0 (LpLines, 1);

  g_unix_set_fd_nonblocking (fd, TRUE, NULL);
  self->fd = fd;
  self->context = g_main_context_ref (context);
  self->lock = lock;
  self->partial = g_string_new (NULL);
  self->tail = g_string_new (NULL);
  self->func = func;
  self->user_data = user_data;
  watch (self);

  return self;
}

static void
close_stream (LpLines *self)
{
  unwatch (self);
  if (self->fd != -1)
    close (self->fd);
  self->fd = -1;
}

void
lp_lines_free (LpLines *self)
{
  close_stream (self);
  g_string_free (self->partial, TRUE);
  g_string_free (self->tail, TRUE);
  g_main_context_unref (self->context);
  g_free (self);
}

static void
keep (LpLines *self, const char *line)
{
  g_string_append (self->tail, line);
  g_string_append_c (self->tail, '\n');
  if (self->tail->len > TAIL_SIZE)
    g_string_erase (self->tail, 0, (gssize) (self->tail->len - TAIL_SIZE));
}

static void
emit_partial (LpLines *self)
{
  g_autofree char *line = g_strdup (self->partial->str);

  g_string_truncate (self->partial, 0);
  keep (self, line);
  self->func (line, self->user_data);
}

/* Bytes that a C string cannot hold are the writer's mistake, not a line end. */
static void
append (LpLines *self, const char *bytes, gsize size)
{
  for (gsize i = 0; i < size; i++)
    {
      if (bytes[i] == '\n')
        emit_partial (self);
      else
        g_string_append_c (self->partial, bytes[i] != '\0' ? bytes[i] : ' ');

      if (self->partial->len >= MAX_LINE)
        emit_partial (self);
    }
}

/* One read of at most SIZE bytes; returns how many there were, 0 for none now. */
static gsize
read_once (LpLines *self, gsize size)
{
  char bytes[READ_SIZE];
  gssize n_read;
  int saved_errno;

  do
    n_read = read (self->fd, bytes, MIN (size, sizeof bytes));
  while (n_read == -1 && errno == EINTR);
  saved_errno = errno;

  if (n_read > 0)
    append (self, bytes, (gsize) n_read);
  else if (n_read == 0 || saved_errno != EAGAIN)
    close_stream (self);

  return (gsize) MAX (n_read, 0);
}

/* One read a dispatch: the thread has others to serve. */
static gboolean
readable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  LpLines *self = user_data;
  GRecMutex *lock = self->lock; /* SELF may be gone after it */

  g_rec_mutex_lock (lock);
  read_once (self, READ_SIZE);
  g_rec_mutex_unlock (lock);

  return G_SOURCE_CONTINUE;
}

static gsize
get_available (LpLines *self)
{
  int available = 0;

  if (self->fd == -1 || ioctl (self->fd, FIONREAD, &available) == -1)
    return 0;

  return (gsize) MAX (available, 0);
}

/* Whether the pipe holds something that has not been read. */
gboolean
lp_lines_has_more (LpLines *self)
{
  return get_available (self) > 0;
}

/* Reads what the pipe holds now, no matter how fast somebody goes on writing. */
void
lp_lines_drain (LpLines *self)
{
  gsize left = get_available (self);

  while (left > 0 && self->fd != -1)
    {
      gsize n_read = read_once (self, left);

      if (n_read == 0)
        return;
      left -= n_read;
    }
}

/* The writer is dead: reads the rest, whose last line may have no end. */
void
lp_lines_finish (LpLines *self)
{
  lp_lines_drain (self);
  if (self->partial->len > 0)
    emit_partial (self);
  close_stream (self);
}

/* A paused one is not read, so that its writer comes to wait. */
void
lp_lines_set_paused (LpLines *self, gboolean paused)
{
  self->paused = paused;
  if (paused)
    unwatch (self);
  else
    watch (self);
}

/* The last line that was not empty, or NULL. */
char *
lp_lines_dup_last (LpLines *self)
{
  g_auto (GStrv) lines = g_strsplit (self->tail->str, "\n", -1);

  for (guint i = g_strv_length (lines); i > 0; i--)
    if (g_strstrip (lines[i - 1])[0] != '\0')
      return g_strdup (lines[i - 1]);

  return NULL;
}
