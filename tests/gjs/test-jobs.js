// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Jobs from GJS: named functions of a module in C, and commands. Its own functions cannot run on a thread. */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';
import {CLOSURES_CRASH, assert, assertEqual, assertProgram, assertThrows, call, run, startManager, test, thrown, turn, until} from './lptest.js';

async function startLease(properties = {}) {
    const manager = await startManager(properties);
    const lease = await manager.acquire_async(null, null);
    System.gc();
    return lease;
}

test('a named function is called', async () => {
    const lease = await startLease();
    assertEqual(await call(lease, 'add', '(ii)', [20, 22]), [42]);
    lease.release();
});

test('values of all kinds come back', async () => {
    const lease = await startLease();
    for (const [type, value] of [['()', []], ['(sd)', ['ö☕', -0.5]], ['as', ['a', '']], ['a{si}', {one: 1}], ['(ay)', [[1, 2, 255]]],
        ['(mx)', [null]], ['(ms)', ['x']]]) {
        const variant = new GLib.Variant(type, value);
        const result = await lease.call_async('echo', variant, null);
        System.gc();
        assert(result.equal(variant), `${result.print(true)} is not ${variant.print(true)}`);
    }
    lease.release();
});

test('a job object tells how it went', async () => {
    const lease = await startLease();
    const job = Lp.Job.new_for_call('add', new GLib.Variant('(ii)', [1, 2]));
    assertEqual([job.name, job.state, job.queued_at], ['add', Lp.JobState.NEW, 0]);
    assert(lease.submit(job));
    System.gc();
    assertEqual((await job.wait_async(null)).deepUnpack(), [3]);
    assertEqual(job.state, Lp.JobState.SUCCEEDED);
    assertEqual(job.dup_result().deepUnpack(), [3]);
    assertEqual(job.dup_error(), null);
    assert(job.queued_at > 0 && job.started_at >= job.queued_at && job.ended_at >= job.started_at);
    lease.release();
});

test('a blocking wait', async () => {
    const lease = await startLease();
    const job = Lp.Job.new_for_call('add', new GLib.Variant('(ii)', [4, 5]));
    lease.submit(job);
    assertEqual(job.wait(-1, null).deepUnpack(), [9]);
    lease.release();
});

test('errors of a function keep their domain', async () => {
    const lease = await startLease();
    await assertThrows(Gio.IOErrorEnum, Gio.IOErrorEnum.EXISTS, () => call(lease, 'fail', '(s)', ['it — exists']), 'it — exists');
    await assertThrows(Lp.Error, Lp.Error.FAILED, () => call(lease, 'nothing'), 'nothing');
    lease.release();
});

test('wrong names and parameters', async () => {
    const lease = await startLease();
    await assertThrows(Lp.Error, Lp.Error.UNKNOWN_FUNCTION, () => call(lease, 'no-such'), 'no-such');
    const error = await assertThrows(Lp.Error, Lp.Error.INVALID_ARGUMENT, () => call(lease, 'add', '(s)', ['x']), '(ii)');
    assert(error.message.includes('(s)'), error.message);
    await assertThrows(Lp.Error, Lp.Error.INVALID_ARGUMENT, () => lease.call_async('add', null, null), '(ii)');
    lease.release();
});

test('hundreds of jobs under garbage collection', async () => {
    const manager = await startManager({workers_per_pool: 3});
    const lease = await manager.acquire_async(null, null);
    const calls = [];
    for (let i = 0; i < 500; i++) {
        calls.push(lease.call_async('add', new GLib.Variant('(ii)', [i, 1]), null));
        if (i % 10 === 0)
            System.gc();
    }
    System.gc();
    const results = (await Promise.all(calls)).map(each => each.deepUnpack()[0]);
    assertEqual(results, Array.from({length: 500}, (_, i) => i + 1));
    assertEqual(manager.dup_stats().recursiveUnpack().jobs_succeeded, 500);
    lease.release();
});

test('hundreds of jobs one by one, nothing kept', async () => {
    const manager = await startManager();
    for (let i = 0; i < 200; i++) {
        const lease = await manager.acquire_async(new Lp.Request({owner: `${i}`}), null);
        assertEqual(await call(lease, 'add', '(ii)', [i, i]), [2 * i]);
        lease.release();
    }
    assertEqual(manager.dup_stats().recursiveUnpack().acquired, 200);
});

test('jobs whose objects are dropped run all the same', async () => {
    const manager = await startManager();
    const lease = await manager.acquire_async(null, null);
    for (let i = 0; i < 200; i++)
        lease.submit(Lp.Job.new_for_call('echo', new GLib.Variant('(i)', [i])));
    await until(() => manager.dup_stats().recursiveUnpack().jobs_succeeded === 200);
    lease.release();
});

test('progress is notified on the loop', async () => {
    const lease = await startLease();
    const job = Lp.Job.new_for_call('count-to', new GLib.Variant('(u)', [1000]));
    const seen = [];
    job.connect('notify::progress', () => seen.push([job.progress, job.status]));
    assertEqual([job.progress, job.status], [-1, null]);
    await lease.submit_async(job, null);
    await until(() => seen.length > 0 && seen.at(-1)[0] === 1);
    assertEqual(seen.at(-1), [1, '1000 of 1000']);
    lease.release();
});

test('a running job is cancelled by its cancellable', async () => {
    const lease = await startLease();
    const cancellable = new Gio.Cancellable();
    const job = Lp.Job.new_for_call('until-cancelled', null);
    const ended = thrown(() => lease.submit_async(job, cancellable));
    await until(() => job.state === Lp.JobState.RUNNING);
    cancellable.cancel();
    const error = await ended;
    assert(error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED), error.message);
    assertEqual(job.state, Lp.JobState.CANCELLED);
    lease.release();
});

test('a queued job is cancelled by itself', async () => {
    const lease = await startLease({workers_per_pool: 1});
    const running = Lp.Job.new_for_call('until-cancelled', null);
    const queued = Lp.Job.new_for_call('add', new GLib.Variant('(ii)', [1, 1]));
    lease.submit(running);
    lease.submit(queued);
    queued.cancel();
    await assertThrows(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED, () => queued.wait_async(null));
    assertEqual([queued.state, queued.started_at], [Lp.JobState.CANCELLED, 0]);
    running.cancel();
    await assertThrows(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED, () => running.wait_async(null));
    lease.release();
});

test('a job times out', async () => {
    const lease = await startLease();
    const job = Lp.Job.new_for_call('until-cancelled', null);
    job.timeout_seconds = 0.02;
    await assertThrows(Gio.IOErrorEnum, Gio.IOErrorEnum.TIMED_OUT, () => lease.submit_async(job, null));
    assertEqual(job.state, Lp.JobState.FAILED);
    lease.release();
});

test('a stuck job ends after the grace', async () => {
    const manager = await startManager({max_pools: 1, cancel_grace_seconds: 0.02});
    const lease = await manager.acquire_async(null, null);
    const job = Lp.Job.new_for_call('hold', new GLib.Variant('(s)', ['stuck']));
    lease.submit(job);
    await until(() => job.state === Lp.JobState.RUNNING);
    job.cancel();
    await assertThrows(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED, () => job.wait_async(null));
    lease.release();
    await until(() => manager.quarantined_count === 1);
    const other = await manager.acquire_async(null, null);
    await call(other, 'open', '(s)', ['stuck']);
    await until(() => manager.quarantined_count === 0);
    assertEqual(manager.dup_stats().recursiveUnpack().results_discarded, 1);
    other.release();
});

test('a job is submitted once', async () => {
    const lease = await startLease();
    const job = Lp.Job.new_for_call('add', new GLib.Variant('(ii)', [1, 1]));
    await lease.submit_async(job, null);
    await assertThrows(Lp.Error, Lp.Error.INVALID_ARGUMENT, () => lease.submit_async(job, null));
    lease.release();
});

test('a command returns its status and output', async () => {
    const lease = await startLease();
    const job = Lp.Job.new_for_command(['sh', '-c', 'cat; echo oops >&2; exit 3'], new GLib.Bytes(new TextEncoder().encode('ö in')));
    System.gc();
    const [status, output, errors] = (await lease.submit_async(job, null)).deepUnpack();
    const decoder = new TextDecoder();
    assertEqual([status, decoder.decode(output), decoder.decode(errors)], [3, 'ö in', 'oops\n']);
    assertEqual(job.argv.slice(0, 2), ['sh', '-c']);
    lease.release();
});

test('a command that does not exist', async () => {
    const lease = await startLease();
    const job = Lp.Job.new_for_command(['/no/such/program'], null);
    const error = await thrown(() => lease.submit_async(job, null));
    assert(error instanceof GLib.Error && error.message.includes('/no/such/program'), error.message);
    lease.release();
});

test('a command ends with its lease', async () => {
    const manager = await startManager({lease_grace_seconds: 0});
    const lease = await manager.acquire_async(null, null);
    const ended = lease.submit_async(Lp.Job.new_for_command(['sleep', '1000'], null), null);
    lease.renew(0.1);
    await assertThrows(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED, () => ended);
    assertEqual(lease.state, Lp.LeaseState.EXPIRED);
});

test('a closure on a thread is refused and its job fails', async () => {
    const program = await assertProgram(`
        const manager = Lp.Manager.new('thread', 1);
        manager.start(null);
        const lease = manager.acquire(null, null);
        let ran = 0, failed = 0;
        for (let i = 0; i < 50; i++) {
            const job = Lp.Job.new_for_func(() => { ran++; return new GLib.Variant('s', 'x'); });
            System.gc();
            lease.submit(job);
            try {
                job.wait(-1, null);
            } catch (e) {
                if (e.matches(Lp.Error, Lp.Error.FAILED) && job.state === Lp.JobState.FAILED)
                    failed++;
            }
            context.iteration(false);
        }
        lease.release();
        manager.stop(Lp.StopMode.DRAIN, -1, null);
        System.gc();
        print(ran, failed);`, '0 50\n');
    assert(program.stderr.includes('different thread'), program.stderr);
}, CLOSURES_CRASH);

test('closures that are dropped unsubmitted do no harm', async () => {
    for (let i = 0; i < 200; i++) {
        Lp.Job.new_for_func(() => null);
        if (i % 20 === 0)
            await turn();
        System.gc();
    }
});

test('closures whose jobs are cancelled before they run do no harm', async () => {
    const lease = await startLease({workers_per_pool: 1});
    const running = Lp.Job.new_for_call('until-cancelled', null);
    lease.submit(running);
    await until(() => running.state === Lp.JobState.RUNNING);
    for (let i = 0; i < 100; i++) {
        const job = Lp.Job.new_for_func(() => null);
        lease.submit(job);
        job.cancel();
        System.gc();
    }
    running.cancel();
    await until(() => running.state === Lp.JobState.CANCELLED);
    lease.release();
    await turn();
});

await run();
