// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* A worker program whose functions are those that a module exports: gjs -m worker.js MODULE.js, started by a manager. */

import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';

const functions = Lp.Functions.new();
// Before anything is printed.
const worker = Lp.Worker.new(functions);

const {checkType, fromParameters, toResult} = imports.overrides.leasepool.values;

function nameAndText(error) {
    if (!(error instanceof Error))
        return String(error);
    return error.message ? `${error.name}: ${error.message}` : error.name;
}

/** A record with the stack, for those who ask. */
function logStack(name, text, error) {
    GLib.log_structured('leasepool', GLib.LogLevelFlags.LEVEL_DEBUG, {
        MESSAGE: `The function “${name}” threw ${text}\n${error?.stack ?? ''}`.trimEnd(),
        ...error instanceof Error ?
            {CODE_FILE: `${error.fileName}`, CODE_LINE: `${error.lineNumber}`, JS_STACK: `${error.stack}`} : {},
    });
}

/** What the caller gets: an error of GLib stays what it is. What is thrown may be anything, also what throws itself
 * when it is looked at; a job whose error cannot be made would never end. */
function toGError(name, error) {
    try {
        if (error instanceof GLib.Error)
            return new GLib.Error(error.domain, error.code, error.message);
        const text = nameAndText(error);
        logStack(name, text, error);
        return new GLib.Error(Lp.Error, Lp.Error.FAILED, text.replaceAll('\0', '\\0'));
    } catch {
        return new GLib.Error(Lp.Error, Lp.Error.FAILED, `The function “${name}” threw what has no text`);
    }
}

async function settle(job, name, resultType, promise) {
    try {
        job.return_value(toResult(name, resultType, await promise));
    } catch (error) {
        job.return_error(toGError(name, error));
    } finally {
        Lp.currentJob = null;
    }
}

/** One job at a time: until a promise is settled the worker runs the main loop, and no other job. */
function run(job, name, func, resultType) {
    Lp.currentJob = job;
    try {
        const value = func(...fromParameters(job.get_parameters()));
        if (typeof value?.then === 'function') {
            job.defer();
            settle(job, name, resultType, value);
            return null;
        }
        const result = toResult(name, resultType, value);
        Lp.currentJob = null;
        return result;
    } catch (error) {
        Lp.currentJob = null;
        throw toGError(name, error);
    }
}

function add(name, func) {
    const parameters = checkType(func.parameters ?? 'av', `parameters of “${name}”`);
    const result = checkType(func.result ?? 'v', `result of “${name}”`);
    functions.add(name, new GLib.VariantType(parameters), new GLib.VariantType(result), job => run(job, name, func, result));
}

const isClass = func => /^class\b/.test(Function.prototype.toString.call(func));

/** Where in a module it happened, if GJS says so: not in its loader, and not here. */
function placeOf({fileName, lineNumber, stack}) {
    const own = [import.meta.url, imports.overrides.leasepool.values.__file__].map(file => GLib.path_get_dirname(file));
    const frames = `${stack ?? ''}`.split('\n').map(frame => frame.replace(/^[^@]*@/, ''));
    return [`${fileName}:${lineNumber}`, ...frames].find(place =>
        /^(file:\/\/)?\//.test(place) && !own.some(directory => place.startsWith(`${directory}/`)));
}

/** What is wrong is the last line of standard error, which the start of the manager fails with. */
function fail(path, error) {
    let text = 'threw what has no text';
    try {
        const place = placeOf(error ?? {});
        text = nameAndText(error) + (place ? ` (${place})` : '');
        printerr(error?.stack ?? '');
    } catch {
        // As in toGError().
    }
    printerr(`${path}: ${text.replace(/\s*\n\s*/g, ' ')}`);
    System.exit(1);
}

function serve() {
    try {
        System.exit(worker.run());
    } catch (error) {
        printerr(error.message);
        System.exit(1);
    }
}

const [path] = System.programArgs;
try {
    const module = await import(GLib.filename_to_uri(path, null));
    for (const [name, value] of Object.entries(module)) {
        if (name !== 'default' && typeof value === 'function' && !isClass(value))
            add(name, value);
    }
} catch (error) {
    fail(path, error);
}
// Not from here: after an await no other promise would be settled while it runs.
GLib.idle_add(GLib.PRIORITY_DEFAULT, serve);
await new Promise(() => {});
