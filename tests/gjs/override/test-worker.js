// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Workers whose functions are those that a module exports. */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';
import {assert, assertEqual, assertThrows, cleanUp, newManager, run, startManager, test, thrown, until} from '../lptest.js';

const [MODULE] = GLib.filename_from_uri(import.meta.url.replace('test-worker.js', 'functions.js'));
const {FAILED, INVALID_ARGUMENT, START_FAILED, UNKNOWN_FUNCTION} = Lp.Error;
const {CANCELLED, EXISTS, TIMED_OUT} = Gio.IOErrorEnum;

const defaults = {
    backend: undefined, max_pools: 1, workers_per_pool: 1, function_module: null, worker_module: MODULE, start_timeout_seconds: 60,
    worker_environment: ['G_DEBUG=', 'G_MESSAGES_DEBUG='],
};

const start = properties => startManager({...defaults, ...properties});

/** A module of its own, for one case. */
function write(source) {
    const directory = GLib.Dir.make_tmp('lp-module-XXXXXX');
    const path = `${directory}/my functions.js`;
    GLib.file_set_contents(path, source);
    cleanUp(() => {
        GLib.unlink(path);
        GLib.rmdir(directory);
    });
    return path;
}

test('exported functions are called by name with plain values', async () => {
    const manager = await start();
    assertEqual(manager.backend, 'process');
    assertEqual(await manager.call('countPrimes', [100]), 25);
    await manager.withLease({owner: 'x', timeout: 20}, async lease => {
        System.gc();
        assertEqual(await lease.call('countPrimes', [10]), 4);
        assertEqual(await lease.call('nothing'), null);
        assert(await lease.call('pid') !== new Gio.Credentials().get_unix_pid());
    });
});

test('values of all plain kinds, both ways', async () => {
    const manager = await start();
    const lease = await manager.acquire();
    const values = [0, -1, 2 ** 31, 2 ** 52, 2.5, true, false, 'ž', '', null, [], [1, [null]], {}, {a: {b: [1.5]}}];
    assertEqual(await lease.call('echo', values), values);
    const [bytes, large, huge] = await lease.call('echo', [new Uint8Array([1, 2, 3]), 2n ** 62n, new Uint8Array(3e6).fill(7)]);
    System.gc();
    assert(bytes instanceof Uint8Array && huge instanceof Uint8Array);
    assertEqual([[...bytes], `${large}`, huge.length, huge.every(byte => byte === 7)], [[1, 2, 3], `${2n ** 62n}`, 3e6, true]);
    for (const [value, kind] of [[5, 'integer'], [2 ** 40, 'integer'], [5.5, 'number'], ['x', 'string'], [null, 'null'],
        [undefined, 'null'], [true, 'boolean'], [new Uint8Array(1), 'Uint8Array'], [{}, 'object'], [2n ** 60n, 'bigint']])
        assertEqual(await lease.call('kind', [value]), kind);
    lease.release();
});

test('types may be declared', async () => {
    const manager = await start();
    assertEqual(await manager.call('twice', [21]), 42);
    assertEqual(manager.lookup_function('twice').slice(1).map(type => type.dup_string()), ['(u)', '(u)']);
    assertEqual(manager.lookup_function('echo').slice(1).map(type => type.dup_string()), ['av', 'v']);
    await assertThrows(Lp.Error, INVALID_ARGUMENT, () => manager.call('twice', [-1]), 'Argument 1 of “twice”');
    await assertThrows(Lp.Error, INVALID_ARGUMENT, () => manager.call('twice', []), 'takes 1 arguments');
    System.gc();
    await assertThrows(Lp.Error, INVALID_ARGUMENT, () => manager.call_async('twice', new GLib.Variant('(s)', ['x']), null, null), 'twice');
});

test('a result that cannot be given is an error', async () => {
    const manager = await start();
    await assertThrows(Lp.Error, INVALID_ARGUMENT, () => manager.call('wrongResult'), 'The result of “wrongResult” must be an integer');
    await assertThrows(Lp.Error, INVALID_ARGUMENT, () => manager.call('strange'), 'The result of “strange” is an object of Map');
});

test('only named functions are functions', async () => {
    const manager = await start();
    for (const name of ['VERSION', 'Counter', 'default', 'unnamed', 'pause', 'toString'])
        await assertThrows(Lp.Error, UNKNOWN_FUNCTION, () => manager.call(name), name);
});

test('an exception is an error with its name and text', async () => {
    const manager = await start();
    const error = await assertThrows(Lp.Error, FAILED, () => manager.call('fail', ['too far']));
    System.gc();
    assert(error instanceof GLib.Error && error instanceof Lp.Error);
    assertEqual(error.message, 'RangeError: too far');
    assertEqual((await assertThrows(Lp.Error, FAILED, () => manager.call('fail', ['']))).message, 'RangeError');
    assertEqual((await assertThrows(Lp.Error, FAILED, () => manager.call('rejectLater'))).message, 'TypeError: later');
    await assertThrows(Gio.IOErrorEnum, EXISTS, () => manager.call('failGio', ['there']), 'there');
});

test('whatever is thrown is an error, at once', async () => {
    const manager = await start();
    for (const name of ['failOdd', 'rejectOdd']) {
        const nothing = `The function “${name}” threw what has no text`;
        for (const [kind, message] of [['string', 'a string'], ['undefined', 'undefined'], ['fake', 'Error'],
            ['stackless', 'Error: text'], ['bare', nothing], ['proxy', nothing], ['named', nothing], ['fakeGError', nothing]]) {
            const error = await assertThrows(Lp.Error, FAILED, () => manager.call(name, [kind]));
            assertEqual(error.message, message, kind);
        }
    }
    assertEqual(await manager.call('hasJob'), true);
});

test('a promise that is never settled is ended by a time-out', async () => {
    const manager = await start({cancel_grace_seconds: 0.05});
    const lease = await manager.acquire();
    await assertThrows(Gio.IOErrorEnum, TIMED_OUT, () => lease.call('never', [], {timeout: 0.1}));
    assertEqual(await lease.call('countPrimes', [10]), 4);
    lease.release();
});

test('the stack of an exception is a record at the level debug', async () => {
    const manager = await start({forward_process_logs: true, process_log_level: 'debug'});
    const records = [];
    manager.connect('worker-record', (_manager, record) => records.push(record.recursiveUnpack()));
    for (const [name, text] of [['fail', 'RangeError: x'], ['rejectLater', 'TypeError: later']]) {
        await thrown(() => manager.call(name, ['x']));
        const [{domain, level, message, fields}] = records.splice(0);
        assertEqual([domain, level, message.split('\n')[0]],
            ['leasepool', GLib.LogLevelFlags.LEVEL_DEBUG, `The function “${name}” threw ${text}`]);
        assert(message.includes(`${name}@file://`) && fields.JS_STACK.includes('functions.js:'), message);
    }
});

test('what is printed and logged is forwarded before the result', async () => {
    const manager = await start({forward_process_logs: true});
    const records = [];
    manager.connect('worker-record', (_manager, record) => records.push(record.recursiveUnpack().message));
    await manager.call('talk');
    assertEqual(records.sort(), ['of console', 'of print']);
});

test('a promise is waited for, with its job', async () => {
    const manager = await start();
    assertEqual(await manager.call('later', [[1, 'x']]), {value: [1, 'x'], name: 'later'});
    assertEqual(await Promise.all([1, 2, 3].map(n => manager.call('later', [n]))), [1, 2, 3].map(n => ({value: n, name: 'later'})));
    assertEqual(await manager.call('hasJob'), true);
    assertEqual(Lp.currentJob, null);
});

test('progress of a function', async () => {
    const manager = await start();
    const lease = await manager.acquire();
    const mark = write('');
    const job = lease.begin('steps', [4, mark]);
    const seen = [];
    for await (const {progress, status} of job.updates()) {
        seen.push([progress, status]);
        GLib.unlink(mark);
        System.gc();
    }
    assertEqual([seen.at(-1), await job.wait()], [[1, 'step 4'], 4]);
    assert(seen.length > 1, `${seen}`);
    lease.release();
});

for (const name of ['untilCancelled', 'untilCancelledLater']) {
    test(`cancellation: ${name}`, async () => {
        const manager = await start();
        const lease = await manager.acquire();
        const pid = await lease.call('pid');
        const job = lease.begin(name);
        await until(() => job.progress === 0.5);
        job.cancel();
        await assertThrows(Gio.IOErrorEnum, CANCELLED, () => job.wait());
        assertEqual(await lease.call('pid'), pid);
        lease.release();
    });
}

test('a function that does not look is killed', async () => {
    const manager = await start({cancel_grace_seconds: 0.05});
    const lease = await manager.acquire();
    const pid = await lease.call('pid');
    const cancellable = new Gio.Cancellable();
    const mark = write('');
    const call = thrown(() => lease.call('spin', [mark], {cancellable}));
    await until(() => !GLib.file_test(mark, GLib.FileTest.EXISTS));
    cancellable.cancel();
    assert((await call).matches(Gio.IOErrorEnum, CANCELLED));
    assert(await lease.call('pid') !== pid);
    lease.release();
});

test('the init function is one of the module', async () => {
    const manager = await start({worker_init_function: 'prepare', worker_init_parameters: [{model: 'small'}]});
    assertEqual(await manager.call('getPrepared'), {model: 'small'});
    const bare = await start({worker_init_function: 'prepare'});
    assertEqual(await bare.call('getPrepared'), null);
    const later = newManager({...defaults, worker_init_function: 'initLater'});
    await assertThrows(Lp.Error, START_FAILED, () => later.start(), 'cannot defer its end');
});

for (const [name, source, ...words] of [
    ['does not parse', '\nexport function (', 'SyntaxError', 'my%20functions.js:2)'],
    ['throws', '\n\nthrow new TypeError("at the top");', 'TypeError: at the top (file://', 'my%20functions.js:3)'],
    ['throws an error of several lines', '\nthrow new Error("one\\ntwo");', 'Error: one two', 'my%20functions.js:2)'],
    ['throws an error of GLib', "import GLib from 'gi://GLib';\nGLib.file_get_contents('/no-such');", '/no-such',
        'my%20functions.js:2'],
    ['throws a string', 'throw "a string";', 'my functions.js: a string'],
    ['throws what has no text', 'throw Object.create(null);', 'my functions.js: threw what has no text'],
    ['imports what is not there', "import './no-such.js';", 'no-such.js'],
    ['imports a name that is not there', "\nimport {x} from 'system';", 'x', 'my%20functions.js:2)'],
    ['declares a wrong type', 'export function f() {}\nf.parameters = "no type";', 'parameters of “f”'],
]) {
    test(`the start fails for a module that ${name}`, async () => {
        const manager = newManager({...defaults, worker_module: write(source)});
        const {message} = await assertThrows(Lp.Error, START_FAILED, () => manager.start());
        // The last line of standard error, not the command line before it.
        const reason = message.slice(message.indexOf('“'));
        for (const text of ['my functions.js: ', ...words])
            assert(reason.includes(text), `no “${text}” in “${reason}”`);
        // Nor a place in the loader; GJS may name a module of its own in the text.
        assert(!/leasepool\/\w+\.js|\(resource:/.test(reason), reason);
        assert(!manager.running);
    });
}

test('the start fails without the module', async () => {
    const manager = newManager({...defaults, worker_module: '/no/such/module.js'});
    await assertThrows(Lp.Error, START_FAILED, () => manager.start(), '/no/such/module.js');
});

test('a module may await at its top', async () => {
    const source = `import GLib from 'gi://GLib';
        await new Promise(resolve => GLib.idle_add(0, () => { resolve(); return false; }));
        export const value = await Promise.resolve(5);
        export const get = async () => { await null; return value; };`;
    const manager = await start({worker_module: write(source)});
    assertEqual(await manager.call('get'), 5);
});

test('by hand the program says that a manager starts it', async () => {
    const child = Gio.Subprocess.new(Lp.workerArgv(MODULE), Gio.SubprocessFlags.STDERR_PIPE);
    const [, stderr] = await child.communicate_utf8_async(null, null);
    assertEqual([child.get_exit_status(), stderr.includes('a manager starts it')], [1, true], stderr);
});

await run();
