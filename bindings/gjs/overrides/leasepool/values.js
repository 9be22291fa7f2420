// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Plain values of JavaScript and GVariants: by a declared type, or, where there is none, by the shape of the value. */

/* exported checkType, fromParameters, fromResult, isPlain, isText, isTexts, pack, shape, toParameters, toResult,
   unpack */

const {GLib} = imports.gi;
const {describe, invalid} = imports.overrides.leasepool.errors;

/* GVariant allows 128 levels, and one of ours takes two. Values that contain themselves end here, too. */
const MAX_DEPTH = 60;

const RANGES = {
    y: [0n, 255n],
    n: [-(2n ** 15n), 2n ** 15n - 1n],
    q: [0n, 2n ** 16n - 1n],
    i: [-(2n ** 31n), 2n ** 31n - 1n],
    u: [0n, 2n ** 32n - 1n],
    x: [-(2n ** 63n), 2n ** 63n - 1n],
    t: [0n, 2n ** 64n - 1n],
};

/* Strings by what they must be. */
const STRINGS = {
    s: [() => true, 'a string'],
    o: [GLib.Variant.is_object_path, 'an object path'],
    g: [GLib.Variant.is_signature, 'a signature'],
};

const TypedArray = Object.getPrototypeOf(Uint8Array);

function variantType(type) {
    return new GLib.VariantType(type);
}

/** Where the complete type that begins at START ends. */
function endOf(type, start) {
    if ('am'.includes(type[start]))
        return endOf(type, start + 1);
    if (!'({'.includes(type[start]))
        return start + 1;
    let end = start + 1;
    while (!')}'.includes(type[end]))
        end = endOf(type, end);
    return end + 1;
}

/** The types in a tuple or in an entry of a dictionary. */
function membersOf(type) {
    const members = [];
    for (let start = 1, end; start < type.length - 1; start = end) {
        end = endOf(type, start);
        members.push(type.slice(start, end));
    }
    return members;
}

/** A type that somebody wrote; WHERE says for what. */
function checkType(type, where) {
    if (typeof type !== 'string' || !GLib.VariantType.string_is_valid(type) || /[*?rh]/.test(type))
        throw invalid(`${where} must be a type such as "(u)", not ${describe(type)}`);
    return type;
}

// By type

/** 64 bits are more than a number has. */
function newWide(type, value) {
    return GLib.Variant.parse(variantType(type), `${value}`, null, null);
}

function packInteger(type, value, where) {
    const [min, max] = RANGES[type];
    if (typeof value !== 'bigint' && !Number.isInteger(value) || value < min || value > max)
        throw invalid(`${where} must be an integer from ${min} to ${max} (${type}), not ${describe(value)}`);
    return 'xt'.includes(type) ? newWide(type, BigInt(value)) : new GLib.Variant(type, Number(value));
}

/** What a string of GLib can be: half of a pair of surrogates would become another character. */
function isText(value) {
    return typeof value === 'string' && !/[\0\p{Surrogate}]/u.test(value);
}

function isTexts(value) {
    return Array.isArray(value) && value.every(isText);
}

function packString(type, value, where) {
    const [isRight, what] = STRINGS[type];
    if (!isText(value) || !isRight(value))
        throw invalid(`${where} must be ${what} (${type}), not ${describe(value)}`);
    return new GLib.Variant(type, value);
}

function packBytes(value) {
    const bytes = typeof value === 'string' ? new TextEncoder().encode(`${value}\0`) : value;
    return GLib.Variant.new_from_bytes(variantType('ay'), new GLib.Bytes(bytes), true);
}

/** The names of properties are strings; a number is one that is written as JavaScript writes it. */
function keyOf(type, name) {
    if (type in STRINGS)
        return name;
    if (type === 'b')
        return name === 'true' || (name === 'false' ? false : name);
    if (type === 'd')
        return `${Number(name)}` === name ? Number(name) : name;
    return /^(0|-?[1-9]\d*)$/.test(name) ? BigInt(name) : name;
}

function packDictionary(type, value, where) {
    const [keyType, valueType] = membersOf(type.slice(1));
    const isMap = value instanceof Map;
    if (!isMap && !isPlain(value))
        throw invalid(`${where} must be an object (${type}), not ${describe(value)}`);
    const entries = isMap ? [...value] : Object.entries(value).map(([name, each]) => [keyOf(keyType, name), each]);
    const packed = entries.map(([key, each]) => GLib.Variant.new_dict_entry(
        pack(keyType, key, `the key ${describe(key)} of ${where}`), pack(valueType, each, `${where}[${describe(key)}]`)));
    return GLib.Variant.new_array(variantType(type.slice(1)), packed);
}

function packArray(type, value, where) {
    if (type === 'ay' && (value instanceof Uint8Array || isText(value)))
        return packBytes(value);
    if (type[1] === '{')
        return packDictionary(type, value, where);
    if (!Array.isArray(value) && !(value instanceof TypedArray))
        throw invalid(`${where} must be an array (${type}), not ${describe(value)}`);
    const inner = type.slice(1);
    return GLib.Variant.new_array(variantType(inner), Array.from(value, (each, i) => pack(inner, each, `${where}[${i}]`)));
}

function packTuple(type, value, where) {
    const types = membersOf(type);
    if (!Array.isArray(value) || value.length !== types.length)
        throw invalid(`${where} must be an array of ${types.length} (${type}), not ${describe(value)}`);
    return GLib.Variant.new_tuple(types.map((each, i) => pack(each, value[i], `${where}[${i}]`)));
}

/** A value as a GVariant of a type; WHERE names it in messages. */
function pack(type, value, where) {
    if (value instanceof GLib.Variant && type !== 'v') {
        if (!value.is_of_type(variantType(type)))
            throw invalid(`${where} must have the type ${type}, not ${value.get_type_string()}`);
        return value;
    }
    if (type in RANGES)
        return packInteger(type, value, where);
    if (type in STRINGS)
        return packString(type, value, where);
    switch (type[0]) {
    case 'b':
    case 'd':
        if (typeof value !== (type === 'b' ? 'boolean' : 'number'))
            throw invalid(`${where} must be a ${type === 'b' ? 'boolean' : 'number'} (${type}), not ${describe(value)}`);
        return new GLib.Variant(type, value);
    case 'v':
        return GLib.Variant.new_variant(shape(value, where));
    case 'm': {
        const inner = type.slice(1);
        return GLib.Variant.new_maybe(variantType(inner), value === null || value === undefined ? null : pack(inner, value, where));
    }
    case 'a':
        return packArray(type, value, where);
    case '(':
        return packTuple(type, value, where);
    default:
        throw invalid(`${where} has the type ${type}, which cannot be made of a plain value`);
    }
}

// By shape

function isPlain(value) {
    return typeof value === 'object' && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value));
}

function shapeNumber(value) {
    if (!Number.isInteger(value) || Object.is(value, -0))
        return new GLib.Variant('d', value);
    if (value >= RANGES.i[0] && value <= RANGES.i[1])
        return new GLib.Variant('i', value);
    return Number.isSafeInteger(value) ? newWide('x', value) : new GLib.Variant('d', value);
}

function shapeObject(value, where, depth) {
    const packed = Object.entries(value).filter(([, each]) => each !== undefined).map(([key, each]) =>
        GLib.Variant.new_dict_entry(packString('s', key, `a key of ${where}`),
            GLib.Variant.new_variant(shape(each, `${where}[${describe(key)}]`, depth + 1))));
    return GLib.Variant.new_array(variantType('{sv}'), packed);
}

/** A value as a GVariant of the type that comes closest to it. */
function shape(value, where, depth = 0) {
    if (depth > MAX_DEPTH)
        throw invalid(`${where} is nested deeper than ${MAX_DEPTH} levels, or contains itself`);
    if (value instanceof GLib.Variant)
        return value;
    if (value === null || value === undefined)
        return GLib.Variant.new_maybe(variantType('v'), null);
    if (typeof value === 'boolean')
        return new GLib.Variant('b', value);
    if (typeof value === 'number')
        return shapeNumber(value);
    if (typeof value === 'bigint')
        return packInteger(value > RANGES.x[1] ? 't' : 'x', value, where);
    if (typeof value === 'string')
        return packString('s', value, where);
    if (value instanceof Uint8Array)
        return packBytes(value);
    if (Array.isArray(value)) {
        return GLib.Variant.new_array(variantType('v'),
            Array.from(value, (each, i) => GLib.Variant.new_variant(shape(each, `${where}[${i}]`, depth + 1))));
    }
    if (isPlain(value))
        return shapeObject(value, where, depth);
    throw invalid(`${where} is ${describe(value)}, which is no plain value; a GLib.Variant may be given`);
}

// Back

function children(variant) {
    return Array.from({length: variant.n_children()}, (_, i) => variant.get_child_value(i));
}

/** A number, or a BigInt if it is more than a number has. */
function unpackWide(variant) {
    const value = BigInt(variant.print(false));
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** The plain value of a GVariant. */
function unpack(variant) {
    const type = variant.get_type_string();
    switch (type[0]) {
    case 'x':
    case 't':
        return unpackWide(variant);
    case 'v':
        return unpack(variant.get_variant());
    case 'm':
        return variant.n_children() === 0 ? null : unpack(variant.get_child_value(0));
    case '(':
        return children(variant).map(unpack);
    case 'a':
        if (type === 'ay')
            return Uint8Array.from(variant.get_data_as_bytes().toArray());
        if (type[1] === '{')
            return Object.fromEntries(children(variant).map(entry => children(entry).map(unpack)));
        return children(variant).map(unpack);
    default:
        return variant.deepUnpack();
    }
}

// Of functions

/** The parameters of the function NAME for a list of values; TYPE is the declared one, null if there is none. */
function toParameters(name, type, values) {
    if (values instanceof GLib.Variant)
        return values;
    if (!Array.isArray(values))
        throw invalid(`The arguments of “${name}” must be an array or a GLib.Variant, not ${describe(values)}`);
    const where = i => `Argument ${i + 1} of “${name}”`;
    if (type === null || /[*?r]/.test(type))
        return GLib.Variant.new_tuple(Array.from(values, (each, i) => shape(each, where(i))));
    if (type === 'av')
        return GLib.Variant.new_array(variantType('v'), Array.from(values, (each, i) => pack('v', each, where(i))));
    const types = type[0] === '(' ? membersOf(type) : [type];
    if (values.length !== types.length)
        throw invalid(`“${name}” takes ${types.length} arguments (${type}), not ${values.length}`);
    const packed = types.map((each, i) => pack(each, values[i], where(i)));
    return type[0] === '(' ? GLib.Variant.new_tuple(packed) : packed[0];
}

/** The reverse: the list of values. */
function fromParameters(parameters) {
    if (parameters === null)
        return [];
    const type = parameters.get_type_string();
    return type === 'av' || type[0] === '(' ? children(parameters).map(unpack) : [unpack(parameters)];
}

/** What a function of that result type gives: a tuple of one is its member, an empty one is nothing. */
function toResult(name, type, value) {
    const where = `The result of “${name}”`;
    if (type === '()' && (value === undefined || value === null))
        return GLib.Variant.new_tuple([]);
    if (value instanceof GLib.Variant || type[0] !== '(' || membersOf(type).length !== 1)
        return pack(type, value, where);
    return GLib.Variant.new_tuple([pack(membersOf(type)[0], value, where)]);
}

/** The reverse. */
function fromResult(variant) {
    const value = unpack(variant);
    return variant.get_type_string()[0] === '(' && value.length < 2 ? value[0] : value;
}
