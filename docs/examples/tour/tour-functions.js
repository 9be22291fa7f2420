// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

// The functions that the tour in JavaScript calls in worker processes.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

// 1. Quick start
export function power(base, exponent) {
    return base ** exponent;
}

// 8. Processes
export function countPrimes(limit) {
    let primes = 0;
    for (let number = 2; number <= limit; number++) {
        let divisor = 2;
        while (number % divisor !== 0)
            divisor++;
        primes += divisor === number;
    }
    return primes;
}

export function crash() {
    System.exit(1);
}

// 10. Errors
export function half(number) {
    if (number % 2 !== 0)
        throw new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.INVALID_ARGUMENT, `${number} is odd`);
    return number / 2;
}
