"""Made-up measurements of claims: each meets its criterion, or fails where an argument says so."""

from importlib import import_module

import pytest

from tests.validation.replays import measured_in
from validation.architectures import high_dimension, splines_against_relu
from validation.bases import change_of_basis_spectrum, cost_of_bases
from validation.conditioning.network_spectra import START
from validation.descent import descent_geometries
from validation.descent.kernels import certified_kernels, tangent_kernels
from validation.equations.allen_cahn import allen_cahn_as_printed
from validation.knots import rough_targets
from validation.literature.placed_knots import grid_extension
from validation.multilevel import coarse_subspace, prolongation_formulas
from validation.table_two import multilevel_targets


def proven(spline=(10.0, 11.0), relu=(1e21, 2e21), scaled=(100.0, 110.0), float64=10.5, rank=5, state=START):
    """A case of H4: bounds by basis, and what float64 finds in the spline basis."""
    return {
        "state": state,
        "bounds": {"spline": spline, "relu": relu, "scaled-relu": scaled},
        "float64": {"spline": float64, "relu": 1.5e21, "scaled-relu": sum(scaled) / 2},
        "rank": 5,
        "float64 rank": rank,
    }


def starts(sizes):
    """Cases of H4 of one order and these intervals n, of which the ReLU basis is n^3 times as bad."""
    network = {"widths": [2, 2, 1], "node map": "affine", "order": 2}
    return [proven((1.0, 1.0), (n**3.0, n**3.0)) | network | {"level": (1, n)} for n in sizes]


def kernels():
    """What N1 proves: norms by order, the counterexample, one sample inside the domain, float64 beside it."""
    return {
        "norms": [{"order": k + 1, "bounds": (v, v), "float64": v} for k, v in enumerate((3.9, 16.0, 15.0, 7.0, 1.8))],
        "near the counterexample": [{"node map": "mean-std", "bounds": (6.0, 7.0), "float64": 6.5}],
        "wide": [],
        "one layer, one sample": [
            {"sample": certified_kernels.INSIDE, "bounds": (0.5, 1.0)},
            {"sample": certified_kernels.OUTSIDE, "bounds": (5.0, 6.0)},
        ],
    }


def norms(squares=(2.0, 3.0, 3.95)):
    """Norms of N1 for growing n, and the ratios of a J that attains them."""
    return {"norm squared": list(squares), "attained": list(squares)}


def ill_posed(**changes):
    """A case of Q0 for one equation and state: rates that grow like K^2, and times that halve."""
    rates = [
        {"equation": {}, "state": 0.0, "mode": K, "predicted": K**2 - 5.0, "measured": K**2 - 5.0 + (K == 0) * 0.0}
        for K in (0, *allen_cahn_as_printed.MODES)
    ]
    case = {"rates": rates, "escape": {128: 0.4, 256: 0.2, 512: 0.1}}
    for name, change in changes.items():
        case = change(case) if name == "all" else case | {name: change(case[name])}
    return case


def measured(change):
    """A change of all measured rates beside the constant's."""
    return lambda rates: [rate | {"measured": change(rate)} for rate in rates]


def powers(two=4.0, three=6.0):
    """Condition numbers of M2 that grow with these exponents at the last doubling."""
    return [
        {"order": r, "dims": [9, 17, 33], "conditions": {"Jacobi": [1.0, 1.0, (33 / 17) ** power]}}
        for r, power in ((2, two), (3, three))
    ]


def exactly(**changes):
    """Cases of P1 over the rationals, of which one leaves the domain."""
    case = {"gradient": True, "Gauss-Newton": True, "activations outside": 0}
    return [case | {"activations outside": 3}, case | changes]


def records(test, seeds=12, squared_range=25.0):
    keys = ("training", "nominal", "measured", "of it beyond the last kink")
    same = {key: [1.0] * len(test) for key in keys} | {"parameters": [230] * len(test), "cpu seconds": 1.0}
    numbers_of = same | {"squared range": squared_range, "samples beyond the last kink": 0}
    return [numbers_of | {"seed": seed, "test": list(test)} for seed in range(seeds)]


REACHED = {
    "rotated": [3e-5, 3e-5 / 6.5, 7e-7], "rotated, outer layer finer": [2e-5], "unrotated": [3e-6],
    "rotated, smooth, two nodes": [1.0, 1e-6, 1e-6 / 52.0, 1e-6 / 52.0 / 76.0],
}  # fmt: skip


def r5(more=(), **changes):
    tests, bounds = REACHED | changes, (*multilevel_targets.BOUNDS, *more)
    return multilevel_targets.verdict({name: records(test) for name, test in tests.items()}, bounds)


def p1():
    """P1 of two networks of which P alone is known."""
    with pytest.MonkeyPatch.context() as patch:
        return import_module("tests.validation.test_made_up_verdicts").p1(patch)[0]


def x1():
    """Altered statements of X1 on one pair, all errors equal."""
    names = (splines_against_relu.OURS, *splines_against_relu.RELU)
    return splines_against_relu.mutations([{name: {"test": 1.0} for name in names}])


def f1():
    """The exponent of F1 of two orders, one of which is twice as fast."""
    times = {(r, 8): {"a": [r - 1.0] * 7, "b": [1.0] * 7} for r in (2, 4)}
    return {"exponent": cost_of_bases.exponent(times, "a", "b").value}


def w1(measure):
    """What W1 asks of one run of each arm."""
    runs = {2: {name: [{"seed": 1, measure: e}] for name, e in {high_dimension.OURS: 1.0, "MLP": 20.0}.items()}}
    return {e.name: e.value for e in high_dimension.asked(runs, measure)}


def s3():
    """Whether certified ratios are over their thresholds, and over others."""
    return change_of_basis_spectrum.exceeded(lambda r: 4, {1: 2.0, 2: 3.0})


def o1():
    """A gain of O1 in more than half of the runs."""
    return grid_extension.Gain((1.0,) * 7, (2.0,) * 7).holds


def n1():
    """N1 with norms that rise to their limits."""
    results = measured_in("descent_kernels_tangent_kernels")["results"]
    rising = {r: [share * tangent_kernels.limit(r) for share in (0.5, 0.9, 0.99)] for r in tangent_kernels.ORDERS}
    made = [norms(squares) | {"order": r, "intervals": [4, 8, 16]} for r, squares in rising.items()]
    return tangent_kernels.verdict(results | {"norms": made})


def w3():
    """W3 with residual-driven insertion far ahead."""
    rows = measured_in("knots_rough_targets")["rows"]
    for row in (row for each in rows.values() for row in each):
        row[rough_targets.OURS] |= {key: 1e-9 * row[rough_targets.OURS][key] for key in ("error", "seconds")}
    return rough_targets.verdict(rows)


def nested(row):
    """Formulas of a few nested spaces."""
    return import_module("tests.validation.test_exact").NESTED[row]()


MADE_UP = {
    "E24": lambda: nested("E24"),
    "E25": lambda: prolongation_formulas.dyadic_verdict(1),
    "P2": lambda: nested("P2"),
    "F1": f1,
    "L5": lambda: descent_geometries.gradient_verdict([descent_geometries.random_layer(2, 1, k, 1) for k in (3, 4)]),
    "N1": n1,
    "N1, proven": lambda: certified_kernels.proven(kernels(), 4.0),
    "N1, float64": lambda: certified_kernels.agree({"norms": [{"bounds": (2.0, 3.0), "float64": 2.5}], "wide": []}),
    "N1, norms": lambda: tangent_kernels.norm_is(norms(), 4.0),
    "O1, extension": o1,
    "P1": p1,
    "P1, exactly": lambda: coarse_subspace.exactly(exactly()),
    "P1, tolerance": lambda: coarse_subspace.holds([{"gradient": 1e-12}, {"gradient": 0.0}], "gradient"),
    "R5": r5,
    "S1": lambda: change_of_basis_spectrum.grows_like([{"order": 2, "exponent": 4.0}], lambda r: 2 * r),
    "S3": s3,
    "T1": lambda: descent_geometries.table_verdict([descent_geometries.random_layer(2, 1, 1, 1)]),
    "W3": w3,
    "W1, errors": lambda: w1("test"),
    "W1, losses": lambda: w1("training"),
    "X1": x1,
}
"""Verdicts, or parts of them, of what is made up above, by rows."""
