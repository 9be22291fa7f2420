#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The worker process of bench-python's floors: a named function that takes bytes and answers with them, and nothing
that the overrides add."""

import sys

import gi

gi.require_version("Lp", "1")
from gi.module import get_introspection_module  # noqa: E402
from gi.repository import GLib  # noqa: E402

Lp = get_introspection_module("Lp")
BYTES = GLib.VariantType.new("ay")


def answer(job, *_user_data):
    return GLib.Variant.new_from_bytes(BYTES, job.get_parameters().get_data_as_bytes(), True)


functions = Lp.Functions.new()
functions.add("answer", GLib.VariantType.new("(ay)"), BYTES, answer)
sys.exit(Lp.Worker.new(functions).run())
