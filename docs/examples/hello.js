#!/usr/bin/gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

import Lp from 'gi://Lp?version=1';

const manager = new Lp.Manager({backend: 'thread', max_pools: 2});
await manager.start();
await manager.withLease({owner: 'hello', timeout: 2}, async lease => {
    const job = Lp.Job.new_for_command(['echo', 'Hello from a program that cannot outlive its lease']);
    const [status, output] = await lease.run(job);
    print(`${new TextDecoder().decode(output).trim()}, exit status ${status}`);
});
await manager.stop(Lp.StopMode.DRAIN);
