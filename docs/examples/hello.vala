// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

async void work (Lp.Manager manager) throws Error {
    yield manager.start_async ();

    var lease = yield manager.acquire_async (new Lp.Request () { owner = "hello", timeout = 2 });
    var name = "a leased thread";
    var job = new Lp.Job.for_func ((job, out result) => {
        result = new Variant ("(s)", "Hello from %s".printf (name));
    });
    print ("%s\n", (yield lease.submit_async (job)).get_child_value (0).get_string ());
    lease.release ();

    yield manager.stop_async (Lp.StopMode.DRAIN);
}

int main () {
    var manager = new Lp.Manager ("thread", 2) { min_pools = 2 };
    var loop = new MainLoop ();
    var status = 0;

    work.begin (manager, (source, result) => {
        try {
            work.end (result);
        } catch (Error error) {
            printerr ("%s\n", error.message);
            status = 1;
        }
        loop.quit ();
    });
    loop.run ();

    return status;
}
