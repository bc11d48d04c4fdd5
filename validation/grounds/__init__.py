"""What each row judges with: functions of the library, held to the truth before the row is believed.

A claim about refinement says nothing where the library's prolongation is off by a thousandth, and a comparison of two
trainings says nothing where both follow the same wrong gradient. So every row names the grounds that it stands on. A
ground is a comparison of named functions with something that shares no code with them: formulas over the rationals,
`refkan.truth`, closed forms, one step of a method by hand. `require` is called before a claim file runs; where a
comparison fails its rows are not judged.
"""

from collections.abc import Callable, Iterable, Mapping

from refkan.base import Frozen
from validation.grounds import certificates, descent, equations, networks, spaces, suite, training
from validation.grounds.spaces import Departures

__all__ = ["GROUNDS", "STANDS_ON", "TOLERANCE", "Ground", "GroundError", "require"]

TOLERANCE = 1e-9
"""Relative departure, at most: comparisons are right to rounding, 1e-14, and a mistake of 1e-3 is not missed."""


class GroundError(AssertionError):
    """A function of the library is not what it is taken for: rows that rest on it cannot be judged."""


class Ground(Frozen):
    """A comparison, and the full names of the functions that it compares."""

    compare: Callable[[], Departures]
    functions: tuple[str, ...]


def ground(compare: Callable[[], Departures], places: Mapping[str, str]) -> Ground:
    """Name functions by the module, or class, that they are in: the names in each place, with blanks between."""
    return Ground(compare, tuple(f"refkan.{place}.{name}" for place, names in places.items() for name in names.split()))


GROUNDS: dict[str, Ground] = {
    "bases": ground(
        spaces.bases, dict.fromkeys(("splines.bsplines", "splines.relu_powers"), "design_matrix gram_matrix")
    ),
    "change of basis": ground(
        spaces.change_of_basis, {"splines.change_of_basis.ChangeOfBasis": "to_relu to_spline apply solve dense uniform"}
    ),
    "prolongation": ground(spaces.prolongations, {
        "splines.transfer.matrices": "prolongation_matrix prolong prolongation_through_relu injection_matrix"
        " dyadic_prolongation",
        "splines.transfer.refit_at_samples": "least_squares_transfer",
    }),
    "networks": ground(networks.networks, {"networks.network.Network": "__call__ vjp jvp jacobian"}),
    "refinement": ground(networks.refinements, {"networks.same_function.SameFunction": "convert prolongation"}),
    "losses": ground(networks.losses, {
        "training.losses.least_squares.LeastSquares": "value mse gradient value_and_gradient misfit"
        " residual_and_jacobian gauss_newton hessian ntk",
    }),
    "collocation": ground(networks.collocation, {
        "training.losses.collocation.Collocation": "value gradient value_and_gradient residual_and_jacobian"
        " gauss_newton",
    }),
    "spectra": ground(networks.spectra, {"analysis.conditioning.spectrum_of_problem": "spectrum"}),
    "null spaces": ground(training.null_spaces, {"analysis.conditioning.null_space": "null_vectors"}),
    "descent": ground(descent.descent, {
        "training.optimizers.minimization": "minimize",
        "training.optimizers.geometry.Geometry": "gradient displacement",
    }),
    "levels": ground(descent.levels, {"training.multilevel.multilevel": "minimize_multilevel"}),
    "adaptivity": ground(training.refined, {
        "training.adaptivity.bisection": "bisect", "training.adaptivity.refits": "refit_layer",
        "training.adaptivity.adaptive_minimization": "minimize_adaptive",
        "training.multilevel.multistart": "multistart",
    }),
    "certificates": ground(certificates.certificates, {
        "analysis.exact.spectra.rational": "rational_change_of_basis rational_gram",
        "analysis.exact.spectra.condition_numbers": "extreme_eigenvalues eigenpairs certified_condition_number",
        "analysis.exact.spectra.orthogonal_certificates": "enclosed_eigenvalues certified",
        "analysis.exact.spectra.certified_spectra": "certified_spectrum",
    }),
    "Poisson": ground(equations.poisson, {"training.problems.poisson": "solution gradient coefficient source"}),
    "Burgers": ground(equations.burgers, {"training.problems.burgers": "solution slope initial"}),
    "Allen-Cahn": ground(equations.allen_cahn, {
        "training.problems.allen_cahn": "initial", "training.problems.allen_cahn.Reference": "__call__",
    }),
    "ordinary equations": ground(
        training.ordinary_equations, {"training.problems.manufactured.ManufacturedProblem": "source solution"}
    ),
    "conformance": ground(suite.suite, {"conformance.cases.truths.quantities.Quantities": "values input_gradients"}),
}  # fmt: skip

TRAINED = ("networks", "losses", "descent")
"""What every comparison of trained networks rests on."""

NESTED = ("prolongation", "refinement")
SOLVED = ("networks", "collocation", "descent", "levels", "refinement")

STANDS_ON: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("L1", "F1", "F2", "L7", "D2", "N4", "S4", "T3"), ("bases", "change of basis")),
    **dict.fromkeys(("L2", "C1", "L4"), ("change of basis",)),
    "L3": ("change of basis", "networks", "refinement"),
    **dict.fromkeys(("S1", "S2", "S3"), ("change of basis", "certificates")),
    **dict.fromkeys(("L5", "T1", "T2"), ("change of basis", "descent")),
    **dict.fromkeys(("N1", "N5"), ("networks", "change of basis", "certificates")),
    "N2": ("bases", "change of basis", *TRAINED),
    **dict.fromkeys(("E19", "E20", "E30", "E31", "E40", "E42", "E43", "F3", "H6", "R6", "R7", "O14"), ()),
    **dict.fromkeys(("H5", "M4", "G2", "M5"), ("certificates", "prolongation")),
    **dict.fromkeys(("S5", "S6", "T4", "H7", "H8", "H9"), ("certificates",)),
    "N3": ("networks", "certificates", "null spaces"),
    **dict.fromkeys(("D1", "P1", "L6"), (*NESTED, *TRAINED)),
    **dict.fromkeys(("E24", "E25"), ("bases", "prolongation")),
    "P2": ("change of basis", "prolongation"),
    "G1": (*NESTED, "networks"),
    "M1": ("change of basis", *NESTED, *TRAINED),
    **dict.fromkeys(("M2", "M3"), ("bases", "change of basis", "prolongation")),
    **dict.fromkeys(("R1", "R2", "R3", "R4", "R8", "R9", "R10", "R11", "R12", "R13"), (*TRAINED, "refinement")),
    "R5": (*TRAINED, "refinement", "adaptivity"),
    "Q0": ("Allen-Cahn",),
    **dict.fromkeys(("Q1", "Q7", "Q8"), (*SOLVED, "Poisson")),
    **dict.fromkeys(("Q2", "Q9"), (*SOLVED, "Burgers")),
    **dict.fromkeys(("Q3", "Q4"), (*SOLVED, "Allen-Cahn")),
    "Q5": (*SOLVED, "Poisson", "Burgers", "Allen-Cahn"),
    "Q6": (*SOLVED, "Burgers"),
    **dict.fromkeys(("K1", "K2", "K4", "W2", "A1", "A2", "A3", "W3", "O6", "O11"), (*TRAINED, *NESTED, "adaptivity")),
    **dict.fromkeys(("K3", "H1", "H2", "H3"), ("bases", "change of basis", *TRAINED, "spectra")),
    "H4": (*TRAINED, "spectra", "certificates"),
    "X2": (*TRAINED, "levels"),
    "W1": (*TRAINED, "spectra"),
    **dict.fromkeys(("B1", "B2"), ("conformance",)),
    "G0": ("networks",),
    "O1": ("certificates", "refinement", *TRAINED, "levels"),
    **dict.fromkeys(("X1", "O2", "O8", "O10"), TRAINED),
    "O3": ("bases", "certificates", *TRAINED),
    **dict.fromkeys(("O4", "O5"), ("bases",)),
    **dict.fromkeys(("O7", "O9"), ("networks", "collocation", "descent", "ordinary equations")),
    "O12": ("bases", *TRAINED),
    **dict.fromkeys(("O13", "O15"), ("bases", "networks")),
}

HELD: set[Ground] = set()
"""Grounds that were compared in this process and held: the next claim file need not compare them again."""


def require(rows: Iterable[str]) -> None:
    """Compare everything that these rows stand on, once in a process."""
    for name in dict.fromkeys(name for row in rows for name in STANDS_ON[row]):
        ground = GROUNDS[name]
        if ground in HELD:
            continue
        for compared, departure in ground.compare():
            if not departure <= TOLERANCE:
                raise GroundError(
                    f"{name}: {compared} departs from the truth by {departure:.1e}, at most {TOLERANCE:.0e}; one of"
                    f" {', '.join(ground.functions)}, or what they call, is broken"
                )
        HELD.add(ground)
