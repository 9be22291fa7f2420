// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Lp.Grinder. */

/* exported extend */

const {invalid} = imports.overrides.leasepool.errors;
const {checkCancellable, checkMode, newCall} = imports.overrides.leasepool.calls;
const {check} = imports.overrides.leasepool.settings;
const {fromResult, unpack} = imports.overrides.leasepool.values;

function extend(Lp) {
    const {prototype} = Lp.Grinder;
    const {_init: init, enqueue} = prototype;

    Object.assign(prototype, {
        _init(properties = {}) {
            const checked = check(Lp.Grinder, 'Lp.Grinder', properties);
            if (!checked.manager)
                throw invalid('Lp.Grinder needs a manager: new Lp.Grinder({manager})');
            init.call(this, checked);
            this.validate();
        },

        async start(cancellable = null) {
            await this.start_async(checkCancellable(cancellable));
        },

        async stop(mode = Lp.StopMode.CANCEL, cancellable = null) {
            await this.stop_async(checkMode(mode), checkCancellable(cancellable));
        },

        async submit(first, ...rest) {
            const isJob = first instanceof Lp.Job;
            const {job, cancellable} = isJob
                ? {job: first, cancellable: checkCancellable(rest[0] ?? null)}
                : newCall(this.manager, first, rest);
            return fromResult(await this.submit_async(job, cancellable));
        },

        enqueue(first, ...rest) {
            if (first instanceof Lp.Job) {
                enqueue.call(this, first);
                return first;
            }
            const {job, cancellable} = newCall(this.manager, first, rest);
            if (cancellable !== null)
                throw invalid('An item that is enqueued is cancelled with cancel() of its job');
            enqueue.call(this, job);
            return job;
        },

        async waitDrained() {
            // In this order: a fall to zero after the look is told.
            let handler = 0;
            const drained = new Promise(resolve => (handler = this.connect('drained', () => resolve())));
            try {
                if (this.pending_count > 0)
                    await drained;
            } finally {
                this.disconnect(handler);
            }
        },

        stats() {
            return unpack(this.dup_stats());
        },
    });
}
