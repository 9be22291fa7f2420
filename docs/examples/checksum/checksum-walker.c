/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "checksum-walker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct
{
  DIR *dir;
  char *path;
} Level;

struct _Walker
{
  char **roots;                 /* those that are still to come */
  GPtrArray *levels;            /* of Level, the deepest is the last */
  WalkerProblemFunc problem;
  gpointer user_data;
};

static void
level_free (gpointer data)
{
  Level *self = data;

  closedir (self->dir);
  g_free (self->path);
  g_free (self);
}

static Level *
walker_peek (Walker *self)
{
  return self->levels->len == 0 ? NULL : g_ptr_array_index (self->levels, self->levels->len - 1);
}

static void
walker_tell_errno (Walker *self, const char *path)
{
  self->problem (path, g_strerror (errno), self->user_data);
}

static void
walker_enter (Walker *self, const char *path)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir (fd);
  Level *level;

  if (dir == NULL)
    {
      walker_tell_errno (self, path);
      if (fd >= 0)
        close (fd);
      return;
    }

  level = g_new (Level, 1);
  level->dir = dir;
  level->path = g_strdup (path);
  g_ptr_array_add (self->levels, level);
}

/* Returns: the next path in the deepest directory, NULL at its end. */
static char *
walker_read (Walker *self, Level *level)
{
  struct dirent *entry;

  do
    {
      errno = 0;
      entry = readdir (level->dir);
    }
  while (entry != NULL && (g_str_equal (entry->d_name, ".") || g_str_equal (entry->d_name, "..")));

  if (entry != NULL)
    return g_strconcat (level->path, g_str_has_suffix (level->path, "/") ? "" : "/", entry->d_name, NULL);

  if (errno != 0)
    walker_tell_errno (self, level->path);
  return NULL;
}

Walker *
walker_new (char **roots, WalkerProblemFunc problem, gpointer user_data)
{
  Walker *self = g_new0 (Walker, 1);

  self->roots = roots;
  self->levels = g_ptr_array_new_with_free_func (level_free);
  self->problem = problem;
  self->user_data = user_data;
  return self;
}

/* Returns: the path of the next file, NULL when there is none left. */
char *
walker_next (Walker *self, guint64 *size)
{
  while (!walker_is_done (self))
    {
      Level *level = walker_peek (self);
      g_autofree char *path = level != NULL ? walker_read (self, level) : g_strdup (*self->roots++);
      struct stat info;

      if (path == NULL)
        g_ptr_array_set_size (self->levels, self->levels->len - 1);
      else if (lstat (path, &info) < 0)
        walker_tell_errno (self, path);
      else if (S_ISDIR (info.st_mode))
        walker_enter (self, path);
      else if (S_ISREG (info.st_mode))
        {
          *size = info.st_size;
          return g_steal_pointer (&path);
        }
      else if (level == NULL)
        self->problem (path, "Neither a file nor a directory; links are not followed", self->user_data);
    }
  return NULL;
}

gboolean
walker_is_done (Walker *self)
{
  return self->levels->len == 0 && *self->roots == NULL;
}

void
walker_free (Walker *self)
{
  g_ptr_array_unref (self->levels);
  g_free (self);
}
