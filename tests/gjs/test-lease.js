// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Leases from GJS: asked for, waited for, refused, given back, forgotten. */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';
import {assert, assertEqual, assertProgram, assertThrows, call, newManager, run, startManager, test, thrown, turn, until} from './lptest.js';

test('acquire gives a lease', async () => {
    const manager = await startManager();
    const lease = await manager.acquire_async(new Lp.Request({owner: 'me', lease_seconds: 50}), null);
    System.gc();
    assert(lease instanceof Lp.Lease);
    assertEqual([lease.owner, lease.lease_seconds, lease.state], ['me', 50, Lp.LeaseState.ACTIVE]);
    assertEqual([manager.leased_count, manager.available_count], [1, 0]);
    assert(lease.manager === manager);
    lease.release();
    lease.release();
    assertEqual([lease.state, manager.available_count], [Lp.LeaseState.RELEASED, 1]);
});

test('acquire without a request has the defaults', async () => {
    const manager = await startManager({default_lease_seconds: 40, lease_grace_seconds: 4});
    const lease = await manager.acquire_async(null, null);
    assertEqual([lease.owner, lease.lease_seconds, lease.grace_seconds], [null, 40, 4]);
    assertEqual(lease.soft_expires_at - lease.leased_at, 40e6);
    lease.release();
});

test('blocking forms need no loop', async () => {
    const manager = newManager();
    assert(manager.start(null));
    const lease = manager.acquire(null, null);
    const other = manager.try_acquire(null);
    assert(lease.id !== other.id);
    lease.release();
    other.release();
    await turn();
});

test('properties of a request', () => {
    const request = new Lp.Request();
    assertEqual([request.owner, request.lease_seconds, request.wait, request.timeout, request.priority], [null, -1, true, -1, 0]);
    Object.assign(request, {owner: 'ö', lease_seconds: 2.5, wait: false, timeout: 3, priority: -7});
    System.gc();
    assertEqual([request.owner, request.leaseSeconds, request.wait, request.timeout, request.priority], ['ö', 2.5, false, 3, -7]);
});

test('a property that a request does not have throws', async () => {
    const error = await thrown(() => new Lp.Request({ownr: 'x'}));
    assert(error.message.includes('ownr'), error.message);
});

test('values of a request are checked by acquire', async () => {
    const manager = await startManager();
    for (const properties of [{lease_seconds: NaN}, {lease_seconds: Infinity}, {lease_seconds: 0}, {lease_seconds: -2},
        {timeout: NaN}, {timeout: Infinity}, {timeout: -0.5}]) {
        const request = new Lp.Request(properties);
        const name = Object.keys(properties)[0].replace('_', '-');
        await assertThrows(Lp.Error, Lp.Error.INVALID_ARGUMENT, () => manager.acquire_async(request, null), name);
        await assertThrows(Lp.Error, Lp.Error.INVALID_ARGUMENT, () => manager.try_acquire(request), name);
    }
    assertEqual(manager.available_count, 1);
});

test('waiters are granted in order', async () => {
    const manager = await startManager({max_pools: 1});
    const order = [];
    const first = await manager.acquire_async(null, null);
    const wait = async (owner, priority) => {
        const lease = await manager.acquire_async(new Lp.Request({owner, priority}), null);
        order.push(lease.owner);
        System.gc();
        lease.release();
    };
    const waits = [wait('low', 1), wait('one', 0), wait('two', 0), wait('high', -1)];
    assertEqual(manager.waiting_count, 4);
    System.gc();
    first.release();
    await Promise.all(waits);
    assertEqual(order, ['high', 'one', 'two', 'low']);
});

test('a time-out names the holder', async () => {
    const manager = await startManager({max_pools: 1});
    const lease = await manager.acquire_async(new Lp.Request({owner: 'the hoarder'}), null);
    await assertThrows(Gio.IOErrorEnum, Gio.IOErrorEnum.TIMED_OUT,
        () => manager.acquire_async(new Lp.Request({timeout: 0.02}), null), 'the hoarder');
    await assertThrows(Lp.Error, Lp.Error.UNAVAILABLE, () => manager.acquire_async(new Lp.Request({wait: false}), null), 'the hoarder');
    await assertThrows(Lp.Error, Lp.Error.UNAVAILABLE, () => manager.acquire_async(new Lp.Request({timeout: 0}), null));
    lease.release();
});

test('a cancelled acquire leaves nothing', async () => {
    const manager = await startManager({max_pools: 1});
    const lease = await manager.acquire_async(null, null);
    const cancellable = new Gio.Cancellable();
    const waiting = thrown(() => manager.acquire_async(null, cancellable));
    assertEqual(manager.waiting_count, 1);
    System.gc();
    cancellable.cancel();
    const error = await waiting;
    assert(error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED), error.message);
    assertEqual(manager.waiting_count, 0);
    lease.release();
    assertEqual(manager.available_count, 1);
});

test('a callback instead of a promise', async () => {
    const manager = await startManager();
    const seen = [];
    manager.acquire_async(null, null, (source, result) => seen.push(source === manager, manager.acquire_finish(result)));
    assertEqual(seen.length, 0);
    await until(() => seen.length === 2);
    assert(seen[0]);
    seen[1].release();
});

test('blocking in a callback of the loop is refused', async () => {
    const manager = await startManager({max_pools: 1});
    const lease = await manager.acquire_async(null, null);
    await assertThrows(Lp.Error, Lp.Error.WRONG_CONTEXT, () => manager.acquire(null, null));
    lease.release();
    manager.acquire(null, null).release();
});

test('not started is an error', async () => {
    const manager = newManager();
    for (const func of [() => manager.acquire_async(null, null), () => manager.acquire(null, null), () => manager.try_acquire(null)])
        await assertThrows(Lp.Error, Lp.Error.NOT_STARTED, func);
});

test('errors are Lp.Error', async () => {
    const manager = await startManager();
    const lease = await manager.acquire_async(null, null);
    lease.release();
    const error = await thrown(() => lease.submit(Lp.Job.new_for_call('echo', null)));
    assert(error instanceof Lp.Error);
    assert(error instanceof GLib.Error);
    assertEqual([error.code, error.domain], [Lp.Error.EXPIRED, Lp.error_quark()]);
    assert(error.matches(Lp.Error, Lp.Error.EXPIRED) && !error.matches(Lp.Error, Lp.Error.FAILED));
});

test('a lease that is forgotten expires', async () => {
    const manager = await startManager({max_pools: 1, lease_grace_seconds: 0.02});
    await manager.acquire_async(new Lp.Request({owner: 'forgetful', lease_seconds: 0.05}), null);
    // No garbage is collected here, nothing refers to the lease: its time ends all the same.
    const lease = await manager.acquire_async(new Lp.Request({timeout: 30}), null);
    assertEqual(lease.state, Lp.LeaseState.ACTIVE);
    const {revoked, released} = manager.dup_stats().recursiveUnpack();
    assertEqual(revoked + released, 1);
    lease.release();
});

test('a lease that is collected is released', async () => {
    const manager = await startManager({max_pools: 1});
    await (async () => {
        await manager.acquire_async(null, null);
    })();
    await until(() => manager.available_count === 1);
});

test('hundreds of leases are dropped and collected', async () => {
    const manager = await startManager({max_pools: 2});
    for (let i = 0; i < 200; i++) {
        await manager.acquire_async(new Lp.Request({owner: `dropper ${i}`}), null);
        await until(() => manager.leased_count === 0);
    }
    assertEqual(manager.dup_stats().recursiveUnpack().released, 200);
});

test('a lease is released by its id', async () => {
    const manager = await startManager();
    const lease = await manager.acquire_async(null, null);
    assertEqual([manager.release(lease.id), manager.release(lease.id), manager.release('none')], [true, false, false]);
});

test('renew and drain', async () => {
    const manager = await startManager();
    const lease = await manager.acquire_async(new Lp.Request({lease_seconds: 1}), null);
    const before = lease.soft_expires_at;
    assert(lease.renew(1000));
    assert(lease.soft_expires_at - before > 900e6);
    for (const seconds of [NaN, Infinity, 0, -3])
        await assertThrows(Lp.Error, Lp.Error.INVALID_ARGUMENT, () => lease.renew(seconds));
    const adds = [1, 2, 3].map(n => call(lease, 'add', '(ii)', [n, n]));
    assert(await lease.drain_async(null));
    assertEqual((await Promise.all(adds)).flat(), [2, 4, 6]);
    assertEqual(lease.state, Lp.LeaseState.RELEASED);
    await assertThrows(Lp.Error, Lp.Error.EXPIRED, () => lease.renew(-1));
});

test('a result nobody finishes goes back', async () => {
    const manager = await startManager({max_pools: 1});
    let called = false;
    manager.acquire_async(null, null, () => (called = true));
    await until(() => called && manager.available_count === 1);
});

test('a constructed lease is harmless', async () => {
    await assertProgram(`
        const lease = new Lp.Lease();
        lease.release();
        let code = -1;
        try { lease.submit(Lp.Job.new_for_call('x', null)); } catch (e) { code = e.code; }
        print(lease.state !== Lp.LeaseState.ACTIVE, lease.manager, code === Lp.Error.EXPIRED);`, 'true null true\n');
});

await run();
