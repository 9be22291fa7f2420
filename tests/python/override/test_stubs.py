# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The stubs for type checkers, found as an installed package is: good programs are accepted, wrong ones flagged."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig

import gi
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
STUBS = os.path.join(os.environ["LP_PROJECT_SRCDIR"], "bindings/python/gi-stubs")


@pytest.fixture
def check(tmp_path):
    packages = sysconfig.get_path("purelib", "posix_user", {"userbase": str(tmp_path)})
    shutil.copytree(STUBS, os.path.join(packages, "gi-stubs"))

    def run(name):
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--allow-subclassing-any", "--cache-dir", os.devnull,
             os.path.join(HERE, name)],
            env={**os.environ, "PYTHONUSERBASE": str(tmp_path)}, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return done.stdout

    return run


def test_good_program(check):
    assert check("typed_good.py").startswith("Success")


def test_wrong_program(check):
    """Versions of mypy name some mistakes differently: each line has the kinds that are known."""
    found = {(int(line), kind) for line, kind in re.findall(r":(\d+): error: .*  (\[[a-z-]+\])$", check("typed_wrong.py"), re.M)}
    with open(os.path.join(HERE, "typed_wrong.py"), encoding="utf-8") as lines:
        expected = {number: line.split("# wrong: ")[1].split() for number, line in enumerate(lines, 1) if "# wrong: " in line}
    assert {number for number, _ in found} == set(expected)
    assert [pair for pair in found if pair[1] not in expected[pair[0]]] == []


def test_the_stubs_themselves(check):
    """Every name of the overrides is there, and every public member of their classes; nothing else is said of them."""
    from gi.overrides import Lp

    with open(os.path.join(STUBS, "repository/Lp.pyi"), encoding="utf-8") as stub:
        text = stub.read()
    for name in Lp.__all__:
        assert re.search(rf"^(class|def) {name}\b|^{name} =", text, re.M), name
    for node in ast.parse(text).body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        cls = getattr(gi.repository.Lp, node.name)
        for base in node.bases:
            if hasattr(gi.repository.Lp, ast.unparse(base)):
                assert issubclass(cls, getattr(gi.repository.Lp, ast.unparse(base))), node.name
        if issubclass(cls, gi.repository.GObject.Object):
            names = {getattr(item, "name", None) or item.target.id for item in node.body}
            assert [name for name in names if not hasattr(cls, name)] == [], node.name
            if cls.__module__ == "gi.overrides.Lp":
                own = {name for name in vars(cls) if not name.startswith("_")}
                assert own - names - {"connect", "connect_after"} == set(), node.name
