// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Plain values and GVariants: by type, by shape, and back. */

import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';
import System from 'system';
import {assert, assertEqual, assertThrows, run, test} from '../lptest.js';

const {fromParameters, fromResult, pack, shape, toParameters, toResult, unpack} = imports.overrides.leasepool.values;

const bytes = (...values) => new Uint8Array(values);

/** In the text form of GVariant. */
function text(variant) {
    System.gc();
    return variant.print(true);
}

function assertRefused(make, words) {
    return assertThrows(Lp.Error, Lp.Error.INVALID_ARGUMENT, make, words);
}

for (const [type, ...pairs] of [
    ['b', [true, 'true'], [false, 'false']],
    ['y', [0, 'byte 0x00'], [255, 'byte 0xff']],
    ['n', [-32768, 'int16 -32768']],
    ['q', [65535, 'uint16 65535']],
    ['i', [-(2 ** 31), '-2147483648'], [5n, '5']],
    ['u', [2 ** 32 - 1, 'uint32 4294967295']],
    ['x', [-5, 'int64 -5'], [-(2n ** 63n), 'int64 -9223372036854775808'], [2 ** 53, 'int64 9007199254740992']],
    ['t', [2n ** 64n - 1n, 'uint64 18446744073709551615'], [0, 'uint64 0']],
    ['d', [2.5, '2.5'], [3, '3.0'], [-0, '-0.0']],
    ['s', ['x', "'x'"], ['', "''"], ['žluťoučký 😀', "'žluťoučký 😀'"]],
    ['o', ['/a/b', "objectpath '/a/b'"]],
    ['g', ['a{sv}', "signature 'a{sv}'"]],
    ['v', [5, '<5>'], [['x'], "<[<'x'>]>"]],
    ['ms', [null, '@ms nothing'], [undefined, '@ms nothing'], ['x', "@ms 'x'"]],
    ['ai', [[], '@ai []'], [[1, 2], '[1, 2]'], [new Int16Array([7]), '[7]']],
    ['ay', [bytes(1, 2), '[byte 0x01, 0x02]'], [bytes(), '@ay []'], ['/x', "b'/x'"], [[1], '[byte 0x01]']],
    ['a{si}', [{}, '@a{si} {}'], [{a: 1, b: 2}, "{'a': 1, 'b': 2}"], [new Map([['a', 1]]), "{'a': 1}"]],
    ['a{us}', [{7: 'x'}, "{uint32 7: 'x'}"]],
    ['a{xs}', [{'9007199254740993': 'x', '-1': 'y'}, "{int64 9007199254740993: 'x', -1: 'y'}"]],
    ['a{ds}', [{2.5: 'x', NaN: 'y'}, "{2.5: 'x', nan: 'y'}"]],
    ['a{bs}', [{true: 'x', false: 'y'}, "{true: 'x', false: 'y'}"]],
    ['a{sv}', [{a: 1, b: null}, "{'a': <1>, 'b': <@mv nothing>}"]],
    ['(ius)', [[1, 2, 'x'], "(1, uint32 2, 'x')"]],
    ['()', [[], '()']],
    ['a(i(sas))', [[[1, ['x', ['y']]]], "[(1, ('x', ['y']))]"]],
]) {
    test(`by type: ${type}`, () => {
        for (const [value, expected] of pairs) {
            assertEqual(text(pack(type, value, 'it')), expected);
            assertEqual(pack(type, value, 'it').get_type_string(), type);
        }
    });
}

for (const [type, ...values] of [
    ['b', 1, 'true', null],
    ['y', 256, -1, 2.5, 'x', true, null, NaN],
    ['i', 2 ** 31, 2.5, '5', undefined, 2n ** 40n, Infinity, true],
    ['u', -1, 2 ** 32, 'x', -1n],
    ['x', 2n ** 63n, 2.5, 2 ** 63],
    ['t', -1, 2n ** 64n],
    ['d', '2.5', true, 5n, null],
    ['s', 5, null, 'a\0b', ['x'], 'a\ud800b', '\udc00'],
    ['o', 'a', '/a/', 5],
    ['g', '!', 5],
    ['ai', 5, 'x', {}, [1.5], [1, null], null, [, 1], new DataView(new ArrayBuffer(4)), new ArrayBuffer(4)],
    ['ay', 'a\0b', 'a\ud800', [256], 5],
    ['a{si}', [], 'x', {a: 'x'}, new Date(), {'\ud800': 1}],
    ['a{us}', {x: 'x'}, {'': 'x'}, {' 7': 'x'}, {'0x10': 'x'}, {7.5: 'x'}, new Map([['7', 'x']])],
    ['a{ds}', {'': 'x'}, {x: 'x'}],
    ['a{bs}', {yes: 'x'}],
    ['(iu)', [1], [1, 2, 3], 5, [1, -1]],
    ['h', 1],
    ['v', Symbol('x'), () => 1, new Date(), /x/],
]) {
    test(`by type, refused with the place: ${type}`, async () => {
        for (const value of values) {
            await assertRefused(() => pack(type, value, 'this value'), 'this value');
            System.gc();
        }
    });
}

test('a place within a value is named', async () => {
    await assertRefused(() => pack('a{s(iai)}', {key: [1, [2, 'x']]}, 'it'), 'it["key"][1][1] must be an integer');
    await assertRefused(() => shape({a: [1, new Date()]}, 'it'), 'it["a"][1] is an object of Date');
});

test('a GVariant goes where its type fits', async () => {
    assertEqual(text(pack('u', new GLib.Variant('u', 5), 'it')), 'uint32 5');
    assertEqual(text(pack('v', new GLib.Variant('u', 5), 'it')), '<uint32 5>');
    assertEqual(text(shape([new GLib.Variant('u', 5)], 'it')), '[<uint32 5>]');
    await assertRefused(() => pack('u', new GLib.Variant('i', 5), 'it'), 'must have the type u, not i');
});

for (const [name, value, expected] of [
    ['booleans', true, 'true'],
    ['integers', 5, '5'],
    ['large integers', 2 ** 40, 'int64 1099511627776'],
    ['integers that are no longer exact', 2 ** 60, '1.152921504606847e+18'],
    ['fractions', 2.5, '2.5'],
    ['not a number', NaN, 'nan'],
    ['minus zero', -0, '-0.0'],
    ['BigInt', 5n, 'int64 5'],
    ['large BigInt', 2n ** 63n, 'uint64 9223372036854775808'],
    ['strings', 'x', "'x'"],
    ['null', null, '@mv nothing'],
    ['undefined', undefined, '@mv nothing'],
    ['bytes', bytes(1), '[byte 0x01]'],
    ['arrays', [1, 'x', []], "[<1>, <'x'>, <@av []>]"],
    ['arrays with holes', [1, , 3], '[<1>, <@mv nothing>, <3>]'],
    ['objects', {a: 1, b: [2], c: undefined}, "{'a': <1>, 'b': <[<2>]>}"],
    ['objects without a prototype', Object.assign(Object.create(null), {a: 1}), "{'a': <1>}"],
]) {
    test(`by shape: ${name}`, () => assertEqual(text(shape(value, 'it')), expected));
}

test('what has no shape is refused', async () => {
    const cycle = [];
    cycle.push(cycle);
    for (const value of [Symbol('x'), () => 1, new Date(), new Map(), new Set(), new Float32Array(2), 2n ** 64n,
        -(2n ** 63n) - 1n, cycle, 'a\0', '\ud800', {'\ud800': 1}, {constructor: {name: 5}, f: new Set()}])
        await assertRefused(() => shape(value, 'it'), 'it');
    await assertRefused(() => pack('i', {constructor: {name: Symbol('x')}}, 'it'), 'not an object');
    await assertRefused(() => pack('d', 2n, 'it'), 'not 2n');
});

test('deep values come through in normal form, deeper ones are refused', async () => {
    const nest = n => Array.from({length: n}).reduce(value => [value], 5);
    assert(GLib.Variant.new_tuple([GLib.Variant.new_variant(shape(nest(55), 'it'))]).is_normal_form());
    assertEqual(unpack(shape(nest(55), 'it')), nest(55));
    await assertRefused(() => shape(nest(70), 'it'), 'nested deeper');
});

for (const value of [true, 5, 2 ** 40, -(2 ** 53) + 1, 2.5, 'x', '', null, [1, [2, null]], {a: {b: ['x']}}, 2n ** 62n,
    2n ** 64n - 1n]) {
    const name = JSON.stringify(value, (_key, part) => typeof part === 'bigint' ? `${part}` : part);
    test(`there and back: ${typeof value} ${name}`, () => {
        assertEqual(unpack(shape(value, 'it')), value);
        assertEqual(typeof unpack(shape(value, 'it')), typeof value);
    });
}

test('there and back: bytes, odd keys', () => {
    const back = unpack(shape({bytes: bytes(1, 2), none: bytes()}, 'it'));
    System.gc();
    assert(back.bytes instanceof Uint8Array && back.none instanceof Uint8Array);
    assertEqual([...back.bytes, back.none.length], [1, 2, 0]);
    const odd = JSON.parse('{"__proto__": {"x": 1}, "constructor": 2}');
    assertEqual(JSON.stringify(unpack(shape(odd, 'it'))), JSON.stringify(odd));
    assertEqual(({}).x, undefined);
});

test('parameters: by the declared type', async () => {
    assertEqual(text(toParameters('f', '(us)', [5, 'x'])), "(uint32 5, 'x')");
    assertEqual(text(toParameters('f', '()', [])), '()');
    assertEqual(text(toParameters('f', 'u', [5])), 'uint32 5');
    assertEqual(text(toParameters('f', 'as', [['x', 'y']])), "['x', 'y']");
    assertEqual(text(toParameters('f', 'av', [5, 'x'])), "[<5>, <'x'>]");
    assertEqual(text(toParameters('f', '(u)', new GLib.Variant('s', 'as it is'))), "'as it is'");
    await assertRefused(() => toParameters('f', '(us)', [5]), '“f” takes 2 arguments ((us)), not 1');
    await assertRefused(() => toParameters('f', '(us)', [5, 6]), 'Argument 2 of “f” must be a string');
    await assertRefused(() => toParameters('f', '(us)', 5), 'The arguments of “f” must be an array');
});

test('parameters: a hole among the values is none', () => {
    assertEqual(text(toParameters('f', null, [, 1])), '(@mv nothing, 1)');
    assertEqual(text(toParameters('f', 'av', [, 1])), '[<@mv nothing>, <1>]');
});

test('parameters: without a type, by shape', () => {
    for (const type of [null, '*', 'r', '(*)', 'a?'])
        assertEqual(text(toParameters('f', type, [5, 'x', [1]])), "(5, 'x', [<1>])");
});

test('parameters: back', () => {
    for (const [type, value] of [['(us)', [5, 'x']], ['av', [5, 'x']], ['()', []], ['u', [5]]])
        assertEqual(fromParameters(toParameters('f', type, value)), value);
    assertEqual(fromParameters(null), []);
});

test('results', async () => {
    for (const [type, value, expected] of [
        ['v', 5, '<5>'], ['v', undefined, '<@mv nothing>'], ['u', 5, 'uint32 5'], ['(u)', 5, '(uint32 5,)'],
        ['(us)', [5, 'x'], "(uint32 5, 'x')"], ['()', undefined, '()'], ['(ai)', [1, 2], '([1, 2],)'],
    ]) {
        const result = toResult('f', type, value);
        assertEqual(text(result), expected);
        assertEqual(fromResult(result), type === 'v' && value === undefined ? null : value);
    }
    await assertRefused(() => toResult('f', '(u)', 'x'), 'The result of “f” must be an integer');
    await assertRefused(() => toResult('f', '()', 5), 'The result of “f”');
});

await run();
