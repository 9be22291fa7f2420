/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Worker processes that are none: what the library calls to start, await, and
 * kill one is linked to this instead (--wrap), and the harness has the other end
 * of the stream. A process costs milliseconds, and a fuzzer wants thousands of
 * inputs. All can be called on the thread of the harness; the library calls its
 * part on the service thread. */

/* The youngest one that lives has the word. FALSE: there is none. */
gboolean    lp_fuzz_process_write      (const guint8 *data, gsize size, int fd);
gboolean    lp_fuzz_process_complain   (const guint8 *data, gsize size);      /* on its standard error */
GByteArray *lp_fuzz_process_read       (void);                                /* NULL: there is none, or nothing */
GBytes     *lp_fuzz_process_dup_nonce  (void);                                /* what came with the hello to it */
gboolean    lp_fuzz_process_close      (void);                                /* it closes its stream, and lives on */
gboolean    lp_fuzz_process_die        (int status, gboolean signaled);
guint64     lp_fuzz_process_get_serial (void);                                /* tells one from the next; 0 for none */

/* How many have not been reaped. */
guint       lp_fuzz_process_count      (void);
/* All that there are do nothing on SIGTERM. */
void        lp_fuzz_process_set_stubborn (gboolean stubborn);

G_END_DECLS
