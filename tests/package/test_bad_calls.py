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
from tests.package.valid_calls import CALLS, NET, OBJECTS, THETA, VALUES
from tests.package.wrong_values import WRONG, kind_of
from tests.shared.public_names import public_callables

NOT_CALLED_BY_USERS = {
    r"splines\.sums\..*": "inner loops, on arrays that networks have checked",
    r"networks\.layers\.(linearization|functions)\..*": "inner loops, on arrays that networks have checked",
    r"networks\.layers\..*\.(at|declare|linearize|rows|tables|truth_form|describe|jumps|starting_s|constant_.*|.*scaling_vectors|"
    r"null_vectors|matched_gaussian|is_constant_at|refitted|require_derivatives|spline_coefficients|spaces_at|"
    r"draw_spline_coefficients|between_bases|unpack|convert|initialize|with_fixed_knots|change_basis|"
    r"on_domains)": "what networks ask of a layer, with arrays that they have checked",
    r"networks\.layers\.(layer\.Layer|knot_layers\.edges\.EdgeLayer)(\.(in_basis|inserted|pack|prolongation|refined|with_spaces))?": "abstract",
    r"networks\.layers\.knot_layers\.knot_layer\.KnotLayer\.with_spaces": "abstract",
    r"networks\.layers\.require_knots": "called by the library, with the names of its arguments",
    r"networks\.node_maps\..*\.(NodeMap|StatisticsMap|at|bind|constants.*|null_vectors|require_nodes|slope|truth_form|value|"
    r"derivatives)": "what networks ask of a node map, with arrays that they have checked",
    r"networks\.composition\.Composition\.(require_derivatives|with_domain_of)": "what losses ask of a network",
    r"training\.losses\.(terms\..*\.(arrange|quantities|derivatives|differentiate|evaluate|at)|attention\..*\.(part|take_back))":
        "what losses ask of their terms at every evaluation",
    r"training\.losses\.least_squares\.DifferentiableModel.*": "a protocol",
    r"(training\.optimizers\.geometry|networks\.hessians\.products)\..*": "what optimizers ask at every step",
    r"training\.optimizers\.results\..*\.(__call__|note)": "called by optimizers at every step",
    r"training\.recipes\.(schedules\..*\.__call__|minibatches\.Minibatches\..*)": "called by optimizers at every step",
    r"analysis\.conditioning\.descent_rates\.ModeRecorder\.(rates|__call__)": "called by optimizers at every step",
    r"splines\.relu_powers\.(relu_rows|inverse_scale)": "inner loops",
    r"truth\..*": "literal formulas over numbers of any kind, in as few lines as the papers take",
    r"(splines\.transfer\.refit_at_samples\.TransferReport|training\.recipes\.starts\..*|training\.recipes\.setups\.setups\.Setup|.*<lambda>|"
    r"training\.problems\.allen_cahn\.Reference(\..*)?|training\.optimizers\.results\.(State|History|Result)\b.*|training\.multilevel\.cycles\.CycleResult|"
    r"training\.multilevel\.levels\.Level|training\.multilevel\.multilevel_results\..*|training\.multilevel\.multistart\.MultistartResult|training\.multilevel\.multilevel_results\.Work|training\.multilevel\.trainings\.TrainedNetwork|"
    r"training\.multilevel\.stages\.StageTable|analysis\.exact\.enclosures\.(boxes\.Bounds|subdivision\.Proven.*)|analysis\.exact\.solutions\.certified_solutions\.CertifiedError|"
    r"analysis\.exact\.spectra\.certified_spectra\.CertifiedSpectrum|analysis\.exact\.spectra\.eigenvectors_in_balls\.Eigenpairs|analysis\.exact\.ranks\.ranks\.RankCertificate.*|"
    r"analysis\.exact\.enclosures\.rational_intervals\..*|analysis\.conditioning\.descent_rates\.DescentRates|analysis\.conditioning\.studies\.study_rows\.StudyRow.*|"
    r"analysis\.conditioning\.spectra\.Spectrum|conformance\.identification\.stages_and_differences\..*|networks\.edge_functions\.Activations|checks\.(adjoints|gradients|invariance|reports|taylor)\..*|networks\.jets\.Jet|"
    r"training\.adaptivity\.adaptive_results\..*|training\.adaptivity\.strategies\.Situation.*|conformance\.judging\.findings\..*|conformance\.identification\.stages_and_differences\.Identification|"
    r"conformance\.cases\.cases\..*)": "results, which the library makes",
    r"conformance\.adapters\.(adapter\.Adapter|bases\.).*": "written by users, called by the judge",
    r"training\.multilevel\.stages\.Stage": "what is wrong with it is refused by multistart",
    r"conformance\.(adapters\.adapter\.Capabilities|cases\.backend_frames\.Frame(\..*)?)": "what is wrong with them becomes findings",
    r"interop\.((from|to)_(efficient_kan|jaxkan|pykan)|state_of|as_torch)": "need other libraries; tested with them",
    r"estimators\..*": "held to the checks of scikit-learn",
    r"training\.problems\.allen_cahn\.(reference|convergence)": "take seconds",
    r"conformance\.(pytest_suite|parametrize_with_cases)": "take seconds",
}  # fmt: skip
"""Patterns of names after ``refkan.``, with the reason why their arguments are not looked at here."""

VALID = {
    "huge": "a list of large integers is one of numbers",
    "theta 4-d": "checks take points of any shape",
    "x 4-d": "checks take points of any shape",
    "scale number": "one scale for all", "intervals number": "one for all layers", "first none": "no directions",
    "factors list": "one for each refinement", "outputs others": "names are written with str",
    "signs others": "only the signs are read", "progress none": "as False",
    "checkpoints text": "a folder", "path text": "a file", "name text": "any name",
}  # fmt: skip
"""What looks wrong and is right: by label, or by parameter and label."""


def is_called(key):
    return not any(re.fullmatch(pattern, key) for pattern in NOT_CALLED_BY_USERS)


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
    """What a call with a wrong argument comes to: "named", or a word and the message."""
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
        return "named" if ours and said else f"obscure: {type(error).__name__}: {error}"
    except Exception as error:
        return f"obscure: {type(error).__name__}: {error}"
    return "accepted"


def bad_calls(key):
    """Each argument of a callable in turn, replaced by each thing that is wrong for its kind."""
    own, arguments, parameters = valid_arguments(key, FUNCTIONS[key])
    for parameter in parameters:
        value = arguments.get(parameter.name, parameter.default)
        annotation = str(parameter.annotation)
        for label, wrong in WRONG[kind_of(value, annotation)].items():
            optional = wrong is None and (parameter.default is None or "None" in annotation)
            if not optional and label not in VALID and f"{parameter.name} {label}" not in VALID:
                yield parameter.name, label, own, {**arguments, parameter.name: wrong}


def test_all_public_callables_refuse_wrong_arguments_by_name():
    counts, accepted, obscure = Counter(), [], []
    for key, function in FUNCTIONS.items():
        for name, label, own, arguments in bad_calls(key):
            result = answer(function, own, arguments, name)
            counts[result.split(":")[0]] += 1
            if result != "named":
                (accepted if result == "accepted" else obscure).append(f"{key}({name}={label}) {result}")
    print(counts)
    assert counts.total() >= 1000
    assert not accepted, "\n".join(accepted)
    assert counts["named"] >= 0.95 * counts.total(), "\n".join(obscure)


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
