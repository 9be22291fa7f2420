#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""write-page.py VALUES INSTRUCTIONS: the page docs/benchmarks.md, of what the benchmarks printed.

Both are tables of tab-separated values, and may be empty."""

import os
import platform
import subprocess
import sys

HEAD = """<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->
<!-- Copyright 2026 The leasepool authors -->

# Benchmarks

This page is written by `tests/bench/run`. Each comparison runs both sides in turns, in the same process or with a
process for the peer, and which side goes first alternates; after a round that warms up, the medians of the rounds are
shown. *Ratio* is ours / peer, the median of the ratios of the rounds, with the least and the greatest one; the goal is
for the ratio, or for the value where there is no peer. The peers are programs of our own on public interfaces, built
with the same flags. A row that begins with *floor* has a bare mechanism in the place of ours, against the same peer: it
tells what is within reach where a goal is missed.

What it costs to wake a thread decides most rows in which one waits for another: a few µs where both share a processor,
ten times that where it has to be woken, too. Which of the two it is differs between machines, runs and even rounds, so
compare a row with the floor of the same run.

To repeat it, on a machine that has nothing else to do:

```sh
tests/bench/run                     # all, and writes this page
tests/bench/run jobs acquire        # only these, and prints the values
LP_BENCH_ROUNDS=15 tests/bench/run  # more rounds
```
"""

SUBJECTS = {
    "jobs": "Jobs on threads",
    "acquire": "Leases without contention",
    "waiters": "Many who wait",
    "many": "Many leases",
    "calls": "Calls of worker processes",
    "grinder": "Items of a grinder",
    "python": "Functions of Python",
    "large": "Large values",
    "records": "Log records of workers",
    "crash": "Workers that are killed",
    "memory": "Memory",
    "idle": "Idle",
    "floors": "What the system takes",
}

NOTES = {
    "jobs": "The floor of many at a time does what the interface of a job asks whoever runs it for, and nothing else: an "
            "object with four construct-only properties is made, goes through a lock to a thread and through another one "
            "back into the main loop, and is finalized; there is a reference for who submits and one for the queue, the "
            "state may be changed by others at any time, the times are noted, a thread calls the function, and the callback "
            "fetches a reference of the result while the source object is held for it. Nothing is known of a lease, and "
            "nothing can fail, be cancelled, waited for, logged or counted. That of one at a time is a main loop that "
            "sleeps meanwhile and has to be woken. Their threads look out for work before they sleep, as ours do, but "
            "whether that was worth it or not.\n\nThe rows of libdex are there where it is. On Debian 13 with libdex 0.10.0 and "
            "GLib 2.84.4, on two AMD EPYC processors, 64 and 1024 no-op jobs in flight were 8.2 and 8.3 times as many a "
            "second as on its thread-pool scheduler, and 6.0 and 5.8 times on two Intel Xeon (the lower ones of two runs of "
            "bench-jobs; the goal is 3).\n\n"
            "Of the rows below, that of 1024 in flight against g_task_run_in_thread() depends most on the machine: on two "
            "Intel Xeon processors with GLib 2.74.6 it was 4.36, below its goal, and the floor of the same run 5.13 (medians "
            "of 11 rounds). To make and to finalize an object with four properties took more than half of a job there.",
    "calls": "A main loop that calls one at a time reads the answers itself; otherwise a thread of the library does, and wakes "
             "who waits, of which the first floor is the least that takes. In the other one many at a time are one write "
             "each, so that none waits for the next one.",
    "acquire": "The peers are what no lease can do without: an object, and one turn of the main loop. The floor has, too, that "
               "the object has properties, memory for what is known of it, the clock read twice, four passages through "
               "locks, and the question whether anybody listens asked twice; nothing is lent, and nothing is remembered.",
    "many": "Ours is with many leases, the peer is the same with few: what one operation costs must not grow.",
    "grinder": "Ours acquires a lease for each batch; the peer submits the same jobs to one lease that it holds.",
    "python": "Both sides in one event loop of asyncio. The floor of threads is a bare queue to them and back, with a "
              "future for each call and one wake-up of the loop for all that have ended meanwhile; nothing is known of a "
              "call, and none can be cancelled. The floor of processes is what PyGObject takes to pass on a job and the "
              "call of its function, which takes bytes and answers with them, without an event loop, and with nothing "
              "pickled. What a job can do beyond a call of run_in_executor(), its states, times, limits and ends, is on "
              "the far side of both.",
    "records": "The floor is a bare pipe against the same peer: a write for each line, as a record that is to outlive its "
               "worker needs one. Ours are parsed, checked, escaped, counted and handed to the log besides.",
    "large": "The floor is below, in “What the system takes”: the bytes in a file in memory, once there and once back.",
    "memory": "Measured with the allocator of the C library.",
    "floors": "Bare mechanisms, as a scale for the rest: what goes through a thread, a main loop or a process cannot "
              "cost less.",
}


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        models = []
    return f"{len(os.sched_getaffinity(0))} × {models[0] if models else platform.machine()}"


def distribution():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown"


def machine():
    libdex = first_line("pkg-config", "--modversion", "libdex-1")
    rows = [
        ("processors", processor()),
        ("system", f"{distribution()}, Linux {platform.release()}"),
        ("compiler", first_line("cc", "--version")),
        ("GLib", first_line("pkg-config", "--modversion", "glib-2.0")),
        ("libdex", "not there; its rows are left out" if libdex == "unknown" else libdex),
        ("Python", first_line("/usr/bin/python3", "--version")),
        ("load when the page was written", " ".join(f"{load:.2f}" for load in os.getloadavg())),
    ]
    return table(("", ""), rows)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def read(path):
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file if line.strip()]


def number(text, unit):
    if text == "-":
        return ""
    value = float(text)
    if unit == "ns":
        for factor, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
            if value >= factor:
                return f"{value / factor:.3g} {name}"
        return f"{value:.3g} ns"
    shown = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return f"{shown} {unit}".strip()


def is_met(goal, ratio, value):
    if goal == "-":
        return ""
    relation, bound = goal.split()
    measured = float(value if ratio == "-" else ratio)
    met = measured <= float(bound) if relation == "<=" else measured >= float(bound)
    return "yes" if met else "**no**"


def row_of(fields):
    _, measure, unit, ours, peer, peer_name, ratio, least, greatest, goal, _ = fields
    shown = "" if ratio == "-" else f"{float(ratio):.2f} ({float(least):.2f}–{float(greatest):.2f})"
    sign = goal.replace("<=", "≤").replace(">=", "≥").replace("-", "")
    return (measure, number(ours, unit), "" if peer_name == "-" else peer_name, number(peer, unit), shown, sign,
            is_met(goal, ratio, ours))


def subject(name, rows):
    text = f"## {SUBJECTS.get(name, name)}\n\n"
    if name in NOTES:
        text += NOTES[name] + "\n\n"
    return text + table(("measure", "ours", "peer", "peer's", "ratio", "goal", "met"), map(row_of, rows))


def instructions(rows):
    text = ("## Instructions\n\nCounted by callgrind (`tests/bench/instructions`): the difference of two runs of "
            "different length, for each operation. They repeat where times do not; with threads they vary by a few "
            "per cent.\n\n")
    shown = [(what, f"{int(here):,}", "" if there == "-" else f"{int(there):,}") for what, _, here, there in rows]
    return text + table(("what", "in this process", "in the worker"), shown)


def main():
    values, counts = read(sys.argv[1]), read(sys.argv[2])
    parts = [HEAD, "## The machine\n\n" + machine()]
    if not values:
        parts.append("Only instructions have been counted: no times have been measured on this machine.\n")
    for name in dict.fromkeys(fields[0] for fields in values):
        parts.append(subject(name, [fields for fields in values if fields[0] == name]))
    if counts:
        parts.append(instructions(counts))
    print("\n".join(parts), end="")


if __name__ == "__main__":
    main()
