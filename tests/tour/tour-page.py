#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""tour-page.py: docs/tour.md shows the steps of the tour as they are in the files; with --write it puts them there.

A step is what follows its comment, “1. Quick start”, up to the next one. Of a step of the page only the heading and the
text below it are written by hand. Speaks TAP.
"""

import os
import re
import sys

SOURCE = os.environ.get("LP_PROJECT_SRCDIR") or os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PAGE = os.path.join(SOURCE, "docs", "tour.md")

# The heading and the kind of the blocks, the files, and how the function of a step begins.
LANGUAGES = [
    ("C", "c", ["tour.c", "tour-module.c"], r"^static gboolean\n(\w+) \(GError \*\*error\)$"),
    ("Python", "python", ["tour.py"], r"^async def (\w+)\(\):$"),
    ("JavaScript", "js", ["tour.js", "tour-functions.js"], r"^async function (\w+)\(\) \{$"),
    ("Vala", "vala", ["tour.vala"], r"^async void (\w+) \(\) throws Error \{$"),
]
MARK = re.compile(r"^(?:/\* |# |// )(\d+\. [\w ,]+?|The steps)(?: \*/)?\n", re.M)


def read(*parts):
    with open(os.path.join(SOURCE, *parts), encoding="utf-8") as handle:
        return handle.read()


def steps_of(name):
    """The steps of a file: title and code."""
    parts = MARK.split(read("docs", "examples", "tour", name))[1:]
    return {title: code.strip("\n") + "\n" for title, code in zip(parts[::2], parts[1::2]) if title != "The steps"}


def expected():
    """What each step prints: its name and the lines."""
    parts = re.split(r"^\d+\. (\w+)\n", read("docs", "examples", "tour", "expected.txt"), flags=re.M)[1:]
    return list(zip(parts[::2], parts[1::2]))


def titles():
    return list(steps_of("tour.c"))


def blocks(title):
    """What a step of the page shows below its text."""
    number = titles().index(title)
    shown = f"```output\n{expected()[number][1]}```\n"
    for heading, kind, names, _function in LANGUAGES:
        shown += f"\n### {heading}\n"
        having = [name for name in names if title in steps_of(name)]
        for name in having:
            shown += f"\nIn `{name}`:\n" * (len(having) > 1) + f"\n```{kind}\n{steps_of(name)[title]}```\n"
    return shown


def rendered(page):
    """The page with the code of the files."""
    parts = re.split(r"^(## \d+\. .*)\n", page, flags=re.M)
    text = parts[0]
    for heading, body in zip(parts[1::2], parts[2::2]):
        prose = re.split(r"^(?:```output|### )", body, maxsplit=1, flags=re.M)[0]
        text += f"{heading}\n{prose.rstrip()}\n\n{blocks(heading[3:])}\n"
    return text.rstrip("\n") + "\n"


# --- Cases ---

def check_titles(names):
    found = [title for title in titles() if any(title in steps_of(name) for name in names)]
    assert list(steps_of(names[0])) == titles() == found, f"{names[0]} has {list(steps_of(names[0]))}"
    strange = [title for name in names for title in steps_of(name) if title not in titles()]
    assert not strange, f"{names} have {strange}"


def check_functions(names, pattern):
    """The function of each step has the name that the tour prints."""
    for number, code in enumerate(steps_of(names[0]).values()):
        found = [re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), name)
                 for name in re.findall(pattern, code, re.M)]
        assert expected()[number][0] in found, f"The step {number + 1} of {names[0]} has the functions {found}"


def check_page(title):
    page = read("docs", "tour.md")
    assert f"## {title}\n" in page, "it has no such heading"
    part = re.search(rf"^## {re.escape(title)}\n.*?(?=^## \d|\Z)", page, re.M | re.S)[0]
    is_same = part.rstrip("\n").endswith(blocks(title).rstrip("\n"))
    assert is_same, "it is not what the files have: run tests/tour/tour-page.py --write"


def check_whole():
    page = read("docs", "tour.md")
    assert re.findall(r"^## (\d+\. .*)$", page, re.M) == titles(), "it has other steps, or in another order"
    assert len(titles()) == len(expected()) == 10, "there are ten"
    assert rendered(page) == page, "run tests/tour/tour-page.py --write"


def main():
    if sys.argv[1:] == ["--write"]:
        text = rendered(read("docs", "tour.md"))
        with open(PAGE, "w", encoding="utf-8") as handle:
            handle.write(text)
        return 0

    cases = [(f"{heading} has the same steps", check_titles, names) for heading, _kind, names, _pattern in LANGUAGES]
    cases += [(f"{heading} names its functions so", check_functions, names, pattern)
              for heading, _kind, names, pattern in LANGUAGES]
    cases += [(f"the page shows {title.replace('. ', ' ', 1)}", check_page, title) for title in titles()]
    cases += [("the page has nothing else", check_whole)]
    failed = False
    print(f"1..{len(cases)}")
    for number, (name, check, *arguments) in enumerate(cases, 1):
        try:
            check(*arguments)
            print(f"ok {number} - {name}")
        except AssertionError as error:
            failed = True
            print(f"not ok {number} - {name}\n# {error}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
