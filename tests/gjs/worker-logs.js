// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* A worker that logs and prints in each of the ways that GJS has. */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';

const functions = Lp.Functions.new();
const worker = Lp.Worker.new(functions);

function add(name, parameters, result, func) {
    functions.add(name, new GLib.VariantType(parameters), new GLib.VariantType(result), func);
}

const nothing = () => new GLib.Variant('()', []);

add('console', '()', '()', () => {
    console.debug('of debug');
    console.log('of %s', 'log');
    console.info('of info', 7);
    console.warn('of warn');
    console.error('of error');
    return nothing();
});

add('console-others', '()', '()', () => {
    console.trace('of trace');
    console.assert(1 > 2, 'of assert');
    console.group('of group');
    console.log('inside');
    console.groupEnd();
    console.log(new Error('of an error'));
    console.log({name: 'value', list: [1, 2]});
    return nothing();
});

add('log', '()', '()', () => {
    log('of log()');
    logError(new Error('an error'), 'of logError()');
    return nothing();
});

add('print', '()', '()', () => {
    print('of print()', 1);
    printerr('of printerr()');
    print('two\nlines');
    return nothing();
});

add('structured', '()', '()', () => {
    GLib.log_structured('own-domain', GLib.LogLevelFlags.LEVEL_MESSAGE, {MESSAGE: 'of GLib', OWN_FIELD: 'its value'});
    return nothing();
});

add('many', '(u)', '()', job => {
    const [number] = job.get_parameters().deepUnpack();
    for (let i = 0; i < number; i++)
        console.info(`record ${i}`);
    return nothing();
});

add('print-all', '(u)', '()', job => {
    const [number] = job.get_parameters().deepUnpack();
    for (let i = 0; i < number; i++) {
        print(`record ${2 * i}`);
        console.info(`record ${2 * i + 1}`);
    }
    return nothing();
});

add('print-deferred', '()', '()', job => {
    job.defer();
    GLib.idle_add(GLib.PRIORITY_DEFAULT, () => {
        print('before the deferred result');
        console.info('before it, too');
        job.return_value(nothing());
        return GLib.SOURCE_REMOVE;
    });
    return null;
});

add('throw', '()', '()', () => {
    throw new TypeError('thrown');
});

add('reject', '()', '()', job => {
    job.defer();
    Promise.reject(new TypeError('rejected'));
    GLib.idle_add(GLib.PRIORITY_LOW, () => {
        job.return_error(new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.FAILED, 'as it was rejected'));
        return GLib.SOURCE_REMOVE;
    });
    return null;
});

System.exit(worker.run());
