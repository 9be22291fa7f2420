#!/usr/bin/gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

// A worker program: give it to a manager of processes as its worker-argv.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';

const functions = Lp.Functions.new();
// Before anything is printed.
const worker = Lp.Worker.new(functions);

function add(name, parameters, result, func) {
    functions.add(name, new GLib.VariantType(parameters), new GLib.VariantType(result), func);
}

// Only a GLib.Error can be returned; without the catch below the job would never end.
function toGError(error) {
    return error instanceof GLib.Error ? error : new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.FAILED, `${error}`);
}

// A function may return its value at once, or defer its end: then the worker runs the main loop until it comes.
function addAsync(name, parameters, result, func) {
    add(name, parameters, result, job => {
        job.defer();
        func(job).then(value => job.return_value(value)).catch(error => job.return_error(toGError(error)));
        return null;
    });
}

function pause(milliseconds) {
    return new Promise(resolve => GLib.timeout_add(GLib.PRIORITY_DEFAULT, milliseconds, () => {
        resolve();
        return GLib.SOURCE_REMOVE;
    }));
}

function isPrime(number) {
    for (let divisor = 2; divisor * divisor <= number; divisor++) {
        if (number % divisor === 0)
            return false;
    }
    return number >= 2;
}

add('double', '(i)', '(i)', job => {
    const [number] = job.get_parameters().deepUnpack();
    return new GLib.Variant('(i)', [2 * number]);
});

addAsync('greet', '(s)', '(s)', async job => {
    const [name] = job.get_parameters().deepUnpack();
    if (name === '')
        throw new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.INVALID_ARGUMENT, 'Nobody has an empty name');
    await pause(1);
    GLib.log_structured('greet', GLib.LogLevelFlags.LEVEL_MESSAGE, {MESSAGE: `Greeting ${name}`});
    return new GLib.Variant('(s)', [`Hello ${name}`]);
});

add('count_primes', '(u)', '(u)', job => {
    const [limit] = job.get_parameters().deepUnpack();
    const cancellable = job.get_cancellable();
    let primes = 0;
    for (let number = 0; number <= limit; number++) {
        if (number % 100 === 0) {
            cancellable.set_error_if_cancelled();
            job.set_progress(number / Math.max(limit, 1), null);
        }
        primes += isPrime(number);
    }
    return new GLib.Variant('(u)', [primes]);
});

System.exit(worker.run());
