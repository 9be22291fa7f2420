// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Lp.Lease. */

/* exported extend */

const {invalid} = imports.overrides.leasepool.errors;
const {checkCancellable, checkJob, newCall} = imports.overrides.leasepool.calls;
const {fromResult} = imports.overrides.leasepool.values;

function extend(Lp) {
    const {prototype} = Lp.Lease;
    const {renew, submit} = prototype;

    Object.assign(prototype, {
        renew(seconds = -1) {
            return renew.call(this, seconds);
        },

        submit(job) {
            return submit.call(this, checkJob(job));
        },

        async call(name, ...rest) {
            const {job, cancellable} = newCall(this.manager, name, rest);
            return fromResult(await this.submit_async(job, cancellable));
        },

        begin(name, ...rest) {
            const {job, cancellable} = newCall(this.manager, name, rest);
            if (cancellable !== null)
                throw invalid('A call that is begun is cancelled with cancel() of its job');
            this.submit(job);
            return job;
        },

        async run(job, cancellable = null) {
            return fromResult(await this.submit_async(checkJob(job), checkCancellable(cancellable)));
        },

        async drain(cancellable = null) {
            await this.drain_async(checkCancellable(cancellable));
        },
    });
}
