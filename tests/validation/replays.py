"""Measurements of small runs beside what verdicts make of them: ``python -m tests.validation.replays`` judges anew.

Of what is exact a quick run is kept in place of measurements, and judged with some of what it computes falsified.

Numbers have four digits, so that what is judged is what the files say. Words are left out: they may be changed. Rows
are also judged on measurements that are scattered, so that the least is not the greatest, and some not all.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import fields, is_dataclass
from fractions import Fraction
from importlib import import_module
from inspect import isgeneratorfunction
from itertools import count
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np

from refkan.claims import readings, seed_intervals
from refkan.claims.running.outcomes import plain
from tests.validation.computed import UnknownError, hashed, is_measured, known

FOLDER = Path(__file__).parent / "measured"


def encoded(value: Any) -> Any:
    """Arguments as JSON; what it has no name for becomes an object of one entry, its kind."""
    if isinstance(value, bool | str | int | None):
        return value
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Fraction):
        return {"fraction": str(value)}
    if isinstance(value, np.ndarray | np.generic):
        return {"array": [value.dtype.str, encoded(value.tolist())]}
    if is_dataclass(value):
        given = {field.name: encoded(getattr(value, field.name)) for field in fields(value) if field.init}
        return {"object": [f"{type(value).__module__}:{type(value).__qualname__}", given]}
    if isinstance(value, SimpleNamespace):
        return {"object": ["types:SimpleNamespace", {name: encoded(item) for name, item in vars(value).items()}]}
    if isinstance(value, Mapping):
        return {"mapping": [[encoded(key), encoded(item)] for key, item in value.items()]}
    if isinstance(value, tuple | range):
        return {"tuple": [encoded(item) for item in value]}
    if isinstance(value, list):
        return [encoded(item) for item in value]
    raise TypeError(f"measurements hold no {type(value).__name__}")


def decoded(data: Any) -> Any:
    """Return what was encoded."""
    if isinstance(data, list):
        return [decoded(item) for item in data]
    if not isinstance(data, dict):
        return data
    ((kind, value),) = data.items()
    if kind == "fraction":
        return Fraction(value)
    if kind == "array":
        return np.array(decoded(value[1]), dtype=value[0])[()]
    if kind == "object":
        return named(value[0])(**{name: decoded(item) for name, item in value[1].items()})
    if kind == "mapping":
        return {decoded(key): decoded(item) for key, item in value}
    return tuple(decoded(value))


def named(path: str) -> Any:
    """Return a member of a module by "module:name"."""
    module, _, name = path.partition(":")
    made = import_module(module)
    for part in name.split("."):
        made = getattr(made, part)
    return made


def numbers(text: str) -> list[str]:
    """Return the numbers of a sentence, and what it says is true or false."""
    return re.findall(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?|\b(?:inf|nan|True|False)\b", text)


def short(value: Any, digits: int = 5) -> str:
    """Return a digest of plain data, floats rounded."""
    return hashed(json.dumps(rounded(plain(value), digits)))


def outcome(verdict: Any, summary: Callable[[Any], Any] = short) -> dict[str, Any]:
    """Return what a verdict says, without its words: raw data in short, by a digest unless it is said how."""
    return {
        "id": verdict.id,
        "status": verdict.status,
        "measured": numbers(verdict.measured),
        "corrected": bool(verdict.corrected),
        "beside": numbers(f"{verdict.corrected} {verdict.details}"),
        "data": summary(verdict.data),
        "mutations": dict(verdict.mutations),
        "controls": dict(verdict.controls),
        "estimates": [
            [e.name, *(getattr(e, name) for name in ("value", "low", "high", "at_least", "at_most", "published"))]
            for e in verdict.estimates
        ],
        "readings": [
            {name: r[name] for name in ("choice", "holds", "corrected", "calibrated", "reduced", "speaks")}
            | {"measured": numbers(r["measured"]), "size": numbers(r["size"])}
            | {
                kind: [[c[name] for name in ("cell", "published", "median", "again")] for c in r[kind]]
                for kind in ("cells", "calibration")
            }
            for r in verdict.readings
        ],
    }


@contextmanager
def few_draws() -> Iterator[None]:
    """Ends of bootstraps without their last digits, in a tenth of the time."""
    with patch.object(seed_intervals, "DRAWS", 199), patch.object(readings, "DRAWS", 199):
        yield


def judged(replay: Mapping[str, Any], measured: Any = None) -> Any:
    """Judge the measurements of a file, or others in their place."""
    given = replay["measured"] if measured is None else measured
    with few_draws():
        return named(replay["by"])(**{name: decoded(item) for name, item in given.items()})


def measured_in(file: str, number: int = 0) -> dict[str, Any]:
    """Return the kept measurements of a row, by the names of the arguments of its verdict."""
    replay = json.loads((FOLDER / f"{file}.json").read_text(encoding="utf-8"))[number]
    return {name: decoded(item) for name, item in replay["measured"].items()}


def told(made: Any, *summary: Callable[[Any], Any]) -> Any:
    """Return verdicts as JSON holds them, without their words."""
    return json.loads(json.dumps(plain([outcome(v, *summary) for v in (made if isinstance(made, list) else [made])])))


def leaves_at(holder: Any, key: Any) -> Iterator[tuple[Any, Any]]:
    """Return what holds each number and each truth value of encoded data, and its key there."""
    data = holder[key]
    if isinstance(data, bool | int | float):
        yield holder, key
    elif isinstance(data, list):
        for k in range(len(data)):
            yield from leaves_at(data, k)
    elif isinstance(data, dict):
        ((kind, value),) = data.items()
        if kind == "mapping":
            for pair in value:
                yield from leaves_at(pair, 1)
        elif kind == "object":
            for name in value[1]:
                yield from leaves_at(value[1], name)
        elif kind == "array":
            yield from leaves_at(value, 1)
        elif kind == "tuple":
            yield from leaves_at(data, kind)


def scattered(measured: Mapping[str, Any], seed: int) -> Any:
    """Return measurements with every number many times larger or smaller, and some truth values turned."""
    made, rng = json.loads(json.dumps(measured)), np.random.default_rng(seed)
    for holder, key in (at for name in made for at in leaves_at(made, name)):
        factor, other, value = float(10 ** rng.uniform(-1.5, 1.5)), bool(rng.random() < 0.3), holder[key]
        if isinstance(value, bool):
            holder[key] = value != other
        elif isinstance(value, float):
            holder[key] = float(f"{value * factor:.4g}")
    return made


def altered(value: Any, alter: Callable[[Any], Any]) -> Any:
    """Return what was computed with each of its numbers and truth values altered, in their order."""
    if isinstance(value, Mapping):
        return {key: altered(item, alter) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(altered(item, alter) for item in value) if type(value) in (tuple, list) else value
    number = isinstance(value, bool | np.bool_ | int | float | Fraction)
    return alter(value) if number or type(value).__name__ in ("fmpq", "arb") else value


def falsified(value: Any, rng: np.random.Generator) -> Any:
    """Return what was computed with numbers larger or smaller, and some truth values turned."""

    def alter(leaf: Any) -> Any:
        if isinstance(leaf, bool | np.bool_):
            return bool(leaf) != (rng.random() < 0.3)
        return leaf + int(rng.integers(0, 2)) if isinstance(leaf, int) else leaf * int(rng.integers(32, 129)) / 64

    return altered(value, alter)


def one_wrong(value: Any, rng: np.random.Generator) -> Any:
    """Return what was computed with one number or truth value wrong."""
    leaves = list[Any]()
    altered(value, leaves.append)
    places = [k == len(leaves) // 2 for k in range(len(leaves))]
    rng.shuffle(places)

    def alter(leaf: Any) -> Any:
        if not places.pop():
            return leaf
        if isinstance(leaf, bool | np.bool_):
            return not leaf
        return leaf + 1 if isinstance(leaf, int) else leaf * int(rng.choice([1, 3])) / 2

    return altered(value, alter)


COMPUTED = dict[Any, Any]()
"""What functions returned: they compute it once, whatever is falsified."""


@contextmanager
def falsifying(path: str, falsify: Callable[[str, Any], Any]) -> Iterator[None]:
    """Falsify what a file computes on its own before it judges, by the name of the function and what it returned."""
    module, within = import_module(path), [0]

    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if within[0]:
                return function(*args, **options)
            within[0] += 1
            try:
                with suppress(UnknownError):
                    key = function, known(args), known(options)
                    if key not in COMPUTED:
                        COMPUTED[key] = function(*args, **options)
                    return falsify(function.__name__, COMPUTED[key])
                return function(*args, **options)
            finally:
                within[0] -= 1

        return call

    with ExitStack() as stack:
        for name, value in [*vars(module).items()]:
            of_run = is_measured(value, name) and isinstance(value, FunctionType) and not isgeneratorfunction(value)
            if of_run and "Verdict" not in str(value.__annotations__):
                stack.enter_context(patch.object(module, name, wrapped(value)))
        yield


def judged_falsely(replay: Mapping[str, Any], falsify: Callable[[str, Any], Any]) -> Any:
    """Judge what is falsified."""
    with falsifying(replay["by"].partition(":")[0], falsify):
        return judged(replay)


def said(judge: Callable[[], Any]) -> str:
    """What is said, in short, or the kind of an error where it cannot be judged."""
    try:
        return short(told(judge()), 6)
    except ERRORS as error:
        return type(error).__name__


def one_by_one(replay: Mapping[str, Any]) -> dict[str, str]:
    """What is said of a run where all is right but one number of one result, of each function in turn.

    Where a function is called a few times, each time; else halfway and at last.
    """
    names = list[str]()
    judged_falsely(replay, lambda name, made: names.append(name) or made)

    def wrong_at(place: int) -> str:
        turns, rng = count(), np.random.default_rng(place)

        def falsify(name: str, made: Any) -> Any:
            return one_wrong(made, rng) if next(turns) == place else made

        return said(lambda: judged_falsely(replay, falsify))

    calls = {own: [k for k, name in enumerate(names) if name == own] for own in dict.fromkeys(names)}
    chosen = {own: of if len(of) < 7 else [of[len(of) // 2], of[-1]] for own, of in calls.items()}
    places = {f"{own} {k}": k for own, of in chosen.items() for k in of}
    return {name: wrong_at(k) for name, k in places.items()}


def rounded(value: Any, digits: int) -> Any:
    """Plain data with floats as text of so many digits."""
    if isinstance(value, dict):
        return {name: rounded(item, digits) for name, item in value.items()}
    if isinstance(value, list):
        return [rounded(item, digits) for item in value]
    return f"{value:.{digits}g}" if isinstance(value, float) else value


def digest(replay: Mapping[str, Any], seed: int) -> str:
    """Judge scattered measurements; what is said, in short, or the kind of an error where they cannot be judged."""
    if not runs(replay):
        return said(lambda: judged(replay, scattered(replay["measured"], seed)))
    rng = np.random.default_rng(seed)

    def falsify(name: str, made: Any) -> Any:
        return falsified(made, rng) if rng.random() < FALSE else made

    return said(lambda: judged_falsely(replay, falsify))


ERRORS = ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError
SEEDS = 2
FALSE = 0.25
"""The share of what a run computes that is falsified."""


def runs(replay: Mapping[str, Any]) -> bool:
    """Whether a file computes exactly what it judges, so that what is judged is a quick run of it."""
    return bool(replay["by"].endswith(":run"))


def kept(verdict: Callable[..., Any], **measured: Any) -> dict[str, Any]:
    """Return measurements, the arguments of a verdict, as `write` keeps them."""
    by = f"{verdict.__module__}:{verdict.__qualname__}"
    return {"by": by, "measured": {name: encoded(value) for name, value in measured.items()}}


def write(file: Path, replays: list[dict[str, Any]]) -> None:
    """Keep measurements with what the present verdicts make of them."""
    for replay in replays:
        if not runs(replay):
            replay["outcome"] = told(judged(replay))
        replay["scattered"] = [digest(replay, seed) for seed in range(SEEDS + runs(replay))]
        if runs(replay):
            replay["one by one"] = one_by_one(replay)
    file.write_text(json.dumps(replays, separators=(",", ":")).replace('{"by"', '\n{"by"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    for file in sorted(FOLDER.glob("*.json")):
        write(file, json.loads(file.read_text(encoding="utf-8")))
