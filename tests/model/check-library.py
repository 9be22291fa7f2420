# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors

"""That the library is built without defects on purpose, and with its own clock and service thread.

check-library.py NM LIBRARY COMPILE-COMMANDS
"""

import json
import subprocess
import sys

nm, library, commands = sys.argv[1:]
failures = []

with open(commands, encoding='utf-8') as file:
    entries = [entry for entry in json.load(file) if entry['output'].startswith('leasepool/')]
if not any(entry['file'].endswith('lp-waiters.c') for entry in entries):
    failures.append('the commands that compile the library were not found')
failures += [f'{entry["output"]} is compiled with a defect' for entry in entries
             if 'LP_TEST_DEFECT' in entry['command']]

listing = subprocess.run([nm, '--defined-only', library], check=True, capture_output=True, text=True).stdout
symbols = {line.split()[-1] for line in listing.splitlines()}
if 'lp_service_post' in symbols and 'service_main' not in symbols:
    failures.append('the service thread of the library has no thread')
failures += [f'{library} has {symbol}' for symbol in sorted(symbols)
             if symbol.startswith('model_') or symbol == 'virtual_time']

for failure in failures:
    print(failure, file=sys.stderr)
sys.exit(1 if failures else 0)
