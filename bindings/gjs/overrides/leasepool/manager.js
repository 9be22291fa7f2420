// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Lp.Manager and Lp.Functions. */

/* exported extend */

const {Gio, GLib, GObject} = imports.gi;
const {closureRefused, describe, invalid} = imports.overrides.leasepool.errors;
const {checkCancellable, checkJob, checkMode, readCall, readRequest} = imports.overrides.leasepool.calls;
const {check, toNick} = imports.overrides.leasepool.settings;
const {fromResult, isPlain, isText, unpack} = imports.overrides.leasepool.values;

const DIRECTORY = GLib.path_get_dirname(imports.overrides.leasepool.values.__file__);

// Workers in JavaScript

function toPath(module) {
    const isName = isText(module) && module !== '';
    if (!isName && !(module instanceof Gio.File))
        throw invalid(`worker_module must be the path or the URI of a module, not ${describe(module)}`);
    const make = isName && module.includes('://') ? Gio.File.new_for_uri : Gio.File.new_for_path;
    const file = isName ? make(module) : module;
    const path = file.get_path();
    if (path === null)
        throw invalid(`worker_module must be a file that has a path, not ${describe(file.get_uri())}`);
    return path;
}

/** The command line of a worker whose functions are those that a module exports. */
function workerArgv(module) {
    const search = GLib.path_get_dirname(GLib.path_get_dirname(DIRECTORY));
    return ['gjs', '-I', search, '-m', GLib.build_filenamev([DIRECTORY, 'worker.js']), toPath(module)];
}

/** The properties with worker_module, if it is among them, as worker_argv. */
function expandModule(given) {
    if (!isPlain(given))
        return given;
    const entries = Object.entries(given);
    const valueOf = nick => entries.find(([name]) => toNick(name) === nick)?.[1];
    const [module, argv, backend] = ['worker-module', 'worker-argv', 'backend'].map(valueOf);
    const properties = Object.fromEntries(entries.filter(([name]) => toNick(name) !== 'worker-module'));
    if (module === undefined || module === null)
        return properties;
    if (argv ?? null)
        throw invalid('worker_module and worker_argv exclude each other: both say what the workers are');
    if (String(backend ?? 'process').toLowerCase() !== 'process')
        throw invalid(`worker_module needs the backend “process”, not ${describe(backend)}`);
    // A function of a module takes an array, which may be empty.
    if (valueOf('worker-init-function') && valueOf('worker-init-parameters') === undefined)
        properties.worker_init_parameters = [];
    return {...properties, backend: 'process', worker_argv: workerArgv(module)};
}

// Functions in JavaScript on threads

function checkFunctions(Lp, {backend, functions, executor_type: executorType}) {
    const isOwn = GObject.type_name(executorType) !== 'void';
    if (functions && !isOwn && backend.toLowerCase() === Lp.BACKEND_THREAD && functions._hasClosures)
        throw closureRefused();
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
            return fromResult(await this.run_async(checkJob(job), request, cancellable));
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
