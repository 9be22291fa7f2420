#!/usr/bin/gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

// checksum.js: the SHA-256 of every regular file below some paths, computed by leased executors of threads, or of
// worker processes.
//
// Several owners share one walker. An owner leases an executor, keeps a few jobs in flight on it, gives the executor
// back after FILES_PER_LEASE files so that the next owner in line gets its turn, and asks for another one. A lease that
// reaches its soft expiry is renewed while its jobs run. Files are found when an owner has room for them.
//
// The work is the function "sha256" of a function module in C, on threads or in worker processes, or that of a worker
// program in JavaScript (checksum-worker.js): no JavaScript runs on a thread. GJS itself cannot take an argument that is
// not UTF-8; what is found below the arguments may have any name.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';

import {speedUp} from './checksum-speed-up.js';

/** A namespace that newer versions of GLib have, or null. */
async function newer(name) {
    try {
        return (await import(`gi://${name}`)).default;
    } catch {
        return null;
    }
}

// What is for Unix only has moved to namespaces of its own; GJS warns of the old names where there are new ones.
const [GioUnix, GLibUnix] = [await newer('GioUnix'), await newer('GLibUnix')];
const UnixOutputStream = GioUnix?.OutputStream ?? Gio.UnixOutputStream;

Gio._promisify(Lp.Manager.prototype, 'start_async', 'start_finish');
Gio._promisify(Lp.Manager.prototype, 'stop_async', 'stop_finish');
Gio._promisify(Lp.Manager.prototype, 'acquire_async', 'acquire_finish');
Gio._promisify(Lp.Lease.prototype, 'submit_async', 'submit_finish');

const WORKER = ['gjs', '-m', GLib.filename_from_uri(GLib.Uri.resolve_relative(import.meta.url, 'checksum-worker.js',
    GLib.UriFlags.ENCODED))[0]];
const FILES_PER_LEASE = 128;
const JOBS_PER_WORKER = 2;
const BIG_FILE = 16000000;
const MB = 1e6;
const SIGINT = 2;
const SIGTERM = 15;

const ATTRIBUTES = 'standard::name,standard::type,standard::size';
const NOFOLLOW = Gio.FileQueryInfoFlags.NOFOLLOW_SYMLINKS;

const HELP = `Usage:
  checksum.js [OPTION…] [PATH…]

The SHA-256 of every regular file below PATH (/usr/lib and /usr/share),
computed by leased executors. Links are not followed.

  --backend=NAME            What the workers are: thread or process (thread)
  --worker=NAME             What worker processes run: module, the function module in leasepool-worker,
                            or own, checksum-worker.js, which implies --backend=process (module)
  --speed-up                Compute no sums, but show how much faster two GJS processes are than one
  --pools=N                 Executors at most (2)
  --workers=N               Workers of an executor (0: processors / pools)
  --owners=N                Owners that share the executors (4)
  --lease-seconds=SECONDS   Length of a lease (0.2)
  --timeout=SECONDS         Longest wait for a lease, and for a file (60)
  --limit-mb=N              Stop at the file that passes N MB (300 without PATH, else 0: no limit)
  --sums                    Print the sums for sha256sum -c
`;

const encoder = new TextEncoder();
const ESCAPES = new Map([['\\', '\\\\'], ['\n', '\\n'], ['\r', '\\r']]
    .map(([char, escape]) => [char.charCodeAt(0), encoder.encode(escape)]));
const decoder = new TextDecoder();

class Output {
    constructor(fd) {
        this.isTerminal = GLib.log_writer_supports_color(fd);
        this._stream = new UnixOutputStream({fd, close_fd: false});
    }

    write(data) {
        this._stream.write_all(typeof data === 'string' ? encoder.encode(data) : data, null);
    }
}

const out = new Output(1);
const err = new Output(2);

function concat(...parts) {
    const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
    let offset = 0;
    for (const part of parts) {
        bytes.set(part, offset);
        offset += part.length;
    }
    return bytes;
}

// A JavaScript string cannot have every file name, an escaped URI can: the path as bytes, written as the user wrote it.
function pathBytes(root, top, file) {
    const suffix = file.get_uri().slice(top.get_uri().replace(/\/$/, '').length);
    if (file === top)
        return encoder.encode(root);
    return concat(encoder.encode(root.replace(/\/+$/, '')), GLib.Uri.unescape_bytes(suffix, -1, null).toArray());
}

// GIO says "Error when ... “/canonical/path”: No such file or directory"; the path is told as the user wrote it.
function cause(error) {
    return error.message.slice(error.message.lastIndexOf(': ') + 2);
}

// Returns the next file of the deepest directory that has one: [file, info], or null at the end.
function nextEntry(levels, problem) {
    while (levels.length > 0) {
        const {path, entries} = levels[levels.length - 1];
        try {
            const info = entries.next_file(null);
            if (info)
                return [entries.get_child(info), info];
        } catch (error) {
            problem(path, cause(error));
        }
        levels.pop().entries.close(null);
    }
    return null;
}

// Yields {path, size} of the regular files below one path; keeps one open directory per level, follows no link.
function* walkFrom(root, problem) {
    const top = Gio.File.new_for_path(root);
    const levels = [];
    for (let entry = [top, null]; entry; entry = nextEntry(levels, problem)) {
        const file = entry[0];
        const path = pathBytes(root, top, file);
        try {
            const info = entry[1] ?? file.query_info(ATTRIBUTES, NOFOLLOW, null);
            const type = info.get_file_type();
            if (type === Gio.FileType.DIRECTORY)
                levels.push({path, entries: file.enumerate_children(ATTRIBUTES, NOFOLLOW, null)});
            else if (type === Gio.FileType.REGULAR)
                yield {path, size: info.get_size()};
            else if (file === top)
                problem(path, 'Neither a file nor a directory; links are not followed');
        } catch (error) {
            problem(path, cause(error));
        }
    }
}

function* walk(roots, problem) {
    for (const root of roots)
        yield* walkFrom(root, problem);
}

// As sha256sum does: a name with a backslash or a line break is escaped, and a backslash before the digest says so.
function sumLine(path, digest) {
    const isOdd = path.some(byte => ESCAPES.has(byte));
    const name = isOdd ? concat(...Array.from(path, byte => ESCAPES.get(byte) ?? [byte])) : path;
    return concat(encoder.encode(`${isOdd ? '\\' : ''}${digest}  `), name, [0x0a]);
}

function printStats(stats) {
    const rows = Object.entries(stats).sort();
    const isTimes = value => typeof value === 'object' && !Array.isArray(value);
    const columns = ['mean', 'p50', 'p95', 'p99', 'max'];
    const cells = texts => texts.map(text => ` ${String(text).padStart(10)}`).join('');
    for (const [key, value] of rows.filter(row => !isTimes(row[1])))
        err.write(`  ${key.padEnd(24)}${cells([Array.isArray(value) ? value.length : value])}\n`);
    err.write(`\n  ${'milliseconds'.padEnd(24)}${cells(['count', ...columns])}\n`);
    for (const [key, value] of rows.filter(row => isTimes(row[1]))) {
        const numbers = columns.map(name => ((value[name] ?? 0) * 1000).toFixed(3));
        err.write(`  ${key.padEnd(24)}${cells([value.count ?? 0, ...numbers])}\n`);
    }
}

// The lease was over before the job ran: another lease may run it.
function isWorthAnotherLease(job, error) {
    return job.started_at === 0 && (error.matches(Lp.Error, Lp.Error.EXPIRED) ||
        error.matches(Lp.Error, Lp.Error.BROKEN_EXECUTOR) ||
        error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED));
}

class Demo {
    constructor(options) {
        this.options = options;
        this.walker = walk(options.paths, this.reportFile.bind(this));
        this.walked = false;  // no file is left
        this.isFull = false;  // the next file would pass the limit
        this.again = [];  // accepted, but the lease ended before they ran
        this.leases = new Map();
        this.stopping = null;  // the promise of the stop
        this.signalNumber = 0;
        this.foundBytes = this.files = this.bytes = this.errors = this.renewals = 0;
        this.startedAt = this.shownAt = GLib.get_monotonic_time();
        this.shownBytes = 0;
        this.bigFile = '';  // how far the big file is that last said so
        this.live = err.isTerminal && !(options.sums && out.isTerminal);
        this.manager = Lp.Manager.new(options.backend, options.pools);
        this.manager.workers_per_pool = options.workers;
        if (options.worker === 'own')
            this.manager.worker_argv = WORKER;
        else
            this.manager.function_module = 'checksum';
    }

    async run() {
        const progress = GLib.timeout_add(GLib.PRIORITY_DEFAULT, this.live ? 100 : 1000, () => this.showProgress());
        const addSignal = GLibUnix?.signal_add_full ?? GLib.unix_signal_add;
        for (const number of [SIGINT, SIGTERM])
            addSignal(GLib.PRIORITY_DEFAULT, number, () => this.onSignal(number));
        this.manager.connect('lease-expiring', (_manager, info) => this.renew(info.id));
        try {
            await this.manager.start_async(null);
            const names = Array.from({length: this.options.owners}, (_, i) => `reader-${i + 1}`);
            await Promise.all(names.map(name => this.runOwner(name)));
        } catch (error) {
            this.reportUnlessStopping(error.message);
        }
        await this.stop();
        GLib.source_remove(progress);
        this.showSummary();
        if (this.signalNumber !== 0)
            return 128 + this.signalNumber;
        return this.errors === 0 ? 0 : 1;
    }

    async runOwner(owner) {
        const {lease_seconds, timeout} = this.options;
        const request = new Lp.Request({owner, lease_seconds, timeout});
        while (this.hasMore()) {
            let lease;
            try {
                lease = await this.manager.acquire_async(request, null);
            } catch (error) {
                this.reportUnlessStopping(error.message);
                return;
            }
            this.leases.set(lease.id, lease);
            // A lease counts from the grant: the signal may have come before the lease did.
            if (lease.soft_expires_at <= GLib.get_monotonic_time())
                this.renew(lease.id);
            try {
                await this.useLease(lease);
            } finally {
                this.leases.delete(lease.id);
                lease.release();
            }
        }
    }

    async useLease(lease) {
        let taken = 0;
        const lane = async () => {
            while (lease.state === Lp.LeaseState.ACTIVE && taken < FILES_PER_LEASE) {
                const file = this.nextFile();
                if (!file)
                    return;
                taken++;
                await this.hash(lease, file);
            }
        };
        await Promise.all(Array.from({length: this.options.workers * JOBS_PER_WORKER}, lane));
    }

    async hash(lease, file) {
        const job = Lp.Job.new_for_call('sha256', new GLib.Variant('(ay)', [concat(file.path, [0])]));
        job.timeout_seconds = this.options.timeout;
        if (file.size >= BIG_FILE)
            job.connect('notify::progress', () => (this.bigFile = `  (${job.status})`));
        try {
            this.count(file.path, ...(await lease.submit_async(job, null)).deepUnpack());
        } catch (error) {
            if (!this.stopping && isWorthAnotherLease(job, error))
                this.again.push(file);
            else if (!this.stopping)
                this.reportFile(file.path, error.message);
        }
    }

    renew(id) {
        try {
            this.renewals += this.leases.get(id)?.renew(-1) ? 1 : 0;
        } catch {
            // What a refusal means is told by the jobs, which are then cancelled.
        }
    }

    count(path, digest, bytes) {
        this.files++;
        this.bytes += bytes;
        try {
            if (this.options.sums && !this.stopping)
                out.write(sumLine(path, digest));
        } catch {
            this.report('Cannot write the sums');
            this.stop();
        }
    }

    nextFile() {
        if (this.stopping)
            return null;
        if (this.again.length > 0)
            return this.again.pop();
        if (this.walked || this.isFull)
            return null;
        const {value, done} = this.walker.next();
        this.walked = done;
        this.foundBytes += value?.size ?? 0;
        this.isFull = this.options.limit_mb > 0 && this.foundBytes > this.options.limit_mb * MB;
        return this.isFull ? null : value;
    }

    hasMore() {
        return !this.stopping && (this.again.length > 0 || !(this.walked || this.isFull));
    }

    report(message) {
        this.errors++;
        // eslint-disable-next-line no-control-regex
        err.write(`${this.clearLine()}checksum.js: ${message.replace(/[\x00-\x1f\x7f]/g, '?')}\n`);
    }

    reportUnlessStopping(message) {
        if (!this.stopping)
            this.report(message);
    }

    reportFile(path, reason) {
        const name = decoder.decode(path);
        this.report(reason.startsWith(name) ? reason : `${name}: ${reason}`);
    }

    clearLine() {
        return this.live ? '\r\x1b[K' : '';
    }

    showProgress() {
        const now = GLib.get_monotonic_time();
        const rate = (this.bytes - this.shownBytes) / Math.max(now - this.shownAt, 1);
        err.write(`${this.clearLine()}${this.files} files  ${(this.bytes / MB).toFixed(1)} MB  ${rate.toFixed(1)} MB/s  ` +
            `${this.manager.leased_count} leases  ${this.manager.waiting_count} waiters  ` +
            `${this.errors} errors${this.bigFile}${this.live ? '' : '\n'}`);
        this.shownAt = now;
        this.shownBytes = this.bytes;
        this.bigFile = '';
        return GLib.SOURCE_CONTINUE;
    }

    showSummary() {
        const seconds = (GLib.get_monotonic_time() - this.startedAt) / 1e6;
        const megabytes = this.bytes / MB;
        this.showProgress();
        if (this.live)
            err.write('\n');
        if (this.isFull)
            err.write(`stopped collecting at ${this.options.limit_mb} MB (--limit-mb)\n`);
        err.write(`${this.files} files, ${megabytes.toFixed(1)} MB in ${seconds.toFixed(2)} s: ` +
            `${(megabytes / seconds).toFixed(1)} MB/s, ${this.renewals} renewals, ${this.errors} errors\n\n`);
        printStats(this.manager.dup_stats().recursiveUnpack());
    }

    onSignal(number) {
        this.signalNumber = number;
        this.stop();
        return GLib.SOURCE_REMOVE;  // a second one ends the program at once
    }

    stop() {
        this.stopping ??= this.manager.stop_async(Lp.StopMode.CANCEL, -1, null)
            .catch(error => this.report(error.message));
        return this.stopping;
    }
}

const WORDS = {backend: [Lp.BACKEND_THREAD, Lp.BACKEND_PROCESS], worker: ['module', 'own']};

function setWord(options, name, text) {
    if (!WORDS[name].includes(text))
        throw new Error(`--${name} must be ${WORDS[name].join(' or ')}`);
    options[name] = text;
}

function setOption(options, name, text) {
    if (name in WORDS) {
        setWord(options, name, text);
        return;
    }
    const value = Number(text);
    const isCount = !['lease_seconds', 'timeout'].includes(name);
    if (!(name in options))
        throw new Error(`Unknown option --${name.replaceAll('_', '-')}`);
    if (text === undefined || text === '' || !Number.isFinite(value) || (isCount && !Number.isInteger(value)))
        throw new Error(`--${name.replaceAll('_', '-')} needs a number`);
    options[name] = value;
}

function checkOptions(options, paths) {
    if (options.pools < 1 || options.workers < 0 || options.owners < 1)
        throw new Error('--pools and --owners must be at least 1, --workers 0 or more');
    if (options.lease_seconds <= 0 || options.timeout <= 0)
        throw new Error('--lease-seconds and --timeout must be greater than 0');
    if (options.limit_mb < -1)
        throw new Error('--limit-mb must be 0 or more');
    if (options.worker === 'own' && options.backend === Lp.BACKEND_THREAD)
        throw new Error('--worker=own needs --backend=process');
    options.backend ??= options.worker === 'own' ? Lp.BACKEND_PROCESS : Lp.BACKEND_THREAD;
    options.workers ||= Math.max(1, Math.floor(GLib.get_num_processors() / options.pools));
    if (options.limit_mb === -1)
        options.limit_mb = paths.length > 0 ? 0 : 300;
    options.paths = paths.length > 0 ? paths : ['/usr/lib', '/usr/share'];
    return options;
}

function parseOptions(args) {
    const options = {pools: 2, workers: 0, owners: 4, lease_seconds: 0.2, timeout: 60, limit_mb: -1};
    const paths = [];
    const flags = {sums: false, speed_up: false};
    while (args.length > 0) {
        const arg = args.shift();
        const match = /^--([a-z-]+)(?:=(.*))?$/s.exec(arg);
        if (arg === '--help' || arg === '-h') {
            out.write(HELP);
            System.exit(0);
        } else if (arg === '--') {
            paths.push(...args.splice(0));
        } else if (arg === '--sums' || arg === '--speed-up') {
            flags[arg.slice(2).replace('-', '_')] = true;
        } else if (match) {
            setOption(options, match[1].replaceAll('-', '_'), match[2] ?? args.shift());
        } else if (arg.startsWith('-') && arg !== '-') {
            throw new Error(`Unknown option ${arg}`);
        } else {
            paths.push(arg);
        }
    }
    return {...checkOptions(options, paths), ...flags};
}

let status = 2;
try {
    const options = parseOptions([...System.programArgs]);
    if (options.speed_up)
        out.write(await speedUp(WORKER));
    status = options.speed_up ? 0 : await new Demo(options).run();
} catch (error) {
    err.write(`checksum.js: ${error.message}\n`);
}
System.exit(status);
