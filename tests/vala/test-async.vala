// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* What Vala makes of the API: constructors, yield, throws, and the defaults of arguments; the same on each backend. */

string backend;                 /* of the case that runs */

/* It has been started; it is stopped by its case. */
async Lp.Manager start (int max_pools = 1) throws GLib.Error {
    var manager = new Lp.Manager (backend, max_pools) {
        function_module = Environment.get_variable ("LP_TEST_FUNCTIONS_MODULE"),
        workers_per_pool = 1
    };

    assert_true (yield manager.start_async ());
    return manager;
}

int get_int (Variant result) {
    return result.get_child_value (0).get_int32 ();
}

class Constructors : Case {
    public override async void run () throws GLib.Error {
        var functions = new Lp.Functions ();
        var manager = new Lp.Manager (backend, 2) {
            min_pools = 2, check_interval = 0.5, functions = functions, worker_argv = { "a", "b" }
        };
        var request = new Lp.Request () { owner = "me", timeout = 2, lease_seconds = 3, priority = -1, wait = false };
        var job = new Lp.Job.for_call ("add", new Variant ("(ii)", 2, 3)) { timeout_seconds = 4 };

        assert_cmpstr (manager.backend, CompareOperator.EQ, backend);
        assert_cmpint (manager.min_pools, CompareOperator.EQ, 2);
        assert_true (manager.check_interval == 0.5 && manager.functions == functions);
        assert_true (request.owner == "me" && request.timeout == 2 && request.lease_seconds == 3);
        assert_true (request.priority == -1 && !request.wait);
        assert_true (job.name == "add" && job.timeout_seconds == 4 && job.state == Lp.JobState.NEW);
        assert_true (new Lp.Job.for_command ({ "true" }).argv.length == 1);
        assert_true (new Lp.Worker (functions).get_functions () == functions);
    }
}

/* Everything that may be left out is. */
class Defaults : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start ();
        var lease = yield manager.acquire_async ();

        yield lease.call_async ("echo");
        yield lease.submit_async (new Lp.Job.for_call ("echo"));
        assert_true (lease.renew ());
        lease.release ();
        assert_true (yield lease.drain_async ());
        manager.try_acquire ().release ();
        manager.acquire ().release ();
        yield manager.call_async ("echo");
        yield manager.run_async (new Lp.Job.for_command ({ "true" }));

        lease = yield manager.acquire_async ();
        var job = new Lp.Job.for_call ("echo");
        lease.submit (job);
        yield job.wait_async ();
        job.wait ();
        lease.release ();
        assert_true (yield manager.stop_async (Lp.StopMode.DRAIN));
        assert_true (manager.start ());
        assert_true (manager.stop (Lp.StopMode.CANCEL));

        assert_true (yield manager.start_async ());
        var grinder = new Lp.Grinder (manager);
        assert_true (yield grinder.start_async ());
        assert_true (yield grinder.stop_async ());
        assert_true (yield manager.stop_async ());
        assert_true (manager.start ());
        assert_true (manager.stop ());
    }
}

/* One after the other, and several at once. */
class Yields : Case {
    private int sum;
    private int n_done;

    private async void add (Lp.Manager manager, int number) {
        try {
            sum += get_int (yield manager.call_async ("add", new Variant ("(ii)", number, 1)));
        } catch (GLib.Error error) {
            Test.message ("%s", error.message);
            Test.fail ();
        }
        n_done++;
    }

    public override async void run () throws GLib.Error {
        var manager = yield start (2);

        for (int i = 0; i < 20; i++)
            add.begin (manager, i);
        yield until (() => n_done == 20);
        assert_cmpint (sum, CompareOperator.EQ, 210);

        var lease = yield manager.acquire_async (new Lp.Request () { owner = "one" });
        int number = get_int (yield lease.call_async ("add", new Variant ("(ii)", 1, 1)));
        number = get_int (yield lease.call_async ("add", new Variant ("(ii)", number, number)));
        assert_cmpint (number, CompareOperator.EQ, 4);
        lease.release ();
        assert_true (yield lease.drain_async ());
        yield manager.stop_async (Lp.StopMode.DRAIN);
    }
}

class Throws : Case {
    public override async void run () throws GLib.Error {
        var manager = new Lp.Manager (backend, 0);
        int seen = 0;

        try {
            yield manager.start_async ();
        } catch (Lp.Error.INVALID_ARGUMENT error) {
            assert_true (error.message.contains ("max-pools"));
            seen++;
        }
        try {
            yield manager.call_async ("add");
        } catch (Lp.Error.NOT_STARTED error) {
            seen++;
        }

        manager = yield start ();
        var lease = yield manager.acquire_async (new Lp.Request () { owner = "holder" });
        try {
            yield manager.acquire_async (new Lp.Request () { timeout = 0.01 });
        } catch (IOError.TIMED_OUT error) {
            assert_true (error.message.contains ("holder"));
            seen++;
        }
        try {
            yield manager.acquire_async (new Lp.Request () { wait = false });
        } catch (Lp.Error error) {
            assert_true (error is Lp.Error.UNAVAILABLE);
            seen++;
        }
        try {
            yield lease.call_async ("fail", new Variant ("(s)", "there"));
        } catch (IOError error) {
            assert_true (error is IOError.EXISTS && error.message == "there");
            seen++;
        }
        try {
            yield lease.call_async ("no-such");
        } catch (Lp.Error.UNKNOWN_FUNCTION error) {
            seen++;
        }
        lease.release ();
        try {
            yield lease.call_async ("echo");
        } catch (Lp.Error.EXPIRED error) {
            seen++;
        }
        try {
            manager.stop ((Lp.StopMode) 0);
        } catch (Lp.Error.INVALID_ARGUMENT error) {
            seen++;
        }
        assert_cmpint (seen, CompareOperator.EQ, 8);
        yield manager.stop_async (Lp.StopMode.DRAIN);
    }
}

class Cancels : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start ();
        var lease = yield manager.acquire_async ();
        var cancellable = new Cancellable ();
        int seen = 0;

        Idle.add (() => { cancellable.cancel (); return Source.REMOVE; });
        try {
            yield manager.acquire_async (null, cancellable);
        } catch (IOError.CANCELLED error) {
            seen++;
        }
        cancellable = new Cancellable ();
        Idle.add (() => { cancellable.cancel (); return Source.REMOVE; });
        try {
            yield lease.call_async ("until-cancelled", null, cancellable);
        } catch (IOError.CANCELLED error) {
            seen++;
        }
        assert_cmpint (seen, CompareOperator.EQ, 2);
        lease.release ();
        yield manager.stop_async (Lp.StopMode.DRAIN);
    }
}

class DeclaredTypes : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start ();
        VariantType? parameters, result;

        assert_true (manager.lookup_function ("add", out parameters, out result));
        assert_true (parameters.equal (new VariantType ("(ii)")) && result.equal (new VariantType ("(i)")));
        assert_false (manager.lookup_function ("no-such", out parameters, out result));
        assert_true (parameters == null && result == null);
        yield manager.stop_async (Lp.StopMode.DRAIN);
    }
}

/* The worker program of docs/examples/workers. */
class Workers : Case {
    public override async void run () throws GLib.Error {
        var manager = new Lp.Manager ("process", 1) {
            worker_argv = { Environment.get_variable ("LP_TEST_WORKER") }, workers_per_pool = 1, forward_process_logs = true
        };
        string told = "";
        int seen = 0;

        manager.worker_record.connect ((record) => {
            string message;
            if (record.lookup ("message", "s", out message))
                told += message;
        });
        yield manager.start_async ();
        var lease = yield manager.acquire_async ();
        assert_cmpint (get_int (yield lease.call_async ("double", new Variant ("(i)", 21))), CompareOperator.EQ, 42);
        yield lease.call_async ("greet", new Variant ("(s)", "you"));
        assert_true (told.contains ("Greeting you"));
        try {
            yield lease.call_async ("greet", new Variant ("(s)", ""));
        } catch (IOError.INVALID_ARGUMENT error) {
            seen++;
        }
        try {
            yield lease.submit_async (new Lp.Job.for_func ((job, out result) => { result = null; }));
        } catch (Lp.Error.NOT_SUPPORTED error) {
            seen++;
        }

        var job = new Lp.Job.for_call ("count_primes", new Variant ("(u)", uint32.MAX - 1));
        lease.submit (job);
        yield until (() => job.progress >= 0);
        job.cancel ();
        try {
            yield job.wait_async ();
        } catch (IOError.CANCELLED error) {
            seen++;
        }
        assert_cmpint (seen, CompareOperator.EQ, 3);
        lease.release ();
        yield manager.stop_async (Lp.StopMode.DRAIN);
    }
}

void add_each (string path, Type type) {
    foreach (var name in new string[] { "thread", "process" }) {
        var chosen = name;

        Test.add_data_func ("/vala/%s%s".printf (name, path), () => {
            backend = chosen;
            ((Case) Object.new (type)).run_to_end ();
        });
    }
}

int main (string[] args) {
    Test.init (ref args);
    add_each ("/constructors", typeof (Constructors));
    add_each ("/defaults", typeof (Defaults));
    add_each ("/yields", typeof (Yields));
    add_each ("/throws", typeof (Throws));
    add_each ("/cancels", typeof (Cancels));
    add_each ("/declared-types", typeof (DeclaredTypes));
    add_case ("/vala/process/worker-in-vala", typeof (Workers));
    return Test.run ();
}
