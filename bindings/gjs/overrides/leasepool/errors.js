// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Errors as the library has them. */

/* exported describe, invalid, notSupported */

function invalid(message) {
    const {Lp} = imports.gi;
    return new Lp.Error({code: Lp.Error.INVALID_ARGUMENT, message});
}

function notSupported(message) {
    const {Lp} = imports.gi;
    return new Lp.Error({code: Lp.Error.NOT_SUPPORTED, message});
}

/** A value as a message shows it. */
function describe(value) {
    if (typeof value === 'string')
        return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
    if (typeof value === 'function')
        return 'a function';
    if (typeof value !== 'object' || value === null)
        return Object.is(value, -0) ? '-0' : String(value);
    if (Array.isArray(value))
        return `an array of ${value.length}`;
    const name = value.constructor?.name;
    return !name || name === 'Object' ? 'an object' : `an object of ${name}`;
}
