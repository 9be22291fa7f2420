// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* What GJS adds to the namespace Lp: promises and plain values. Sugar only, the library is right without it.
 *
 * A legacy script, as GJS wants it: it is called when Lp is imported for the first time, with the namespace as this.
 */

/* exported _init */

const Parts = imports.overrides.leasepool;

function _init() {
    Parts.calls.extend(this);
    Parts.settings.extend(this);
    Parts.manager.extend(this);
    Parts.lease.extend(this);
    Parts.job.extend(this);
    Parts.grinder.extend(this);
}
