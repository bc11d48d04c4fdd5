"""Made-up measurements of claims: each meets its criterion, or fails where an argument says so."""

from validation.conditioning.network_spectra import START
from validation.equations.allen_cahn import allen_cahn_as_printed
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
