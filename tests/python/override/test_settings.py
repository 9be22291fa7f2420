# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The constructor: every argument, and what is refused at once."""

import inspect
import logging
import math

import lpcase
import pytest
from gi.repository import GLib, Lp


def refused(exception, text, **keywords):
    with pytest.raises(exception) as caught:
        Lp.Manager(**{"max_pools": 2, **keywords})
    assert text in str(caught.value)


def test_defaults_are_those_of_the_page():
    manager = Lp.Manager(max_pools=3)
    assert manager.backend is Lp.ExecutorBackend.THREAD
    assert (manager.max_pools, manager.min_pools, manager.units_per_pool, manager.workers_per_pool) == (3, 1, 10, 4)
    assert (manager.check_interval, manager.default_lease_seconds, manager.lease_grace_seconds) == (120, 300, 15)
    assert (manager.name_prefix, manager.size_provider, manager.logger) == ("leasepool", None, None)


def test_arguments_are_keywords_and_max_pools_is_required():
    with pytest.raises(TypeError):
        Lp.Manager("thread", 2)
    with pytest.raises(TypeError, match="max_pools"):
        Lp.Manager()


def test_every_argument_of_the_page():
    manager = Lp.Manager(
        backend="thread", max_pools=4, min_pools=2, units_per_pool=5, size_provider=lambda: 12, check_interval=60,
        default_lease_seconds=30.5, lease_grace_seconds=0, workers_per_pool=1, name_prefix="px",
        logger=logging.getLogger("x"), forward_process_logs=False, clear_process_log_handlers=True,
    )
    assert (manager.max_pools, manager.min_pools, manager.units_per_pool, manager.workers_per_pool) == (4, 2, 5, 1)
    assert (manager.check_interval, manager.default_lease_seconds, manager.lease_grace_seconds) == (60, 30.5, 0)
    assert (manager.name_prefix, manager.size_provider()) == ("px", 12)
    assert manager.logger is logging.getLogger("x")


@pytest.mark.parametrize("name", ["max_pools", "min_pools", "units_per_pool", "workers_per_pool"])
@pytest.mark.parametrize("value", [0, -1])
def test_integers_must_be_positive(name, value):
    refused(ValueError, f"{name} must be > 0", **{name: value})


@pytest.mark.parametrize("name", ["max_pools", "min_pools", "units_per_pool", "workers_per_pool", "max_waiters"])
@pytest.mark.parametrize("value", [True, 2.9, "2", None, math.nan, 2**31])
def test_integers_must_be_integers(name, value):
    refused(ValueError, f"{name} must be ", **{name: value})


@pytest.mark.parametrize("name", ["check_interval", "default_lease_seconds", "lease_grace_seconds"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1, "1", True, None])
def test_durations_must_be_finite(name, value):
    refused(ValueError, f"{name} must be ", **{name: value})


def test_zero_is_a_grace_but_no_duration():
    refused(ValueError, "check_interval must be finite and > 0", check_interval=0)
    refused(ValueError, "default_lease_seconds must be finite and > 0", default_lease_seconds=0)
    assert Lp.Manager(max_pools=1, lease_grace_seconds=0).lease_grace_seconds == 0


def test_min_pools_is_at_most_max_pools():
    refused(ValueError, "min_pools must be <= max_pools", min_pools=3)


def test_other_types():
    refused(ValueError, "size_provider must be callable", size_provider=5)
    refused(ValueError, "logger must be a logging.Logger", logger="x")
    refused(TypeError, "name_prefix must be a str", name_prefix=5)
    refused(TypeError, "worker_argv must be a list", worker_argv="true")
    refused(ValueError, "backend must be", backend=5)


def test_what_c_refuses_is_a_value_error_too():
    refused(ValueError, "check-interval", check_interval=1e300)
    refused(Lp.InvalidArgumentError, "name-prefix", name_prefix="a\nb")


def test_unknown_keywords_are_refused_by_name():
    refused(TypeError, "thread_name_prefix", thread_name_prefix="x")
    refused(TypeError, "max_pool", max_pool=5)


@pytest.mark.parametrize("backend", ["thread", "process"])
def test_initializer_is_a_function_or_none(backend):
    assert Lp.Manager(max_pools=1, backend=backend, initializer=None, initargs=())
    refused(TypeError, "initializer must be callable, not 7", backend=backend, initializer=7)
    refused(ValueError, "no initializer", backend=backend, initargs=(1,))


def test_lists_of_strings_are_refused_by_name():
    for wrong in 7, "worker", b"worker":
        refused(TypeError, "worker_argv must be a list of strings", worker_argv=wrong)
    refused(TypeError, "worker_argv[1] must be a str, not int", worker_argv=["worker", 7])
    assert Lp.Manager(max_pools=1, worker_argv=("worker", "x")).props.worker_argv == ["worker", "x"]


def test_forwarding_needs_processes():
    refused(ValueError, "forward_process_logs", forward_process_logs=True)


def test_backends():
    assert Lp.Manager(max_pools=1, backend=Lp.ExecutorBackend.PROCESS).backend is Lp.ExecutorBackend.PROCESS
    assert Lp.Manager(max_pools=1, backend="THREAD").backend is Lp.ExecutorBackend.THREAD
    refused(Lp.UnsupportedBackendError, "thread", backend="no-such")
    refused(Lp.LeasePoolError, "interpreter", backend=Lp.ExecutorBackend.INTERPRETER)
    assert Lp.ExecutorBackend("process") == "process"


def test_further_keywords_are_options_of_other_executors():
    class Executor(Lp.Executor):
        __gtype_name__ = "OverrideOptionsExecutor"

    manager = Lp.Manager(max_pools=1, executor_type=Executor, device="gpu0", depth=3, ratio=0.5, fast=True, names=["a"],
                         raw=GLib.Variant("u", 7))
    assert manager.executor_options.unpack() == {
        "device": "gpu0", "depth": 3, "ratio": 0.5, "fast": True, "names": ["a"], "raw": 7}
    refused(TypeError, "GVariant", executor_type=Executor, device=object())


def test_settings_are_attributes_until_the_start():
    manager = Lp.Manager(max_pools=1)
    manager.max_pools = 3
    manager.backend = Lp.ExecutorBackend.PROCESS
    assert (manager.props.max_pools, manager.props.backend) == (3, "process")
    manager.backend = "thread"
    with pytest.raises(ValueError, match="max_pools must be > 0"):
        manager.max_pools = 0
    with pytest.raises(AttributeError):
        manager.total_count = 3
    manager.start_sync()
    try:
        with pytest.raises(RuntimeError, match="max_pools"):
            manager.max_pools = 4
        with pytest.raises(RuntimeError, match="size_provider"):
            manager.size_provider = lambda: 3
        manager.units = 15
        assert manager.desired_executor_count() == 2
    finally:
        manager.stop_sync()


def test_names_of_the_page():
    assert Lp.LeasedExecutorManager is Lp.Manager
    assert Lp.ExecutorLease is Lp.Lease
    for name in ("start", "stop", "acquire", "run", "call"):
        assert inspect.iscoroutinefunction(getattr(Lp.Manager, name))
    for error in (Lp.LeaseExpiredError, Lp.LeaseUnavailableError, Lp.LeasePoolNotStartedError,
                  Lp.UnsupportedBackendError):
        assert issubclass(error, Lp.LeasePoolError)
        assert issubclass(error, GLib.Error)
        assert repr(error("why")) == f"{error.__name__}('why')"


def test_a_function_module_that_is_not_there():
    refused(ValueError, "function-module", function_module="")
    assert Lp.Manager(max_pools=1, function_module=lpcase.FUNCTIONS_MODULE).function_module == lpcase.FUNCTIONS_MODULE
