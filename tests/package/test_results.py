"""Results of public callables, as they are called in `valid_calls` and with each option changed, are those kept.

Laws hold whatever the numbers are; these are the numbers that users have. Where a change is meant to alter them, run
``python -m tests.package.test_results`` and look at the difference of results.json.
"""

import contextlib
import inspect
import json
import re
import warnings
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock
from zlib import crc32

import numpy as np
import pytest
import scipy.sparse as sp
from matplotlib.figure import Figure

pytest.importorskip("flint")

import refkan as rk
from refkan.training.optimizers.minimization import METHODS, RESIDUAL_METHODS
from tests.package.test_bad_calls import is_called, valid_arguments
from tests.package.valid_calls import CALLS, NET, OBJECTS, PROBLEM, THETA, VALUES, X, Y
from tests.shared.factories import NetworkCase
from tests.shared.plain_layers import PLAIN_LAYERS
from tests.shared.public_names import public_callables

KEPT = Path(__file__).parent / "results.json"

PROVEN = (
    r"analysis\.exact\..*|conformance\..*|truth\..*|Enclosure|CertifiedSpectrum|Judge|Case|LayerSpec|Capabilities|"
    r"Evaluation|interop\.(read_model|export_c)|analysis\.conditioning\.to_json|"
    r"(networks\.layers\.(?!layer|linearization|functions|knot_layers)\w+\.)?("
    + "|".join({type(layer).__name__ for layer in PLAIN_LAYERS})
    + r")(\..*)?"
)
"""What is proven, or is itself compared with the truth; what reads a file, and a text that tells seconds."""

FROM_RUN_TO_RUN = r".*seconds|finished|overhead|refining|costs|work"
"""What a result has that is measured in seconds."""

CALLED = {
    key: function
    for name, function in public_callables().items()
    if is_called(key := name.removeprefix("refkan."))
    and not re.fullmatch(PROVEN, key)
    and not inspect.isabstract(function)
}

GIVEN = {"weights": np.linspace(0.5, 2.0, 8), "layers": [0], "max_params": 9, "statistics": 0.5 * np.ones((1, 2))}
"""Values of options that are None otherwise."""

FEW = {"steps": 3, "max_rounds": 3}
"""Long trainings show how a machine rounds."""

ROUNDED = r"which=hessian|method=variable-projection|solver=cholesky|training\.multilevel\.multistart"
"""Equations so nearly singular that their solutions show it, too."""

LEFT_OUT = "left out"


class Room(list):
    """Memory in which everything has room, and how many bytes were asked for."""

    def __lt__(self, needed):
        self.append(int(needed))
        return False


ROOM = Room()

HELD = OBJECTS, VALUES, CALLS

UNTOUCHED = deepcopy([{key: held[key] for key in held if not re.fullmatch(PROVEN, key)} for held in HELD])
"""Other tests call methods that change an object, such as the weights of an attention."""

SOLVERS = METHODS | RESIDUAL_METHODS

NETWORKS = {
    str(case): case
    for case in (
        NetworkCase("spline", "affine", "natural", widths=(2, 3, 1)),
        NetworkCase("spline", "sigmoid", "polynomial", widths=(2, 3, 1)),
        NetworkCase("relu", "mean-std", "linear", True, (2, 3, 1)),
        NetworkCase("spline", "min-max", "linear", True, (2, 3, 1), 4),
        NetworkCase("silu", "mean-std", widths=(2, 3, 1)),
        NetworkCase("chebyshev", "affine", "polynomial", widths=(2, 3, 1)),
        NetworkCase("mlp-tanh", "none", widths=(2, 3, 1)),
    )
}


def parts_of(value):
    """Numbers and words of which a result consists, in their order; sentences are left out."""
    if sp.issparse(value):
        value = value.toarray()
    if isinstance(value, np.ndarray) and value.dtype.kind in "fc":
        yield str(value.shape)
        yield from value.ravel().view(float).tolist()
    elif isinstance(value, float | complex | np.inexact):
        yield from (complex(value).real, complex(value).imag)
    elif isinstance(value, np.ndarray):
        yield from parts_of(value.tolist())
    elif isinstance(value, Figure):
        yield from parts_of([line.get_xydata() for axes in value.axes for line in axes.lines])
    elif isinstance(value, Mapping):
        yield from parts_of([*value.items()])
    elif isinstance(value, list | tuple) or inspect.isgenerator(value):
        for item in value:
            yield from parts_of(item)
    elif is_dataclass(value) and not isinstance(value, type):
        yield type(value).__name__
        for field in fields(value):
            if not re.fullmatch(FROM_RUN_TO_RUN, field.name):
                yield from parts_of(getattr(value, field.name))
    elif not (isinstance(value, str) and " " in value):
        yield re.sub(r" at 0x\w+", "", repr(value))


def fingerprint(value):
    """Two sums over the numbers of a result, in which those above 1e-3 count by their digits, and one of its words."""
    parts = [*parts_of(value)]
    numbers = np.arcsinh([1e3 * part for part in parts if isinstance(part, float) and np.isfinite(part)])
    words = [part if isinstance(part, str) else "" if np.isfinite(part) else repr(part) for part in parts]
    sums = numbers @ np.cos(np.arange(numbers.size)), np.abs(numbers).sum()
    return [*(float(f"{number:.9e}") for number in sums), crc32("\n".join(words).encode())]


def other_values(name, default, call):
    """Values of an option beside its default, so far from it that a short training shows it."""
    if isinstance(default, bool):
        return [not default]
    if isinstance(default, int):
        return [default + 1 if default < 4 else 1]
    if isinstance(default, float):
        return [1.5 * default if default > 1e-3 else 0.1]
    if not isinstance(default, str):
        return [GIVEN[name]] if name in GIVEN else []
    try:
        call("no such name")
    except (ValueError, TypeError) as error:
        return re.findall(r"'([^']*)'", str(error).partition("; got")[0])[:12]
    return []


def results_of(key):
    """Fingerprints of a callable, by the option that was changed or left out."""
    return with_options(CALLED[key], *arguments_of(key))


def arguments_of(key):
    """The object whose method it is, or nothing, arguments by name, and the parameters."""
    own, given, parameters = valid_arguments(key, CALLED[key])
    return own, {p.name: FEW[p.name] for p in parameters if p.name in FEW} | given, parameters


def with_options(function, own, given, parameters):
    """The same of a function with arguments, given the parameters of which some are options."""

    def call(**changes):
        arguments = {name: value for name, value in {**given, **changes}.items() if value is not LEFT_OUT}
        copies, states = deepcopy(arguments), []
        callback = {p.name: lambda *told: states.append(told) for p in parameters if p.name == "callback"}
        result = function(*deepcopy(own), **copies, **callback)
        check_memory(function, result, arguments, copies)
        return fingerprint([result, states])

    made = with_memory("", call)
    for parameter in parameters:
        name, default = parameter.name, parameter.default
        if default is parameter.empty or name in ("progress", "callback", *FEW):
            continue
        others = other_values(name, given.get(name, default), lambda value, name=name: call(**{name: value}))
        for value in [*others, LEFT_OUT] if name in given else others:
            with contextlib.suppress(ValueError, TypeError, IndexError):
                if not re.fullmatch(ROUNDED, how := f"{name}={value}"):
                    made[how] = call(**{name: value})
    return made


def arrays_of(value):
    """The arrays of which arguments or a result consist; what an object holds is its own."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, list | tuple | Mapping):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from arrays_of(item)


def check_memory(function, result, arguments, copies):
    """Arguments, copies in a call, are left as they are, and a result is no view of one, but of parts of a vector."""
    given = [*arrays_of(copies)]
    assert all(map(np.array_equal, given, arrays_of(arguments)))
    if function is not CALLED["networks.composition.Composition.unpack"]:
        assert not any(np.shares_memory(mine, theirs) for mine in arrays_of(result) for theirs in given)


def with_memory(how, call):
    """The fingerprint of a call, and the bytes that it asked for."""
    ROOM.clear()
    made = {how: call()}
    return {**made, f"{how} bytes": [*ROOM]} if ROOM else made


def trainings_by(method):
    """Fingerprints of trainings by a method with each of its own options changed."""
    options = [p for p in inspect.signature(SOLVERS[method]).parameters.values() if p.kind is p.KEYWORD_ONLY]
    given = {p.name: 0.01 for p in options if p.name == "learning_rate"}
    options.append(inspect.signature(rk.minimize).parameters["callback"])
    return with_options(partial(rk.minimize, PROBLEM, THETA, method, 3), [], given, options)


def results_with(network):
    """Fingerprints of all that is asked of a network, for one of another kind, with each flag set."""
    net, theta = NETWORKS[network].start(X)
    problem, made = rk.LeastSquares(net, X, Y), {}
    nets = dict.fromkeys(("Network", "SameFunction", "Inspectable", "Composition"), net)
    values = {"net": net, "network": net, "theta": theta, "dtheta": theta, "problem": problem, "v": theta}
    with mock.patch.dict(OBJECTS, nets | {"LeastSquares": problem}), mock.patch.dict(VALUES, values):
        for key in CALLED:
            own, given, parameters = arguments_of(key)
            if not re.fullmatch(ROUNDED, key) and any(
                value is other for value in (*own, *given.values()) for other in (net, problem)
            ):
                flags = [p for p in parameters if isinstance(p.default, bool)]
                with contextlib.suppress(ValueError, TypeError, AssertionError):
                    results = with_options(CALLED[key], own, given, flags)
                    made |= {f"{key} {how}".strip(): result for how, result in results.items()}
    return made


def properties_of(name):
    """Fingerprints of the public properties of an object of `valid_calls`."""
    made, kind = {}, type(OBJECTS[name])
    for key in dir(kind):
        if not (key.startswith("_") or re.fullmatch(FROM_RUN_TO_RUN, key) or inspect.isroutine(getattr(kind, key))):
            with contextlib.suppress(ValueError, TypeError, AttributeError, AssertionError):
                made[key] = fingerprint(getattr(OBJECTS[name], key))
    return made


ASKED = {
    **dict.fromkeys(CALLED, results_of),
    **dict.fromkeys(SOLVERS, trainings_by),
    **dict.fromkeys(NETWORKS, results_with),
    **{name: properties_of for name in OBJECTS if not re.fullmatch(PROVEN, name)},
}


@contextlib.contextmanager
def circumstances(folder):
    """A folder with a file to load, without warnings and compiled loops."""
    with contextlib.ExitStack() as stack:
        for entered in (contextlib.chdir(folder), warnings.catch_warnings(), rk.use_engine("plain")):
            stack.enter_context(entered)
        for held, untouched in zip(HELD, UNTOUCHED, strict=True):
            stack.enter_context(mock.patch.dict(held, untouched))
        stack.enter_context(mock.patch("refkan.networks.hessians.memory.available_memory", return_value=ROOM))
        warnings.simplefilter("ignore")
        rk.save("network.npz", NET, THETA)
        yield


def are_equal(result, kept):
    """Whether two fingerprints are those of one result, rounded in any order."""
    return result[2:] == kept[2:] and np.allclose(result[:2], kept[:2], rtol=1e-7, atol=1e-6)


@pytest.mark.parametrize("key", ASKED)
def test_results_are_those_that_are_kept(key, tmp_path):
    kept = json.loads(KEPT.read_text(encoding="utf-8"))[key]
    with circumstances(tmp_path):
        made = ASKED[key](key)
    assert made.keys() == kept.keys()
    assert [how for how in made if not are_equal(made[how], kept[how])] == []


if __name__ == "__main__":
    with TemporaryDirectory() as folder, circumstances(folder):
        lines = [f"{json.dumps(key)}: {json.dumps(results(key))}" for key, results in ASKED.items()]
    KEPT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
