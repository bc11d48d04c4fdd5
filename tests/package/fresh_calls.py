"""Wrong calls drawn at random, and which are refused clearly: ``python -m tests.package.fresh_calls --calls 2000``.

A callable, one of its parameters and a value that is wrong by the annotation are drawn. An error is clear if it is a
TypeError or a ValueError of the library's own that names the argument. Estimators, networks in PyTorch and JAX,
checkpoints and executors are among the callables, as far as the packages are installed.
"""

import argparse
import datetime
import io
import os
import random
import re
import secrets
import signal
import sys
import tempfile
import traceback
import types
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

import refkan as rk
from refkan.base.annotations import written
from tests.package.test_bad_calls import FUNCTIONS, VALID, is_listed, valid_arguments
from tests.package.valid_calls import NET, PROBLEM, THETA, X
from tests.package.wrong_values import kind_of

SECONDS = 5
"""After which a call counts as one that hangs."""

VALID_PATH = {"checkpoint": "a.npz"}


@dataclass(frozen=True)
class Target:
    """A callable, valid arguments by name, and the kinds of what its parameters take."""

    name: str
    function: Callable[..., Any]
    own: tuple[Any, ...]
    valid: dict[str, Any]
    kinds: dict[str, str]


def library_targets() -> Iterator[Target]:
    """All public callables, as in the law over them."""
    for key, function in FUNCTIONS.items():
        own, valid, parameters = valid_arguments(key, function)
        values = {p.name: valid.get(p.name, p.default) for p in parameters}
        kinds = {p.name: kind_of(values[p.name], written(p.annotation)) for p in parameters}
        yield Target(key, function, tuple(own), valid, kinds)


def estimator_targets() -> Iterator[Target]:
    """Parameters of estimators, which are refused when they are fitted, and arguments of their methods."""
    if find_spec("sklearn") is None:
        return
    from refkan.estimators import SplineClassifier, SplineRegressor

    x = np.random.default_rng(0).uniform(size=(30, 2))
    kinds = {
        "order": "count", "intervals": "count", "roughness": "number", "ridge": "number", "max_iter": "count",
        "early_stopping": "flag", "validation_fraction": "number", "n_iter_no_change": "count",
        "hidden_layer_sizes": "array",
    }  # fmt: skip
    for estimator, y in ((SplineRegressor, x[:, 0]), (SplineClassifier, (x[:, 0] > 0.5).astype(float))):

        def fit_with(estimator=estimator, y=y, **options):
            estimator(random_state=0, **{"max_iter": 3, "intervals": 2} | options).fit(x, y)

        def fit(X, y, sample_weight, estimator=estimator):
            estimator(random_state=0, max_iter=3, intervals=2).fit(X, y, sample_weight)

        fitted = estimator(random_state=0, max_iter=3, intervals=2).fit(x, y)
        arrays = {"X": x, "y": y, "sample_weight": np.ones(30)}
        name = f"estimators.{estimator.__name__}"
        yield Target(name, fit_with, (), {"early_stopping": True}, kinds)
        yield Target(f"{name}.fit", fit, (), arrays, dict.fromkeys(arrays, "array"))
        yield Target(f"{name}.predict", fitted.predict, (), {"X": x}, {"X": "array"})


def bridge_targets() -> Iterator[Target]:
    """Networks in PyTorch and JAX, and models of other libraries."""
    parts = {"net": NET, "theta": THETA}
    kinds = {"net": "object", "theta": "array"}
    if find_spec("torch") is not None:
        yield Target("interop.as_torch", rk.interop.as_torch, (), parts, kinds)
        module = rk.interop.as_torch(NET, THETA)
        yield Target("interop.as_torch module", lambda x: module(x), (), {"x": X}, {"x": "tensor"})
    if find_spec("jax") is not None:
        yield Target("interop.as_jax", rk.interop.as_jax, (), parts, kinds)
    for library in ("pykan", "efficient_kan", "jaxkan"):
        read, write = getattr(rk.interop, f"from_{library}"), getattr(rk.interop, f"to_{library}")
        yield Target(f"interop.from_{library}", read, (), {"model": None}, {"model": "object"})
        yield Target(f"interop.to_{library}", write, (), parts | {"model": None}, {"model": "object"})
    yield Target("interop.state_of", rk.interop.state_of, (), {"model": None}, {"model": "object"})


def file_and_executor_targets() -> Iterator[Target]:
    """Checkpoints and executors."""

    def minimize(checkpoint):
        rk.minimize(PROBLEM, THETA, steps=2, checkpoint=checkpoint)

    def extrema(executor):
        rk.exact.extrema(NET, THETA, [[0.2, 0.7]] * NET.widths[0], tolerance=0.5, executor=executor)

    yield Target("training.optimizers.minimize checkpoint", minimize, (), VALID_PATH, {"checkpoint": "path"})
    yield Target("analysis.exact.extrema executor", extrema, (), {"executor": None}, {"executor": "object"})


GROUPS: dict[str, Callable[[], Iterator[Target]]] = {
    "library": library_targets,
    "estimators": estimator_targets,
    "bridges": bridge_targets,
    "files and executors": file_and_executor_targets,
}


# --- wrong values


def scalars(rng: random.Random) -> list[Any]:
    """Numbers of all kinds, texts and dates."""
    size = 10.0 ** rng.randint(-8, 8)
    return [
        rng.uniform(-1, 1) * size, -rng.randint(1, 99), float("nan"), float("inf"), -float("inf"), rng.random() * 1j,
        Decimal("0.1"), Fraction(1, 3), np.float32(0.1), np.datetime64("2024-01-01"), np.bool_(True), True, None,
        "".join(rng.choices("abxyz 0-.", k=rng.randint(0, 9))), b"bytes", "\0", datetime.date(2024, 1, 1), -(10**25),
    ]  # fmt: skip


def containers(rng: random.Random) -> list[Any]:
    """Sequences, mappings and sets of what does not belong together."""
    return [
        [], (), {}, set(), {1.5, "x"}, [None], [[1.0, 2.0], [3.0]], ["a", 1], {"a": 1}, range(3), deque([1.0]),
        (k for k in range(2)), [object()], [[[[[1.0]]]]], frozenset({1}), [rng.random(), "x"], [1j], [[]],
    ]  # fmt: skip


def objects(rng: random.Random) -> list[Any]:
    """What is no value at all."""
    del rng
    return [
        object(), Ellipsis, NotImplemented, int, types, ValueError("x"), Path("x"), io.StringIO("x"), slice(1),
        lambda: None, memoryview(b"xy"), type("Duck", (), {"shape": (3,), "ndim": 1})(),
    ]  # fmt: skip


def spoilt(rng: random.Random, valid: Any) -> list[Any]:
    """Arrays near a valid one: other shapes, entries and types."""
    array = np.array(valid, float)
    made = [
        array[..., None, None, None], np.array(None), np.full(array.shape, "x"), array.astype(object) + Fraction(1, 3),
        np.full(array.shape, None), array.astype("datetime64[s]"), np.zeros(array.shape, [("a", float)]),
        np.ma.masked_all(array.shape), np.full(array.shape, np.nan), np.full(array.shape, np.inf),
    ]  # fmt: skip
    if array.size:
        bad = array.copy()
        bad.flat[rng.randrange(array.size)] = rng.choice([np.nan, np.inf, -np.inf])
        made += [bad, 1j * array]
    if array.ndim == 2:
        made += [scipy.sparse.csr_array(array), array[:, :, None]]
        if len({*array.shape}) == 2:
            made.append(array.T)
    return made


def tensors(rng: random.Random) -> list[Any]:
    """Tensors of PyTorch that are no real matrix of samples in ordinary memory."""
    import torch

    x = torch.rand((3, 2), generator=torch.Generator().manual_seed(rng.randrange(2**31)), dtype=torch.float64)
    return [
        x[0, 0], x[:, :0], x[:, :1], x[None], x.to_sparse(), x + 1j, x * float("nan"), x > 0.5, x.float().to_mkldnn(),
        torch.nested.nested_tensor([x[0], x[0, :1]]), torch.quantize_per_tensor(x.float(), 0.1, 0, torch.qint8),
        torch.empty((3, 2), device="meta"),
    ]  # fmt: skip


def is_wrong(value: Any, kind: str) -> bool:
    """Whether a value is wrong for a kind of parameter in any case."""
    number = isinstance(value, int | float | np.floating | Fraction | Decimal) and not isinstance(value, bool)
    if kind == "count":
        return not (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
    if kind == "number":
        return not number or not np.isfinite(float(value))
    if kind == "flag":
        return not isinstance(value, bool | np.bool_)
    if kind in ("name", "path"):
        return not isinstance(value, str | Path) or value == "\0"
    if kind == "function":
        return not callable(value)
    if kind == "generator":
        return not isinstance(value, int | None)
    if kind in ("array", "tensor"):
        return isinstance(value, str | bytes | dict | set | frozenset | types.ModuleType | np.ndarray) or value is None
    if kind in ("sequence", "mapping"):
        return not isinstance(value, list | tuple | dict | range | deque | types.GeneratorType | frozenset | set)
    return not isinstance(value, dict | list | tuple)


def wrong_value(rng: random.Random, kind: str, valid: Any) -> Any:
    """Draw a value that is wrong for a kind."""
    while True:
        pools = [scalars, containers, objects]
        with suppress(TypeError, ValueError):
            if kind == "array" and valid is not None and rng.random() < 0.5:
                return rng.choice(spoilt(rng, valid))
        if kind == "tensor" and rng.random() < 0.7:
            return rng.choice(tensors(rng))
        value = rng.choice(rng.choice(pools)(rng))
        if is_wrong(value, kind):
            return value


# --- what comes of it


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise TimeoutError after some seconds."""

    def stop(number, frame):
        raise TimeoutError("the call takes too long")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(target: Target, name: str, value: Any) -> str:
    """Call with one wrong argument: "clear", "accepted", or the error that is not clear."""
    try:
        with limited(SECONDS), np.errstate(all="ignore"):
            made = target.function(*target.own, **{**target.valid, name: value})
            if isinstance(made, types.GeneratorType):
                list(made)
    except (TypeError, ValueError) as error:
        place = traceback.extract_tb(error.__traceback__)[-1].filename
        inside = f"{os.sep}refkan{os.sep}" in place
        checked = f"{os.sep}sklearn{os.sep}" in place and target.name.startswith("estimators.")
        if (inside or checked) and re.search(rf"\b{re.escape(name)}\b", str(error)):
            return "clear"
        return f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
    return "accepted"


def optional(target: Target, name: str, value: Any) -> bool:
    """Whether a parameter may be left out by None, or a value counts as valid in the law over all callables."""
    if value is None and target.valid.get(name) is None:
        return True
    is_complex = isinstance(value, complex) or getattr(getattr(value, "dtype", None), "kind", "") == "c"
    return is_complex and is_listed(VALID, f"{target.name} {name} complex")


def draw(every: list[Target], count: int, seed: int) -> list[tuple[str, str]]:
    """Draw calls; return each in one line, with its outcome."""
    rng, made = random.Random(seed), []
    while every and len(made) < count:
        target = rng.choice(every)
        names = [name for name, kind in target.kinds.items() if kind is not None]
        if not names:
            continue
        name = rng.choice(names)
        value = wrong_value(rng, target.kinds[name], target.valid.get(name))
        if optional(target, name, value):
            continue
        shown = " ".join(repr(value).split())[:60]
        made.append((f"{target.name}({name}={shown})", outcome(target, name, value)))
    return made


def share(made: list[tuple[str, str]]) -> float:
    """Return the share of clear errors among all errors."""
    refused = [said for _, said in made if said != "accepted"]
    return sum(said == "clear" for said in refused) / max(len(refused), 1)


def main() -> None:
    """Draw calls and say what came of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.package.fresh_calls", description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--accepted", action="store_true", help="list the calls that were accepted, too")
    options = parser.parse_args()
    seed = secrets.randbits(31) if options.seed is None else options.seed
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder, rk.use_engine("plain"):
        os.chdir(folder)
        rk.save("network.npz", NET, THETA)
        made = []
        for group, make in GROUPS.items():
            calls = draw(list(make()), options.calls // len(GROUPS), seed)
            print(f"{group}: {100 * share(calls):.1f} % of {len(calls)}")
            made += calls
        os.chdir(os.sep)
    for call, said in sorted(made):
        if said not in ("clear", "accepted") or (said == "accepted" and options.accepted):
            print(f"{call}: {said}")
    counts = Counter(said if said in ("clear", "accepted") else "unclear" for _, said in made)
    print(f"seed {seed}: {len(made)} calls, {dict(counts)}; {100 * share(made):.1f} % of errors are clear")


if __name__ == "__main__":
    sys.exit(main())
