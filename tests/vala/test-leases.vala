// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Managers and leases from Vala. */

class Construction : Case {
    public override async void run () throws GLib.Error {
        var manager = new Lp.Manager ("thread", 2) { min_pools = 2, name_prefix = "vala", units = 3 };

        assert_cmpint (manager.max_pools, CompareOperator.EQ, 2);
        assert_cmpint (manager.min_pools, CompareOperator.EQ, 2);
        assert_cmpstr (manager.name_prefix, CompareOperator.EQ, "vala");
        assert_true (manager.validate ());
        assert_true (yield manager.start_async ());
        assert_true (manager.running && manager.is_running ());
        assert_cmpuint (manager.available_count, CompareOperator.EQ, 2);
        assert_true (yield manager.stop_async (Lp.StopMode.DRAIN, -1));
        assert_false (manager.running);
    }
}

class StringLists : Case {
    public override async void run () throws GLib.Error {
        var manager = new Lp.Manager ("process", 1) { worker_argv = { "a", "b" } };

        assert_cmpint (manager.worker_argv.length, CompareOperator.EQ, 2);
        assert_cmpstr (manager.get_worker_argv ()[1], CompareOperator.EQ, "b");
        assert_null (manager.worker_launcher);
    }
}

class Acquire : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start_manager ();
        var lease = yield manager.acquire_async (new Lp.Request () { owner = "me", lease_seconds = 5, priority = -1 });

        assert_cmpstr (lease.owner, CompareOperator.EQ, "me");
        assert_true (lease.state == Lp.LeaseState.ACTIVE);
        assert_true (lease.manager == manager);
        assert_true (lease.renew (100));
        lease.release ();
        assert_true (lease.state == Lp.LeaseState.RELEASED);

        lease = yield manager.acquire_async ();
        assert_null (lease.owner);
        assert_true (manager.release (lease.id));
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }
}

class Scope : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start_manager (1);

        {
            var lease = yield manager.acquire_async ();
            assert_cmpuint (manager.available_count, CompareOperator.EQ, 0);
            lease = null;
        }
        assert_cmpuint (manager.available_count, CompareOperator.EQ, 1);
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }
}

class Errors : Case {
    public override async void run () throws GLib.Error {
        var manager = new Lp.Manager ("thread", 1);
        int seen = 0;

        try {
            yield manager.acquire_async ();
        } catch (Lp.Error.NOT_STARTED error) {
            seen++;
        }
        try {
            new Lp.Manager ("teleport", 1).validate ();
        } catch (Lp.Error error) {
            assert_true (error is Lp.Error.UNSUPPORTED_BACKEND);
            assert_true (error.domain == Lp.Error.quark ());
            seen++;
        }
        yield manager.start_async ();
        var lease = yield manager.acquire_async ();
        try {
            yield manager.acquire_async (new Lp.Request () { timeout = 0.02 });
        } catch (IOError.TIMED_OUT error) {
            seen++;
        }
        try {
            manager.try_acquire ();
        } catch (Lp.Error.UNAVAILABLE error) {
            seen++;
        }
        var cancellable = new Cancellable ();
        Idle.add (() => { cancellable.cancel (); return Source.REMOVE; });
        try {
            yield manager.acquire_async (null, cancellable);
        } catch (IOError.CANCELLED error) {
            seen++;
        }
        assert_cmpint (seen, CompareOperator.EQ, 5);
        lease.release ();
        yield manager.stop_async (Lp.StopMode.KILL, -1);
    }
}

class Blocking : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start_manager (1);
        var lease = manager.acquire ();
        var thread = new Thread<Lp.Lease?> ("waiter", () => {
            try {
                return manager.acquire (new Lp.Request () { owner = "thread" });
            } catch (GLib.Error error) {
                return null;
            }
        });

        yield until (() => manager.waiting_count == 1);
        lease.release ();
        lease = thread.join ();
        assert_cmpstr (lease.owner, CompareOperator.EQ, "thread");
        lease.release ();
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }
}

class Signals : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start_manager ();
        string told = "";
        unowned Thread<void*> main_thread = Thread.self<void*> ();

        manager.lease_acquired.connect ((info) => { told += @"acquired $(info.owner) "; });
        manager.lease_ended.connect ((info) => {
            assert_true (Thread.self<void*> () == main_thread);
            told += @"$(info.state == Lp.LeaseState.RELEASED) ";
        });
        manager.executor_retired.connect ((seq, reason) => { told += @"$seq $(reason == Lp.RetireReason.STOPPED) "; });
        (yield manager.acquire_async (new Lp.Request () { owner = "me" })).release ();
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
        yield until (() => told == "acquired me true 1 true ");
    }
}

class ListOfLeases : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start_manager ();
        ListModel leases = manager.leases;
        var lease = yield manager.acquire_async (new Lp.Request () { owner = "listed" });

        yield until (() => leases.get_n_items () == 1);
        assert_cmpstr (((Lp.LeaseInfo) leases.get_item (0)).owner, CompareOperator.EQ, "listed");
        lease.release ();
        yield until (() => leases.get_n_items () == 0);
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }
}

class Sizing : Case {
    public override async void run () throws GLib.Error {
        var manager = new Lp.Manager ("thread", 5);
        int64 units = 25;
        bool fails = false;

        manager.set_size_provider ((source) => {
            if (fails)
                throw new IOError.FAILED ("offline");
            return units;
        });
        yield manager.start_async ();
        assert_cmpuint (manager.available_count, CompareOperator.EQ, 3);
        units = 50;
        manager.notify_scale_changed ();
        yield until (() => manager.get_desired_executor_count () == 5);
        fails = true;
        manager.notify_scale_changed ();
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
        manager.set_size_provider (null);
    }
}

class Stats : Case {
    public override async void run () throws GLib.Error {
        var manager = yield start_manager ();
        var stats = new VariantDict (manager.dup_stats ());
        uint available = 0;

        assert_true (stats.lookup ("available", "u", out available));
        assert_cmpuint (available, CompareOperator.EQ, 1);
        yield manager.stop_async (Lp.StopMode.DRAIN, -1);
    }
}

int main (string[] args) {
    Test.init (ref args);
    add_case ("/vala/manager/construction", typeof (Construction));
    add_case ("/vala/manager/string-lists", typeof (StringLists));
    add_case ("/vala/lease/acquire", typeof (Acquire));
    add_case ("/vala/lease/ends-with-its-scope", typeof (Scope));
    add_case ("/vala/lease/errors", typeof (Errors));
    add_case ("/vala/lease/blocking", typeof (Blocking));
    add_case ("/vala/manager/signals", typeof (Signals));
    add_case ("/vala/manager/list-model", typeof (ListOfLeases));
    add_case ("/vala/manager/sizing", typeof (Sizing));
    add_case ("/vala/manager/stats", typeof (Stats));
    return Test.run ();
}
