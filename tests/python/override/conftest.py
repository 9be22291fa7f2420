# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The loops that each case runs on, a manager that must leave nothing, and TAP: a line a case."""

import asyncio
import faulthandler
import gc
import sys

import gi
import pytest

gi.require_version("Lp", "1")
from gi.repository import GLib, Lp  # noqa: E402

import lpcase  # noqa: E402

# The loops


def _gbulb(context):
    import gbulb

    return gbulb.GLibEventLoop(context=context)


def _gi_events():
    from gi.events import GLibEventLoop

    return GLibEventLoop(GLib.MainContext.default())


LOOPS = {"asyncio": asyncio.new_event_loop}
if lpcase.HAVE_GBULB:
    LOOPS["gbulb"] = lambda: _gbulb(GLib.MainContext.default())
    LOOPS["gbulb-own-context"] = lambda: _gbulb(GLib.MainContext.new())
if lpcase.HAVE_GI_EVENTS:
    LOOPS["gi.events"] = _gi_events


@pytest.fixture(params=LOOPS)
def event_loop(request):
    loop = LOOPS[request.param]()
    asyncio.set_event_loop(loop)
    yield loop
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def collected():
    """Garbage is collected before each case and after it."""
    gc.collect()
    yield
    gc.collect()


@pytest.fixture
async def managers(request):
    """Makes managers; each is stopped at the end, has nothing left then, and is finalized."""
    made = []
    finalized = []

    def new(max_pools=1, **keywords):
        manager = Lp.Manager(max_pools=max_pools, **keywords)
        manager.weak_ref(finalized.append, True)
        made.append(manager)
        return manager

    yield new
    request.node.funcargs.pop("manager", None)
    count = len(made)
    while made:
        manager = made.pop()
        await manager.stop(Lp.StopMode.KILL)
        assert (manager.total_count, manager.leased_count, manager.waiting_count) == (0, 0, 0)
        del manager
    if not lpcase.failed:
        await lpcase.until(lambda: gc.collect() is not None and len(finalized) == count, "the managers are finalized")


@pytest.fixture
async def manager(managers):
    """A running manager of one executor with two workers."""
    manager = managers(workers_per_pool=2, cancel_grace_seconds=0.05, function_module=lpcase.FUNCTIONS_MODULE)
    await manager.start()
    yield manager
    if not lpcase.failed:
        await lpcase.until(lambda: manager.leased_count == 0, "all leases have ended")


# TAP


def pytest_configure():
    faulthandler.enable(sys.__stderr__)
    faulthandler.dump_traceback_later(lpcase.PROGRAM_SECONDS, exit=True, file=sys.__stderr__)


def _say(text):
    print(text, file=sys.__stdout__, flush=True)


def _say_comment(text):
    for line in text.splitlines():
        _say(f"# {line}")


class _Tap:
    def __init__(self):
        self.number = 0
        self.reports = []

    def add(self, report):
        self.reports.append(report)
        if report.when == "teardown":
            self.end()

    def end(self):
        reports, self.reports = self.reports, []
        self.number += 1
        bad = [report for report in reports if report.failed]
        skipped = [report for report in reports if report.skipped]
        for report in bad:
            _say_comment(report.longreprtext)
            for title, text in report.sections:
                _say_comment(f"{title}:\n{text}")
        name = reports[0].nodeid.split("::", 1)[-1]
        directive = f" # SKIP {skipped[0].longrepr[2]}" if skipped and not bad else ""
        _say(f"{'not ok' if bad else 'ok'} {self.number} - {name}{directive}")


_tap = _Tap()


def pytest_collection_finish(session):
    _say(f"1..{len(session.items)}")


def pytest_collectreport(report):
    if report.failed:
        _say_comment(report.longreprtext)
        _say(f"Bail out! {report.nodeid}")


def pytest_runtest_logreport(report):
    lpcase.failed = lpcase.failed or report.failed
    _tap.add(report)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    lpcase.failed = False


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call():
    outcome = yield
    # Before the fixtures are torn down: what a failed case held is in its traceback.
    lpcase.failed = outcome.excinfo is not None
