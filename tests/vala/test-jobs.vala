// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Jobs and executor classes from Vala. */

class Closures : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start_manager ();
        var lease = yield manager.acquire_async ();
        unowned Thread<void*> main_thread = Thread.self<void*> ();
        int number = 20;
        var job = new Lp.Job.for_func ((job, out result) => {
            result = new Variant ("(ib)", number + 22, Thread.self<void*> () == main_thread);
        });
        int sum = 0;
        bool in_main_thread = true;

        (yield lease.submit_async (job)).get ("(ib)", out sum, out in_main_thread);
        assert_cmpint (sum, CompareOperator.EQ, 42);
        assert_false (in_main_thread);
        assert_true (job.state == Lp.JobState.SUCCEEDED);
        assert_true (job.dup_result ().get_child_value (0).get_int32 () == 42);
        lease.release ();
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }
}

class ClosuresThatThrow : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start_manager ();
        var lease = yield manager.acquire_async ();
        var job = new Lp.Job.for_func ((job, out result) => {
            result = null;
            throw new IOError.NO_SPACE ("full");
        });
        int seen = 0;

        try {
            yield lease.submit_async (job);
        } catch (IOError.NO_SPACE error) {
            assert_cmpstr (error.message, CompareOperator.EQ, "full");
            seen++;
        }
        assert_true (job.state == Lp.JobState.FAILED);
        try {
            yield lease.submit_async (new Lp.Job.for_func ((job, out result) => { result = null; }));
        } catch (Lp.Error.FAILED error) {
            seen++;
        }
        assert_cmpint (seen, CompareOperator.EQ, 2);
        lease.release ();
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }
}

class Call : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start_manager ();
        var lease = yield manager.acquire_async ();
        var result = yield lease.call_async ("add", new Variant ("(ii)", 2, 3));
        int seen = 0;

        assert_cmpint (result.get_child_value (0).get_int32 (), CompareOperator.EQ, 5);
        yield lease.call_async ("echo");
        try {
            yield lease.call_async ("no-such");
        } catch (Lp.Error.UNKNOWN_FUNCTION error) {
            seen++;
        }
        try {
            yield lease.call_async ("add", new Variant ("(s)", "x"));
        } catch (Lp.Error.INVALID_ARGUMENT error) {
            seen++;
        }
        try {
            yield lease.call_async ("fail", new Variant ("(s)", "there"));
        } catch (IOError.EXISTS error) {
            seen++;
        }
        assert_cmpint (seen, CompareOperator.EQ, 3);
        assert_true (yield lease.drain_async ());
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }
}

/* Without a lease of one's own. */
class RunAndCall : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start_manager ();
        var result = yield manager.call_async ("add", new Variant ("(ii)", 2, 3));
        var job = new Lp.Job.for_func ((job, out result) => { result = new Variant ("(s)", job.get_owner ()); });
        bool seen = false;

        assert_cmpint (result.get_child_value (0).get_int32 (), CompareOperator.EQ, 5);
        yield manager.call_async ("echo");
        result = yield manager.run_async (job, new Lp.Request () { owner = "vala" });
        assert_cmpstr (result.get_child_value (0).get_string (), CompareOperator.EQ, "vala");
        try {
            yield manager.run_async (job);
        } catch (Lp.Error.INVALID_ARGUMENT error) {
            seen = true;
        }
        assert_true (seen);
        assert_true (manager.leased_count == 0);
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }
}

class Table : Case {
    public override async void run () throws GLib.Error {
        var functions = new Lp.Functions ();
        unowned VariantType? parameters = null, result_type = null;

        functions.add ("double", new VariantType ("(i)"), null, (job, out result) => {
            result = new Variant ("(i)", 2 * job.parameters.get_child_value (0).get_int32 ());
        });
        assert_true (functions.lookup ("double", out parameters, out result_type));
        assert_cmpstr (parameters.dup_string (), CompareOperator.EQ, "(i)");
        assert_null (result_type);
        assert_cmpint (functions.list_names ().length, CompareOperator.EQ, 1);

        var manager = new Lp.Manager ("thread", 1) { functions = functions };
        yield manager.start_async ();
        var lease = yield manager.acquire_async ();
        var result = yield lease.call_async ("double", new Variant ("(i)", 21));
        assert_cmpint (result.get_child_value (0).get_int32 (), CompareOperator.EQ, 42);
        lease.release ();
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }
}

class Command : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start_manager ();
        var lease = yield manager.acquire_async ();
        var job = new Lp.Job.for_command ({ "sh", "-c", "cat; exit 3" }, new Bytes ("input".data));
        var result = yield lease.submit_async (job);

        assert_cmpint (result.get_child_value (0).get_int32 (), CompareOperator.EQ, 3);
        assert_true (result.get_child_value (1).get_data_as_bytes ().compare (new Bytes ("input".data)) == 0);
        result = yield lease.submit_async (new Lp.Job.for_command ({ "true" }));
        assert_cmpint (result.get_child_value (0).get_int32 (), CompareOperator.EQ, 0);
        lease.release ();
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }
}

class Cancelled : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start_manager ();
        var lease = yield manager.acquire_async ();
        var job = new Lp.Job.for_call ("until-cancelled");
        bool cancelled = false;

        lease.submit (job);
        yield until (() => job.state == Lp.JobState.RUNNING);
        job.cancel ();
        try {
            yield job.wait_async ();
        } catch (IOError.CANCELLED error) {
            cancelled = true;
        }
        assert_true (cancelled && job.state == Lp.JobState.CANCELLED);
        lease.release ();
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }
}

class Progress : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start_manager ();
        var lease = yield manager.acquire_async ();
        var job = new Lp.Job.for_call ("count-to", new Variant ("(u)", 100)) { timeout_seconds = 20 };
        double last = -1;

        job.notify["progress"].connect (() => { last = job.progress; });
        yield lease.submit_async (job);
        yield until (() => last == 1);
        assert_cmpstr (job.dup_status (), CompareOperator.EQ, "100 of 100");
        lease.release ();
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }
}

class Many : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start_manager ();
        var lease = yield manager.acquire_async ();
        Lp.Job[] jobs = {};

        for (int i = 0; i < 300; i++) {
            int number = i;
            var job = new Lp.Job.for_func ((job, out result) => { result = new Variant.int32 (number); });
            lease.submit (job);
            jobs += job;
        }
        for (int i = 0; i < jobs.length; i++)
            assert_cmpint (jobs[i].wait (-1).get_int32 (), CompareOperator.EQ, i);
        lease.release ();
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }
}

/* Holds what a closure captures, and tells when it is let go of. */
class Captured : Object {
    public static int alive;

    public Captured () {
        AtomicInt.inc (ref alive);
    }

    ~Captured () {
        AtomicInt.add (ref alive, -1);
    }
}

class CapturesAreFreed : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start_manager ();
        var lease = yield manager.acquire_async ();

        for (int i = 0; i < 50; i++)
            yield submit_one (lease);
        lease.release ();
        yield until (() => AtomicInt.get (ref Captured.alive) == 0);
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }

    private async void submit_one (Lp.Lease lease) throws GLib.Error {
        var captured = new Captured ();

        yield lease.submit_async (new Lp.Job.for_func ((job, out result) => {
            result = new Variant ("(s)", captured.get_type ().name ());
        }));
    }
}

/* Runs each job on a thread of its own; "broken" ends it. */
class ThreadPerJob : Lp.Executor {
    public override bool start () throws GLib.Error {
        report_ready ();
        return true;
    }

    public override bool submit (Lp.Job job) throws GLib.Error {
        if (job.name == "broken")
            throw new Lp.Error.BROKEN_EXECUTOR ("as asked");
        if (job.name == "refused")
            throw new IOError.NO_SPACE ("no room");
        new Thread<void> ("job", () => {
            if (job.name == "name")
                job.return_value (new Variant ("(s)", this.name));
            else
                job.execute ();
        });
        return true;
    }

    public override void shutdown (Lp.StopMode mode) {
        report_stopped ();
    }
}

class OwnExecutor : Case {
    public override async void run () throws GLib.Error {
        var manager = new Lp.Manager ("thread", 1) { executor_type = typeof (ThreadPerJob), name_prefix = "own" };
        int seen = 0;

        yield manager.start_async ();
        var lease = yield manager.acquire_async ();
        var result = yield lease.call_async ("name");
        assert_cmpstr (result.get_child_value (0).get_string (), CompareOperator.EQ, "own-1");
        result = yield lease.submit_async (new Lp.Job.for_func ((job, out value) => { value = new Variant.int32 (7); }));
        assert_cmpint (result.get_int32 (), CompareOperator.EQ, 7);
        try {
            yield lease.call_async ("refused");
        } catch (IOError.NO_SPACE error) {
            seen++;
        }
        try {
            yield lease.call_async ("broken");
        } catch (Lp.Error.BROKEN_EXECUTOR error) {
            seen++;
        }
        assert_cmpint (seen, CompareOperator.EQ, 2);
        yield until (() => lease.state == Lp.LeaseState.BROKEN);
        lease = yield manager.acquire_async ();
        result = yield lease.call_async ("name");
        assert_cmpstr (result.get_child_value (0).get_string (), CompareOperator.EQ, "own-2");
        lease.release ();
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }
}

int main (string[] args) {
    Test.init (ref args);
    add_case ("/vala/job/closures", typeof (Closures));
    add_case ("/vala/job/closures-that-throw", typeof (ClosuresThatThrow));
    add_case ("/vala/job/call", typeof (Call));
    add_case ("/vala/job/run-and-call", typeof (RunAndCall));
    add_case ("/vala/job/table", typeof (Table));
    add_case ("/vala/job/command", typeof (Command));
    add_case ("/vala/job/cancelled", typeof (Cancelled));
    add_case ("/vala/job/progress", typeof (Progress));
    add_case ("/vala/job/many", typeof (Many));
    add_case ("/vala/job/captures-are-freed", typeof (CapturesAreFreed));
    add_case ("/vala/executor/own", typeof (OwnExecutor));
    return Test.run ();
}
