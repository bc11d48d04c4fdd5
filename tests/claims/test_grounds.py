"""Every row of the ledger notices a broken library: functions off by a thousandth, and mistakes of other kinds."""

import re
from pathlib import Path

import pytest

import refkan as rk
import validation
from refkan.analysis.exact.spectra import orthogonal_certificates
from refkan.claims.running.discovery import discover
from refkan.claims.running.runner import main
from refkan.claims.statuses import FAILING
from refkan.kernels import jets_of_edges, knot_insertion, plain_sums
from refkan.networks.layers import row_sums
from refkan.networks.sweeps.sweep import Sweep
from refkan.splines import change_of_basis
from refkan.splines.sums import channels, sums
from refkan.splines.transfer import matrices
from tests.shared.breaking import broken, everywhere
from tests.shared.refusals import refused
from tests.shared.spoiling import spoilt
from tests.shared.tables import each_row
from validation import grounds
from validation.grounds import GROUNDS, STANDS_ON, Ground, require, spaces
from validation.ledger import LEDGER

NAMED = [(name, function) for name, ground in GROUNDS.items() for function in ground.functions]
FILES = {id: file for file in discover(Path(validation.__file__).parent, LEDGER) for id in file.ids}

MEASURED: dict[str, tuple[str, ...]] = {
    "L1": ("bsplines.bsplines", "relu_powers.truncated_power"),
    "L2": (
        "change_of_basis.change_of_basis", "change_of_basis.change_of_basis_divided_differences",
        "change_of_basis.change_of_basis_inverse", "change_of_basis.uniform_change_of_basis",
    ),
    "C1": ("change_of_basis.change_of_basis", "change_of_basis.uniform_change_of_basis"),
    "L4": ("change_of_basis.change_of_basis",),
}  # fmt: skip
"""Row -> functions of `refkan.truth.bases`, which nothing stands behind: what the row itself measures must notice."""

FLOATS = {
    "L3": ("networks.same_function.SameFunction.convert", "truth.bases.change_of_basis.change_of_basis"),
    "F2": (
        "splines.bsplines.design_matrix", "splines.relu_powers.design_matrix",
        "splines.change_of_basis.ChangeOfBasis.dense",
    ),
}  # fmt: skip
"""Functions of the library that a row notices by its own numbers too, without the grounds."""

ITSELF = [(row, f"refkan.truth.bases.{name}") for row, names in MEASURED.items() for name in names]
ITSELF += [(row, f"refkan.{name}") for row, names in FLOATS.items() for name in names]


def nothing():
    """A ground on which nothing departs."""
    return iter(())


def departs():
    """A ground that is broken."""
    return iter((("a function", 1e-3),))


def notices(ground, beyond=1e-4):
    """Whether something departs by more than this, or the comparison fails; looks no further then."""
    try:
        return any(not departure <= beyond for _, departure in ground.compare())
    except (ArithmeticError, ValueError, RuntimeError):
        return True


@pytest.fixture(autouse=True)
def compared_anew(monkeypatch):
    """Nothing that held before a test counts in it."""
    monkeypatch.setattr(grounds, "HELD", set())


def test_every_row_stands_on_something():
    assert {row.id for row in LEDGER} == set(STANDS_ON) == set(FILES)
    assert {name for names in STANDS_ON.values() for name in names} == set(GROUNDS)


@pytest.mark.parametrize("name", GROUNDS)
def test_the_library_is_right_to_rounding(name):
    assert not notices(GROUNDS[name], 1e-12)


@pytest.mark.parametrize(("name", "function"), NAMED, ids=[function.removeprefix("refkan.") for _, function in NAMED])
def test_a_function_that_is_off_by_a_thousandth_is_noticed(name, function, monkeypatch):
    broken(function, monkeypatch)
    assert notices(GROUNDS[name])


@pytest.mark.parametrize("row", STANDS_ON)
def test_a_row_needs_each_of_its_grounds(row, monkeypatch):
    """The others are left out for their time."""
    for broken_one in STANDS_ON[row]:
        for name, ground in GROUNDS.items():
            monkeypatch.setitem(GROUNDS, name, Ground(departs if name == broken_one else nothing, ground.functions))
        refused(lambda: require([row]), f"GroundError: ^{broken_one}: a function departs")


def test_a_row_is_not_judged_with_a_broken_library(monkeypatch, tmp_path):
    """The whole way, for the injection of ReLU powers, with which the formula of P2 once held all the same."""
    broken("refkan.splines.transfer.matrices.injection_matrix", monkeypatch)
    folder, compared = Path(validation.__file__).parent, "validation.grounds:require"
    assert f'"{compared}"' in (folder / "__main__.py").read_text(encoding="utf-8")
    arguments = ["--workers", "0", "--output", str(tmp_path), "P2"]
    assert main(arguments, folder, "validation", LEDGER, grounds=compared) == 1
    said = (tmp_path / "record.json").read_text(encoding="utf-8")
    assert re.search(r"prolongation: .* departs .*refkan\.splines\.transfer\.matrices\.injection_matrix", said)


def test_what_held_is_not_compared_again_in_a_process(monkeypatch):
    calls = []
    monkeypatch.setitem(GROUNDS, "networks", Ground(lambda: iter((("a value", calls.append(1) or 0.0),)), ()))
    require(["G0"])
    require(["G0", "G0"])
    assert len(calls) == 1


def test_what_is_not_a_number_departs(monkeypatch):
    monkeypatch.setitem(GROUNDS, "networks", Ground(lambda: iter((("a value", float("nan")),)), ()))
    refused(lambda: require(["G0"]), "GroundError: departs from the truth by nan")
    assert spaces.departure([float("nan")], [1.0]) == spaces.departure([[1.0]], [1.0]) == float("inf")


@pytest.mark.parametrize(("row", "function"), ITSELF)
def test_a_row_notices_by_what_it_measures(row, function, monkeypatch):
    file = FILES[row].load()
    broken(function, monkeypatch)
    assert {verdict.id: verdict.status for verdict in file.run(True)}[row] in FAILING


def interpreted(module, old, new):
    """A spoilt copy of a module of kernels, as Python runs it."""
    copy = spoilt(module, old, new)
    for name, kernel in list(vars(copy).items()):
        if hasattr(kernel, "py_func"):
            setattr(copy, name, kernel.py_func)
    return copy


def negative_entries_dropped(patch):
    everywhere(matrices.prolongation_matrix, spoilt(matrices, "!= 0.0", "> 0.0").prolongation_matrix, patch)


def vanishing_splines_not_copied(patch):
    patch.setattr(matrices, "knot_insertion", interpreted(knot_insertion, "+ order] <= fine", "+ order] < fine"))


def spans_in_the_wrong_order(patch):
    loop = "for delta in {}:\n        v = _difference_transposed"
    wrong = spoilt(change_of_basis, loop.format("reversed(deltas)"), loop.format("deltas"))
    patch.setattr(change_of_basis, "apply_transposed", wrong.apply_transposed)


def denominators_exchanged(patch):
    wrong = spoilt(orthogonal_certificates, "(1 - f) / (1 + e)", "(1 - f) / (1 - e)")
    everywhere(orthogonal_certificates.certified, wrong.certified, patch)


def other_denominator_exchanged(patch):
    wrong = spoilt(orthogonal_certificates, "(1 + f) / (1 - e)", "(1 + f) / (1 + e)")
    everywhere(orthogonal_certificates.certified, wrong.certified, patch)


def statistics_left_out_of_jacobians(patch):
    right = Sweep.fill_jacobian
    patch.setattr(Sweep, "fill_jacobian", lambda self, G, J, gradients=None: right(self, G, J))


def jets_of_splines_pulled_back_once(patch):
    wrong = interpreted(plain_sums, "2.0 * e[2]", "e[2]")
    patch.setattr(sums, "plain_sums", wrong)


def jets_of_functions_pulled_back_once(patch):
    everywhere(channels.pull_back_rows, spoilt(channels, "2.0 * bend", "bend").pull_back_rows, patch)


def jets_of_edges_pulled_back_once(patch):
    patch.setattr(row_sums, "jets_of_edges", interpreted(jets_of_edges, "2.0 * g", "g"))


@each_row(
    "name, mistake",
    ("prolongation", negative_entries_dropped),
    ("prolongation", vanishing_splines_not_copied),
    ("change of basis", spans_in_the_wrong_order),
    ("certificates", denominators_exchanged),
    ("certificates", other_denominator_exchanged),
    ("networks", statistics_left_out_of_jacobians),
    ("losses", statistics_left_out_of_jacobians),
    ("collocation", jets_of_splines_pulled_back_once),
    ("collocation", jets_of_functions_pulled_back_once),
    ("collocation", jets_of_edges_pulled_back_once),
    ids=lambda given: given if isinstance(given, str) else given.__name__,
)
def test_a_mistake_that_changes_few_numbers_is_noticed(name, mistake, monkeypatch):
    with rk.use_engine("plain"):
        mistake(monkeypatch)
        assert notices(GROUNDS[name])
