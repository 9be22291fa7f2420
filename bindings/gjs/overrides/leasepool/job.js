// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Lp.Job. */

/* exported extend */

const {closureRefused, describe, invalid} = imports.overrides.leasepool.errors;
const {checkCancellable} = imports.overrides.leasepool.calls;
const {fromResult, isTexts} = imports.overrides.leasepool.values;

/** Each change of the progress, the last one included, until the job has ended. A slow reader misses some, never the last. */
async function* progressOf(job) {
    let wake = () => {};
    let over = false;
    let [progress, status] = [-1, null];
    const handlers = ['progress', 'status'].map(name => job.connect(`notify::${name}`, () => wake()));
    // However it ends, and without keeping its result.
    job.wait_async(null).catch(() => {}).then(() => {
        over = true;
        wake();
    });
    try {
        for (;;) {
            if (job.progress !== progress || job.dup_status() !== status) {
                [progress, status] = [job.progress, job.dup_status()];
                yield {progress, status};
            } else if (over) {
                return;
            } else {
                await new Promise(resolve => (wake = resolve));
            }
        }
    } finally {
        handlers.forEach(handler => job.disconnect(handler));
    }
}

function extend(Lp) {
    const {prototype} = Lp.Job;
    const {wait} = prototype;
    const {new_for_call: newForCall, new_for_command: newForCommand} = Lp.Job;

    // Wherever such a job goes: no executor can run it.
    Lp.Job.new_for_func = function () {
        throw closureRefused();
    };

    Lp.Job.new_for_call = (name, parameters = null) => newForCall.call(Lp.Job, name, parameters);
    Lp.Job.new_for_command = (argv, input = null) => {
        if (!isTexts(argv) || argv.length === 0)
            throw invalid(`A command must be an array of strings, not ${describe(argv)}`);
        return newForCommand.call(Lp.Job, argv, input);
    };

    Object.assign(prototype, {
        async wait(cancellable = null) {
            return fromResult(await this.wait_async(checkCancellable(cancellable)));
        },

        wait_sync(timeout = -1, cancellable = null) {
            return fromResult(wait.call(this, timeout, checkCancellable(cancellable)));
        },

        updates() {
            return progressOf(this);
        },
    });
}
