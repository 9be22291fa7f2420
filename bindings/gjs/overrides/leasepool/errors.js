// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Errors as the library has them. */

/* exported checkNoFunction, closureRefused, describe, invalid */

function invalid(message) {
    const {Lp} = imports.gi;
    return new Lp.Error({code: Lp.Error.INVALID_ARGUMENT, message});
}

function closureRefused() {
    const {Lp} = imports.gi;
    const message = 'A function of JavaScript cannot run on a thread of an executor. There are two ways: named ' +
        'functions of a module in C on threads (function_module), or JavaScript in worker processes (worker_module); ' +
        'either is called by name, with call()';
    return new Lp.Error({code: Lp.Error.NOT_SUPPORTED, message});
}

/** For the places of jobs and names. */
function checkNoFunction(value) {
    if (typeof value === 'function')
        throw closureRefused();
}

/** A value as a message shows it. */
function describe(value) {
    if (typeof value === 'string')
        return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
    if (typeof value === 'function')
        return 'a function';
    if (typeof value === 'bigint')
        return `${value}n`;
    if (typeof value !== 'object' || value === null)
        return Object.is(value, -0) ? '-0' : String(value);
    if (Array.isArray(value))
        return `an array of ${value.length}`;
    const name = Object.getPrototypeOf(value)?.constructor?.name;
    return typeof name !== 'string' || ['', 'Object'].includes(name) ? 'an object' : `an object of ${name}`;
}
