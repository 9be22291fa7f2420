#!/usr/bin/gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

// The tour in JavaScript: tour.js runs all steps, tour.js 3 the third one.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';

// 1. Quick start
// JavaScript runs in worker processes: the functions are those of a module, on one worker for each executor here.
const settings = {
    worker_module: GLib.Uri.resolve_relative(import.meta.url, 'tour-functions.js', GLib.UriFlags.NONE),
    workers_per_pool: 1,
    start_timeout_seconds: 60,
};

async function quickStart() {
    const manager = new Lp.Manager({...settings, max_pools: 2});
    await manager.start();
    print('2 to the power of 10:', await manager.call('power', [2, 10]));
    await manager.stop();
}

// 2. A lease in a scope
async function leaseInScope() {
    const manager = new Lp.Manager({...settings, max_pools: 1});
    await manager.start();
    await manager.withLease({owner: 'squares', lease_seconds: 30}, async lease => {
        // All of them are accepted at once.
        const squares = await Promise.all([1, 2, 3].map(number => lease.call('power', [number, 2])));
        print('squares:', ...squares);
    });
    print('idle executors after the scope:', manager.available_count);
    await manager.stop();
}

// 3. Acquire and release
async function acquireAndRelease() {
    const manager = new Lp.Manager({...settings, max_pools: 1});
    await manager.start();
    const lease = await manager.acquire({owner: 'by hand'});
    let job;
    try {
        print('leased executors:', manager.leased_count);
        job = lease.begin('power', [2, 10]);
    } finally {
        // Returns at once. What was accepted still runs; nothing more is accepted.
        lease.release();
    }
    print('accepted before the release:', await job.wait());
    try {
        lease.begin('power', [2, 10]);
    } catch (error) {
        if (!error.matches(Lp.Error, Lp.Error.EXPIRED))
            throw error;
        print('submitted after the release: expired');
    }
    await manager.stop();
}

// 4. Wait, time out, do not wait
async function waitForLease() {
    const manager = new Lp.Manager({max_pools: 1});
    await manager.start();
    const first = await manager.acquire({owner: 'first'});
    try {
        await manager.acquire({owner: 'second', wait: false});
    } catch (error) {
        if (!error.matches(Lp.Error, Lp.Error.UNAVAILABLE))
            throw error;
        print('without waiting: unavailable');
    }
    try {
        await manager.acquire({owner: 'second', timeout: 0.1});
    } catch (error) {
        if (!error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.TIMED_OUT))
            throw error;
        print('for 0.1 seconds: timed out');
    }
    const waiter = manager.acquire({owner: 'second'});
    first.release();
    const second = await waiter;
    print('as long as it takes: leased to', second.owner);
    second.release();
    await manager.stop();
}

// 5. Adaptive sizing
async function adaptiveSizing() {
    const devices = Array.from({length: 25}, (_, number) => `device ${number}`);
    const manager = new Lp.Manager({max_pools: 4, units_per_pool: 10});
    manager.set_size_provider(() => devices.length);
    await manager.start();
    print(`${devices.length} devices: ${manager.total_count} executors`);

    const isOneLeft = new Promise(resolve => manager.connect('notify::total-count', () => {
        if (manager.total_count === 1)
            resolve();
    }));
    devices.length = 5;
    manager.notify_scale_changed();
    await isOneLeft;
    print(`${devices.length} devices: ${manager.total_count} executor`);
    await manager.stop();
}

// 6. Statistics
async function statistics() {
    const manager = new Lp.Manager({...settings, max_pools: 1});
    await manager.start();
    await manager.withLease({owner: 'counted'}, async lease => {
        await lease.call('power', [2, 10]);
        await lease.call('half', [1]).catch(() => {});
        const {leases, jobs_succeeded: succeeded, jobs_failed: failed} = manager.stats();
        print('held by:', ...leases.map(entry => entry.owner));
        print(`jobs: ${succeeded} succeeded, ${failed} failed`);
    });
    const {acquired, released, revoked} = manager.stats();
    print(`leases: ${acquired} acquired, ${released} released, ${revoked} revoked`);
    await manager.stop();
}

// 7. Expiry
async function expiry() {
    const manager = new Lp.Manager({max_pools: 1, lease_grace_seconds: 0});
    await manager.start();
    const lease = await manager.acquire({owner: 'forgetful', lease_seconds: 60});
    const job = lease.run(Lp.Job.new_for_command(['sleep', '1000'], null));
    // From now on; nobody releases it.
    lease.renew(0.1);
    try {
        await job;
    } catch (error) {
        if (!error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED))
            throw error;
        print('its job: cancelled');
    }
    try {
        await lease.run(Lp.Job.new_for_command(['true'], null));
    } catch (error) {
        if (!error.matches(Lp.Error, Lp.Error.EXPIRED))
            throw error;
        print('a submit: expired');
    }
    await manager.withLease({owner: 'next'}, next => print('leased to', next.owner));
    await manager.stop();
}

// 8. Processes
async function processes() {
    const manager = new Lp.Manager({...settings, max_pools: 2, workers_per_pool: 2});
    await manager.start();
    await manager.withLease({owner: 'primes'}, async lease => {
        const counts = await Promise.all([10, 100, 1000].map(limit => lease.call('countPrimes', [limit])));
        print('primes up to 10, 100 and 1000:', ...counts);
    });
    try {
        await manager.call('crash');
    } catch (error) {
        if (!error.matches(Lp.Error, Lp.Error.BROKEN_EXECUTOR))
            throw error;
        print('a worker that dies: broken executor');
    }
    print('primes up to 20, in another worker:', await manager.call('countPrimes', [20]));
    await manager.stop();
}

// 9. Commands
async function commands() {
    const manager = new Lp.Manager({max_pools: 1});
    await manager.start();
    const job = Lp.Job.new_for_command(['sh', '-c', 'tr a-z A-Z; exit 3'], new TextEncoder().encode('hello'));
    const [status, output] = await manager.run(job);
    print(`${new TextDecoder().decode(output)}, exit status ${status}`);
    const slow = Lp.Job.new_for_command(['sleep', '1000'], null);
    slow.timeout_seconds = 0.1;
    try {
        await manager.run(slow);
    } catch (error) {
        if (!error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.TIMED_OUT))
            throw error;
        print('sleep: timed out');
    }
    await manager.stop();
}

// 10. Errors
async function errors() {
    try {
        new Lp.Manager({max_pools: 1, min_pools: 2});
    } catch (error) {
        if (!error.matches(Lp.Error, Lp.Error.INVALID_ARGUMENT))
            throw error;
        print('a setting: invalid argument');
    }
    const manager = new Lp.Manager({...settings, max_pools: 1});
    await manager.start();
    try {
        await manager.call('half', [5]);
    } catch (error) {
        if (!error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.INVALID_ARGUMENT))
            throw error;
        print('a function:', error.message);
    }
    try {
        await manager.call('third');
    } catch (error) {
        if (!error.matches(Lp.Error, Lp.Error.UNKNOWN_FUNCTION))
            throw error;
        print('a name: unknown function');
    }
    await manager.stop();
    try {
        await manager.acquire();
    } catch (error) {
        if (!error.matches(Lp.Error, Lp.Error.NOT_STARTED))
            throw error;
        print('after the stop: not started');
    }
}

// The steps
const steps = [quickStart, leaseInScope, acquireAndRelease, waitForLease, adaptiveSizing, statistics, expiry, processes,
    commands, errors];

const chosen = System.programArgs.length ? System.programArgs.map(Number) : steps.map((_, index) => index + 1);
for (const number of chosen) {
    print(`${number}. ${steps[number - 1].name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}`);
    await steps[number - 1]();
}
