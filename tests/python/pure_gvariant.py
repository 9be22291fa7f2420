# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""GVariant in plain Python: what a worker needs that has no GLib.

    pack("(is)", (7, "seven")) -> bytes
    unpack("(is)", data)       -> (7, "seven")

A value of type v is a Variant, which names the type of what is in it; a maybe is None or a value; an array of
dictionary entries is a dict, of bytes is bytes, of anything else a list. All numbers are little-endian.

The format in a few lines. Each type has an alignment, 1, 2, 4 or 8, and is of a fixed size or not. Containers put
their members one after the other, each at a multiple of its alignment, with zeros between. Of members that are not of a
fixed size somebody must know where they end: at the end of the container there is a list of these ends, the framing
offsets. They have 1, 2, 4 or 8 bytes each, as few as can express the size of the whole container.
"""

import struct
from typing import Any, NamedTuple

BASIC = {"b": "?", "y": "B", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d", "h": "i"}
TEXT = "sog"


class Variant(NamedTuple):
    """What is in a value of type v."""

    type: str
    value: Any


# --- Types ---


def first_type(types):
    """The first complete type of a string of several."""
    if types[0] in "am":
        return types[0] + first_type(types[1:])
    if types[0] not in "({":
        return types[0]
    depth = 0
    for index, character in enumerate(types):
        depth += (character in "({") - (character in ")}")
        if depth == 0:
            return types[: index + 1]
    raise ValueError(f"{types} is not a type")


def members(type_):
    """The types in a tuple or in a dictionary entry."""
    rest, result = type_[1:-1], []
    while rest:
        result.append(first_type(rest))
        rest = rest[len(result[-1]):]
    return result


def is_tuple(type_):
    return type_[0] in "({"


def alignment(type_):
    if type_ in BASIC:
        return struct.calcsize("<" + BASIC[type_])
    if type_ == "v":
        return 8
    if type_[0] in "am":
        return alignment(type_[1:])
    return max((alignment(member) for member in members(type_)), default=1) if is_tuple(type_) else 1


def padding(position, type_):
    return -position % alignment(type_)


def fixed_size(type_):
    """The size of all values of that type, or None if it differs."""
    if type_ in BASIC:
        return struct.calcsize("<" + BASIC[type_])
    if not is_tuple(type_):
        return None
    size = 0
    for member in members(type_):
        if fixed_size(member) is None:
            return None
        size += padding(size, member) + fixed_size(member)
    # An empty tuple has one byte, since nothing that exists has none.
    return size + padding(size, type_) or 1


# --- Framing offsets ---


def offset_size(size):
    """The bytes of each framing offset of a container with so many bytes, the offsets included."""
    return next(n for n in (1, 2, 4, 8) if size < 1 << 8 * n)


def pack_offsets(size, ends):
    """The offsets after a container of so many bytes; its size with them decides what they have themselves."""
    n_bytes = next(n for n in (1, 2, 4, 8) if size + n * len(ends) < 1 << 8 * n)
    return b"".join(end.to_bytes(n_bytes, "little") for end in ends)


def unpack_offset(data, position, n_bytes):
    end = int.from_bytes(data[position:position + n_bytes], "little")
    if position < 0 or end > len(data):
        raise ValueError("a framing offset points outside")
    return end


# --- To bytes ---


def pack(type_, value):
    if type_ in BASIC:
        return struct.pack("<" + BASIC[type_], value)
    if type_ in TEXT:
        return value.encode() + b"\0"
    if type_ == "v":
        return pack(value.type, value.value) + b"\0" + value.type.encode()
    if type_[0] == "m":
        return pack_maybe(type_[1:], value)
    if type_[0] == "a":
        return pack_array(type_[1:], value)
    return pack_tuple(type_, value)


def pack_maybe(inner, value):
    """Nothing is empty; one zero marks the end of what else could be empty, too."""
    if value is None:
        return b""
    return pack(inner, value) + (b"" if fixed_size(inner) else b"\0")


def pack_array(inner, values):
    if inner == "y":
        return bytes(values)
    data, ends = b"", []
    for value in values.items() if isinstance(values, dict) else values:
        data += bytes(padding(len(data), inner)) + pack(inner, value)
        ends.append(len(data))
    return data if fixed_size(inner) else data + pack_offsets(len(data), ends)


def pack_tuple(type_, values):
    """The last member has no offset, since it ends where the offsets begin; these come from the last to the first."""
    types, data, ends = members(type_), b"", []
    for index, (member, value) in enumerate(zip(types, values, strict=True)):
        data += bytes(padding(len(data), member)) + pack(member, value)
        if not fixed_size(member) and index < len(types) - 1:
            ends.append(len(data))
    if fixed_size(type_):
        return data + bytes(fixed_size(type_) - len(data))
    return data + pack_offsets(len(data), ends[::-1])


# --- From bytes ---


def unpack(type_, data):
    """Raises ValueError if there cannot be a value of that type in the data."""
    size = fixed_size(type_)
    if size is not None and len(data) != size:
        raise ValueError(f"{len(data)} bytes are no {type_}")
    if type_ in BASIC:
        return struct.unpack("<" + BASIC[type_], data)[0]
    if type_ in TEXT:
        return unpack_text(data)
    if type_ == "v":
        return unpack_variant(data)
    if type_[0] == "m":
        return unpack_maybe(type_[1:], data)
    if type_[0] == "a":
        return unpack_array(type_[1:], data)
    return unpack_tuple(type_, data)


def unpack_text(data):
    if data[-1:] != b"\0" or b"\0" in data[:-1]:
        raise ValueError("a text does not end where it should")
    return data[:-1].decode()


def unpack_variant(data):
    """The type is what follows the last zero, since no type has one in it."""
    content, zero, name = data.rpartition(b"\0")
    type_ = name.decode("ascii")
    if not zero or first_type(type_) != type_:
        raise ValueError("a variant has no type")
    return Variant(type_, unpack(type_, content))


def unpack_maybe(inner, data):
    if not data:
        return None
    return unpack(inner, data if fixed_size(inner) else data[:-1])


def unpack_array(inner, data):
    if inner == "y":
        return data
    values = [unpack(inner, data[begin:end]) for begin, end in array_ranges(inner, data)]
    return dict(values) if inner[0] == "{" else values


def array_ranges(inner, data):
    """Where each member begins and ends."""
    size = fixed_size(inner)
    if size:
        if len(data) % size:
            raise ValueError("an array ends within a member")
        return [(begin, begin + size) for begin in range(0, len(data), size)]
    if not data:
        return []

    # The last offset is the end of the last member, so that it is known where the offsets begin.
    n_bytes = offset_size(len(data))
    first_offset = unpack_offset(data, len(data) - n_bytes, n_bytes)
    ranges, begin = [], 0
    for position in range(first_offset, len(data), n_bytes):
        end = unpack_offset(data, position, n_bytes)
        begin += padding(begin, inner)
        ranges.append((begin, end))
        begin = end
    return ranges


def unpack_tuple(type_, data):
    types, values = members(type_), []
    n_bytes, begin, next_offset = offset_size(len(data)), 0, len(data)
    for index, member in enumerate(types):
        begin += padding(begin, member)
        if fixed_size(member):
            end = begin + fixed_size(member)
        elif index == len(types) - 1:
            end = next_offset
        else:
            next_offset -= n_bytes
            end = unpack_offset(data, next_offset, n_bytes)
        values.append(unpack(member, data[begin:end]))
        begin = end
    return tuple(values)
