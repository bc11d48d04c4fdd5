"""Trainings of networks on differential equations: one run a model and seed, kept as they are finished at full size."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from time import process_time
from typing import Any

import numpy as np

import refkan as rk
from refkan.base import Frozen
from refkan.training.multilevel.fingerprints import fingerprint
from refkan.training.multilevel.levels import on_network
from validation.equations.recipes.setups import Setup
from validation.equations.recipes.starts import train_starts
from validation.statements import Progress, Resume, each_part

Observer = Callable[[Any, np.ndarray], Mapping[str, Any]]


class Model(Frozen, eq=True):
    """The coarsest network with its training: steps on each level, a method with options for all levels and for each.

    Starts, scheme and `later` are as for `train_starts`; `setup` stands in the place of the common one, where a model
    sees other points or inputs. Models that cost much and decide little are trained from the first few `seeds` alone.
    """

    net: rk.Network
    schedule: tuple[int, ...]
    method: Any = "adam"
    options: Mapping[str, Any] = field(default_factory=dict)
    per_level: tuple[Mapping[str, Any], ...] | None = None
    starts: int = 1
    scheme: str = "linear"
    setup: Setup | None = None
    later: Setup | None = None
    seeds: int | None = None


def run_models(
    problem: str,
    models: Mapping[str, Model],
    setup: Setup,
    seeds: Sequence[int],
    progress: Progress,
    resume: Resume,
    observe: Observer | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Train every model from its seeds; each run may be kept, and is then not computed again for another claim.

    `problem` names models in what is kept: two claims that train one model on one problem share its runs.
    """

    def run(case: tuple[int, str]) -> Any:
        seed, name = case
        # By content: a network, its training and its points that are built again are the same.
        parts = {"training": replace(models[name], seeds=None), "setup": setup, "observer": observe}
        described = {part: fingerprint(value, part) for part, value in parts.items()}
        key = {"problem": problem, "model": name, "seed": seed, **described}
        return resume(key, partial(train, models[name], setup, seed, observe))

    # Every model once, then the next seed: an interrupted run has few seeds of all.
    cases = [(seed, name) for k, seed in enumerate(seeds) for name in models if k < (models[name].seeds or len(seeds))]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in models}
    made = each_part(resume, progress, "{0[1]}, seed {0[0]}", run, cases)
    for (_, name), record in zip(cases, made, strict=True):
        runs[name].append(record)
    return runs


def train(model: Model, setup: Setup, seed: int, observe: Observer | None = None, every: int = 0) -> dict[str, Any]:
    """Train a model; return, for each level, parameters, loss on the points of the last, true error, observations.

    With `every` the course of the training too: the true error after so many steps, and again.
    """
    setup = model.setup or setup
    course = Course(setup, model.schedule, every)
    began = process_time()
    # Through per_level, since Adam's option `schedule` and the steps of the levels have one name.
    extras = [{**model.options, **entry} for entry in model.per_level or ({},) * len(model.schedule)]
    done = train_starts(
        setup,
        model.net,
        np.random.default_rng(seed),
        model.schedule,
        model.method,
        starts=model.starts,
        later=model.later,
        scheme=model.scheme,
        per_level=extras,
        callback=course if every else None,
    )
    levels = []
    for trained in done.course:
        net, theta = trained.network, trained.result.theta
        problem = on_network(done.problem, net)
        level = {
            "parameters": net.n_params,
            "loss": problem.loss(theta),
            "error": setup.error(net, theta),
            "mean squares": problem.mean_squares(theta),
        }
        if observe is not None:
            level |= observe(problem, theta)
        levels.append(level)
    made = {
        "seed": seed,
        "levels": levels,
        "loss": levels[-1]["loss"],
        "error": levels[-1]["error"],
        "seconds": process_time() - began,
    }
    if every:
        made["course"] = course.with_losses(done.levels)
    return made


def numbers_of(run: Mapping[str, Any], *of_levels: str) -> dict[str, Any]:
    """Return loss and true error of a training, those after each level with what was observed there, and its time."""
    lists = {"losses": "loss", "errors": "error", "parameters": "parameters"} | {name: name for name in of_levels}
    by_level = {key: [level[name] for level in run["levels"]] for key, name in lists.items()}
    return {name: run[name] for name in ("loss", "error", "seconds")} | by_level


class Course:
    """True errors after every so many steps of a level, counted through all levels, and the loss at every step."""

    def __init__(self, setup: Setup, schedule: Sequence[int], every: int) -> None:
        self.setup, self.before, self.every = setup, np.concatenate([[0], np.cumsum(schedule)]), every
        self.steps: list[int] = []
        self.errors: list[float] = []

    def __call__(self, level: Any, state: Any) -> None:
        if state.step % self.every == 0:
            self.steps.append(int(self.before[level.index]) + state.step)
            self.errors.append(self.setup.error(level.network, state.theta))

    def with_losses(self, results: Sequence[Any]) -> dict[str, Any]:
        """Return the noted errors with the losses of all levels' histories."""
        values = [result.history.value for result in results]
        steps = [first + np.arange(v.size) for first, v in zip(self.before, values, strict=False)]
        return {
            "steps of errors": np.array(self.steps),
            "errors": np.array(self.errors),
            "steps": np.concatenate(steps),
            "losses": 2.0 * np.concatenate(values),
        }


def medians(runs: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [
        float(np.median(values))
        for values in zip(*([level[key] for level in run["levels"]] for run in runs), strict=True)
    ]


def spread(runs: Sequence[Mapping[str, Any]], key: str) -> str:
    """The median over seeds of a number at the end, and its least and largest value."""
    values = np.array([run[key] for run in runs])
    return f"{np.median(values):.1e} ({values.min():.1e} to {values.max():.1e})"


def without(runs: Mapping[str, Sequence[Mapping[str, Any]]], *keys: str) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [
            {**run, "levels": [{k: v for k, v in level.items() if k not in keys} for level in run["levels"]]}
            for run in group
        ]
        for name, group in runs.items()
    }
