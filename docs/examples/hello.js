#!/usr/bin/gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

import Gio from 'gi://Gio';
import Lp from 'gi://Lp?version=1';

Gio._promisify(Lp.Manager.prototype, 'start_async', 'start_finish');
Gio._promisify(Lp.Manager.prototype, 'run_async', 'run_finish');
Gio._promisify(Lp.Manager.prototype, 'stop_async', 'stop_finish');

const manager = Lp.Manager.new('thread', 2);
await manager.start_async(null);
const job = Lp.Job.new_for_command(['echo', 'Hello from a program that cannot outlive its lease'], null);
const [status, output] = (await manager.run_async(job, null, null)).deepUnpack();
print(`${new TextDecoder().decode(output).trim()}, exit status ${status}`);
await manager.stop_async(Lp.StopMode.DRAIN, -1, null);
