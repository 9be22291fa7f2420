# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Values of Python and GVariants."""

from gi.repository import GLib


def _type_of(value):
    for cls, kind in ((bool, "b"), (int, "x"), (float, "d"), (str, "s"), (bytes, "ay")):
        if isinstance(value, cls):
            return kind
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return "as"
    raise TypeError(f"{type(value).__name__} has no GVariant type of its own, give a GLib.Variant")


def to_options(values):
    """The a{sv} of keywords."""
    return GLib.Variant("a{sv}", {
        name: value if isinstance(value, GLib.Variant) else GLib.Variant(_type_of(value), value)
        for name, value in values.items()
    })


def to_parameters(signature, values):
    """The parameters of a named function: a signature such as "(us)" and a value for each of its members."""
    if signature is None:
        if values:
            raise TypeError("values need a signature such as \"(u)\"")
        return None
    if isinstance(signature, GLib.Variant):
        if values:
            raise TypeError("a GLib.Variant has its values already")
        return signature
    if not isinstance(signature, str):
        raise TypeError(f"the signature must be a str, not {type(signature).__name__}")
    if not (GLib.VariantType.string_is_valid(signature) and signature.startswith("(")):
        raise ValueError(f"the signature must be that of a tuple, such as \"(u)\", not {signature!r}")
    return GLib.Variant(signature, values)


def unpack(variant):
    """The value in plain Python; strings of bytes are bytes."""
    kind = variant.get_type_string()
    if kind == "ay":
        return variant.get_data_as_bytes().get_data()
    if kind == "a{sv}" or kind.startswith("a{"):
        return {unpack(pair.get_child_value(0)): unpack(pair.get_child_value(1)) for pair in _children(variant)}
    if kind == "v":
        return unpack(variant.get_variant())
    if kind.startswith("(") or kind.startswith("{"):
        return tuple(unpack(child) for child in _children(variant))
    if kind.startswith("m"):
        return unpack(variant.get_child_value(0)) if variant.n_children() else None
    if kind.startswith("a") and any(char in kind for char in "yv"):
        return [unpack(child) for child in _children(variant)]
    return variant.unpack()


def _children(variant):
    return (variant.get_child_value(i) for i in range(variant.n_children()))


def unpack_result(variant):
    """As a function returns it: None for (), the value for a tuple of one."""
    value = unpack(variant)
    if isinstance(value, tuple) and len(value) < 2:
        return value[0] if value else None
    return value
