// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* LpGrinder: promises of submit_async(), and the signal drained. */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';
import {assertEqual, assertThrows, cleanUp, run, startManager, test, until} from './lptest.js';

for (const name of ['start', 'stop', 'submit'])
    Gio._promisify(Lp.Grinder.prototype, `${name}_async`, `${name}_finish`);

const addJob = (a, b) => Lp.Job.new_for_call('add', new GLib.Variant('(ii)', [a, b]));

async function start(properties) {
    const manager = await startManager({workers_per_pool: 2});
    const grinder = new Lp.Grinder({manager, max_wait_seconds: 3600, batch_size_threshold: 3, ...properties});
    await grinder.start_async(null);
    cleanUp(() => grinder.stop_async(Lp.StopMode.KILL, null));
    System.gc();
    return grinder;
}

test('a batch is run', async () => {
    const grinder = await start();
    const jobs = [1, 2, 3].map(n => addJob(n, n));
    const results = jobs.map(job => grinder.submit_async(job, null));
    System.gc();
    assertEqual((await Promise.all(results)).map(value => value.deepUnpack()), [[2], [4], [6]]);
    assertEqual(jobs.map(job => job.owner), Array(3).fill('work-grinder-batch-1'));
    assertEqual(grinder.dup_stats().recursiveUnpack().items_succeeded, 3);
});

test('items end on their own', async () => {
    const grinder = await start({max_wait_seconds: 0.01});
    const good = grinder.submit_async(addJob(1, 2), null);
    await assertThrows(Lp.Error, Lp.Error.UNKNOWN_FUNCTION,
        () => grinder.submit_async(Lp.Job.new_for_call('no-such', null), null), 'no-such');
    assertEqual((await good).deepUnpack(), [3]);
});

test('a waiting item is cancelled', async () => {
    const grinder = await start();
    const cancellable = new Gio.Cancellable();
    const result = grinder.submit_async(addJob(1, 2), cancellable);
    assertEqual(grinder.pending_count, 1);
    cancellable.cancel();
    await assertThrows(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED, () => result);
    assertEqual(grinder.pending_count, 0);
});

test('drained is emitted', async () => {
    const grinder = await start({max_pending: 1});
    let drained = 0;
    grinder.connect('drained', () => drained++);
    const job = addJob(1, 2);
    grinder.enqueue(job);
    await assertThrows(Lp.Error, Lp.Error.QUEUE_FULL, () => grinder.enqueue(addJob(3, 4)));
    job.cancel();
    await until(() => drained === 1);
    grinder.enqueue(addJob(3, 4));
});

test('a stop drains, and it starts again', async () => {
    const grinder = await start();
    const result = grinder.submit_async(addJob(1, 2), null);
    await grinder.stop_async(Lp.StopMode.DRAIN, null);
    assertEqual((await result).deepUnpack(), [3]);
    await assertThrows(Lp.Error, Lp.Error.NOT_STARTED, () => grinder.enqueue(addJob(1, 2)));
    await grinder.start_async(null);
    assertEqual(grinder.running, true);
});

await run();
