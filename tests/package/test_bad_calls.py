# ruff: noqa: E501  names of functions are long, and patterns of them longer
"""One law over all public callables: a wrong argument is refused by an error that names it and says what came."""

import inspect
import os
import re
import traceback
import warnings
from collections import Counter

import pytest

pytest.importorskip("flint")

import refkan as rk
from refkan.base.annotations import written
from tests.package.valid_calls import CALLS, NET, OBJECTS, THETA, VALUES
from tests.package.wrong_values import WRONG, kind_of, spoilt_arrays
from tests.shared.public_names import public_callables

NOT_CALLED_BY_USERS = {
    r"networks\.layers\..*\.(at|declare|linearize|rows|tables|truth_form|describe|jumps|starting_s|constant_.*|.*scaling_vectors|scaled_outputs|"
    r"null_vectors|matched_gaussian|is_constant_at|refitted|require_derivatives|spline_coefficients|spaces_at|"
    r"draw_spline_coefficients|between_bases|unpack|convert|initialize|with_fixed_knots|change_basis|"
    r"on_domains)": "what networks ask of a layer, with arrays that they have checked",
    r"networks\.layers\.(layer\.Layer|knot_layers\.edges\.EdgeLayer)(\.(in_basis|inserted|pack|prolongation|refined|with_spaces))?": "abstract",
    r"networks\.node_maps\..*\.(NodeMap|StatisticsMap|at|bind|of_statistics|constants.*|null_vectors|require_nodes|slope|truth_form|value|"
    r"derivatives)": "what networks ask of a node map, with arrays that they have checked",
    r"networks\.composition\.Composition\.(require_derivatives|with_domain_of)": "what losses ask of a network",
    r"training\.losses\.((terms|sides)\..*\.(arrange|quantities|derivatives|differentiate|evaluate|at)|attention\..*\.(part|take_back))":
        "what losses ask of their terms at every evaluation",
    r"truth\..*": "literal formulas over numbers of any kind, in as few lines as the papers take",
    r"(.*<lambda>|"
    r"training\.optimizers\.results\.(State|History|Result)\b.*|"
    r"analysis\.exact\.enclosures\.(boxes\.Bounds|subdivision\.Proven.*)|analysis\.exact\.solutions\..*\.CertifiedError|"
    r"analysis\.exact\.spectra\.certified_spectra\.CertifiedSpectrum|"
    r"analysis\.conditioning\.spectra\.Spectrum|networks\.edge_functions\.Activations|checks\.(adjoints|gradients|invariance|reports|taylor|torch_gradients)\..*|networks\.jets\.Jet|"
    r"conformance\.judging\.findings\..*|"
    r"conformance\.cases\.cases\..*|conformance\.programs\.program_proofs\..*)": "results, which the library makes",
    r"conformance\.adapters\.(adapter\.Adapter|bases\.).*": "written by users, called by the judge",
    r"training\.multilevel\.stages\.Stage": "what is wrong with it is refused by multistart",
    r"conformance\.(adapters\.adapter\.Capabilities|cases\.families\.Frame(\..*)?)": "what is wrong with them becomes findings",
    r"interop\.((from|to)_(efficient_kan|jaxkan|pykan)|state_of|as_torch|as_jax)": "need other libraries; drawn by `fresh_calls`",
    r"checks\.torch_gradient": "needs PyTorch; tests/checks/test_torch_gradients.py has its refusals",
    r"estimators\..*": "refuse parameters in `fit`; drawn by `fresh_calls`",
    r"training\.problems\.allen_cahn\.reference": "take seconds",
    r"conformance\.(pytest_suite|parametrize_with_cases|prove)": "take seconds",
}  # fmt: skip
"""Patterns of names after ``refkan.``, with the reason why their arguments are not looked at here."""

VALID = {
    r".* huge": "a list of large integers is one of numbers",
    r".* (theta|x) 4-d": "checks take points of any shape",
    r".* (scale|intervals) number": "one for all",
    r".* first none|.* progress none": "no directions, or as False",
    r".* factors list|.* (outputs|signs) others": "one for each refinement; names are written with str; signs alone are read",
    r".* (checkpoints?|path|name) text|.*minimize checkpoint unknown": "a folder, a file, any name",
    r"(claims\.(?!experiments\.Experiment|experiments\.Factor\.check)|plots\.convergence|training\.losses\.|training\.problems\.|"
    r"training\.adaptivity\.strategies).* unknown": "any text",
    r"(?!networks\.layers\.).* (seed|steps|level|layer|output|input|"
    r"derivatives?|common|n|k|to|of|entries|n_params|n_outputs|n_in|n_out|rng) zero": "a count from 0 on, or a seed",
    r".* (x|points|statistics) (longer|shorter) 0": "as many samples as are wanted",
    r"checks\..* (x|theta) ((longer|shorter) .|0-d|flat)": "functions of one's own take points of any shape",
    r".*invariance_check scale bool": "arrays of numbers",
    r".*terms\.Term data flat|.*prescribed target 0-d": "as many columns as are wanted, and one number for all points",
    r"(training\.losses\.least_squares\.LeastSquares (x|y)|training\.losses\.terms\.Term data|training\.losses\.prescribed points|"
    r"analysis\.exact\.bounding_box x) (longer|shorter) 1": "as many columns as are wanted",
    r"splines\.spaces\..* (knots|breakpoints|new_knots) (longer|shorter) 0|.*Edges (knots (longer|shorter) 1|coefficients (longer|shorter) 2)":
        "as many knots as are wanted",
    r".*\.(insert|inserted) new_knots shorter 1|networks\.jets\.jet_of first (longer|shorter) 0|.*Layer ends (longer|shorter) 0|"
    r".* (ranges|domain) shorter 0": "as many knots, directions and pairs as are wanted",
    r"(?!.*(AffineMap|Edges))(training\.(problems|multilevel|adaptivity)|splines\.(?!spaces)|plots|interop|analysis\.conditioning|networks\.(node_maps|jets|composition|"
    r"same_function|network\.Network\.(__call__|jet)|edge_functions\.Inspectable\.freeze)|training\.losses\..*\.(loss|mean_squares|misfit|mse|"
    r"residual|value)).* complex": "complex steps pass through",
}  # fmt: skip
"""What looks wrong and is right: patterns of callable, parameter and label."""

OTHERWISE = {
    r"training\.losses\.(periodicity|prescribed points|sides\.Side points|prescribed target|sides\.Side second) .*": "the points and seeds made of them",
    r".*\.refine factor tensor|.*Layer\.refined factor zero|.*\.inserted new_knots (longer|shorter) 0": "what refining makes of it",
    r"claims\.(decide|twin) estimates 0-d": "what has no length",
    r"claims\.(experiments\.(Factor\.check value|Experiment\.choose text)|cells\.Grid\.run cells) .*": "the factors, by their names",
    r"analysis\.conditioning\.spectrum problem_or_matrix .*": "by what it is then: theta",
    r".*kan_edges\.Edges coefficients (longer|shorter) [01]|.*AffineMap scale (longer|shorter) 0|analysis\.exact\.sup_difference other_theta complex": "the arrays beside it",
    r"networks\.load path unknown|interop\.read_model path unknown": "by the system, by what it must end in",
}  # fmt: skip
"""What is refused in other words than those of the law: the same patterns."""


LEAST = {
    r"training\.problems\.burgers\..* nodes": 12,
    r"conformance\.catalogue version": 0,
    r"claims\.readings\.Beside of": 1,
    r"analysis\.exact\..* bits": 32,
    r"analysis\.exact\.certified_error taylor_degree|training\.multilevel\..* factors": 2,
}  # fmt: skip
"""The least counts where they are neither 1 nor, as `VALID` says, 0."""


def is_listed(patterns, call):
    return any(re.fullmatch(pattern, call) for pattern in patterns)


def is_called(key):
    return not is_listed(NOT_CALLED_BY_USERS, key)


def valid_arguments(key, function):
    """The object whose method it is, or nothing, and valid arguments by name."""
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    own = [OBJECTS[key.split(".")[-2]]] if parameters and parameters[0].name == "self" else []
    given = CALLS.get(key, {})
    missing = [
        p.name for p in parameters[len(own) :] if p.default is p.empty and p.name not in given and p.name not in VALUES
    ]
    assert not missing, f"{key}: say in tests/package/valid_calls.py what is valid for {missing}"
    values = {p.name: VALUES[p.name] for p in parameters[len(own) :] if p.default is p.empty and p.name in VALUES}
    return own, values | given, parameters[len(own) :]


FUNCTIONS = {
    key: function
    for name, function in public_callables().items()
    if is_called(key := name.removeprefix("refkan.")) and set(inspect.signature(function).parameters) - {"self"}
}


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(), rk.use_engine("plain"):  # which is among what is called
        warnings.simplefilter("ignore")
        yield


def answer(function, own, arguments, name):
    """What a call with a wrong argument comes to: "named", or a word and the message; and the message alone."""
    try:
        out = function(*own, **arguments)
        if inspect.isgenerator(out):
            list(out)
    except (TypeError, ValueError) as error:
        place = traceback.extract_tb(error.__traceback__)[-1].filename
        ours = f"{os.sep}refkan{os.sep}" in place
        said = re.search(rf"\b{name}\b", str(error)) and re.search(
            r"\bgot\b|\btakes\b|must be given|left out", str(error)
        )
        return "named" if ours and said else f"obscure: {type(error).__name__}: {error}", str(error)
    except Exception as error:
        return f"obscure: {type(error).__name__}: {error}", str(error)
    return "accepted", ""


def bad_calls(key):
    """Each argument of a callable in turn, replaced by each thing that is wrong for its kind."""
    own, arguments, parameters = valid_arguments(key, FUNCTIONS[key])
    for parameter in parameters:
        value = arguments.get(parameter.name, parameter.default)
        annotation = written(parameter.annotation)
        kind = kind_of(value, annotation)
        changed = spoilt_arrays(value) if kind == "array" and value is not None else ()
        for label, wrong in [*WRONG[kind].items(), *changed]:
            optional = wrong is None and (parameter.default is None or "None" in annotation)
            if not optional and not is_listed(VALID, f"{key} {parameter.name} {label}"):
                yield parameter.name, label, own, {**arguments, parameter.name: wrong}


def least_count(call):
    """The least count that a parameter of a callable takes."""
    least = 0 if is_listed(VALID, f"{call} zero") else 1
    return next((least for pattern, least in LEAST.items() if re.fullmatch(pattern, call)), least)


def test_all_public_callables_refuse_wrong_arguments_by_name():
    counts, others, least = Counter(), [], {}
    for key, function in FUNCTIONS.items():
        for name, label, own, arguments in bad_calls(key):
            result, message = answer(function, own, arguments, name)
            for bound in re.findall(r"must be at least (\d+)", message) if label in ("zero", "negative") else ():
                least[f"{key} {name}"] = max(int(bound), least.get(f"{key} {name}", 0))
            counts[result.partition(":")[0]] += 1
            if result == "accepted" or (result != "named" and not is_listed(OTHERWISE, f"{key} {name} {label}")):
                others.append(f"{key}({name}={label}) {result}")
    assert not others, "\n".join(others)
    assert counts["named"] >= 5000
    assert least == {call: least_count(call) for call in least}
    assert len(least) >= 70


def test_valid_calls_are_valid(tmp_path):
    """Otherwise the law above would look at the wrong mistakes."""
    rk.save(tmp_path / "network.npz", NET, THETA)
    for key, function in FUNCTIONS.items():
        own, arguments, _ = valid_arguments(key, function)
        if key != "interop.read_model":
            try:
                function(*own, **arguments)
            except Exception as error:
                raise AssertionError(key) from error
