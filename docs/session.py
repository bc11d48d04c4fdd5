"""The picture of README.md, drawn from the session there: python docs/session.py writes docs/session.png."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

import refkan as rk

HERE = Path(__file__).parent


def session() -> dict[str, Any]:
    """Run the examples of README.md and return their names."""
    names: dict[str, Any] = {}
    for example in doctest.DocTestParser().get_examples((HERE.parent / "README.md").read_text()):
        exec(compile(example.source, "README.md", "exec"), names)
    return names


def picture(names: dict[str, Any]) -> Figure:
    """Draw the trained network, the course of its training and the spectrum at its start."""
    figure = Figure(figsize=(11.0, 5.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.5, 1.0))
    rk.plots.network(names["net"], names["result"].theta, names["x"], axes=left.subplots())
    above, below = right.subplots(2, 1)
    rk.plots.history(names["result"], axes=above)
    rk.plots.spectrum(names["spectrum"], axes=below)
    return figure


if __name__ == "__main__":
    (HERE / "session.png").write_bytes(rk.plots.to_png(picture(session()), dpi=80))
