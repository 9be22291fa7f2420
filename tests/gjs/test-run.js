// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Acquire, submit, wait and release in one call: promises of run_async() and call_async(). */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';
import {CLOSURES_CRASH, assert, assertEqual, assertProgram, assertThrows, run, startManager, test, thrown, turn, until} from './lptest.js';

const start = () => startManager({max_pools: 1, workers_per_pool: 1});
const addJob = (a, b) => Lp.Job.new_for_call('add', new GLib.Variant('(ii)', [a, b]));

function assertGivenBack(manager, n) {
    const {acquired, released, leased, waiting} = manager.dup_stats().recursiveUnpack();
    assertEqual([acquired, released, leased, waiting], [n, n, 0, 0]);
}

test('a function is called', async () => {
    const manager = await start();
    const result = manager.call_async('add', new GLib.Variant('(ii)', [20, 22]), null, null);
    System.gc();
    assertEqual((await result).deepUnpack(), [42]);
    assertEqual((await manager.call_async('echo', null, null, null)).deepUnpack(), []);
    assertGivenBack(manager, 2);
});

test('a job is run', async () => {
    const manager = await start();
    const job = addJob(1, 2);
    assertEqual((await manager.run_async(job, null, null)).deepUnpack(), [3]);
    assertEqual(job.state, Lp.JobState.SUCCEEDED);
    assertGivenBack(manager, 1);
});

test('a command is run', async () => {
    const manager = await start();
    const job = Lp.Job.new_for_command(['echo', 'hello'], null);
    const [status, output] = (await manager.run_async(job, new Lp.Request({owner: 'echo'}), null)).deepUnpack();
    assertEqual([status, new TextDecoder().decode(output)], [0, 'hello\n']);
    assertEqual(job.owner, 'echo');
});

test('errors keep their domain', async () => {
    const manager = await start();
    const text = new GLib.Variant('(s)', ['there']);
    await assertThrows(Gio.IOErrorEnum, Gio.IOErrorEnum.EXISTS, () => manager.call_async('fail', text, null, null), 'there');
    await assertThrows(Lp.Error, Lp.Error.UNKNOWN_FUNCTION, () => manager.call_async('no-such', text, null, null), 'no-such');
    await assertThrows(Lp.Error, Lp.Error.INVALID_ARGUMENT, () => manager.call_async('add', text, null, null), '(ii)');
    assertGivenBack(manager, 3);
    await assertThrows(Lp.Error, Lp.Error.INVALID_ARGUMENT,
        () => manager.run_async(addJob(1, 2), new Lp.Request({lease_seconds: 0}), null), 'lease-seconds');
    assertGivenBack(manager, 3);
});

test('hundreds at once under garbage collection', async () => {
    const manager = await start();
    const calls = [];
    for (let i = 0; i < 300; i++) {
        calls.push(manager.run_async(addJob(i, 1), null, null));
        if (i % 10 === 0)
            System.gc();
    }
    System.gc();
    const results = (await Promise.all(calls)).map(each => each.deepUnpack()[0]);
    assertEqual(results, Array.from({length: 300}, (_, i) => i + 1));
    assertGivenBack(manager, 300);
});

test('a call that waits is cancelled, and its job can be run later', async () => {
    const manager = await start();
    const lease = await manager.acquire_async(null, null);
    const cancellable = new Gio.Cancellable();
    const job = addJob(3, 4);
    const ended = thrown(() => manager.run_async(job, null, cancellable));
    assertEqual(manager.waiting_count, 1);
    cancellable.cancel();
    assertEqual(manager.waiting_count, 0);
    const error = await ended;
    assert(error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED), error.message);
    lease.release();
    System.gc();
    assertEqual((await manager.run_async(job, null, null)).deepUnpack(), [7]);
    assertGivenBack(manager, 2);
});

test('a call that runs is cancelled', async () => {
    const manager = await start();
    const cancellable = new Gio.Cancellable();
    const job = Lp.Job.new_for_call('until-cancelled', null);
    const ended = thrown(() => manager.run_async(job, null, cancellable));
    await until(() => job.state === Lp.JobState.RUNNING);
    cancellable.cancel();
    const error = await ended;
    assert(error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED), error.message);
    assertEqual(job.state, Lp.JobState.CANCELLED);
    assertGivenBack(manager, 1);
    await turn();
});

test('the same job twice', async () => {
    const manager = await start();
    const job = addJob(3, 4);
    const first = manager.run_async(job, null, null);
    await assertThrows(Lp.Error, Lp.Error.INVALID_ARGUMENT, () => manager.run_async(job, null, null), 'submitted before');
    assertEqual((await first).deepUnpack(), [7]);
});

test('without a callback', async () => {
    const manager = await start();
    const job = addJob(3, 4);
    Lp.Manager.prototype._original_run_async.call(manager, job, null, null, null);
    System.gc();
    await until(() => job.state === Lp.JobState.SUCCEEDED);
    await until(() => manager.available_count === 1);
});

test('all goes on while the loop hangs', async () => {
    const manager = await start();
    const lease = await manager.acquire_async(null, null);
    const job = addJob(3, 4);
    const result = manager.run_async(job, null, null);
    lease.release();
    assertEqual(job.wait(-1, null).deepUnpack(), [7]);
    manager.acquire(new Lp.Request({timeout: 30}), null).release();
    assertEqual((await result).deepUnpack(), [7]);
    assertGivenBack(manager, 3);
});

/* A function of JavaScript cannot run on a thread: refused, and nothing is left hanging. */
test('a closure fails', async () => {
    await assertProgram(`
        const manager = Lp.Manager.new('thread', 1);
        manager.start(null);
        manager.run_async(Lp.Job.new_for_func(() => new GLib.Variant('()', [])), null, null, (_manager, result) => {
            try {
                manager.run_finish(result);
            } catch (error) {
                print(error.matches(Lp.Error, Lp.Error.FAILED), manager.leased_count);
            }
            manager.stop(Lp.StopMode.DRAIN, -1, null);
            imports.mainloop.quit();
        });
        imports.mainloop.run();
    `, 'true 0\n');
}, CLOSURES_CRASH);

await run();
