// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Lp.Lease. */

/* exported extend */

const {describe, invalid} = imports.overrides.leasepool.errors;
const {checkCancellable, readCall} = imports.overrides.leasepool.calls;
const {fromResult} = imports.overrides.leasepool.values;

function newCall(lease, name, rest) {
    const {Lp} = imports.gi;
    const {parameters, options} = readCall(lease.manager, name, rest);
    const {cancellable = null, timeout = 0, ...others} = options ?? {};
    for (const other of Object.keys(others))
        throw invalid(`A call has no option “${other}”`);
    if (!Number.isFinite(timeout) || timeout < 0)
        throw invalid(`timeout must be a number of seconds, not ${describe(timeout)}`);
    const job = Lp.Job.new_for_call(name, parameters);
    job.timeout_seconds = timeout;
    return {job, cancellable: checkCancellable(cancellable)};
}

function extend(Lp) {
    Object.assign(Lp.Lease.prototype, {
        async call(name, ...rest) {
            const {job, cancellable} = newCall(this, name, rest);
            return fromResult(await this.submit_async(job, cancellable));
        },

        begin(name, ...rest) {
            const {job, cancellable} = newCall(this, name, rest);
            if (cancellable !== null)
                throw invalid('A call that is begun is cancelled with cancel() of its job');
            this.submit(job);
            return job;
        },

        async run(job, cancellable = null) {
            return fromResult(await this.submit_async(job, checkCancellable(cancellable)));
        },

        async drain(cancellable = null) {
            await this.drain_async(checkCancellable(cancellable));
        },
    });
}
