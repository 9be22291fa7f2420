// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

// The tour in Vala: tour runs all steps, tour 3 the third one.

// 1. Quick start
// The member of the result “(i)” of a job.
int number_of (Variant result) {
    return result.get_child_value (0).get_int32 ();
}

async void quick_start () throws Error {
    var manager = new Lp.Manager ("thread", 2);
    yield manager.start_async ();
    var exponent = 10;
    var job = new Lp.Job.for_func ((job, out result) => {
        result = new Variant ("(i)", 1 << exponent);
    });
    print ("2 to the power of 10: %d\n", number_of (yield manager.run_async (job)));
    yield manager.stop_async (Lp.StopMode.CANCEL);
}

// 2. A lease in a scope
Lp.Job square (int number) {
    return new Lp.Job.for_func ((job, out result) => {
        result = new Variant ("(i)", number * number);
    });
}

async void lease_in_scope () throws Error {
    var manager = new Lp.Manager ("thread", 1);
    yield manager.start_async ();
    var lease = yield manager.acquire_async (new Lp.Request () { owner = "squares", lease_seconds = 30 });
    try {
        Lp.Job[] jobs = { square (1), square (2), square (3) };
        // All of them are accepted at once, and run on the four threads of the executor.
        foreach (unowned var job in jobs) {
            lease.submit (job);
        }
        print ("squares:");
        foreach (unowned var job in jobs) {
            print (" %d", number_of (yield job.wait_async ()));
        }
        print ("\n");
    } finally {
        lease.release ();
    }
    print ("idle executors after the scope: %u\n", manager.available_count);
    yield manager.stop_async (Lp.StopMode.CANCEL);
}

// 3. Acquire and release
async void acquire_and_release () throws Error {
    var manager = new Lp.Manager ("thread", 1);
    yield manager.start_async ();
    var lease = yield manager.acquire_async (new Lp.Request () { owner = "by hand" });
    print ("leased executors: %u\n", manager.leased_count);
    var job = new Lp.Job.for_func ((job, out result) => {
        result = new Variant ("(i)", 1 << 10);
    });
    lease.submit (job);
    // Returns at once. What was accepted still runs; nothing more is accepted.
    lease.release ();
    print ("accepted before the release: %d\n", number_of (yield job.wait_async ()));
    try {
        lease.submit (new Lp.Job.for_command ({ "true" }));
    } catch (Lp.Error.EXPIRED error) {
        print ("submitted after the release: expired\n");
    }
    yield manager.stop_async (Lp.StopMode.CANCEL);
}

// 4. Wait, time out, do not wait
async void wait_for_lease () throws Error {
    var manager = new Lp.Manager ("thread", 1);
    yield manager.start_async ();
    var first = yield manager.acquire_async (new Lp.Request () { owner = "first" });
    try {
        yield manager.acquire_async (new Lp.Request () { owner = "second", wait = false });
    } catch (Lp.Error.UNAVAILABLE error) {
        print ("without waiting: unavailable\n");
    }
    try {
        yield manager.acquire_async (new Lp.Request () { owner = "second", timeout = 0.1 });
    } catch (IOError.TIMED_OUT error) {
        print ("for 0.1 seconds: timed out\n");
    }
    // While the next call waits.
    Idle.add (() => {
        first.release ();
        return Source.REMOVE;
    });
    var second = yield manager.acquire_async (new Lp.Request () { owner = "second" });
    print ("as long as it takes: leased to %s\n", second.owner);
    second.release ();
    yield manager.stop_async (Lp.StopMode.CANCEL);
}

// 5. Adaptive sizing
async void adaptive_sizing () throws Error {
    var n_devices = 25;
    var manager = new Lp.Manager ("thread", 4) { units_per_pool = 10 };
    manager.set_size_provider ((manager) => n_devices);
    yield manager.start_async ();
    print ("%d devices: %u executors\n", n_devices, manager.total_count);

    SourceFunc resume = adaptive_sizing.callback;
    var handler = manager.notify["total-count"].connect (() => {
        if (manager.total_count == 1) {
            resume ();
        }
    });
    n_devices = 5;
    manager.notify_scale_changed ();
    yield;
    manager.disconnect (handler);
    print ("%d devices: %u executor\n", n_devices, manager.total_count);
    yield manager.stop_async (Lp.StopMode.CANCEL);
}

// 6. Statistics
async void use_lease (Lp.Manager manager) throws Error {
    var lease = yield manager.acquire_async (new Lp.Request () { owner = "counted" });
    yield lease.submit_async (square (2));
    try {
        yield lease.submit_async (new Lp.Job.for_func ((job, out result) => {
            throw new IOError.FAILED ("It cannot be done");
        }));
    } catch (IOError.FAILED error) {
    }
    var stats = manager.dup_stats ();
    foreach (var entry in stats.lookup_value ("leases", null)) {
        print ("held by: %s\n", entry.lookup_value ("owner", null).get_maybe ().get_string ());
    }
    print ("jobs: %llu succeeded, %llu failed\n", stats.lookup_value ("jobs_succeeded", null).get_uint64 (),
           stats.lookup_value ("jobs_failed", null).get_uint64 ());
    lease.release ();
}

async void statistics () throws Error {
    var manager = new Lp.Manager ("thread", 1);
    yield manager.start_async ();
    yield use_lease (manager);
    var stats = manager.dup_stats ();
    print ("leases: %llu acquired, %llu released, %llu revoked\n", stats.lookup_value ("acquired", null).get_uint64 (),
           stats.lookup_value ("released", null).get_uint64 (), stats.lookup_value ("revoked", null).get_uint64 ());
    yield manager.stop_async (Lp.StopMode.CANCEL);
}

// 7. Expiry
async void expiry () throws Error {
    var manager = new Lp.Manager ("thread", 1) { lease_grace_seconds = 0 };
    yield manager.start_async ();
    var lease = yield manager.acquire_async (new Lp.Request () { owner = "forgetful", lease_seconds = 60 });
    var job = new Lp.Job.for_command ({ "sleep", "1000" });
    lease.submit (job);
    // From now on; nobody releases it.
    lease.renew (0.1);
    try {
        yield job.wait_async ();
    } catch (IOError.CANCELLED error) {
        print ("its job: cancelled\n");
    }
    try {
        lease.submit (new Lp.Job.for_command ({ "true" }));
    } catch (Lp.Error.EXPIRED error) {
        print ("a submit: expired\n");
    }
    var next = yield manager.acquire_async (new Lp.Request () { owner = "next" });
    print ("leased to %s\n", next.owner);
    next.release ();
    yield manager.stop_async (Lp.StopMode.CANCEL);
}

// 8. Processes
string program;

void count_primes (Lp.Job job, out Variant? result) throws Error {
    int limit;
    var primes = 0;
    job.get_parameters ().get ("(i)", out limit);
    for (var number = 2; number <= limit; number++) {
        var divisor = 2;
        while (number % divisor != 0) {
            divisor++;
        }
        primes += divisor == number ? 1 : 0;
    }
    result = new Variant ("(i)", primes);
}

// What main() does in the worker processes: they run this program, too.
int work () throws Error {
    var functions = new Lp.Functions ();
    var worker = new Lp.Worker (functions);
    functions.add ("count_primes", new VariantType ("(i)"), new VariantType ("(i)"), count_primes);
    functions.add ("crash", null, null, (job, out result) => Process.exit (1));
    return worker.run ();
}

async void processes () throws Error {
    var manager = new Lp.Manager ("process", 2) {
        worker_argv = { program, "--worker" },
        workers_per_pool = 2,
        start_timeout_seconds = 60
    };
    yield manager.start_async ();
    print ("primes up to 10, 100 and 1000:");
    foreach (var limit in new int[] { 10, 100, 1000 }) {
        print (" %d", number_of (yield manager.call_async ("count_primes", new Variant ("(i)", limit))));
    }
    print ("\n");
    try {
        yield manager.call_async ("crash");
    } catch (Lp.Error.BROKEN_EXECUTOR error) {
        print ("a worker that dies: broken executor\n");
    }
    var result = yield manager.call_async ("count_primes", new Variant ("(i)", 20));
    print ("primes up to 20, in another worker: %d\n", number_of (result));
    yield manager.stop_async (Lp.StopMode.CANCEL);
}

// 9. Commands
async void commands () throws Error {
    var manager = new Lp.Manager ("thread", 1);
    yield manager.start_async ();
    var job = new Lp.Job.for_command ({ "sh", "-c", "tr a-z A-Z; exit 3" }, new Bytes ("hello".data));
    var result = yield manager.run_async (job);
    var output = result.get_child_value (1).get_data_as_bytes ();
    var text = ((string) output.get_data ()).substring (0, (long) output.get_size ());
    print ("%s, exit status %d\n", text, number_of (result));
    var slow = new Lp.Job.for_command ({ "sleep", "1000" }) { timeout_seconds = 0.1 };
    try {
        yield manager.run_async (slow);
    } catch (IOError.TIMED_OUT error) {
        print ("sleep: timed out\n");
    }
    yield manager.stop_async (Lp.StopMode.CANCEL);
}

// 10. Errors
Lp.Job half (int number) {
    return new Lp.Job.for_func ((job, out result) => {
        result = null;
        if (number % 2 != 0) {
            throw new IOError.INVALID_ARGUMENT ("%d is odd", number);
        }
        result = new Variant ("(i)", number / 2);
    });
}

async void errors () throws Error {
    var manager = new Lp.Manager ("thread", 1) { min_pools = 2 };
    try {
        manager.validate ();
    } catch (Lp.Error.INVALID_ARGUMENT error) {
        print ("a setting: invalid argument\n");
    }
    manager.min_pools = 1;
    yield manager.start_async ();
    try {
        yield manager.run_async (half (5));
    } catch (IOError.INVALID_ARGUMENT error) {
        print ("a function: %s\n", error.message);
    }
    try {
        yield manager.call_async ("third");
    } catch (Lp.Error.UNKNOWN_FUNCTION error) {
        print ("a name: unknown function\n");
    }
    yield manager.stop_async (Lp.StopMode.CANCEL);
    try {
        yield manager.acquire_async ();
    } catch (Lp.Error.NOT_STARTED error) {
        print ("after the stop: not started\n");
    }
}

// The steps
const string[] STEPS = {
    "quick_start", "lease_in_scope", "acquire_and_release", "wait_for_lease", "adaptive_sizing", "statistics", "expiry",
    "processes", "commands", "errors"
};

async void step (string name) throws Error {
    switch (name) {
    case "quick_start":
        yield quick_start ();
        break;
    case "lease_in_scope":
        yield lease_in_scope ();
        break;
    case "acquire_and_release":
        yield acquire_and_release ();
        break;
    case "wait_for_lease":
        yield wait_for_lease ();
        break;
    case "adaptive_sizing":
        yield adaptive_sizing ();
        break;
    case "statistics":
        yield statistics ();
        break;
    case "expiry":
        yield expiry ();
        break;
    case "processes":
        yield processes ();
        break;
    case "commands":
        yield commands ();
        break;
    case "errors":
        yield errors ();
        break;
    }
}

async void run (int chosen) throws Error {
    for (var number = 1; number <= STEPS.length; number++) {
        if (chosen == 0 || chosen == number) {
            print ("%d. %s\n", number, STEPS[number - 1]);
            yield step (STEPS[number - 1]);
        }
    }
}

int main (string[] args) {
    var loop = new MainLoop ();
    var status = 0;

    program = args[0];
    try {
        if (args.length > 1 && args[1] == "--worker") {
            return work ();
        }
    } catch (Error error) {
        printerr ("%s\n", error.message);
        return 1;
    }
    run.begin (args.length > 1 ? int.parse (args[1]) : 0, (source, result) => {
        try {
            run.end (result);
        } catch (Error error) {
            printerr ("%s\n", error.message);
            status = 1;
        }
        loop.quit ();
    });
    loop.run ();

    return status;
}
