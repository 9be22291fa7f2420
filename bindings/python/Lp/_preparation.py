# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What a ready-made worker must know of the program to find its functions: sys.path, sys.argv, and its __main__.

The rules are those of the start method “spawn” of multiprocessing: programs that are written for it work.
"""

import os
import pickle
import sys
import types

NO_MAIN = ("functions and classes of the __main__ of an interactive session, of python -c or of standard input have no"
           " file that a worker process can read; put them into a module")


# In a worker: its program is being read.
preparing = False


def refuse_in_preparation():
    if sys.modules.get("_leasepool_worker._preparation", sys.modules[__name__]).preparing:
        raise RuntimeError("A worker process that reads the program of its manager cannot make a manager of processes;"
                           " the program must do so below if __name__ == \"__main__\":")


def main_of_program():
    """How a worker finds the program's __main__: {"how": "module" or "path", "what", "late"}; None: it has no file.

    A __main__.py is late: read when a function of it is called first. It is seldom written to be imported, and
    multiprocessing never does so.
    """
    main = sys.modules["__main__"]
    name = getattr(getattr(main, "__spec__", None), "name", None)
    path = getattr(main, "__file__", None)
    if name is not None and name != "__main__":
        return {"how": "module", "what": name, "late": name.endswith(".__main__")}
    if path is None or os.path.splitext(os.path.basename(path))[0] == "ipython":
        return None
    path = os.path.abspath(path)
    if name == "__main__":
        # A directory or an archive was run: runpy finds the __main__ in it.
        return {"how": "path", "what": os.path.dirname(path), "late": True}
    if not os.path.isfile(path):
        # That of standard input is called “<stdin>”.
        return None
    return {"how": "path", "what": path, "late": os.path.basename(path) == "__main__.py"}


def program():
    """What a worker is told of this program."""
    # A relative directory would be another one for a worker with a directory of its own.
    path = [os.path.abspath(entry) if isinstance(entry, str) else entry for entry in sys.path]
    return {"path": path, "argv": list(sys.argv), "main": main_of_program()}


class _PicklerWithoutMain(pickle.Pickler):
    """Refuses here what the worker could not find."""

    def reducer_override(self, value):
        if isinstance(value, (type, types.FunctionType)) and value.__module__ in ("__main__", "__mp_main__"):
            raise pickle.PicklingError(f"“{value.__qualname__}”: {NO_MAIN}")
        return NotImplemented


def pickler_of_main():
    return pickle.Pickler if main_of_program() is not None else _PicklerWithoutMain
