// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* With the overrides, properties are checked when they are given. */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';
import {FUNCTIONS_MODULE, assert, assertEqual, assertProgram, assertThrows, run, startManager, test} from '../lptest.js';

const {INVALID_ARGUMENT, NOT_SUPPORTED, UNSUPPORTED_BACKEND} = Lp.Error;

function assertRefused(make, text, code = INVALID_ARGUMENT) {
    return assertThrows(Lp.Error, code, make, text);
}

for (const [name, ...values] of [
    ['max_pools', 2.5, -1, 0, 'x', '2', true, null, NaN, Infinity, 2 ** 31, 2n, [2], {}],
    ['min_pools', 1.5, 'x', -1, 0, 9],
    ['process_log_level', -1, 1.5, 'loud', 'constructor', 2 ** 32, true],
    ['check_interval', 'x', NaN, Infinity, '1', true, null, 0, -1],
    ['forward_process_logs', 1, 0, 'true', null],
    ['name_prefix', 5, ['x'], 'a\0b', {}, '\ud800'],
    ['worker_argv', 'gjs', [1], ['a', null], {}],
    ['functions', 5, {}, 'x'],
    ['executor_options', 'x', 5, [1]],
    ['worker_init_parameters', 'x', 5, {}],
    ['maxPools', 2.5, 'x'],
]) {
    test(`a wrong value throws with the name: ${name}`, async () => {
        for (const value of values) {
            const text = value === 0 || value === 9 || value === -1 ? name.replaceAll('_', '-') : name;
            const error = await assertRefused(() => new Lp.Manager({max_pools: 2, [name]: value}), '');
            assert(error.message.includes(text) || error.message.includes(name), `${value}: ${error.message}`);
            System.gc();
        }
    });
}

test('a typo throws with the name', async () => {
    for (const name of ['max_pool', 'Max_pools', 'maxpools', 'owner', 'constructor', '__proto__x', ''])
        await assertRefused(() => new Lp.Manager({[name]: 2}), `“${name}”`);
    await assertRefused(() => new Lp.Request({timeoutt: 2}), '“timeoutt”');
    await assertRefused(() => new Lp.Manager({max_pools: 1, leased_count: 2}), '“leased_count” that can be set');
    for (const [properties, shown] of [['thread', '"thread"'], [new Map([['max_pools', 2]]), 'Map'], [[], 'an array']])
        await assertRefused(() => new Lp.Manager(properties), shown);
    await assertRefused(() => new Lp.Manager({process_log_level: 'loud'}), '(error, critical, warning, ');
});

test('right values are taken, by each spelling', () => {
    const manager = new Lp.Manager({maxPools: 3, 'min-pools': 2, name_prefix: 'js', worker_argv: ['a', 'b'], check_interval: 1,
        process_log_level: 'debug', executor_options: {depth: 3, name: 'x'}, worker_init_parameters: ['x', 1], log_domain: undefined});
    System.gc();
    assertEqual([manager.max_pools, manager.minPools, manager['name-prefix'], manager.worker_argv, manager.check_interval],
        [3, 2, 'js', ['a', 'b'], 1]);
    assertEqual([manager.process_log_level, manager.log_domain], [GLib.LogLevelFlags.LEVEL_DEBUG, 'leasepool']);
    assertEqual(manager.executor_options.recursiveUnpack(), {depth: 3, name: 'x'});
    assertEqual(manager.worker_init_parameters.recursiveUnpack(), ['x', 1]);
    manager.executor_options = null;
    assertEqual(manager.executor_options, null);
});

test('without max_pools more is to be set', async () => {
    const manager = new Lp.Manager();
    assertEqual(manager.max_pools, 0);
    await assertRefused(() => manager.validate(), 'max-pools');
    manager.max_pools = 2;
    assert(manager.validate());
    await assertRefused(() => new Lp.Manager({max_pools: 1, backend: 'teleport'}), 'teleport', UNSUPPORTED_BACKEND);
});

test('what is assigned is checked, too', async () => {
    const manager = new Lp.Manager({max_pools: 2});
    for (const value of [2.5, 'x', -(2 ** 40), null, undefined, true])
        await assertRefused(() => (manager.units = value), '“units”');
    await assertRefused(() => (manager.minPools = 1.5), '“min_pools”');
    manager.units = 25;
    manager.process_log_level = 'warning';
    System.gc();
    assertEqual([manager.units, manager.process_log_level], [25, GLib.LogLevelFlags.LEVEL_WARNING]);
    const job = Lp.Job.new_for_call('add', null);
    await assertRefused(() => (job.timeout_seconds = '5'), '“timeout_seconds”');
    job.timeout_seconds = 5;
    assertEqual(job.timeoutSeconds, 5);
});

test('a property notifies and can be bound as before', () => {
    const [manager, target] = [new Lp.Manager({max_pools: 2}), new Lp.Manager({max_pools: 2})];
    let notified = 0;
    manager.connect('notify::units', () => notified++);
    manager.bind_property('units', target, 'units', 0);
    System.gc();
    manager.units = 7;
    assertEqual([notified, target.units], [1, 7]);
});

test('wrong values in a request throw with the name', async () => {
    const manager = await startManager();
    for (const [name, value] of [['timeout', '2'], ['owner', 5], ['wait', 1], ['priority', 1.5], ['lease_seconds', '5'],
        ['timeout', NaN], ['tiemout', 2], ['owner', '\ud800']]) {
        await assertRefused(() => manager.acquire({[name]: value}), `“${name}”`);
        await assertRefused(() => manager.call('nothing', [], {[name]: value}), `“${name}”`);
        await assertRefused(() => manager.withLease({[name]: value}, () => 1), `“${name}”`);
    }
    await assertRefused(() => manager.acquire({lease_seconds: -5}), 'lease-seconds');
    await assertRefused(() => manager.acquire('me'), '"me"');
    await assertRefused(() => manager.acquire({cancellable: 5}), 'cancellable');
    assertEqual(manager.leased_count, 0);
});

test('a closure is refused at once, with the two ways out', async () => {
    const error = await assertRefused(() => Lp.Job.new_for_func(() => new GLib.Variant('()', [])), 'module in C', NOT_SUPPORTED);
    assert(error.message.includes('worker processes'), error.message);
});

test('a table of closures is refused for threads, at once', async () => {
    const functions = new Lp.Functions();
    functions.add('js', null, null, () => null);
    System.gc();
    for (const properties of [{}, {backend: 'thread'}, {backend: 'Thread'}])
        await assertRefused(() => new Lp.Manager({max_pools: 1, functions, ...properties}), 'worker processes', NOT_SUPPORTED);
    const manager = new Lp.Manager({max_pools: 1});
    manager.functions = functions;
    await assertRefused(() => manager.start(), 'module in C', NOT_SUPPORTED);
    await assertRefused(() => manager.start_sync(), 'module in C', NOT_SUPPORTED);
    assert(!manager.running);
});

test('a worker module excludes other workers', async () => {
    await assertRefused(() => new Lp.Manager({max_pools: 1, worker_module: '/x.js', worker_argv: ['y']}), 'worker_argv');
    await assertRefused(() => new Lp.Manager({max_pools: 1, worker_module: '/x.js', backend: 'thread'}), 'thread');
    await assertRefused(() => new Lp.Manager({max_pools: 1, workerModule: '/x.js', 'worker-argv': ['y']}), 'worker_argv');
});

test('a worker module is a file with a path', async () => {
    for (const module of [5, '', 'a\0b', 'resource:///x.js', 'file:///%zz', 'no-such-scheme://x/y.js',
        Gio.File.new_for_uri('resource:///x.js')])
        await assertRefused(() => new Lp.Manager({max_pools: 1, worker_module: module}), 'worker_module');
});

test('an init function of a worker module has an array of values, which may be empty', () => {
    const parametersOf = properties =>
        new Lp.Manager({max_pools: 1, worker_module: '/x.js', ...properties}).worker_init_parameters?.print(true);
    assertEqual(parametersOf({}), undefined);
    assertEqual(parametersOf({worker_init_function: 'f'}), '@av []');
    assertEqual(parametersOf({'worker-init-function': 'f', workerInitParameters: [1]}), '[<1>]');
    assertEqual(parametersOf({worker_init_function: 'f', worker_init_parameters: null}), undefined);
});

test('a worker module is a path, a URI or a file', () => {
    for (const module of ['/a b/x.js', 'file:///a%20b/x.js', Gio.File.new_for_path('/a b/x.js'), '/a b/../a b/x.js']) {
        const manager = new Lp.Manager({max_pools: 1, worker_module: module});
        System.gc();
        assertEqual([manager.backend, manager.worker_argv[0], manager.worker_argv.at(-1)], ['process', 'gjs', '/a b/x.js']);
        assertEqual(Lp.workerArgv(module), manager.worker_argv);
        assertEqual(new Lp.Manager({max_pools: 1, 'worker-module': module}).worker_argv, manager.worker_argv);
    }
    assertEqual(Lp.workerArgv('x.js').at(-1), `${GLib.get_current_dir()}/x.js`);
});

test('a legacy script has all this, too', () => assertProgram(`
    try {
        new Lp.Manager({max_pools: 2.5});
    } catch (e) {
        print(e.message, e instanceof GLib.Error, e.matches(Lp.Error, Lp.Error.INVALID_ARGUMENT));
    }
    const manager = new Lp.Manager({max_pools: 1, function_module: FUNCTIONS_MODULE});
    manager.start_sync();
    const lease = manager.acquire_sync({owner: 'legacy'});
    const job = lease.begin('add', [2, 3]);
    print(job.wait_sync());
    lease.release();
    manager.stop_sync();`, 'The property “max_pools” of Lp.Manager must be an integer, not 2.5 true true\n5\n'));

assert(FUNCTIONS_MODULE !== null);
await run();
