"""Verdicts on statements of other papers: the status over all readings, the numbers that decide under each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.claims.readings import Choice, Reading, Readings, written
from refkan.claims.verdicts import Status, Table, Verdict
from refkan.networks import Network
from refkan.training.adaptivity.error_indicators.indicators import LayerState, layer_states
from refkan.training.adaptivity.refits import refit_layer


def answer(
    id: str,
    results: Sequence[Reading],
    left: Sequence[Choice],
    details: str,
    data: Mapping[str, Any],
    mutations: Mapping[str, Status],
    corrected: str = "",
    tables: tuple[Table, ...] = (),
) -> Verdict:
    """Return the verdict of a row over its readings; the first one is quoted in the line of numbers."""
    made = Readings(results, left)
    first = results[0]
    return Verdict(
        id,
        made.status,
        f"{made.over()}. Under {written(first.choice)}{f' ({first.size})' if first.size else ''}: {first.measured}",
        corrected=corrected if any(result.corrected for result in results) else "",
        details=details,
        data=data,
        mutations=mutations,
        readings=tuple(made.plain()),
        tables=tables,
    )


def refitted(
    net: Network, theta: np.ndarray, x: np.ndarray, place: Callable[[LayerState], np.ndarray]
) -> tuple[Network, np.ndarray]:
    """Return the network on the breakpoints that `place` chooses for each layer, its edges refitted at the samples."""
    layers, parts = list(net.layers), [theta[where] for where in net.slices]
    for k, state in layer_states(net, theta, x).items():
        layers[k], parts[k] = refit_layer(state, place(state))
    return replace(net, layers=tuple(layers)), np.concatenate(parts)


def median(values: Sequence[float]) -> float:
    """Return the median as a float."""
    return float(np.median(values))
