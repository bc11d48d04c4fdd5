"""Trainings of networks on differential equations: one run a model and seed, kept in a folder at full size."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import refkan as rk
from refkan.checkpoints import Checkpoints
from refkan.hierarchy.fingerprints import fingerprint
from refkan.training import Setup, train_starts

FOLDER = Path("validation-report") / "runs"
"""Where runs at full size are kept, below the current folder; a quick run keeps none."""

ASIDE = {"adaptivity", "checks", "conditioning", "conformance", "exact", "cli.py", "definitions.py", "commands"}
"""What no training depends on: a change there leaves kept runs valid."""

Observer = Callable[[Any, np.ndarray], Mapping[str, Any]]


@dataclass(frozen=True)
class Model:
    """A network with its training.

    Attributes
    ----------
    net
        The coarsest network.
    schedule
        Steps on each level.
    method, options, per_level
        Of all levels and of each, for the method.
    starts, scheme
        As for `train_starts`.
    setup
        In place of the common one, where a model sees other points or inputs.
    """

    net: rk.Network
    schedule: tuple[int, ...]
    method: Any = "adam"
    options: Mapping[str, Any] = field(default_factory=dict)
    per_level: tuple[Mapping[str, Any], ...] | None = None
    starts: int = 1
    scheme: str = "linear"
    setup: Setup | None = None


def run_models(
    claim: str,
    models: Mapping[str, Model],
    setup: Setup,
    seeds: Sequence[int],
    quick: bool,
    progress: Callable[[str], None],
    observe: Observer | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Train every model from every seed; at full size each run is kept and not computed again."""
    checkpoints = None if quick else Checkpoints(FOLDER)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in models}
    for seed in seeds:  # every model once, then the next seed: an interrupted run has few seeds of all
        for name, model in models.items():
            progress(f"{name}, seed {seed}")
            if checkpoints is None:
                runs[name].append(train(model, setup, seed, observe))
                continue
            # By content: a network, its training and its points that are built again are the same.
            described = {"training": fingerprint(model, "model"), "setup": fingerprint(setup, "setup")}
            key = {"claim": claim, "model": name, "seed": seed, "sources": sources(), **described}
            runs[name].append(checkpoints.run(key, lambda m=model, s=seed: train(m, setup, s, observe)))
    return runs


def train(model: Model, setup: Setup, seed: int, observe: Observer | None = None) -> dict[str, Any]:
    """Train a model and return, for each level: parameters, loss on the set-up's points, true error, observations."""
    setup = model.setup or setup
    began = time.process_time()
    # Through per_level, since Adam's option `schedule` and the steps of the levels have one name.
    extras = [{**model.options, **entry} for entry in model.per_level or ({},) * len(model.schedule)]
    done = train_starts(
        setup,
        model.net,
        np.random.default_rng(seed),
        model.schedule,
        model.method,
        starts=model.starts,
        scheme=model.scheme,
        per_level=extras,
    )
    levels = []
    for trained in done.levels:
        net, theta = trained.network, trained.result.theta
        problem = replace(done.result.problem, net=net)
        seen = {} if observe is None else dict(observe(problem, theta))
        squares = problem.mean_squares(theta)
        level = {"parameters": net.n_params, "loss": problem.loss(theta), "error": setup.error(net, theta)}
        levels.append(level | {"mean squares": squares} | seen)
    return {
        "seed": seed,
        "levels": levels,
        "loss": levels[-1]["loss"],
        "error": levels[-1]["error"],
        "seconds": time.process_time() - began,
    }


def sources() -> str:
    """Return the SHA-256 of the parts of the library that trainings depend on."""
    library = Path(rk.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(library.rglob("*.py")):
        where = path.relative_to(library)
        if where.parts[0] not in ASIDE:
            digest.update(f"{where.as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def medians(runs: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    """Median over seeds of a number of each level."""
    return [float(np.median(values)) for values in zip(*([level[key] for level in run["levels"]] for run in runs), strict=True)]


def spread(runs: Sequence[Mapping[str, Any]], key: str) -> str:
    """The median over seeds of a number at the end, and its least and largest value."""
    values = np.array([run[key] for run in runs])
    return f"{np.median(values):.1e} ({values.min():.1e} to {values.max():.1e})"


def table(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """One sentence a model: loss and true error, medians and extremes over seeds."""
    return "; ".join(f"{name}: loss {spread(r, 'loss')}, error {spread(r, 'error')}" for name, r in runs.items())


def without(runs: Mapping[str, Sequence[Mapping[str, Any]]], *keys: str) -> dict[str, list[dict[str, Any]]]:
    """The runs without large arrays, for the record."""
    return {
        name: [
            {**run, "levels": [{k: v for k, v in level.items() if k not in keys} for level in run["levels"]]}
            for run in group
        ]
        for name, group in runs.items()
    }
