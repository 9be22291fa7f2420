// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Promises, scopes and calls with plain values: the same on threads and processes. */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';
import {assert, assertEqual, assertThrows, newManager, run, startManager, test, thrown, turn, until} from '../lptest.js';

const {
    BROKEN_EXECUTOR, EXPIRED, INVALID_ARGUMENT, NOT_STARTED, NOT_SUPPORTED, UNAVAILABLE, UNKNOWN_FUNCTION,
} = Lp.Error;
const {CANCELLED, EXISTS, TIMED_OUT} = Gio.IOErrorEnum;

for (const backend of ['thread', 'process']) {
    const make = properties => newManager({backend, workers_per_pool: 1, ...properties});
    const start = properties => startManager({backend, workers_per_pool: 1, ...properties});
    const testEach = (name, func) => test(`${backend}: ${name}`, func);

    testEach('start, acquire, call, release, stop', async () => {
        const manager = make();
        assertEqual(await manager.start(), undefined);
        const lease = await manager.acquire({owner: 'x', timeout: 2});
        System.gc();
        assertEqual([lease.owner, lease.state], ['x', Lp.LeaseState.ACTIVE]);
        assertEqual(await lease.call('add', [20, 22]), 42);
        lease.release();
        lease.release();
        assertEqual(lease.state, Lp.LeaseState.RELEASED);
        assertEqual(await manager.stop(Lp.StopMode.DRAIN, 5), undefined);
        assert(!manager.running);
    });

    testEach('the asynchronous functions return promises', async () => {
        const manager = make();
        assertEqual(await manager.start_async(null), true);
        const lease = await manager.acquire_async(null, null);
        System.gc();
        assertEqual((await lease.call_async('add', new GLib.Variant('(ii)', [2, 3]), null)).deepUnpack(), [5]);
        assertEqual((await manager.call_async('add', new GLib.Variant('(ii)', [2, 3]), null, null)).deepUnpack === undefined, false);
        lease.release();
        assertEqual(await lease.drain_async(null), true);
        assertEqual(await manager.stop_async(Lp.StopMode.DRAIN, -1, null), true);
    });

    testEach('the blocking forms have names of their own', () => {
        const manager = make();
        assertEqual(manager.start_sync(), true);
        const lease = manager.acquire_sync({owner: 'blocking'});
        System.gc();
        const job = lease.begin('add', [2, 3]);
        assertEqual([job.wait_sync(), lease.owner], [5, 'blocking']);
        lease.release();
        const other = manager.try_acquire({owner: 'tried'});
        assertEqual(other.owner, 'tried');
        other.release();
        assertEqual(manager.stop_sync(Lp.StopMode.DRAIN, 5), true);
    });

    testEach('withLease gives the value and releases', async () => {
        const manager = await start({max_pools: 1});
        let seen = null;
        const value = await manager.withLease({owner: 'x', timeout: 2}, async lease => {
            seen = lease;
            System.gc();
            assertEqual([...manager.leases].length <= 1, true);
            return lease.call('add', [1, 2]);
        });
        assertEqual([value, seen.owner, seen.state, manager.available_count], [3, 'x', Lp.LeaseState.RELEASED, 1]);
        assertEqual(await manager.withLease(lease => lease.state), Lp.LeaseState.ACTIVE);
        await assertThrows(Lp.Error, INVALID_ARGUMENT, () => manager.withLease({owner: 'x'}), 'withLease');
        assertEqual(manager.leased_count, 0);
    });

    testEach('withLease releases when its function throws', async () => {
        const manager = await start({max_pools: 1});
        const own = new TypeError('own');
        for (const body of [() => {
            throw own;
        }, async () => {
            await turn();
            throw own;
        }]) {
            assert(await thrown(() => manager.withLease({timeout: 2}, body)) === own);
            System.gc();
            assertEqual([manager.leased_count, manager.available_count], [0, 1]);
        }
        await assertThrows(Lp.Error, UNKNOWN_FUNCTION, () => manager.withLease(lease => lease.call('no-such')));
        assertEqual(manager.leased_count, 0);
    });

    testEach('plain values by the declared types', async () => {
        const manager = await start();
        await manager.withLease(async lease => {
            assertEqual(await lease.call('echo'), undefined);
            assertEqual(await lease.call('echo', []), undefined);
            for (const [values, words] of [[[1], 'takes 2 arguments ((ii)), not 1'],
                [[1, 2.5], 'Argument 2 of “add” must be an integer'], [[1, '2'], 'Argument 2'],
                [[2 ** 31, 0], 'Argument 1'], [5, 'must be an array'], [{a: 1}, 'must be an array']])
                await assertThrows(Lp.Error, INVALID_ARGUMENT, () => lease.call('add', values), words);
            System.gc();
            assertEqual(await lease.call('add', [-1, 1]), 0);
        });
    });

    testEach('plain values by their shape, where no types are declared', async () => {
        const manager = await start();
        const values = [1, 2.5, 'x', true, null, [1, ['y']], {a: {b: 2}}, 2 ** 40];
        assertEqual(await manager.call('echo', values), values);
        System.gc();
        assertEqual([...await manager.call('echo', [new Uint8Array([1, 2])])], [1, 2]);
    });

    testEach('plain values by a type that is given', async () => {
        const manager = await start();
        const lease = await manager.acquire();
        assertEqual(await lease.call('echo', '(us)', [5, 'x']), [5, 'x']);
        assertEqual(await manager.call('echo', '(u)', [5], {owner: 'x'}), 5);
        await assertThrows(Lp.Error, INVALID_ARGUMENT, () => lease.call('echo', '(u)', [-1]), 'Argument 1');
        await assertThrows(Lp.Error, INVALID_ARGUMENT, () => lease.call('echo', 'no type', [1]), '“echo”');
        await assertThrows(Lp.Error, INVALID_ARGUMENT, () => lease.call('add', '(s)', ['x']), 'add');
        System.gc();
        assertEqual(await lease.call('add', new GLib.Variant('(ii)', [2, 3])), 5);
        lease.release();
    });

    testEach('call of a manager', async () => {
        const manager = await start({max_pools: 1});
        assertEqual(await manager.call('add', [20, 22], {owner: 'x', timeout: 2}), 42);
        assertEqual(await manager.call('add', [1, 2]), 3);
        assertEqual(await manager.call('echo'), undefined);
        System.gc();
        const lease = await manager.acquire();
        await assertThrows(Gio.IOErrorEnum, TIMED_OUT, () => manager.call('add', [1, 2], {timeout: 0.01}));
        await assertThrows(Lp.Error, UNAVAILABLE, () => manager.call('add', [1, 2], {timeout: 0}));
        lease.release();
        assertEqual(manager.leased_count, 0);
    });

    testEach('the errors are those of the library', async () => {
        const manager = make({max_pools: 1});
        let error = await assertThrows(Lp.Error, NOT_STARTED, () => manager.acquire());
        assert(error instanceof GLib.Error && error instanceof Lp.Error);
        await assertThrows(Lp.Error, NOT_STARTED, () => manager.call('add', [1, 2]));
        await manager.start();
        const lease = await manager.acquire();
        await assertThrows(Lp.Error, UNKNOWN_FUNCTION, () => lease.call('no-such', [1]));
        await assertThrows(Gio.IOErrorEnum, EXISTS, () => lease.call('fail', ['there']), 'there');
        await assertThrows(Lp.Error, UNAVAILABLE, () => manager.acquire({wait: false}));
        lease.release();
        System.gc();
        error = await assertThrows(Lp.Error, EXPIRED, () => lease.call('add', [1, 2]));
        assert(error instanceof GLib.Error && error.matches(Lp.Error, EXPIRED));
        await assertThrows(Lp.Error, INVALID_ARGUMENT, () => lease.call(''), 'name');
        await assertThrows(Lp.Error, INVALID_ARGUMENT, () => lease.call('add', [1, 2], {tiemout: 2}), 'tiemout');
        await assertThrows(Lp.Error, INVALID_ARGUMENT, () => manager.stop('drain'), '"drain"');
        await assertThrows(Lp.Error, INVALID_ARGUMENT, () => manager.stop(Lp.StopMode.DRAIN, '5'), 'timeout');
        await assertThrows(Lp.Error, INVALID_ARGUMENT, () => lease.call('add\0x', [1, 2]), 'add\\u0000x');
        assert(manager.running);
    });

    testEach('options that are no plain object are refused, not ignored', async () => {
        const manager = await start();
        const lease = await manager.acquire();
        for (const options of [new Gio.Cancellable(), new Map([['timeout', 5]]), [], 5]) {
            await assertThrows(Lp.Error, INVALID_ARGUMENT, () => lease.call('add', [1, 2], options), 'plain');
            await assertThrows(Lp.Error, INVALID_ARGUMENT, async () => lease.begin('add', [1, 2], options), 'plain');
            for (const ask of [() => manager.acquire(options), () => manager.call('add', [1, 2], options),
                () => manager.withLease(options, () => 1), () => manager.try_acquire(options),
                () => manager.run(Lp.Job.new_for_command(['true']), options)])
                await assertThrows(Lp.Error, INVALID_ARGUMENT, ask, 'plain object');
        }
        assertEqual(await lease.call('add', [1, 2], null), 3);
        assertEqual(await manager.call('add', [1, 2], undefined), 3);
        lease.release();
        await until(() => manager.leased_count === 0);
    });

    testEach('a closure in the place of a job or a name is refused, with the two ways out', async () => {
        const manager = await start();
        const lease = await manager.acquire();
        const closure = () => 5;
        for (const give of [() => lease.run(closure), () => lease.submit(closure), () => lease.call(closure),
            () => lease.begin(closure), () => manager.run(closure), () => manager.call(closure)]) {
            const {message} = await assertThrows(Lp.Error, NOT_SUPPORTED, async () => give(), 'function_module');
            assert(message.includes('worker_module'), message);
        }
        for (const give of [() => lease.run(), () => lease.run('add'), () => lease.submit(null), () => manager.run({})])
            await assertThrows(Lp.Error, INVALID_ARGUMENT, async () => give(), 'must be an Lp.Job');
        lease.release();
        assertEqual(manager.leased_count, 0);
    });

    testEach('a lease that expires', async () => {
        const manager = await start({lease_grace_seconds: 0.02});
        const lease = await manager.acquire({owner: 'slow', lease_seconds: 0.02});
        await until(() => lease.state === Lp.LeaseState.EXPIRED);
        await assertThrows(Lp.Error, EXPIRED, () => lease.call('add', [1, 2]), 'slow');
    });

    testEach('a cancellable ends the wait for an executor', async () => {
        const manager = await start({max_pools: 1});
        const lease = await manager.acquire();
        for (const wait of [cancellable => manager.acquire({owner: 'w', cancellable}),
            cancellable => manager.acquire(null, cancellable), cancellable => manager.withLease({cancellable}, () => 1),
            cancellable => manager.call('add', [1, 2], {cancellable})]) {
            const cancellable = new Gio.Cancellable();
            const waiting = thrown(() => wait(cancellable));
            await until(() => manager.waiting_count === 1);
            cancellable.cancel();
            const error = await waiting;
            assert(error.matches(Gio.IOErrorEnum, CANCELLED), `${error}`);
            assertEqual(manager.waiting_count, 0);
        }
        lease.release();
    });

    testEach('a cancellable ends a call', async () => {
        const manager = await start({max_pools: 1});
        const lease = await manager.acquire();
        for (const begin of [cancellable => lease.call('until-cancelled', [], {cancellable}),
            cancellable => lease.run(Lp.Job.new_for_call('until-cancelled', null), cancellable)]) {
            const cancellable = new Gio.Cancellable();
            const call = thrown(() => begin(cancellable));
            await until(() => lease.pending_jobs === 1);
            System.gc();
            cancellable.cancel();
            assert((await call).matches(Gio.IOErrorEnum, CANCELLED));
        }
        assertEqual(await lease.call('add', [1, 2]), 3);
        lease.release();
    });

    testEach('a call has a time-out', async () => {
        const manager = await start();
        const lease = await manager.acquire();
        await assertThrows(Gio.IOErrorEnum, TIMED_OUT, () => lease.call('until-cancelled', [], {timeout: 0.02}));
        await assertThrows(Lp.Error, INVALID_ARGUMENT, () => lease.call('add', [1, 2], {timeout: -1}), 'timeout');
        lease.release();
    });

    testEach('progress is an asynchronous iteration', async () => {
        const manager = await start();
        const lease = await manager.acquire();
        // In its way, so that the iteration begins before the job does.
        lease.submit(Lp.Job.new_for_command(['sleep', '0.2'], null));
        const job = lease.begin('count-to', [100]);
        const seen = [];
        for await (const {progress, status} of job.updates()) {
            seen.push([progress, status]);
            System.gc();
        }
        assertEqual(seen.at(-1), [1, '100 of 100']);
        assert(seen.every(([progress], i) => i === 0 || progress >= seen[i - 1][0]));
        assertEqual(await job.wait(), 100);
        lease.release();
    });

    testEach('an iteration of progress may be left, and ends with a failure', async () => {
        const manager = await start();
        const lease = await manager.acquire();
        const job = lease.begin('count-to', [100]);
        for await (const _ of job.updates())
            break;
        assertEqual(await job.wait(), 100);
        const failing = lease.begin('fail', ['x']);
        for await (const _ of failing.updates())
            assert(false);
        await assertThrows(Gio.IOErrorEnum, EXISTS, () => failing.wait());
        lease.release();
    });

    testEach('begin, cancel, wait', async () => {
        const manager = await start();
        const lease = await manager.acquire();
        const job = lease.begin('until-cancelled');
        System.gc();
        job.cancel();
        await assertThrows(Gio.IOErrorEnum, CANCELLED, () => job.wait());
        assertEqual(job.state, Lp.JobState.CANCELLED);
        const cancellable = new Gio.Cancellable();
        await assertThrows(Lp.Error, INVALID_ARGUMENT, async () => lease.begin('add', [1, 2], {cancellable}), 'cancel()');
        lease.release();
    });

    testEach('a command is run, with or without a lease', async () => {
        const manager = await start();
        const lease = await manager.acquire();
        const [status, output] = await lease.run(Lp.Job.new_for_command(['echo', 'x'], null));
        assertEqual([status, new TextDecoder().decode(output)], [0, 'x\n']);
        assertEqual((await lease.run(Lp.Job.new_for_command(['true'])))[0], 0);
        assertEqual(await lease.run(Lp.Job.new_for_call('echo')), undefined);
        for (const argv of [[], ['a', 5], 'true', null])
            await assertThrows(Lp.Error, INVALID_ARGUMENT, async () => Lp.Job.new_for_command(argv), 'A command');
        assertEqual(lease.renew(), true);
        lease.release();
        await lease.drain();
        assertEqual((await manager.run(Lp.Job.new_for_command(['false'], null), {owner: 'x'}))[0], 1);
    });

    testEach('statistics are a plain object', async () => {
        const manager = await start();
        const lease = await manager.acquire({owner: 'me'});
        const stats = manager.stats();
        System.gc();
        const [{owner, state}] = stats.leases;
        assertEqual([stats.backend, stats.leased, stats.acquired, owner, state], [backend, 1, 1, 'me', 'active']);
        assert(Object.getPrototypeOf(stats) === Object.prototype);
        lease.release();
    });

    testEach('the leases can be iterated', async () => {
        const manager = await start({max_pools: 2});
        assertEqual([...manager.leases], []);
        const leases = [await manager.acquire({owner: 'one'}), await manager.acquire({owner: 'two'})];
        await until(() => [...manager.leases].length === 2);
        const owners = [];
        for (const info of manager.leases) {
            assert(info instanceof Lp.LeaseInfo);
            owners.push(info.owner);
        }
        assertEqual(owners, ['one', 'two']);
        assert(manager.leases instanceof Gio.ListModel);
        leases.forEach(lease => lease.release());
        await until(() => [...manager.leases].length === 0);
    });

    testEach('many at once', async () => {
        const manager = await start({max_pools: 2});
        const sums = await Promise.all(Array.from({length: 100}, (_, i) =>
            i % 2 ? manager.call('add', [i, 1], {owner: `${i}`})
                : manager.withLease({owner: `${i}`}, lease => lease.call('add', [i, 1]))));
        assertEqual(sums, Array.from({length: 100}, (_, i) => i + 1));
        await until(() => manager.leased_count === 0);
    });

    testEach('stop ends what waits and runs', async () => {
        const manager = await start({max_pools: 1});
        const lease = await manager.acquire();
        const [waiting, running] = [thrown(() => manager.acquire()), thrown(() => lease.call('until-cancelled'))];
        await until(() => lease.pending_jobs === 1);
        await manager.stop();
        assert((await waiting).matches(Lp.Error, NOT_STARTED));
        const error = await running;
        assert(error.matches(Gio.IOErrorEnum, CANCELLED) || error.matches(Lp.Error, BROKEN_EXECUTOR), `${error}`);
        assertEqual(lease.state, Lp.LeaseState.STOPPED);
    });

    testEach('types are known from the start on', async () => {
        const manager = make();
        assertEqual(manager.lookup_function('add'), [false, null, null]);
        await manager.start();
        const [found, parameters, result] = manager.lookup_function('add');
        System.gc();
        assertEqual([found, parameters.dup_string(), result.dup_string()], [true, '(ii)', '(i)']);
        assertEqual(manager.lookup_function('no-such'), [false, null, null]);
    });
}

await run();
