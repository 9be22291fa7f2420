#!/usr/bin/gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

import Gio from 'gi://Gio';
import Lp from 'gi://Lp?version=1';

for (const name of ['start', 'acquire', 'stop'])
    Gio._promisify(Lp.Manager.prototype, `${name}_async`, `${name}_finish`);
Gio._promisify(Lp.Lease.prototype, 'submit_async', 'submit_finish');

const manager = Lp.Manager.new('thread', 2);
await manager.start_async(null);
const lease = await manager.acquire_async(new Lp.Request({owner: 'hello', timeout: 2}), null);
const job = Lp.Job.new_for_command(['echo', 'Hello from a program that cannot outlive its lease'], null);
const [status, output] = (await lease.submit_async(job, null)).deepUnpack();
print(`${new TextDecoder().decode(output).trim()}, exit status ${status}`);
lease.release();
await manager.stop_async(Lp.StopMode.DRAIN, -1, null);
