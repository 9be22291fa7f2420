/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* thumbnailer-worker: the worker program of thumbnailer.py.
 *
 * "thumbnail" takes (ayayu): a picture, where its thumbnail goes, and the largest width and height. It returns (uu),
 * the width and height. The thumbnail is a PNG. It is written next to its place, as NAME.RUN.part, and renamed: whatever
 * happens, what has the right name is whole. A worker that is killed may leave its .part, which thumbnailer.py removes.
 *
 * "begin-run" is the init function: it says what RUN is.
 */

#include <errno.h>
#include <gdk-pixbuf/gdk-pixbuf.h>
#include <glib/gstdio.h>
#include <leasepool.h>
#include <signal.h>

#define MAX_PIXELS (G_GUINT64_CONSTANT (200) * 1000 * 1000)

/* Set before the first job. */
static char *run;

static void
begin_run_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_free (run);
  g_variant_get (lp_job_get_parameters (job), "(s)", &run);
  *result = g_variant_new ("()");
}

/* The picture as a camera was held. gdk_pixbuf_new_from_file_at_scale() would need less memory, but takes half a file
 * for a whole one. */
static GdkPixbuf *
load (const char *source, GError **error)
{
  g_autoptr(GdkPixbuf) pixbuf = NULL;
  int width = 0, height = 0;

  if (gdk_pixbuf_get_file_info (source, &width, &height) != NULL && (guint64) width * height > MAX_PIXELS)
    {
      g_set_error (error, GDK_PIXBUF_ERROR, GDK_PIXBUF_ERROR_INSUFFICIENT_MEMORY,
                   "The picture is too large: %d x %d", width, height);
      return NULL;
    }

  pixbuf = gdk_pixbuf_new_from_file (source, error);

  return pixbuf != NULL ? gdk_pixbuf_apply_embedded_orientation (pixbuf) : NULL;
}

/* A picture is made smaller, never larger. */
static GdkPixbuf *
scale (GdkPixbuf *pixbuf, guint size)
{
  int width = gdk_pixbuf_get_width (pixbuf), height = gdk_pixbuf_get_height (pixbuf);
  double factor = (double) size / MAX (width, height);

  if (factor >= 1)
    return g_object_ref (pixbuf);

  return gdk_pixbuf_scale_simple (pixbuf, MAX ((int) (width * factor + 0.5), 1), MAX ((int) (height * factor + 0.5), 1),
                                  GDK_INTERP_BILINEAR);
}

/* For the test of the thumbnailer: a picture whose thumbnail is called POISON kills this process each time, any picture
 * does once if there is a file ONCE. */
static void
die_if_tested (const char *target)
{
  const char *poison = g_getenv ("THUMBNAILER_TEST_POISON");
  const char *once = g_getenv ("THUMBNAILER_TEST_ONCE");

  if ((poison != NULL && g_str_has_suffix (target, poison)) || (once != NULL && g_unlink (once) == 0))
    raise (SIGKILL);
}

/* Whether the thumbnail is there. If not, nothing of it is. */
static gboolean
save (GdkPixbuf *pixbuf, const char *target, GCancellable *cancellable, GError **error)
{
  g_autofree char *part = g_strdup_printf ("%s.%s.part", target, run);

  if (gdk_pixbuf_save (pixbuf, part, "png", error, NULL)
      && !g_cancellable_set_error_if_cancelled (cancellable, error))
    {
      int saved_errno;

      die_if_tested (target);
      if (g_rename (part, target) == 0)
        return TRUE;

      saved_errno = errno;
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno), "The thumbnail cannot be renamed: %s",
                   g_strerror (saved_errno));
    }

  g_unlink (part);
  return FALSE;
}

static void
thumbnail_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GCancellable *cancellable = lp_job_get_cancellable (job);
  g_autoptr(GdkPixbuf) picture = NULL;
  g_autoptr(GdkPixbuf) thumbnail = NULL;
  const char *source, *target;
  guint size;

  g_variant_get (lp_job_get_parameters (job), "(^&ay^&ayu)", &source, &target, &size);

  /* It cannot be told to stop while it loads: if that takes longer than the grace, this process is killed. */
  picture = load (source, error);
  if (picture == NULL || g_cancellable_set_error_if_cancelled (cancellable, error))
    return;

  thumbnail = scale (picture, MAX (size, 1));
  if (thumbnail == NULL)
    g_set_error_literal (error, GDK_PIXBUF_ERROR, GDK_PIXBUF_ERROR_INSUFFICIENT_MEMORY, "There is no memory for it");
  else if (save (thumbnail, target, cancellable, error))
    *result = g_variant_new ("(uu)", (guint) gdk_pixbuf_get_width (thumbnail),
                             (guint) gdk_pixbuf_get_height (thumbnail));
}

static gboolean
add_functions (LpFunctions *functions, GError **error)
{
  return lp_functions_add (functions, "begin-run", G_VARIANT_TYPE ("(s)"), G_VARIANT_TYPE ("()"),
                           begin_run_func, NULL, NULL, error)
      && lp_functions_add (functions, "thumbnail", G_VARIANT_TYPE ("(ayayu)"), G_VARIANT_TYPE ("(uu)"),
                           thumbnail_func, NULL, NULL, error);
}

int
main (void)
{
  g_autoptr(LpFunctions) functions = lp_functions_new ();
  g_autoptr(LpWorker) worker = lp_worker_new (functions);
  g_autoptr(GError) error = NULL;
  int status = 1;

  run = g_strdup ("none");
  if (add_functions (functions, &error))
    status = lp_worker_run (worker, &error);
  if (error != NULL)
    g_printerr ("thumbnailer-worker: %s\n", error->message);
  g_free (run);

  return status;
}
