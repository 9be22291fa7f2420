// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright 2026 The leasepool authors

// A worker program: give it to a manager of processes as its worker-argv.

bool is_prime (uint number) {
    for (uint divisor = 2; divisor * divisor <= number; divisor++) {
        if (number % divisor == 0) {
            return false;
        }
    }
    return number >= 2;
}

void twice (Lp.Job job, out Variant? result) throws Error {
    int number;
    job.get_parameters ().get ("(i)", out number);
    result = new Variant ("(i)", 2 * number);
}

void greet (Lp.Job job, out Variant? result) throws Error {
    unowned string name;
    result = null;
    job.get_parameters ().get ("(&s)", out name);
    if (name == "") {
        throw new IOError.INVALID_ARGUMENT ("Nobody has an empty name");
    }
    message ("Greeting %s", name);
    result = new Variant ("(s)", "Hello %s".printf (name));
}

void count_primes (Lp.Job job, out Variant? result) throws Error {
    unowned Cancellable cancellable = job.get_cancellable ();
    uint limit;
    uint primes = 0;
    result = null;
    job.get_parameters ().get ("(u)", out limit);
    for (uint number = 0; number <= limit; number++) {
        if (number % 100 == 0) {
            cancellable.set_error_if_cancelled ();
            job.set_progress ((double) number / limit, null);
        }
        if (is_prime (number)) {
            primes++;
        }
    }
    result = new Variant ("(u)", primes);
}

int main () {
    var functions = new Lp.Functions ();
    // Before anything is printed.
    var worker = new Lp.Worker (functions);

    try {
        functions.add ("double", new VariantType ("(i)"), new VariantType ("(i)"), twice);
        functions.add ("greet", new VariantType ("(s)"), new VariantType ("(s)"), greet);
        functions.add ("count_primes", new VariantType ("(u)"), new VariantType ("(u)"), count_primes);
        return worker.run ();
    } catch (Error error) {
        stderr.printf ("%s\n", error.message);
        return 1;
    }
}
