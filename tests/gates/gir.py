# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The API that a .gir file describes, one line a fact, without texts, positions and the order of the file.

Only what bindings go by is told, so that other versions of the scanner give the same lines.
"""

import xml.etree.ElementTree

CORE = "{http://www.gtk.org/introspection/core/1.0}"
C = "{http://www.gtk.org/introspection/c/1.0}"
GLIB = "{http://www.gtk.org/introspection/glib/1.0}"

CALLABLES = ("function", "method", "constructor", "virtual-method", "callback", f"{GLIB}signal", "function-macro")
ARGUMENT_FLAGS = ("direction", "caller-allocates", "nullable", "allow-none", "optional", "transfer-ownership", "scope",
                  "closure", "destroy", "skip")
NUMBERS = ("closure", "destroy", "readable", "bits")


def tag(element):
    return element.tag.removeprefix(CORE).removeprefix(GLIB)


def type_of(element):
    for child in element:
        if tag(child) == "type":
            inner = [type_of(part) for part in child.findall(f"{CORE}type")]
            return child.get("name", "?") + (f"<{', '.join(type_of_type(part) for part in child)}>" if inner else "")
        if tag(child) == "array":
            keys = ("zero-terminated", "fixed-size", "length")
            bounds = [f"{key}={child.get(key)}" for key in keys if child.get(key)]
            return f"{type_of(child)}[{' '.join(bounds)}]"
        if tag(child) == "callback":
            return callable_text(child)
        if tag(child) == "varargs":
            return "..."
    return "?"


def type_of_type(element):
    return element.get("name", "?")


def flags_of(element, names):
    """Those that are set. Numbers stay, also 0; that nothing changes hands is what goes without saying."""
    text = ""
    for name in names:
        value = element.get(name)
        if value is None or value == "none" or (value == "0" and name not in NUMBERS):
            continue
        # Older scanners say twice that NULL is allowed.
        if name == "allow-none" and "1" in (element.get("nullable"), element.get("optional")):
            continue
        text += f" {name.removesuffix('-ownership')}" + (f"={value}" if value != "1" or name in NUMBERS else "")
    return text


def argument(element):
    return f"{element.get('name', 'return')}: {type_of(element)}{flags_of(element, ARGUMENT_FLAGS)}"


def callable_text(element):
    parameters = element.find(f"{CORE}parameters")
    arguments = [argument(part) for part in parameters] if parameters is not None else []
    result = element.find(f"{CORE}return-value")
    text = f"({', '.join(arguments)})"
    if result is not None:
        text += f" -> {type_of(result)}{flags_of(result, ARGUMENT_FLAGS)}"
    return text + (" throws" if element.get("throws") == "1" else "")


def value_text(element):
    kind = tag(element)
    if element.tag in CALLABLES or kind in CALLABLES:
        return callable_text(element) + flags_of(element, ("when", "detailed", "action", "no-recurse"))
    if kind == "property":
        return f": {type_of(element)}" + flags_of(
            element, ("readable", "writable", "construct", "construct-only", "transfer-ownership", "getter", "setter"))
    if kind == "field":
        return f": {type_of(element)}" + flags_of(element, ("private", "readable", "writable", "bits"))
    if kind in ("member", "constant"):
        return f" = {element.get('value')}"
    if kind == "alias":
        return f" = {type_of(element)}"
    implemented = sorted(child.get("name") for child in element.findall(f"{CORE}implements"))
    return flags_of(element, ("parent", "abstract", "final", "disguised", "opaque")) + "".join(
        f" implements={name}" for name in implemented) + (
        f" quark={element.get(f'{GLIB}error-domain')}" if element.get(f"{GLIB}error-domain") else "")


def walk(element, prefix=""):
    """Each thing with a name, as (path, element)."""
    for child in element:
        name = child.get("name")
        kind = tag(child)
        if name is None or kind in ("type", "implements", "prerequisite", "attribute"):
            continue
        path = f"{prefix}{name}"
        yield path, child
        if kind in ("class", "interface", "record", "union", "enumeration", "bitfield"):
            yield from walk(child, path + ".")


def read(path):
    namespace = xml.etree.ElementTree.parse(path).getroot().find(f"{CORE}namespace")
    return list(walk(namespace))


def symbol(element):
    return element.get(f"{C}identifier") or element.get(f"{C}type") or ""


def lines(path):
    """The description, sorted; only the order of fields is kept, since it is that of the memory."""
    result = []
    position = 0
    for name, element in read(path):
        kind = tag(element)
        position = position + 1 if kind == "field" else 0
        text = f"{name} {kind}{f' {position}' if position else ''}{value_text(element)}"
        if symbol(element):
            text += f" [{symbol(element)}]"
        if element.get("introspectable") == "0":
            text += " not-introspectable"
        if element.get("version"):
            text += f" since {element.get('version')}"
        if element.get("deprecated") == "1":
            text += " deprecated"
        result.append(text)
    return sorted(result)
