// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* The grinder with promises and plain values: the same on threads and processes. */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';
import {assert, assertEqual, assertThrows, cleanUp, newManager, run, startManager, test, until} from '../lptest.js';

const {INVALID_ARGUMENT, NOT_STARTED, NOT_SUPPORTED, QUEUE_FULL, UNKNOWN_FUNCTION} = Lp.Error;
const {CANCELLED, TIMED_OUT} = Gio.IOErrorEnum;
const NEVER = 3600;

async function startGrinder(manager, properties = {}) {
    const grinder = new Lp.Grinder({manager, batch_size_threshold: 1, ...properties});
    cleanUp(() => grinder.stop(Lp.StopMode.KILL));
    assertEqual(await grinder.start(), undefined);
    System.gc();
    return grinder;
}

for (const backend of ['thread', 'process']) {
    const testEach = (name, func) => test(`${backend}: ${name}`, async () =>
        func(await startManager({backend, max_pools: 1, workers_per_pool: 1, cancel_grace_seconds: 0.05})));

    testEach('start, submit, stop', async manager => {
        const grinder = await startGrinder(manager);
        assert(grinder.running);
        assertEqual(await grinder.submit('add', [20, 22]), 42);
        System.gc();
        assertEqual(await Promise.all([1, 2, 3].map(n => grinder.submit('add', [n, n]))), [2, 4, 6]);
        assertEqual(await grinder.submit('echo', '(s)', ['x'], {timeout: 20}), 'x');
        assertEqual(await grinder.stop(Lp.StopMode.DRAIN), undefined);
        assert(!grinder.running);
        await assertThrows(Lp.Error, NOT_STARTED, () => grinder.submit('add', [1, 2]));
    });

    testEach('each item fails on its own', async manager => {
        const grinder = await startGrinder(manager, {batch_size_threshold: 3, max_wait_seconds: NEVER});
        const items = [['add', [1, 2]], ['fail', ['own']], ['echo', '(s)', ['x']]].map(call => grinder.submit(...call));
        System.gc();
        const ends = await Promise.allSettled(items);
        assertEqual(ends.map(end => end.status), ['fulfilled', 'rejected', 'fulfilled']);
        assertEqual([ends[0].value, ends[2].value, grinder.stats().batches], [3, 'x', 1]);
        await assertThrows(Lp.Error, INVALID_ARGUMENT, () => grinder.submit('add', [1]), 'add');
        await assertThrows(Lp.Error, INVALID_ARGUMENT, () => grinder.submit(5), 'name');
        await assertThrows(Lp.Error, NOT_SUPPORTED, () => grinder.submit(() => 5), 'function_module');
        await assertThrows(Lp.Error, NOT_SUPPORTED, async () => grinder.enqueue(() => 5), 'worker_module');
        await assertThrows(Lp.Error, INVALID_ARGUMENT, () => grinder.submit('add', [1, 2], {owner: 'x'}), 'owner');
    });

    testEach('an unknown function', async manager => {
        const grinder = await startGrinder(manager);
        await assertThrows(Lp.Error, UNKNOWN_FUNCTION, () => grinder.submit('no-such'));
    });

    testEach('enqueue gives the job', async manager => {
        const grinder = await startGrinder(manager);
        const job = grinder.enqueue('add', [1, 2]);
        System.gc();
        assertEqual(await job.wait(), 3);
        const own = Lp.Job.new_for_call('add', new GLib.Variant('(ii)', [3, 4]));
        assert(grinder.enqueue(own) === own);
        assertEqual([await own.wait(), own.owner.startsWith('work-grinder-batch-')], [7, true]);
        assertEqual(await grinder.submit(Lp.Job.new_for_call('add', new GLib.Variant('(ii)', [3, 4]))), 7);
        const cancellable = new Gio.Cancellable();
        await assertThrows(Lp.Error, INVALID_ARGUMENT, () => grinder.enqueue('add', [1, 2], {cancellable}), 'cancel()');
    });

    testEach('a cancellable and a time-out end the item', async manager => {
        const grinder = await startGrinder(manager);
        const cancellable = new Gio.Cancellable();
        const item = grinder.submit('until-cancelled', [], {cancellable});
        await until(() => grinder.stats().items_in_flight === 1);
        cancellable.cancel();
        await assertThrows(Gio.IOErrorEnum, CANCELLED, () => item);
        await assertThrows(Gio.IOErrorEnum, TIMED_OUT, () => grinder.submit('until-cancelled', [], {timeout: 0.01}));
    });

    testEach('a full grinder, and room', async manager => {
        const grinder = await startGrinder(manager,
            {batch_size_threshold: 1000, max_wait_seconds: NEVER, max_pending: 2});
        await grinder.waitDrained();
        const items = [1, 2].map(n => grinder.submit('add', [n, n]));
        await assertThrows(Lp.Error, QUEUE_FULL, () => grinder.submit('add', [1, 2]));
        await assertThrows(Lp.Error, QUEUE_FULL, () => grinder.enqueue('add', [1, 2]));
        let isDrained = false;
        const room = grinder.waitDrained().then(() => (isDrained = true));
        assert(!isDrained);
        const stopped = grinder.stop(Lp.StopMode.DRAIN);
        System.gc();
        await room;
        assertEqual([await Promise.all(items), grinder.stats().items_refused], [[2, 4], 2]);
        await stopped;
    });

    testEach('a stop cancels by default', async manager => {
        const grinder = await startGrinder(manager, {batch_size_threshold: 1000, max_wait_seconds: NEVER});
        const item = grinder.submit('add', [1, 2]);
        await Promise.resolve();
        const stopped = grinder.stop();
        await assertThrows(Gio.IOErrorEnum, CANCELLED, () => item, 'grinder stopped');
        await stopped;
        await assertThrows(Lp.Error, INVALID_ARGUMENT, () => grinder.stop('drain'), 'StopMode');
    });
}

test('settings are checked', async () => {
    const manager = newManager();
    const grinder = new Lp.Grinder({manager, max_wait_seconds: 0.5, batchSizeThreshold: 3, owner_prefix: 'x'});
    assertEqual([grinder.max_wait_seconds, grinder.batch_size_threshold, grinder.owner_prefix], [0.5, 3, 'x']);
    assert(grinder.manager === manager);
    for (const [name, value] of [['max_wait_seconds', 0], ['max_wait_seconds', 'x'], ['batch_size_threshold', 2.5],
        ['max_batch_size', -1], ['max_pending', '5'], ['lease_seconds', -1], ['owner_prefix', ''], ['batches', 5]]) {
        const error = await assertThrows(Lp.Error, INVALID_ARGUMENT, () => new Lp.Grinder({manager, [name]: value}));
        assert(error.message.replaceAll('-', '_').includes(name), error.message);
    }
    await assertThrows(Lp.Error, INVALID_ARGUMENT, () => new Lp.Grinder({}), 'manager');
    await assertThrows(Lp.Error, INVALID_ARGUMENT, () => new Lp.Grinder({manager: 5}), 'manager');
    await assertThrows(Lp.Error, INVALID_ARGUMENT, () => (grinder.max_pending = 2.5), 'max_pending');
});

test('stats are a plain object', async () => {
    const grinder = new Lp.Grinder({manager: newManager()});
    const {started, pending, owner_prefix: prefix, lease_seconds: seconds} = grinder.stats();
    assertEqual([started, pending, prefix, seconds], [false, 0, 'work-grinder', 60]);
});

await run();
