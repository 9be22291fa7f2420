# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
from typing import Any

# All of PyGObject that has no stubs here.
def __getattr__(name: str) -> Any: ...
