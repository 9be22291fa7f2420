// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Lp.Manager and Lp.Functions. */

/* exported extend */

const {Gio, GLib, GObject} = imports.gi;
const {describe, invalid, notSupported} = imports.overrides.leasepool.errors;
const {checkCancellable, checkMode, readCall, readRequest} = imports.overrides.leasepool.calls;
const {check} = imports.overrides.leasepool.settings;
const {fromResult, unpack} = imports.overrides.leasepool.values;

const DIRECTORY = GLib.path_get_dirname(imports.overrides.leasepool.values.__file__);

// Workers in JavaScript

function toPath(module) {
    if (module instanceof Gio.File)
        return module.get_path();
    if (typeof module !== 'string' || module === '')
        throw invalid(`worker_module must be the path or the URI of a module, not ${describe(module)}`);
    return module.startsWith('file://') ? GLib.filename_from_uri(module)[0] : GLib.canonicalize_filename(module, null);
}

/** The command line of a worker whose functions are those that a module exports. */
function workerArgv(module) {
    const search = GLib.path_get_dirname(GLib.path_get_dirname(DIRECTORY));
    return ['gjs', '-I', search, '-m', GLib.build_filenamev([DIRECTORY, 'worker.js']), toPath(module)];
}

/** The properties with worker_module, if it is among them, as worker_argv. */
function expandModule(given) {
    if (typeof given !== 'object' || given === null)
        return given;
    const {worker_module: one, workerModule: module = one, ...properties} = given;
    if (module === undefined || module === null)
        return properties;
    if (properties.worker_argv ?? properties.workerArgv)
        throw invalid('worker_module and worker_argv exclude each other: both say what the workers are');
    if (String(properties.backend ?? 'process').toLowerCase() !== 'process')
        throw invalid(`worker_module needs the backend “process”, not ${describe(properties.backend)}`);
    return {...properties, backend: 'process', worker_argv: workerArgv(module)};
}

// Functions in JavaScript on threads

function checkFunctions(Lp, {backend, functions, executor_type: executorType}) {
    const isOwn = GObject.type_name(executorType) !== 'void';
    if (functions && !isOwn && backend.toLowerCase() === Lp.BACKEND_THREAD && functions._hasClosures)
        throw notSupported(Lp._closureMessage);
}

function checkSeconds(name, seconds) {
    if (typeof seconds !== 'number')
        throw invalid(`${name} must be a number of seconds, not ${describe(seconds)}`);
    return seconds;
}

/** The list model of the leases, over which one can iterate. */
function iterable(model) {
    model[Symbol.iterator] = function* () {
        for (let i = 0; i < this.get_n_items(); i++)
            yield this.get_item(i);
    };
    return model;
}

function extend(Lp) {
    const {prototype} = Lp.Manager;
    const {_init: init, start, stop, acquire, try_acquire: tryAcquire} = prototype;
    const {add} = Lp.Functions.prototype;

    Lp.workerArgv = workerArgv;
    Lp._closureMessage = 'A function of JavaScript cannot run on a thread of an executor. There are two ways: named ' +
        'functions of a module in C on threads (function_module), or JavaScript in worker processes (worker_module); ' +
        'either is called by name, with call()';

    Lp.Functions.prototype.add = function (...args) {
        const added = add.apply(this, args);
        this._hasClosures = true;
        return added;
    };

    Object.assign(prototype, {
        _init(properties = {}) {
            const checked = check(Lp.Manager, 'Lp.Manager', expandModule(properties));
            init.call(this, checked);
            checkFunctions(Lp, this);
            // Without it more is to be set.
            if ('max_pools' in checked)
                this.validate();
        },

        start_sync(cancellable = null) {
            checkFunctions(Lp, this);
            return start.call(this, checkCancellable(cancellable));
        },

        stop_sync(mode = Lp.StopMode.CANCEL, timeout = -1, cancellable = null) {
            return stop.call(this, checkMode(mode), checkSeconds('timeout', timeout), checkCancellable(cancellable));
        },

        acquire_sync(options = null, cancellable = null) {
            const read = readRequest(options, cancellable);
            return acquire.call(this, read.request, read.cancellable);
        },

        try_acquire(options = null) {
            return tryAcquire.call(this, readRequest(options).request);
        },

        async start(cancellable = null) {
            checkFunctions(Lp, this);
            await this.start_async(checkCancellable(cancellable));
        },

        async stop(mode = Lp.StopMode.CANCEL, timeout = -1, cancellable = null) {
            await this.stop_async(checkMode(mode), checkSeconds('timeout', timeout), checkCancellable(cancellable));
        },

        async acquire(options = null, cancellable = null) {
            const read = readRequest(options, cancellable);
            return this.acquire_async(read.request, read.cancellable);
        },

        async withLease(...args) {
            const body = args.pop();
            if (typeof body !== 'function')
                throw invalid(`withLease() ends with a function that is called with the lease, not with ${describe(body)}`);
            const lease = await this.acquire(...args);
            try {
                return await body(lease);
            } finally {
                lease.release();
            }
        },

        async call(name, ...rest) {
            const {parameters, options} = readCall(this, name, rest);
            const {request, cancellable} = readRequest(options);
            return fromResult(await this.call_async(name, parameters, request, cancellable));
        },

        async run(job, options = null) {
            const {request, cancellable} = readRequest(options);
            return fromResult(await this.run_async(job, request, cancellable));
        },

        stats() {
            return unpack(this.dup_stats());
        },
    });

    Object.defineProperty(prototype, 'leases', {
        get() {
            return iterable(this.get_leases());
        },
    });
}
