/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/* How what outlives a public object finds it, if it is still there. A GWeakRef
 * would do, but for one thing: GLib has one lock for all of them, and holds it as
 * it takes the reference. The object may be that of a language, which is told of
 * its second reference, and waits for the lock of its interpreter; whoever holds
 * that one, and drops the last reference of any other object with a GWeakRef,
 * waits for GLib's. Here each has a lock of its own, which is wanted besides only
 * when the object itself is disposed: then the language has let go of it, and is
 * not told any more. */
typedef struct
{
  guint fork_generation;
  GMutex lock;
  gpointer object;              /* (lock) NULL once it is disposed */
} LpBackRef;

void     lp_back_ref_init  (LpBackRef *self, gpointer object);
void     lp_back_ref_clear (LpBackRef *self);
gpointer lp_back_ref_dup   (LpBackRef *self) G_GNUC_WARN_UNUSED_RESULT;
void     lp_back_ref_drop  (LpBackRef *self);

G_END_DECLS
