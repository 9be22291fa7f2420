# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The worker in plain Python by itself: the test speaks with it as a manager does. GLib is the reference of bodies."""

import os
import random
import select
import signal
import sys
import unittest

import tap
from gi.repository import GLib
from pure_gvariant import Variant, members, pack, unpack
from pure_manager import (CALL, CANCEL, DROPPED, ERROR, GOODBYE, HELLO, LOG, PROGRESS, RECALL, RESULT, SECONDS, STARTED,
                          Peer, call, frame, hello_of)

WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pure-worker.py")
# Without site-packages there is no gi, nor anything else that is not Python's own; without the environment it is not
# hidden that a buffer of standard output must be flushed.
ARGV = ["env", "-u", "PYTHONUNBUFFERED", sys.executable, "-S", "-B", WORKER]


def ints(*values):
    return GLib.Variant(f"({'i' * len(values)})", values)


class Case(unittest.TestCase):
    def launch(self, argv=None, **options):
        peer = Peer(argv or ARGV, **options)
        self.addCleanup(peer.clean_up)
        return peer

    def ready(self, pipes=False, **hello):
        peer = self.launch(pipes=pipes)
        peer.write(frame(HELLO, 0, hello_of(**hello)))
        self.hello = peer.expect(HELLO).unpack()
        return peer

    def started(self, peer, number, name, parameters=None):
        peer.write(call(number, name, parameters))
        peer.expect(STARTED, number)

    def waiting_job(self, peer, number):
        """One that runs until it is cancelled."""
        self.started(peer, number, "until-cancelled")
        peer.expect(PROGRESS, number)

    def finish(self, peer):
        """It still works, and it ends well."""
        self.started(peer, 99, "double", ints(21))
        self.assertEqual(peer.expect(RESULT, 99).unpack(), (42,))
        peer.write(frame(GOODBYE))
        peer.expect(GOODBYE)
        self.assertEqual(peer.expect_end(), 0)


class Hello(Case):
    def test_functions_are_declared_with_their_types(self):
        peer = self.ready()
        self.assertEqual(self.hello["version"], 1)
        self.assertEqual(self.hello["pid"], peer.process.pid)
        self.assertIn(("double", "(i)", "(i)"), self.hello["functions"])
        self.assertGreater(self.hello["depth"], 0)
        self.finish(peer)

    def test_unknown_keys_are_ignored(self):
        self.finish(self.ready(colour=GLib.Variant("(sv)", ("green", GLib.Variant("y", 1)))))

    def test_init_function_comes_first(self):
        peer = self.launch()
        peer.write(frame(HELLO, 0, hello_of(log_level=GLib.Variant("u", 128), init_function=GLib.Variant("s", "count"),
                                            init_parameters=GLib.Variant("v", GLib.Variant("(u)", (1,))))))
        # Its records are sent, its progress is not.
        self.assertEqual(peer.expect(LOG, 0).unpack()[2], "step 1 of 1")
        peer.expect(HELLO)
        self.finish(peer)
        self.assertEqual(peer.read_stderr(), "step 1\n")

    def test_init_function_that_fails_is_an_error_of_no_job(self):
        peer = self.launch()
        peer.write(frame(HELLO, 0, hello_of(init_function=GLib.Variant("s", "divide"),
                                            init_parameters=GLib.Variant("v", ints(1, 0)))))
        domain, _code, message = peer.expect(ERROR, 0).unpack()
        self.assertEqual(domain, "python-exception-quark")
        self.assertIn("ZeroDivisionError", message)
        self.assertEqual(peer.expect_end(), 1)

    def test_module_is_refused(self):
        peer = self.launch()
        peer.write(frame(HELLO, 0, hello_of(module=GLib.Variant("s", "a-module"))))
        self.assertEqual(peer.expect(ERROR, 0).unpack()[:2], ("lp-error-quark", 9))
        self.assertEqual(peer.expect_end(), 1)

    def test_other_version_is_refused(self):
        peer = self.launch()
        peer.write(frame(HELLO, 0, hello_of(version=GLib.Variant("u", 2))))
        self.assertNotEqual(peer.expect_end(), 0)

    def test_frames_may_come_byte_by_byte(self):
        for pipes in False, True:
            peer = self.launch(pipes=pipes)
            for byte in frame(HELLO, 0, hello_of()) + call(1, "double", ints(4)):
                peer.write(bytes([byte]))
            peer.expect(HELLO)
            peer.expect(STARTED, 1)
            self.assertEqual(peer.expect(RESULT, 1).unpack(), (8,))
            self.finish(peer)


class Jobs(Case):
    def test_results(self):
        for pipes in False, True:
            peer = self.ready(pipes)
            for number, (name, parameters, expected) in enumerate([
                ("double", ints(-7), (-14,)),
                ("greet", GLib.Variant("(s)", ("ä\n",)), ("hello, ä\n",)),
                ("repeat", GLib.Variant("(su)", ("ab", 300000)), ("ab" * 300000,)),
            ], 1):
                self.started(peer, number, name, parameters)
                self.assertEqual(peer.expect(RESULT, number).unpack(), expected)
            self.finish(peer)

    def test_large_numbers_of_jobs(self):
        peer = self.ready()
        self.started(peer, 2**64 - 1, "double", ints(1))
        peer.expect(RESULT, 2**64 - 1)
        self.finish(peer)

    def test_errors(self):
        peer = self.ready()
        for number, (name, parameters, domain, code, message) in enumerate([
            ("nothing", None, "lp-error-quark", 10, "nothing"),
            ("double", GLib.Variant("(s)", ("x",)), "lp-error-quark", 5, "(s)"),
            ("double", None, "lp-error-quark", 5, "()"),
            ("divide", ints(1, 0), "python-exception-quark", 0, "ZeroDivisionError"),
            ("fail", GLib.Variant("(sis)", ("g-io-error-quark", 2, "as asked")), "g-io-error-quark", 2, "as asked"),
            ("repeat", GLib.Variant("(su)", ("x", 1 << 20)), "lp-error-quark", 0, "max-message-size"),
            ("double", ints(2**31 - 1), "python-exception-quark", 0, "error:"),
        ], 1):
            self.started(peer, number, name, parameters)
            error = peer.expect(ERROR, number).unpack()
            self.assertEqual(error[:2], (domain, code))
            self.assertIn(message, error[2])
        self.finish(peer)

    def test_beginning_is_in_one_write_with_the_result_before(self):
        peer = self.ready()
        self.waiting_job(peer, 1)
        # Another frame that is answered shows that the second call has been read.
        peer.write(call(2, "double", ints(1)), call(3, "double", ints(1)), frame(RECALL, 3))
        peer.expect(DROPPED, 3)
        peer.write(frame(CANCEL, 1))
        peer.fill()
        self.assertEqual(peer.parse()[:2], (ERROR, 1))
        self.assertEqual(peer.parse()[:2], (STARTED, 2))
        peer.expect(RESULT, 2)
        self.finish(peer)

    def test_jobs_run_in_the_order_of_the_calls(self):
        peer = self.ready()
        peer.write(*(call(number, "double", ints(number)) for number in range(1, 50)))
        for number in range(1, 50):
            peer.expect(STARTED, number)
            self.assertEqual(peer.expect(RESULT, number).unpack(), (2 * number,))
        self.finish(peer)

    def test_waiting_job_is_dropped(self):
        for kind in RECALL, CANCEL:
            peer = self.ready()
            self.waiting_job(peer, 1)
            peer.write(call(2, "leave", ints(5)), frame(kind, 2))
            peer.expect(DROPPED, 2)
            peer.write(frame(CANCEL, 1))
            peer.expect(ERROR, 1)
            self.finish(peer)

    def test_running_job_is_cancelled(self):
        peer = self.ready()
        self.waiting_job(peer, 1)
        peer.write(frame(CANCEL, 1))
        self.assertEqual(peer.expect(ERROR, 1).unpack()[:2], ("g-io-error-quark", 19))
        self.finish(peer)

    def test_running_job_is_not_recalled(self):
        peer = self.ready()
        self.waiting_job(peer, 1)
        peer.write(frame(RECALL, 1), call(2, "double", ints(1)), frame(RECALL, 2))
        peer.expect(DROPPED, 2)
        peer.write(frame(CANCEL, 1))
        peer.expect(ERROR, 1)
        self.finish(peer)

    def test_late_cancel_hits_no_other_job(self):
        peer = self.ready()
        self.started(peer, 1, "double", ints(1))
        peer.expect(RESULT, 1)
        self.waiting_job(peer, 2)
        peer.write(frame(CANCEL, 1), frame(RECALL, 1), frame(CANCEL, 7), call(3, "double", ints(1)), frame(RECALL, 3))
        peer.expect(DROPPED, 3)
        peer.write(frame(CANCEL, 2))
        peer.expect(ERROR, 2)
        self.finish(peer)

    def test_status_of_a_function_that_ends_the_process(self):
        peer = self.ready()
        self.started(peer, 1, "leave", ints(7))
        self.assertEqual(peer.expect_end(), 7)


class Telling(Case):
    def test_progress_and_records_come_before_the_result(self):
        peer = self.ready(log_level=GLib.Variant("u", 64))
        self.started(peer, 1, "count", GLib.Variant("(u)", (2,)))
        for step in 1, 2:
            self.assertEqual(peer.expect(PROGRESS, 1).unpack(), (step / 2, f"step {step}"))
            level, domain, message, fields = peer.expect(LOG, 0).unpack()
            self.assertEqual((level, domain, message), (64, "counter", f"step {step} of 2"))
            self.assertEqual(fields["CODE_FUNC"], "count")
            self.assertGreater(int(fields["CODE_LINE"]), 0)
        peer.expect(RESULT, 1)
        # What it printed did not get into the stream, and it is there already.
        self.assertEqual(peer.read_stderr_now(), "step 1\nstep 2\n")
        self.finish(peer)

    def test_records_of_less_severe_levels_are_not_sent(self):
        for level in 0, 32:
            peer = self.ready(log_level=GLib.Variant("u", level))
            self.started(peer, 1, "count", GLib.Variant("(u)", (1,)))
            peer.expect(PROGRESS, 1)
            peer.expect(RESULT, 1)
            self.finish(peer)

    def test_records_go_to_standard_error_if_wanted(self):
        peer = self.ready(log_to_stderr=GLib.Variant("b", True))
        self.started(peer, 1, "count", GLib.Variant("(u)", (1,)))
        peer.expect(PROGRESS, 1)
        peer.expect(RESULT, 1)
        self.finish(peer)
        self.assertEqual(peer.read_stderr(), "step 1 of 1\nstep 1\n")


class End(Case):
    def test_goodbye_lets_the_calls_before_it_run(self):
        peer = self.ready()
        self.waiting_job(peer, 1)
        peer.write(call(2, "double", ints(1)), frame(GOODBYE), frame(CANCEL, 1))
        peer.expect(ERROR, 1)
        peer.expect(STARTED, 2)
        peer.expect(RESULT, 2)
        peer.expect(GOODBYE)
        self.assertEqual(peer.expect_end(), 0)

    def test_end_of_file_ends_it_in_the_middle_of_a_job(self):
        for pipes in False, True:
            peer = self.ready(pipes)
            self.waiting_job(peer, 1)
            peer.close_stream()
            self.assertEqual(peer.process.wait(SECONDS), -signal.SIGKILL)

    def test_end_of_file_ends_it_when_it_is_idle(self):
        peer = self.ready()
        peer.close_stream()
        self.assertEqual(peer.process.wait(SECONDS), -signal.SIGKILL)

    def test_end_of_file_ends_its_process_group(self):
        read_fd, write_fd = os.pipe()
        self.addCleanup(os.close, read_fd)
        # The shell's child has the pipe open as 9, the worker has not.
        script = f'sleep 1000 9>&{write_fd} & exec {write_fd}>&-; exec "$@"'
        peer = self.launch(["sh", "-c", script, "sh", *ARGV], pass_fds=[write_fd])
        os.close(write_fd)
        peer.write(frame(HELLO, 0, hello_of()))
        peer.expect(HELLO)
        self.assertEqual(select.select([read_fd], [], [], 0)[0], [])
        peer.close_stream()
        self.assertEqual(select.select([read_fd], [], [], SECONDS)[0], [read_fd])
        self.assertEqual(os.read(read_fd, 1), b"")

    def test_end_of_file_before_the_hello(self):
        peer = self.launch()
        peer.close_stream()
        self.assertEqual(peer.process.wait(SECONDS), 1)

    def test_nonsense_ends_it(self):
        peer = self.ready()
        peer.write(frame(CALL, 1, GLib.Variant("y", 200)))
        self.assertEqual(peer.process.wait(SECONDS), -signal.SIGKILL)
        self.assertIn("ValueError", peer.read_stderr())


# --- Bodies ---


def random_type(rand, depth):
    kind = rand.choice("bynqiuxtdsvma({" if depth else "bynqiuxtds")
    if kind in "ma":
        return kind + random_type(rand, depth - 1)
    if kind == "{":
        return "a{" + rand.choice("siuyx") + random_type(rand, depth - 1) + "}"
    if kind == "(":
        return "(" + "".join(random_type(rand, depth - 1) for _ in range(rand.randint(0, 4))) + ")"
    return kind


BITS = {"y": 8, "q": 16, "u": 32, "t": 64, "n": -16, "i": -32, "x": -64}


def random_value(rand, type_):
    if type_ in BITS:
        bits = abs(BITS[type_])
        return rand.getrandbits(bits) - (1 << bits - 1 if BITS[type_] < 0 else 0)
    if type_ in "bd":
        return rand.random() < 0.5 if type_ == "b" else rand.random()
    if type_ == "s":
        return "ä" * rand.choice([0, 1, 2, 3, 200, 40000])
    if type_ == "v":
        inner = random_type(rand, 1)
        return Variant(inner, random_value(rand, inner))
    if type_[0] == "m":
        return random_value(rand, type_[1:]) if rand.random() < 0.5 else None
    if type_[:2] == "a{":
        return dict(random_value(rand, type_[1:]) for _ in range(rand.randint(0, 4)))
    if type_[0] == "a":
        values = [random_value(rand, type_[1:]) for _ in range(rand.choice([0, 1, 3]))]
        return bytes(values) if type_ == "ay" else values
    return tuple(random_value(rand, member) for member in members(type_))


def to_glib(type_, value):
    """GLib.Variant (TYPE, VALUE) knows no Variant of ours, and is told where the types are empty."""
    if type_ == "v":
        return GLib.Variant.new_variant(to_glib(*value))
    if type_ in BITS or type_ in "bds":
        return GLib.Variant(type_, value)
    if type_[0] == "m":
        return GLib.Variant.new_maybe(GLib.VariantType(type_[1:]),
                                      None if value is None else to_glib(type_[1:], value))
    if type_[:2] == "a{":
        key_type, value_type = members(type_[1:])
        entries = [GLib.Variant.new_dict_entry(to_glib(key_type, key), to_glib(value_type, member))
                   for key, member in value.items()]
        return GLib.Variant.new_array(GLib.VariantType(type_[1:]), entries)
    if type_[0] == "a":
        return GLib.Variant.new_array(GLib.VariantType(type_[1:]), [to_glib(type_[1:], member) for member in value])
    return GLib.Variant.new_tuple(*(to_glib(*pair) for pair in zip(members(type_), value)))


class Bodies(unittest.TestCase):
    def test_bytes_are_those_of_glib(self):
        seed = random.SystemRandom().getrandbits(32)
        print(f"# seed {seed}")
        rand = random.Random(seed)
        for _ in range(2000):
            type_ = random_type(rand, 3)
            value = random_value(rand, type_)
            data = pack(type_, value)
            self.assertEqual(data, to_glib(type_, value).get_data_as_bytes().get_data() or b"", type_)
            self.assertEqual(unpack(type_, data), value, type_)

    def test_what_is_no_value_is_refused(self):
        for type_, data in [("i", b"123"), ("s", b"text"), ("s", b"te\0xt\0"), ("v", b""), ("v", b"1234"),
                            ("as", b"a\0\x09"), ("(ss)", b"a\0b\0\x77"), ("ai", b"12345"), ("s", b"\xff\0")]:
            with self.assertRaises(ValueError, msg=type_):
                unpack(type_, data)


if __name__ == "__main__":
    tap.main(110)
