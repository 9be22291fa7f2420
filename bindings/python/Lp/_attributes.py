# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Properties of GObject as attributes."""


def readable(*names):
    """A class decorator: the properties as attributes that cannot be set."""

    def decorate(cls):
        for name in names:
            setattr(cls, name, property(lambda self, name=name: self.get_property(name)))
        return cls

    return decorate


def settings(checks, what="manager"):
    """A class decorator: settings of a manager or a grinder as attributes that are checked."""

    def attribute(name, check):
        def set_it(self, value):
            if name != "units" and self.is_running():
                raise RuntimeError(f"{name} can be set until the {what} is started")
            self.set_property(name, check(name, value))

        return property(lambda self: self.get_property(name), set_it)

    def decorate(cls):
        for name, check in checks.items():
            if name not in cls.__dict__:
                setattr(cls, name, attribute(name, check))
        return cls

    return decorate
