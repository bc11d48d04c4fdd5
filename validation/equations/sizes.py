"""Readings that were run at several sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from refkan.claims.readings import Choice, written


def each_once(run: Iterable[tuple[Choice, Mapping[str, str]]]) -> list[tuple[Choice, Mapping[str, str]]]:
    """Return each reading with the first of its sizes: fewer points and steps are no other reading.

    Examples
    --------
    >>> each_once([({"start": "linear"}, {"points": "49"}), ({"start": "linear"}, {"points": "27"})])
    [({'start': 'linear'}, {'points': '49'})]
    """
    first: dict[str, tuple[Choice, Mapping[str, str]]] = {}
    for reading, size in run:
        first.setdefault(written(reading), (reading, size))
    return list(first.values())
