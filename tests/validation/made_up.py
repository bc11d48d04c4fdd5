"""Made-up measurements of claims: each meets its criterion, or fails where an argument says so."""

from importlib import import_module

import pytest

from refkan.claims import Beside
from tests.validation.replays import measured_in
from validation.architectures import high_dimension, splines_against_relu
from validation.bases import change_of_basis_spectrum, cost_of_bases
from validation.conditioning import hessian_conditioning
from validation.conditioning.network_spectra import START
from validation.descent import descent_geometries
from validation.descent.kernels import certified_kernels, tangent_kernels
from validation.equations.allen_cahn import allen_cahn_as_printed
from validation.knots import rough_targets
from validation.literature.placed_knots import grid_extension, rates_of_extended_grids
from validation.multilevel import coarse_subspace, prolongation_formulas
from validation.table_two import compared_cells, multilevel_targets, parameter_counts


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


def x1(ours=1.0):
    """Altered statements of X1 on one pair, all other errors equal."""
    names = {splines_against_relu.OURS: ours} | dict.fromkeys(splines_against_relu.RELU, 1.0)
    return splines_against_relu.mutations([{name: {"test": error} for name, error in names.items()}])


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


def h1():
    """Whether SiLU edges are as well conditioned as plain ones, beside what is not asked about."""
    model, plain = "SiLU edge", {"order": 2, "level": (1, 3), "state": START, "node map": "affine"}
    finer, trained, mean_std = ({**plain, **other} for other in ({"order": 3}, {"state": ""}, {"node map": "mean-std"}))
    places = (plain, 1.0), (finer, 100.0), (trained, 1e-3), (mean_std, 1e-3)
    networks = [place | {"gauss-newton": {"spline": condition}} for place, condition in places]
    beside = (model, plain, 5.0), (model, finer, 500.0), (model, trained, 1e4), ("", plain, 1e4)
    models = [place | {"model": name, "condition": condition} for name, place, condition in beside]
    return hessian_conditioning.silu_alike(networks, models)


def r7():
    """Whether all networks of Table 3, and one of Table 2, have a linear first layer."""
    return parameter_counts.linear_in_both({table: [("linear, then", 2, (5,))] for table in ("Table 2", "Table 3")})


def r11():
    """What is asked of the last falls of three trainings, and how many runs of a cell are bad."""
    names = "spline, fine", "spline, multilevel"
    cells = [Beside(name, compared_cells.LAST_FALL, {1: 1.0, 2: 1.1}) for name in names]
    cells.append(Beside("spline, fine", compared_cells.FALL, {1: 5.0, 2: 6.0}))
    asked = {e.name: [e.value, e.at_most] for e in compared_cells.stalls(cells)}
    return asked | {"bad": compared_cells.bad_runs("a", {1: 1.0, 2: 1.0, 3: 20.0}).value}


def o11():
    """Whether no grid of more than 2N parameters gains: one does, and one that has exactly as many is none of them."""
    errors = {"a gain": [9.0, 3.0, 1.0], "at 2N": [9.0, 2.5, 3.0]}
    made = {name: {100: [{"parameters": [100, 200, 300], "test": test}]} for name, test in errors.items()}
    return {name: rates_of_extended_grids.nothing_gained_beyond({"thresholds": runs}) for name, runs in made.items()}


def n1():
    """N1 with norms that rise to their limits, and mean-std maps that exceed the bound of others."""
    results = measured_in("descent_kernels_tangent_kernels")["results"]
    coupled = [item | ({"ratio": 1e3} if item["node_map"] == "mean-std" else {}) for item in results["random"]]
    rising = {r: [share * tangent_kernels.limit(r) for share in (0.5, 0.9, 0.99)] for r in tangent_kernels.ORDERS}
    made = [norms(squares) | {"order": r, "intervals": [4, 8, 16]} for r, squares in rising.items()]
    return tangent_kernels.verdict(results | {"norms": made, "random": coupled})


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
    "H1": h1,
    "L5": lambda: descent_geometries.gradient_verdict([descent_geometries.random_layer(2, 1, k, 1) for k in (3, 4)]),
    "N1": n1,
    "N1, proven": lambda: certified_kernels.proven(kernels(), 4.0),
    "N1, float64": lambda: certified_kernels.agree({"norms": [{"bounds": (2.0, 3.0), "float64": 2.5}], "wide": []}),
    "N1, norms": lambda: tangent_kernels.norm_is(norms(), 4.0),
    "O1, extension": o1,
    "O11": o11,
    "P1": p1,
    "P1, exactly": lambda: coarse_subspace.exactly(exactly()),
    "P1, tolerance": lambda: coarse_subspace.holds([{"gradient": 1e-12}, {"gradient": 0.0}], "gradient"),
    "R5": r5,
    "R7": r7,
    "R11": r11,
    "S1": lambda: change_of_basis_spectrum.grows_like([{"order": 2, "exponent": 4.0}], lambda r: 2 * r),
    "S3": s3,
    "T1": lambda: descent_geometries.table_verdict([descent_geometries.random_layer(2, 1, 1, 1)]),
    "W3": w3,
    "W1, errors": lambda: w1("test"),
    "W1, losses": lambda: w1("training"),
    "X1": x1,
    "X1, ahead": lambda: x1(0.5),
}
"""Verdicts, or parts of them, of what is made up above, by rows."""
