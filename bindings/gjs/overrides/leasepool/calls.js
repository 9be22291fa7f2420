// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* What managers, leases, jobs and grinders share: promises, options, and the parameters of named functions. */

/* exported checkCancellable, checkJob, checkMode, extend, newCall, readCall, readRequest */

const {Gio} = imports.gi;
const {checkNoFunction, describe, invalid} = imports.overrides.leasepool.errors;
const {checkType, isPlain, isText, toParameters} = imports.overrides.leasepool.values;

function extend(Lp) {
    for (const [cls, ...names] of [
        [Lp.Manager, 'start', 'stop', 'acquire', 'run', 'call'],
        [Lp.Lease, 'submit', 'call', 'drain'],
        [Lp.Job, 'wait'],
        [Lp.Grinder, 'start', 'stop', 'submit'],
    ]) {
        for (const name of names)
            Gio._promisify(cls.prototype, `${name}_async`, `${name}_finish`);
    }
    // The job that runs, in a worker program of worker.js.
    Lp.currentJob = null;
}

function checkCancellable(cancellable) {
    if (cancellable !== null && !(cancellable instanceof Gio.Cancellable))
        throw invalid(`The cancellable must be a Gio.Cancellable, not ${describe(cancellable)}`);
    return cancellable;
}

function checkJob(job) {
    const {Lp} = imports.gi;
    checkNoFunction(job);
    if (!(job instanceof Lp.Job))
        throw invalid(`What is run must be an Lp.Job, not ${describe(job)}`);
    return job;
}

function checkMode(mode) {
    const {Lp} = imports.gi;
    if (![Lp.StopMode.CANCEL, Lp.StopMode.DRAIN, Lp.StopMode.KILL].includes(mode))
        throw invalid(`The mode of a stop must be one of Lp.StopMode, not ${describe(mode)}`);
    return mode;
}

/** The request and the cancellable of {owner: 'me', timeout: 2, cancellable}, of an Lp.Request, or of nothing. */
function readRequest(options, cancellable = null) {
    const {Lp} = imports.gi;
    if (options instanceof Lp.Request || options === null || options === undefined)
        return {request: options ?? null, cancellable: checkCancellable(cancellable)};
    if (!isPlain(options))
        throw invalid(`What is asked for must be a plain object or an Lp.Request, not ${describe(options)}`);
    const {cancellable: own = null, ...properties} = options;
    return {request: new Lp.Request(properties), cancellable: checkCancellable(own ?? cancellable)};
}

/** The parameters and the options of call(name, values, options) or call(name, type, values, options). */
function readCall(manager, name, rest) {
    checkNoFunction(name);
    if (!isText(name) || name === '')
        throw invalid(`The name of a function must be a string, not ${describe(name)}`);
    const isTyped = typeof rest[0] === 'string';
    const [type, values, options] = isTyped ? rest : [undefined, ...rest];
    const declared = isTyped ? checkType(type, `The type of the arguments of “${name}”`) : lookUp(manager, name);
    return {parameters: toParameters(name, declared, values ?? []), options};
}

/** The job of a call, with the option timeout, and the cancellable among its options. */
function newCall(manager, name, rest) {
    const {Lp} = imports.gi;
    const {parameters, options} = readCall(manager, name, rest);
    if (!isPlain(options ?? {}))
        throw invalid(`The options of a call must be a plain object, not ${describe(options)}`);
    const {cancellable = null, timeout = 0, ...others} = options ?? {};
    for (const other of Object.keys(others))
        throw invalid(`A call has no option “${other}”`);
    if (!Number.isFinite(timeout) || timeout < 0)
        throw invalid(`timeout must be a number of seconds, not ${describe(timeout)}`);
    const job = Lp.Job.new_for_call(name, parameters);
    job.timeout_seconds = timeout;
    return {job, cancellable: checkCancellable(cancellable)};
}

/** The declared type of the parameters; null if it is not known, or any. */
function lookUp(manager, name) {
    const [, parameters] = manager?.lookup_function(name) ?? [false, null];
    return parameters?.dup_string() ?? null;
}
