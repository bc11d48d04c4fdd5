"""Adapters that declare what no adapter should, or do it."""

from dataclasses import replace

from tests.broken_layers.plain_numpy import PlainNumpy


class Patched(PlainNumpy):
    """The plain layer with some methods replaced."""

    def __init__(self, **methods):
        for name, method in methods.items():
            setattr(self, name, method)


def raising(*arguments):
    raise RuntimeError("no kernel")


class OfADict(PlainNumpy):
    """Capabilities that are none."""

    capabilities = {"degrees": (3,)}  # noqa: RUF012


class OfNoName(PlainNumpy):
    """A name that cannot be written."""

    @property
    def name(self):
        raise ZeroDivisionError("no name")


class OfUnknownFormats(PlainNumpy):
    """No format that a case has."""

    capabilities = replace(PlainNumpy.capabilities, dtypes=("float8",))


class OfNothing(PlainNumpy):
    """Every case is declined."""

    def declines(self, case):
        return "not today"
