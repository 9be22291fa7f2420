/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * LpCommand:
 *
 * One running program: its process group, its input and what it wrote so far.
 * Everything here happens on the thread that iterates the context given to
 * lp_command_spawn().
 */
typedef struct _LpCommand LpCommand;

/*
 * LpCommandDoneFunc:
 * @result: (nullable): `(iayay)`: exit status or minus the signal, standard
 *   output, standard error; %NULL on failure
 * @error: (nullable): why there is no result
 *
 * Called exactly once for each command that was spawned, from its context, after
 * the child is reaped. Both arguments belong to the caller; @command is freed
 * when this returns.
 *
 * The result is what the program did, untouched. Whether an end by a signal was
 * our doing is for the callee to judge: if lp_command_was_signalled() it was told
 * to end (and may have ended well in spite of it, or just before); if not, a
 * negative status is a death nobody asked for.
 */
typedef void (*LpCommandDoneFunc) (LpCommand    *command,
                                   GVariant     *result,
                                   const GError *error,
                                   gpointer      user_data);

LpCommand *lp_command_spawn         (GMainContext        *context,
                                     const char * const  *argv,
                                     GBytes              *input,
                                     const char          *directory,
                                     gsize                max_output,
                                     LpCommandDoneFunc    done,
                                     gpointer             user_data,
                                     GError             **error);
void       lp_command_signal        (LpCommand           *self,
                                     int                  signum);
GPid       lp_command_get_pid       (LpCommand           *self);
gboolean   lp_command_was_signalled (LpCommand           *self);

G_END_DECLS
