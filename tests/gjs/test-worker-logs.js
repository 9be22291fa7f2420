// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* What a worker in GJS logs and prints, as it comes to the manager; domains and levels are those of GJS 1.74. */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import {assert, assertEqual, assertThrows, run, startManager, test} from './lptest.js';

const {LEVEL_CRITICAL, LEVEL_DEBUG, LEVEL_ERROR, LEVEL_INFO, LEVEL_MESSAGE, LEVEL_WARNING} = GLib.LogLevelFlags;
const [WORKER] = GLib.filename_from_uri(import.meta.url.replace('test-worker-logs', 'worker-logs'));

/** A manager of one worker; record() calls a function and tells what had come when its result did. */
async function start(level = LEVEL_DEBUG, properties = {}) {
    const manager = await startManager({
        backend: Lp.BACKEND_PROCESS, max_pools: 1, function_module: null, worker_argv: ['gjs', '-m', WORKER],
        // Some cases log errors; with this in the environment they would end the worker, as the user asked.
        worker_environment: ['G_DEBUG=', 'G_MESSAGES_DEBUG='],
        start_timeout_seconds: 60, forward_process_logs: true, process_log_level: level, ...properties,
    });
    const records = [];
    manager.connect('worker-record', (_manager, record) => records.push(record.recursiveUnpack()));
    return {
        manager,
        records,
        async record(name, number) {
            records.length = 0;
            const parameters = number === undefined ? new GLib.Variant('()', []) : new GLib.Variant('(u)', [number]);
            await manager.call_async(name, parameters, null, null);
            return [...records];
        },
    };
}

const shown = records => records.map(({domain, level, message, source}) => [source, domain, level, message]);
const messages = records => records.map(({message}) => message);

test('console: domain and level of each', async () => {
    const {record} = await start();
    assertEqual(shown(await record('console')), [
        ['log', 'Gjs-Console', LEVEL_DEBUG, 'of debug'],
        ['log', 'Gjs-Console', LEVEL_MESSAGE, 'of log'],
        ['log', 'Gjs-Console', LEVEL_INFO, 'of info 7'],
        ['log', 'Gjs-Console', LEVEL_WARNING, 'of warn'],
        ['log', 'Gjs-Console', LEVEL_CRITICAL, 'of error'],
    ]);
});

test('console: the threshold is that of the manager', async () => {
    for (const [level, expected] of [
        [LEVEL_INFO, ['of log', 'of info 7', 'of warn', 'of error']],
        [LEVEL_MESSAGE, ['of log', 'of warn', 'of error']],
        [LEVEL_CRITICAL, ['of error']],
        [LEVEL_ERROR, []],
    ]) {
        const {record} = await start(level);
        assertEqual(messages(await record('console')), expected);
    }
});

test('console: trace, assert, groups and objects', async () => {
    const {record} = await start();
    const [trace, failed, ...rest] = shown(await record('console-others'));
    assertEqual([...trace.slice(0, 3), ...failed], ['log', 'Gjs-Console', LEVEL_MESSAGE,
        'log', 'Gjs-Console', LEVEL_CRITICAL, 'Assertion failed: of assert']);
    assert(trace[3].startsWith('of trace\n') && trace[3].includes('worker-logs.js:'), trace[3]);
    assertEqual(rest.map(([, , level]) => level), [LEVEL_MESSAGE, LEVEL_MESSAGE, LEVEL_MESSAGE, LEVEL_MESSAGE]);
    assertEqual(rest.slice(0, 2).map(([, , , message]) => message), ['of group', '  inside']);
    assert(rest[2][3].startsWith('Error: of an error\n'), rest[2][3]);
    assertEqual(JSON.parse(rest[3][3]), {name: 'value', list: [1, 2]});
});

test('an error of the console ends no worker', async () => {
    const {manager, record} = await start();
    const [{pid, level}] = (await record('console')).slice(-1);
    assertEqual(level, LEVEL_CRITICAL);
    assertEqual((await record('console')).slice(-1)[0].pid, pid);
    assertEqual(manager.dup_stats().recursiveUnpack().executors_retired, 0);
});

test('log() and logError()', async () => {
    const {record} = await start();
    const [plain, error] = shown(await record('log'));
    assertEqual(plain, ['log', 'Gjs', LEVEL_MESSAGE, 'JS LOG: of log()']);
    assertEqual(error.slice(0, 3), ['log', 'Gjs', LEVEL_WARNING]);
    assert(error[3].startsWith('JS ERROR: of logError(): Error: an error\n'), error[3]);
});

test('print() and printerr() are lines before the result', async () => {
    const {record} = await start();
    assertEqual((await record('print')).map(({message, source, level}) => [message, source, level]),
        ['of print() 1', 'of printerr()', 'two', 'lines'].map(line => [line, 'stderr', LEVEL_MESSAGE]));
});

test('structured records keep their domain and their fields', async () => {
    const {record} = await start(LEVEL_INFO, {process_log_domain: 'workers'});
    const [{domain, worker_domain: workerDomain, message, fields}] = await record('structured');
    assertEqual([domain, workerDomain, message], ['workers', 'own-domain', 'of GLib']);
    assertEqual(fields, {OWN_FIELD: 'its value'});
});

test('all come in their order before the result', async () => {
    const {record} = await start();
    assertEqual(messages(await record('many', 2000)), Array.from({length: 2000}, (_, i) => `record ${i}`));
});

test('lines and records are all there', async () => {
    const {record} = await start();
    const records = await record('print-all', 500);
    for (const [wanted, first] of [['stderr', 0], ['log', 1]]) {
        assertEqual(messages(records.filter(({source}) => source === wanted)),
            Array.from({length: 500}, (_, i) => `record ${2 * i + first}`));
    }
});

test('lines and records come before a deferred result', async () => {
    const {record} = await start();
    assertEqual(messages(await record('print-deferred')).sort(), ['before it, too', 'before the deferred result']);
});

test('what a function throws is its error, not a record', async () => {
    const {records, record} = await start();
    await assertThrows(Lp.Error, Lp.Error.REMOTE, () => record('throw'), 'thrown (gjs-js-error-quark');
    assertEqual(shown(records), []);
});

test('a rejection that nobody catches is told at the end of the worker', async () => {
    const {manager, records, record} = await start();
    await assertThrows(Gio.IOErrorEnum, Gio.IOErrorEnum.FAILED, () => record('reject'), 'as it was rejected');
    await manager.stop_async(Lp.StopMode.DRAIN, -1, null);
    assert(shown(records).some(([source, , , message]) => source === 'stderr' &&
        message.includes('Unhandled promise rejection')), 'nothing was told');
});

await run();
