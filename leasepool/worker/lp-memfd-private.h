/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Anonymous files that cannot change any more: how large bodies move between
 * processes without a copy in the kernel. */

int      lp_memfd_new_for_variant (GVariant *value, GError **error);
int      lp_memfd_new_for_bytes   (gconstpointer data, gsize size, GError **error);
GBytes  *lp_memfd_map             (int fd, gsize max_size, GError **error);

G_END_DECLS
