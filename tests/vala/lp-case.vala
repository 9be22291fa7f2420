// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* What the Vala tests share: cases that may yield, and a few asserts. */

/* A case is a class: its run() may yield, and what it throws is a failure. */
public abstract class Case : Object {
    public abstract async void run () throws GLib.Error;

    public void run_to_end () {
        var loop = new MainLoop ();

        run.begin ((source, result) => {
            try {
                run.end (result);
            } catch (GLib.Error error) {
                Test.message ("%s: %s %d: %s", get_type ().name (), error.domain.to_string (), error.code, error.message);
                Test.fail ();
            }
            loop.quit ();
        });
        loop.run ();
    }
}

public void add_case (string path, Type type) {
    Test.add_data_func (path, () => ((Case) Object.new (type)).run_to_end ());
}

/* A started manager of threads; its case stops it. */
public async Lp.Manager start_manager (int max_pools = 2) throws GLib.Error {
    var manager = new Lp.Manager ("thread", max_pools) {
        function_module = Environment.get_variable ("LP_TEST_FUNCTIONS_MODULE")
    };

    yield manager.start_async ();
    return manager;
}

/* The condition may be brought about by another thread. */
public delegate bool Condition ();

public async void until (owned Condition condition) {
    int64 end = get_monotonic_time () + 30 * TimeSpan.SECOND;

    while (!condition ()) {
        assert_true (get_monotonic_time () < end);
        Timeout.add (2, until.callback);
        yield;
    }
}
