// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* What the GJS tests share: promises for the library, cases that speak TAP, and garbage collections between all steps.
 *
 * Nothing here sleeps to synchronise: until() iterates the main loop till something holds, and one that never does is a
 * failure. Criticals are fatal in these programs; a case that provokes one does so in a child, see runProgram().
 */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';

export const FUNCTIONS_MODULE = GLib.getenv('LP_TEST_FUNCTIONS_MODULE');
const SECONDS = 30;

for (const [type, ...names] of [[Lp.Manager, 'start', 'stop', 'acquire', 'run', 'call'], [Lp.Lease, 'submit', 'call', 'drain'], [Lp.Job, 'wait']]) {
    for (const name of names)
        Gio._promisify(type.prototype, `${name}_async`, `${name}_finish`);
}
Gio._promisify(Gio.Subprocess.prototype, 'communicate_utf8_async', 'communicate_utf8_finish');

const cases = [];
let cleanups = [];

/** Adds a case; an asynchronous function may be given. A case with a reason to skip it does not run. */
export function test(name, func, skip = null) {
    cases.push({name, func, skip});
}

/** GJS 1.74 refuses a closure on another thread, 1.82 crashes there before it asks which thread it is on: the overrides
 * refuse such a job when it is made. */
export const CLOSURES_CRASH = System.version >= 18000 ? `GJS ${System.version} crashes in a closure on a thread` : null;

/** Has a function called when the case ends, the last one first. */
export function cleanUp(func) {
    cleanups.unshift(func);
}

export function assert(condition, message = 'it does not hold') {
    if (!condition)
        throw new Error(message);
}

export function assertEqual(actual, expected, message = '') {
    const [left, right] = [actual, expected].map(value => JSON.stringify(value, (_key, part) =>
        typeof part === 'bigint' || typeof part === 'number' && !Number.isFinite(part) ? `${part}` : part));
    if (left !== right)
        throw new Error(`${message} expected ${right}, got ${left}`);
}

/** What the function throws, or its promise is rejected with. */
export async function thrown(func) {
    let value;
    try {
        value = await func();
    } catch (error) {
        return error;
    }
    throw new Error(`nothing was thrown; the value is ${value}`);
}

/** Asserts that the function throws this code of Lp.Error or Gio.IOErrorEnum, with a message that includes the text. */
export async function assertThrows(domain, code, func, text = '') {
    const error = await thrown(func);
    if (!(error instanceof GLib.Error) || !error.matches(domain, code))
        throw new Error(`${error.constructor.name} was thrown, expected code ${code}: ${error.message}`);
    assert(error.message.includes(text), `no “${text}” in “${error.message}”`);
    return error;
}

/** Collects garbage and iterates the main loop until the condition holds. */
export async function until(condition, what = condition.toString()) {
    const end = GLib.get_monotonic_time() + SECONDS * 1e6;
    for (;;) {
        System.gc();
        if (condition())
            return;
        assert(GLib.get_monotonic_time() < end, `not before ${SECONDS} s: ${what}`);
        await turn(2);
    }
}

/** The main loop has had its turn. */
export function turn(milliseconds = 0) {
    return new Promise(resolve => GLib.timeout_add(GLib.PRIORITY_LOW, milliseconds, () => {
        resolve();
        return GLib.SOURCE_REMOVE;
    }));
}

/** A manager of threads; the case ends with its stop. */
export function newManager(properties = {}) {
    const manager = new Lp.Manager({backend: Lp.BACKEND_THREAD, max_pools: 2, function_module: FUNCTIONS_MODULE, ...properties});
    cleanUp(async () => {
        await manager.stop_async(Lp.StopMode.KILL, -1, null);
        assertEqual(manager.total_count, 0, 'executors that are left:');
    });
    return manager;
}

export async function startManager(properties = {}) {
    const manager = newManager(properties);
    await manager.start_async(null);
    System.gc();
    return manager;
}

/** The value of a named function of the test module. */
export async function call(lease, name, type = '()', value = []) {
    const result = await lease.call_async(name, new GLib.Variant(type, value), null);
    System.gc();
    return result.deepUnpack();
}

/** Runs a legacy script in a child where criticals are not fatal. */
export async function runProgram(source) {
    const launcher = new Gio.SubprocessLauncher({flags: Gio.SubprocessFlags.STDOUT_PIPE | Gio.SubprocessFlags.STDERR_PIPE});
    launcher.unsetenv('G_DEBUG');
    const prologue = `imports.gi.versions.Lp = '1'; const {Gio, GLib, Lp} = imports.gi; const System = imports.system;
        const FUNCTIONS_MODULE = GLib.getenv('LP_TEST_FUNCTIONS_MODULE'); const context = GLib.MainContext.default();\n`;
    const child = launcher.spawnv(['gjs', '-c', prologue + source]);
    const [stdout, stderr] = await child.communicate_utf8_async(null, null);
    const status = child.get_if_exited() ? child.get_exit_status() : -child.get_term_sig();
    return {status, stdout, stderr};
}

export async function assertProgram(source, stdout) {
    const program = await runProgram(source);
    assertEqual([program.status, program.stdout], [0, stdout], program.stderr);
    return program;
}

async function runCase({func}) {
    let failure = null;
    cleanups = [];
    for (let step = func; step; step = cleanups.shift()) {
        try {
            await step();
            await turn();
        } catch (error) {
            failure ??= error;
        }
        System.gc();
    }
    return failure;
}

/** Runs all cases, or those whose names are given as arguments, and ends the program. */
export async function run() {
    const wanted = System.programArgs;
    const chosen = cases.filter(({name}) => wanted.length === 0 || wanted.some(each => name.includes(each)));
    let bad = 0;
    GLib.timeout_add_seconds(GLib.PRIORITY_HIGH, 110, () => {
        print('Bail out! a case hangs');
        System.exit(1);
    });
    print(`1..${chosen.length}`);
    for (const [n, each] of chosen.entries()) {
        if (each.skip !== null) {
            print(`ok ${n + 1} - ${each.name} # SKIP ${each.skip}`);
            continue;
        }
        const failure = await runCase(each);
        if (failure !== null) {
            bad++;
            print(`${failure.message}\n${failure.stack}`.trim().replace(/^/gm, '# '));
        }
        print(`${failure === null ? 'ok' : 'not ok'} ${n + 1} - ${each.name}`);
    }
    System.gc();
    System.exit(bad === 0 && chosen.length > 0 ? 0 : 1);
}
