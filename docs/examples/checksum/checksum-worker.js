#!/usr/bin/gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

// checksum-worker.js: a worker program with "sha256", as in the function module, and something slow in JavaScript.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';

const BLOCK_SIZE = 128 * 1024;
const SMALL_BLOCK_SIZE = 4096;
const PROGRESS_STEP = 8000000;
const MB = 1000000;
const BLOCKS_PER_GC = 256;

const NOFOLLOW = Gio.FileQueryInfoFlags.NOFOLLOW_SYMLINKS;
const decoder = new TextDecoder();

// A JavaScript string cannot have every file name, an escaped URI can. The path may be relative.
function fileFor(bytes) {
    const escaped = GLib.Uri.escape_bytes(bytes, '/');
    const base = escaped.startsWith('/') ? 'file://' : `${Gio.File.new_for_path('.').get_uri()}/`;
    return Gio.File.new_for_uri(`${base}${escaped}`);
}

function fail(name, code, reason) {
    throw new GLib.Error(Gio.IOErrorEnum, code, `${name}: ${reason}`);
}

// Unlike C's O_NOFOLLOW, this looks first: a link that takes the place of the file in between is followed.
function openRegularFile(file, name) {
    const info = file.query_info('standard::type,standard::size', NOFOLLOW, null);
    if (info.get_file_type() !== Gio.FileType.REGULAR)
        fail(name, Gio.IOErrorEnum.NOT_REGULAR_FILE, 'Not a regular file');
    return [file.read(null), info.get_size()];
}

function hashStream(job, stream, size) {
    const checksum = new GLib.Checksum(GLib.ChecksumType.SHA256);
    const cancellable = job.get_cancellable();
    let done = 0;
    let reported = 0;
    for (let blocks = 1; ; blocks++) {
        cancellable.set_error_if_cancelled();
        const block = stream.read_bytes(Math.max(SMALL_BLOCK_SIZE, Math.min(BLOCK_SIZE, size - done)), null);
        if (block.get_size() === 0)
            return new GLib.Variant('(st)', [checksum.get_string(), done]);
        checksum.update(block.toArray());
        done += block.get_size();
        if (done - reported >= PROGRESS_STEP && done < size) {
            reported = done;
            job.set_progress(done / size, `${Math.floor(done / MB)} of ${Math.floor(size / MB)} MB`);
        }
        // The collector does not see how large the blocks are.
        if (blocks % BLOCKS_PER_GC === 0)
            System.gc();
    }
}

function sha256(job) {
    const [path] = job.get_parameters().deepUnpack();
    const bytes = path.at(-1) === 0 ? path.slice(0, -1) : path;
    const name = decoder.decode(bytes);
    let stream = null;
    try {
        const [opened, size] = openRegularFile(fileFor(bytes), name);
        stream = opened;
        return hashStream(job, stream, size);
    } catch (error) {
        if (error.message.startsWith(name) || error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED))
            throw error;
        // GIO says "Error when ... “/canonical/path”: No such file or directory".
        return fail(name, error.code, error.message.slice(error.message.lastIndexOf(': ') + 2));
    } finally {
        stream?.close(null);
    }
}

function countPrimes(job) {
    const [limit] = job.get_parameters().deepUnpack();
    const cancellable = job.get_cancellable();
    let primes = 0;
    for (let number = 2; number <= limit; number++) {
        if (number % 1000 === 0)
            cancellable.set_error_if_cancelled();
        let divisor = 2;
        while (divisor * divisor <= number && number % divisor !== 0)
            divisor++;
        primes += divisor * divisor > number ? 1 : 0;
    }
    return new GLib.Variant('(u)', [primes]);
}

const functions = new Lp.Functions();
const worker = Lp.Worker.new(functions);  // before anything is printed
for (const [name, parameters, result, func] of [['sha256', '(ay)', '(st)', sha256],
    ['count_primes', '(u)', '(u)', countPrimes]])
    functions.add(name, new GLib.VariantType(parameters), new GLib.VariantType(result), func);
System.exit(worker.run());
