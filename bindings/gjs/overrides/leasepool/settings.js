// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

/* Properties that are checked before an object is made: GJS takes 2.5 for an integer as 2, "x" for a number as 0, and
 * -1 for an unsigned one as 4294967295. */

/* exported check, extend, toNick */

const {GLib, GObject} = imports.gi;
const {describe, invalid} = imports.overrides.leasepool.errors;
const {isPlain, isText, isTexts, pack, shape} = imports.overrides.leasepool.values;

const LEVELS = {
    error: GLib.LogLevelFlags.LEVEL_ERROR,
    critical: GLib.LogLevelFlags.LEVEL_CRITICAL,
    warning: GLib.LogLevelFlags.LEVEL_WARNING,
    message: GLib.LogLevelFlags.LEVEL_MESSAGE,
    info: GLib.LogLevelFlags.LEVEL_INFO,
    debug: GLib.LogLevelFlags.LEVEL_DEBUG,
};

const isInteger = (value, min, max) => Number.isInteger(value) && value >= min && value <= max;

/* By the type of the property, or its name: what is right, and how to say so. */
const RULES = {
    gint: [value => isInteger(value, -(2 ** 31), 2 ** 31 - 1), 'an integer'],
    guint: [value => isInteger(value, 0, 2 ** 32 - 1), 'an integer that is not negative'],
    gdouble: [value => typeof value === 'number' && Number.isFinite(value), 'a finite number'],
    gboolean: [value => typeof value === 'boolean', 'a boolean'],
    gchararray: [value => isText(value) || value === null, 'a string'],
    GStrv: [value => isTexts(value) || value === null, 'an array of strings'],
    GVariant: [value => value instanceof GLib.Variant || value === null, 'a GLib.Variant'],
    GType: [() => true, 'a type'],
    'process-log-level': [value => isInteger(value, 0, 2 ** 32 - 1), `a level (${Object.keys(LEVELS).join(', ')})`],
};

/* What is taken for a property besides values of its type. */
const CONVERSIONS = {
    'process-log-level': value => LEVELS[value] ?? value,
    'executor-type': value => value?.$gtype ?? value,
    'executor-options': value => value instanceof GLib.Variant || value === null ? value : pack('a{sv}', value, 'executor_options'),
    'worker-init-parameters': value => Array.isArray(value) ? shape(value, 'worker_init_parameters') : value,
};

function toNick(name) {
    return name.replace(/_/g, '-').replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
}

function ruleOf(pspec) {
    const type = GObject.type_name(pspec.value_type);
    return RULES[pspec.name] ?? RULES[type] ?? [
        value => value === null || value instanceof GObject.Object && GObject.type_is_a(value.constructor.$gtype, pspec.value_type),
        `an object of ${type}`,
    ];
}

/** The properties for the constructor of CLS; names are shown as they were given. Those that are undefined are left out. */
function check(cls, title, properties) {
    const checked = {};
    if (!isPlain(properties))
        throw invalid(`${title} is made from an object of properties, not from ${describe(properties)}`);
    for (const [name, given] of Object.entries(properties)) {
        const nick = toNick(name);
        const pspec = GObject.Object.find_property.call(cls, nick);
        if (pspec === null || !(pspec.flags & GObject.ParamFlags.WRITABLE))
            throw invalid(`${title} has no property “${name}”${pspec === null ? '' : ' that can be set'}`);
        if (given === undefined)
            continue;
        const value = nick in CONVERSIONS ? CONVERSIONS[nick](given) : given;
        const [isRight, what] = ruleOf(pspec);
        if (!isRight(value))
            throw invalid(`The property “${name}” of ${title} must be ${what}, not ${describe(given)}`);
        checked[nick.replaceAll('-', '_')] = value;
    }
    return checked;
}

/** What is assigned is checked as well, by accessors in the place of GJS's own. */
function guard(cls, title) {
    for (const {name: nick, flags} of GObject.Object.list_properties.call(cls)) {
        const name = nick.replaceAll('-', '_');
        if (!(flags & GObject.ParamFlags.WRITABLE) || flags & GObject.ParamFlags.CONSTRUCT_ONLY)
            continue;
        const descriptor = {
            configurable: true,
            get() {
                return this[`get_${name}`]();
            },
            set(value) {
                this[`set_${name}`](check(cls, title, {[name]: value ?? null})[name]);
            },
        };
        for (const alias of [name, nick, name.replace(/_(.)/g, (_match, letter) => letter.toUpperCase())])
            Object.defineProperty(cls.prototype, alias, descriptor);
    }
}

function extend(Lp) {
    const init = Lp.Request.prototype._init;

    guard(Lp.Manager, 'Lp.Manager');
    guard(Lp.Request, 'Lp.Request');
    guard(Lp.Job, 'Lp.Job');
    guard(Lp.Grinder, 'Lp.Grinder');

    Lp.Request.prototype._init = function (properties = {}) {
        init.call(this, check(Lp.Request, 'Lp.Request', properties));
    };
}
