"""Parts of claims that make no sense: refused when they are made, not when a page or a cell needs them."""

from dataclasses import replace

from refkan.claims import Beside, Experiment, Factor, Figure, Grid, estimate
from tests.shared.refusals import refusals

GRID = Grid("toy", (Factor("start", ("normal", "linear")),), (Factor("points", ("10",), number=True),), dict)

test_what_would_be_found_out_late_or_never = refusals(
    (lambda: Factor("", ("a",)), "name must be a text without = and , which separate factors; got ''"),
    (lambda: Factor("a=b", ("a",)), "name must be a text without = and , which separate factors; got 'a=b'"),
    (lambda: Factor("f", ()), r"values of factor 'f' must be one value or more, each once, .*; got \(\)"),
    (lambda: Factor("f", ("a", "a")), "values of factor 'f' must be one value or more, each once"),
    (lambda: Factor("f", ("1", "2"), number=True), "values of factor 'f' must be the default alone, a number"),
    (lambda: Factor("f", ("x",), number=True), "f must be a positive whole number; got 'x'"),
    (lambda: Experiment((GRID.open[0],) * 2, dict), "factors must have names that differ; got 'start' twice"),
    (lambda: replace(GRID, place=GRID.open), "factors must have names that differ; got 'start' twice"),
    (lambda: GRID.run([3]), r"TypeError: cells\[0\] must be a Cell; got int"),
    (lambda: replace(GRID, measure=str).run([GRID.cell(1)]), r"TypeError: measure\(cell\) must be a Mapping; got str"),
    (lambda: Figure("a b", "", b"\x89PNG"), "name must be letters, digits, hyphens and underscores; got 'a b'"),
    (lambda: Figure("a", "", b"GIF89a"), "png must be the bytes of a PNG picture; got b'GIF89a': use from_matplotlib"),
    (lambda: Beside("c", "u", {1: "a"}), r"TypeError: values\[1\] must be of type float; got 'a'"),
    (lambda: Beside("c", "u", {1: 0.5}, 0.5, -1.0), "deviation must be finite and not negative; got -1.0"),
    (lambda: Beside("c", "u", {1: 0.5}, of=0), "of must be at least 1; got 0"),
    (lambda: estimate("x", {1: 0.5}, at_least=2, at_most=1), "at_least must not exceed at_most; got 2 and 1"),
    (lambda: estimate("x", {1: "a"}), r"TypeError: values\[1\] must be of type float \| bool; got 'a'"),
    (lambda: estimate("x", {1: 0.5}, published=float("nan")), "published must be a number, not NaN; got nan"),
)
