#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""page.py PAGE OUTPUT: a page of docs/ as gi-docgen wants it: a title of its own, links to pages as they are called there."""

import re
import sys


def convert(text):
    text = re.sub(r"<!--.*?-->\n", "", text, flags=re.S).lstrip("\n")
    text = re.sub(r"^# (.*)\n", r"Title: \1\n", text, count=1)
    text = re.sub(r"\]\(([\w-]+)\.md(#[\w-]*)?\)", lambda link: f"]({link[1]}.html{link[2] or ''})", text)
    # What is not in the reference cannot be linked to.
    text = re.sub(r"\[([^\]\n]*)\]\(\.\./[^)\n]*\)", r"\1", text)
    return re.sub(r"^```output$", "```", text, flags=re.M)


def main():
    with open(sys.argv[1], encoding="utf-8") as page, open(sys.argv[2], "w", encoding="utf-8") as output:
        output.write(convert(page.read()))


if __name__ == "__main__":
    main()
