// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* The manager from GJS: settings, start and stop, signals, the list of leases, statistics, sizing. */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Lp from 'gi://Lp?version=1';
import System from 'system';
import {FUNCTIONS_MODULE, assert, assertEqual, assertProgram, assertThrows, call, newManager, run, startManager, test, thrown, turn, until} from './lptest.js';

test('settings are properties', () => {
    const manager = new Lp.Manager({max_pools: 3, min_pools: 2, name_prefix: 'js', worker_argv: ['a', 'b'], units: 7});
    System.gc();
    assertEqual([manager.backend, manager.max_pools, manager.minPools, manager.name_prefix, manager.worker_argv, manager.units],
        ['thread', 3, 2, 'js', ['a', 'b'], 7]);
    manager.check_interval = 1.5;
    manager.set_lease_grace_seconds(2);
    manager.worker_init_parameters = new GLib.Variant('(s)', ['x']);
    assertEqual([manager.check_interval, manager.lease_grace_seconds, manager.worker_init_parameters.deepUnpack()], [1.5, 2, ['x']]);
});

test('a property that a manager does not have throws', async () => {
    assert((await thrown(() => new Lp.Manager({max_pool: 1}))).message.includes('max_pool'));
});

test('bad settings are refused by name', async () => {
    for (const properties of [{max_pools: 0}, {max_pools: -1}, {min_pools: 9}, {workers_per_pool: -2}, {check_interval: NaN},
        {check_interval: Infinity}, {default_lease_seconds: -1}, {lease_grace_seconds: NaN}, {max_waiters: -1},
        {max_quarantined: -2}, {forward_process_logs: true}]) {
        const manager = new Lp.Manager({max_pools: 2, ...properties});
        const name = Object.keys(properties)[0].replaceAll('_', '-');
        await assertThrows(Lp.Error, Lp.Error.INVALID_ARGUMENT, () => manager.validate(), name);
        await assertThrows(Lp.Error, Lp.Error.INVALID_ARGUMENT, () => manager.start_async(null), name);
        assert(!manager.running);
    }
    await assertThrows(Lp.Error, Lp.Error.UNSUPPORTED_BACKEND, () => Lp.Manager.new('teleport', 1).validate(), 'thread');
});

test('backends are listed', () => {
    assertEqual([Lp.backend_is_available('Thread'), Lp.backend_is_available('teleport')], [true, false]);
    assert(Lp.backend_list().includes(Lp.BACKEND_THREAD));
});

test('a wrong string for an enum throws', async () => {
    const manager = await startManager();
    for (const mode of ['drain', 'DRAIN', 'nonsense', '']) {
        await thrown(() => manager.stop(mode, -1, null));
        await thrown(() => manager.stop_async(mode, -1, null));
        assert(manager.running);
    }
});

test('start and stop', async () => {
    const manager = newManager({min_pools: 2});
    assert(await manager.start_async(null));
    System.gc();
    assertEqual([manager.running, manager.is_running(), manager.available_count], [true, true, 2]);
    assert(await manager.start_async(null));
    assert(await manager.stop_async(Lp.StopMode.DRAIN, -1, null));
    assertEqual([manager.running, manager.total_count], [false, 0]);
    assert(await manager.start_async(null));
    assert(await manager.stop_async(Lp.StopMode.CANCEL, 1, null));
    for (const seconds of [NaN, Infinity, -3])
        await assertThrows(Lp.Error, Lp.Error.INVALID_ARGUMENT, () => manager.stop_async(Lp.StopMode.DRAIN, seconds, null));
});

test('settings are frozen while it runs', async () => {
    const program = await assertProgram(`
        const manager = Lp.Manager.new('thread', 2);
        manager.start(null);
        manager.min_pools = 2;
        manager.units = 11;
        print(manager.min_pools, manager.units);
        manager.stop(Lp.StopMode.DRAIN, -1, null);`, '1 11\n');
    assert(program.stderr.includes('min-pools'), program.stderr);
});

test('stop ends what waits and runs', async () => {
    const manager = await startManager({max_pools: 1});
    const lease = await manager.acquire_async(null, null);
    const waiting = thrown(() => manager.acquire_async(null, null));
    const running = thrown(() => lease.call_async('until-cancelled', null, null));
    System.gc();
    await manager.stop_async(Lp.StopMode.CANCEL, -1, null);
    assert((await waiting).matches(Lp.Error, Lp.Error.NOT_STARTED));
    assert((await running).matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED));
    assertEqual(lease.state, Lp.LeaseState.STOPPED);
});

test('signals of a lease', async () => {
    const manager = await startManager({lease_grace_seconds: 0.05});
    const seen = [];
    for (const name of ['lease-acquired', 'lease-expiring', 'lease-ended'])
        manager.connect(name, (source, info) => seen.push([name, source === manager, info.owner, info.state]));
    const lease = await manager.acquire_async(new Lp.Request({owner: 'slow', lease_seconds: 0.05}), null);
    await until(() => seen.length === 3);
    assertEqual(seen, [['lease-acquired', true, 'slow', Lp.LeaseState.ACTIVE], ['lease-expiring', true, 'slow', Lp.LeaseState.ACTIVE],
        ['lease-ended', true, 'slow', Lp.LeaseState.EXPIRED]]);
    assertEqual(lease.state, Lp.LeaseState.EXPIRED);
});

test('signals of executors', async () => {
    const manager = newManager({min_pools: 2});
    const seen = [];
    manager.connect('executor-created', (_manager, seq) => seen.push(seq));
    manager.connect('executor-retired', (_manager, seq, reason) => seen.push([seq, reason]));
    await manager.start_async(null);
    await until(() => seen.length === 2);
    assertEqual(seen, [1, 2]);
    await manager.stop_async(Lp.StopMode.DRAIN, -1, null);
    await until(() => seen.length === 4);
    assertEqual(seen.slice(2).sort(), [[1, Lp.RetireReason.STOPPED], [2, Lp.RetireReason.STOPPED]]);
});

test('signals and notifications under load and garbage collection', async () => {
    const manager = await startManager({max_pools: 2});
    let acquired = 0, ended = 0, notified = 0, changed = 0;
    manager.connect('lease-acquired', () => acquired++);
    manager.connect('lease-ended', () => {
        ended++;
        System.gc();
    });
    manager.connect('notify::leased-count', () => notified++);
    manager.leases.connect('items-changed', () => changed++);
    await Promise.all(Array.from({length: 100}, async (_, i) => {
        const lease = await manager.acquire_async(new Lp.Request({owner: `${i}`}), null);
        assertEqual(await call(lease, 'add', '(ii)', [i, 0]), [i]);
        lease.release();
    }));
    await until(() => ended === 100);
    assertEqual(acquired, 100);
    assert(notified > 0 && changed > 0);
});

test('a handler that throws does no harm', async () => {
    const program = await assertProgram(`
        const manager = Lp.Manager.new('thread', 1);
        let calls = 0;
        manager.connect('lease-acquired', () => { calls++; throw new Error('in the handler'); });
        manager.start(null);
        manager.acquire(null, null).release();
        manager.acquire(null, null).release();
        while (calls < 2)
            context.iteration(true);
        print(manager.available_count);
        manager.stop(Lp.StopMode.DRAIN, -1, null);`, '1\n');
    assertEqual(program.stderr.split('in the handler').length, 3);
});

test('the leases are a list model', async () => {
    const manager = await startManager({max_pools: 2});
    const model = manager.leases;
    assert(model instanceof Gio.ListModel);
    assertEqual([model.get_n_items(), model.get_item_type() === Lp.LeaseInfo.$gtype], [0, true]);
    const one = await manager.acquire_async(new Lp.Request({owner: 'one'}), null);
    const two = await manager.acquire_async(new Lp.Request({owner: 'two'}), null);
    await until(() => model.get_n_items() === 2);
    assertEqual([0, 1].map(n => model.get_item(n).owner), ['one', 'two']);
    assertEqual(model.get_item(0).id, one.id);
    assertEqual(model.get_item(5), null);
    assert(model.get_item(0).submit === undefined);
    one.release();
    await until(() => model.get_n_items() === 1);
    assertEqual(model.get_item(0).id, two.id);
    two.release();
    await until(() => model.get_n_items() === 0);
});

test('properties can be bound', async () => {
    const manager = await startManager({max_pools: 2});
    const target = new Lp.Manager({max_pools: 1});
    manager.bind_property_full('leased-count', target, 'units', GObject.BindingFlags.SYNC_CREATE, (_binding, value) => [true, value], null);
    const lease = await manager.acquire_async(null, null);
    await until(() => target.units === 1);
    lease.release();
    await until(() => target.units === 0);
});

test('statistics are a plain object', async () => {
    const manager = await startManager({max_pools: 2});
    const lease = await manager.acquire_async(new Lp.Request({owner: 'me'}), null);
    const stats = manager.dup_stats().recursiveUnpack();
    System.gc();
    assertEqual([stats.backend, stats.max_pools, stats.leased, stats.waiting, stats.acquired], ['thread', 2, 1, 0, 1]);
    const [entry] = stats.leases;
    assertEqual([entry.lease_id, entry.owner, entry.state, entry.pending], [lease.id, 'me', 'active', 0]);
    assert(entry.seconds_until_soft_expiry > 0 && entry.seconds_until_hard_expiry > entry.seconds_until_soft_expiry);
    assertEqual(Object.keys(stats.wait_time).sort(), ['count', 'max', 'mean', 'p50', 'p95', 'p99']);
    lease.release();
});

test('the size provider is a function', async () => {
    const manager = newManager({max_pools: 5, idle_linger_seconds: 0});
    let units = 25, calls = 0;
    manager.set_size_provider(source => {
        assert(source === manager);
        calls++;
        System.gc();
        return units;
    });
    System.gc();
    await manager.start_async(null);
    assertEqual([calls, manager.available_count, manager.get_desired_executor_count()], [1, 3, 3]);
    units = 50;
    manager.notify_scale_changed();
    await until(() => manager.available_count === 5);
    units = -10;
    manager.notify_scale_changed();
    await until(() => manager.total_count === 1);
    manager.set_size_provider(null);
    await turn();
});

test('worker functions of a table', async () => {
    const functions = new Lp.Functions();
    functions.add('js', new GLib.VariantType('(i)'), null, () => null);
    System.gc();
    assertEqual(functions.list_names(), ['js']);
    const [found, parameters, result] = functions.lookup('js');
    assertEqual([found, parameters.dup_string(), result], [true, '(i)', null]);
    await assertThrows(Lp.Error, Lp.Error.INVALID_ARGUMENT, () => functions.add('js', null, null, () => null));
});

for (const [name, declaration] of [['an executor class in GJS is refused', 'class'],
    ['an executor class in GJS with a type name of its own is refused', "{GTypeName: 'MyOwnExecutor'}, class"]]) {
    test(name, async () => {
        // Its functions cannot run on the service thread: the setting is refused, with the reason.
        const program = await assertProgram(`
            const GObject = imports.gi.GObject;
            const Mine = GObject.registerClass(${declaration} extends Lp.Executor {
                vfunc_start() {
                    return true;
                }
            });
            const manager = new Lp.Manager({max_pools: 1, executor_type: Mine.$gtype, start_timeout_seconds: 0.1});
            try {
                manager.start(null);
                print('started');
            } catch (e) {
                print('refused', e instanceof Lp.Error && e.matches(Lp.Error, Lp.Error.INVALID_ARGUMENT), manager.running,
                    e.message.includes('JavaScript'));
            }`, 'refused true false true\n');
        assertEqual(program.stderr, '');
    });
}

for (const [name, source] of Object.entries({
    'an idle manager': '',
    'a lease': 'const lease = manager.acquire(null, null);',
    'a running job': `const lease = manager.acquire(null, null);
        lease.submit(Lp.Job.new_for_call('hold', new GLib.Variant('(s)', ['for ever'])));`,
    'queued jobs': `const lease = manager.acquire(null, null);
        for (let i = 0; i < 200; i++) lease.submit(Lp.Job.new_for_call('add', new GLib.Variant('(ii)', [i, i])));`,
    'signal handlers and a waiter': `const leases = [manager.acquire(null, null), manager.acquire(null, null)];
        let late = 0;
        manager.connect('lease-ended', () => late++);
        manager.connect('notify::leased-count', () => late++);
        manager.set_size_provider(() => 1);
        manager.acquire_async(null, null, () => late++);`,
    'a dropped manager': `(function () { const other = new Lp.Manager({max_pools: 1}); other.start(null); })(); System.gc();`,
})) {
    test(`the program ends with ${name}`, () => assertProgram(`
        const manager = new Lp.Manager({max_pools: 2, function_module: FUNCTIONS_MODULE});
        manager.start(null);
        ${source}
        print('end');`, 'end\n'));
}

test('many managers come and go', async () => {
    for (let i = 0; i < 30; i++) {
        const manager = new Lp.Manager({max_pools: 2, function_module: FUNCTIONS_MODULE});
        await manager.start_async(null);
        const lease = await manager.acquire_async(null, null);
        assertEqual(await call(lease, 'add', '(ii)', [i, 1]), [i + 1]);
        await manager.stop_async(Lp.StopMode.DRAIN, -1, null);
        System.gc();
    }
});

await run();
