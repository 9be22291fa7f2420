// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

// The option --speed-up of checksum.js: the same work in JavaScript on one worker process, and on two.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';

for (const name of ['start', 'stop', 'acquire'])
    Gio._promisify(Lp.Manager.prototype, `${name}_async`, `${name}_finish`);
Gio._promisify(Lp.Lease.prototype, 'call_async', 'call_finish');

const RUNS = 3;
const JOBS = 4;
const LIMIT = 500000;

// The seconds from the first job's submission to the last one's result; all workers have started before.
async function measure(lease) {
    const begin = GLib.get_monotonic_time();
    await Promise.all(Array.from({length: JOBS}, () =>
        lease.call_async('count_primes', new GLib.Variant('(u)', [LIMIT]), null)));
    return (GLib.get_monotonic_time() - begin) / 1e6;
}

function median(numbers) {
    return numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

async function startManager(workers_per_pool, worker_argv) {
    const manager = new Lp.Manager({backend: Lp.BACKEND_PROCESS, max_pools: 1, workers_per_pool, worker_argv});
    await manager.start_async(null);
    return manager;
}

function loadAverage() {
    return new TextDecoder().decode(GLib.file_get_contents('/proc/loadavg')[1]).split(' ')[0];
}

export async function speedUp(workerArgv) {
    const load = Number(loadAverage()).toFixed(1);
    const managers = [];
    const times = [[], []];
    try {
        for (const workers of [1, 2])
            managers.push(await startManager(workers, workerArgv));
        const leases = await Promise.all(managers.map(manager => manager.acquire_async(null, null)));
        // By turns, so that whatever else the computer does slows both down.
        for (let run = 0; run < RUNS; run++) {
            for (const [i, lease] of leases.entries())
                times[i].push(await measure(lease));
        }
        leases.forEach(lease => lease.release());
    } finally {
        await Promise.all(managers.map(manager => manager.stop_async(Lp.StopMode.CANCEL, -1, null)));
    }
    const [one, two] = times.map(median);
    return `${JOBS} times count_primes (${LIMIT}) in JavaScript, ${GLib.get_num_processors()} CPUs ` +
        `(load before: ${load}), medians of ${RUNS} runs:\n` +
        `  1 worker process    ${one.toFixed(3)} s\n` +
        `  2 worker processes  ${two.toFixed(3)} s\n` +
        `  ${(one / two).toFixed(2)} times as fast\n`;
}
