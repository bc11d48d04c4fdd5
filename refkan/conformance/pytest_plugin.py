"""The plugin of pytest: tests that take `refkan_case` or `refkan_adapter` are given those of `--refkan-adapter`.

Every run of pytest loads it where refkan is installed. So it imports the library only when a test uses it, and the
packages above it import nothing by themselves.
"""

from __future__ import annotations

from typing import Any


def pytest_addoption(parser: Any) -> None:
    """Add the options, which have the names of those of `refkan conform`."""
    group = parser.getgroup("refkan", "cases of refkan for layers")
    add = group.addoption
    add("--refkan-adapter", action="append", default=[], metavar="MODULE:ADAPTER", help="whose layers are judged")
    add("--refkan-select", action="append", default=[], metavar="PART", help="only cases whose key has all of these")
    add("--refkan-expected-failures", metavar="FILE", help="patterns of keys, each with # and a reason, one a line")


def pytest_generate_tests(metafunc: Any) -> None:
    """Give a test its adapters, or their cases, unless it says by a mark of its own what it takes."""
    asked = [name for name in ("refkan_case", "refkan_adapter") if name in metafunc.fixturenames]
    marks = metafunc.definition.iter_markers("parametrize")
    marked = {name.strip() for mark in marks for name in _names(mark.args[0])}
    for name in asked:
        if name not in marked:
            metafunc.parametrize(name, _parameters(name, metafunc.config))


def _names(argument: Any) -> list[str]:
    return argument.split(",") if isinstance(argument, str) else list(argument)


def _parameters(name: str, config: Any) -> list[Any]:
    import pytest

    adapters = config.getoption("--refkan-adapter")
    if not adapters:
        skip = pytest.mark.skip(reason="--refkan-adapter MODULE:ADAPTER says what is to be judged")
        return [pytest.param(None, id="none", marks=skip)]
    from refkan.conformance import parametrize_with_cases
    from refkan.conformance.adapters.loading import BackendError, load

    out: list[Any] = []
    for adapter in adapters:
        try:
            made = load(adapter)
        except BackendError as error:
            raise pytest.UsageError(f"--refkan-adapter: {error}") from error
        if name == "refkan_adapter":
            out.append(pytest.param(made, id=made.title))
            continue
        known = config.getoption("--refkan-expected-failures")
        try:
            mark = parametrize_with_cases(made, None, config.getoption("--refkan-select"), known or ())
            out += mark.args[1]
        except (OSError, ValueError) as error:
            raise pytest.UsageError(f"--refkan-select, --refkan-expected-failures: {error}") from error
    return out
