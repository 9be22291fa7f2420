// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* A module whose functions a worker runs. */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';

export const VERSION = 5;

export class Counter {}

export default function unnamed() {
    return 'never called';
}

export function countPrimes(n) {
    let primes = 0;
    for (let number = 2; number <= n; number++) {
        let divisor = 2;
        while (divisor * divisor <= number && number % divisor !== 0)
            divisor++;
        primes += divisor * divisor > number;
    }
    return primes;
}

export const echo = (...values) => {
    System.gc();
    return values;
};

export function kind(value) {
    if (value instanceof Uint8Array || value === null)
        return value === null ? 'null' : 'Uint8Array';
    return Number.isInteger(value) ? 'integer' : typeof value;
}

export function nothing() {}

export function twice(number) {
    return 2 * number;
}
twice.parameters = '(u)';
twice.result = '(u)';

export function wrongResult() {
    return 'x';
}
wrongResult.result = 'u';

export function strange() {
    return new Map();
}

export function fail(text) {
    throw new RangeError(text);
}

export function failGio(text) {
    throw new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.EXISTS, text);
}

/** What JavaScript lets one throw. */
const odd = {
    string: () => 'a string',
    undefined: () => undefined,
    bare: () => Object.create(null),
    proxy: () => new Proxy({}, {
        get() {
            throw new Error('a trap');
        },
        getPrototypeOf() {
            throw new Error('a trap');
        },
    }),
    fake: () => Object.create(Error.prototype),
    fakeGError: () => Object.create(GLib.Error.prototype),
    stackless: () => Object.assign(new Error('text'), {stack: undefined, fileName: undefined}),
    named: () => Object.assign(new Error('text'), {name: Symbol('x')}),
};

export function failOdd(kind) {
    throw odd[kind]();
}

export async function rejectOdd(kind) {
    await null;
    throw odd[kind]();
}

export async function initLater() {}

export function never() {
    return new Promise(() => {});
}

export function pid() {
    return new Gio.Credentials().get_unix_pid();
}

function pause(milliseconds) {
    return new Promise(resolve => GLib.timeout_add(GLib.PRIORITY_DEFAULT, milliseconds, () => {
        resolve();
        return GLib.SOURCE_REMOVE;
    }));
}

export async function later(value) {
    await pause(5);
    System.gc();
    return {value, name: Lp.currentJob.name};
}

export async function rejectLater() {
    await pause(1);
    throw new TypeError('later');
}

/** After each step it waits for whoever sees it to remove the mark. */
export async function steps(n, mark) {
    for (let step = 1; step <= n; step++) {
        Lp.currentJob.set_progress(step / n, `step ${step}`);
        do
            await pause(1);
        while (GLib.file_test(mark, GLib.FileTest.EXISTS));
    }
    return n;
}

export function untilCancelled() {
    const cancellable = Lp.currentJob.get_cancellable();
    Lp.currentJob.set_progress(0.5, null);
    for (;;) {
        cancellable.set_error_if_cancelled();
        GLib.usleep(1000);
    }
}

export async function untilCancelledLater() {
    const cancellable = Lp.currentJob.get_cancellable();
    Lp.currentJob.set_progress(0.5, null);
    while (!cancellable.is_cancelled())
        await pause(2);
    cancellable.set_error_if_cancelled();
}

/** It removes the mark when it runs. */
export function spin(mark) {
    GLib.unlink(mark);
    for (;;)
        GLib.usleep(1000);
}

export function hasJob() {
    return Lp.currentJob !== null;
}

export function talk() {
    console.log('of console');
    print('of print');
    console.debug('of debug');
}

let prepared = null;

export function prepare(value) {
    prepared = value;
}

export function getPrepared() {
    return prepared;
}
