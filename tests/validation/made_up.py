"""Made-up measurements of claims: each meets its criterion, or fails where an argument says so."""

from validation.conditioning.condition_ratios import LAYER, Series
from validation.conditioning.network_spectra import START
from validation.descent.kernels import certified_kernels
from validation.equations.allen_cahn import allen_cahn_as_printed
from validation.literature import rates_by_method


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


def kernels(norms=(3.9, 16.0, 15.0, 7.0, 1.8), coupled=6.0, inside=1.0, float64=0.5):
    """What N1 proves: norms by order, the counterexample, one sample inside the domain, float64 beside it."""
    return {
        "norms": [{"order": k + 1, "bounds": (value, value), "float64": value} for k, value in enumerate(norms)],
        "near the counterexample": [
            {"node map": "mean-std", "bounds": (coupled, coupled + 1), "float64": coupled + float64}
        ],
        "wide": [],
        "one layer, one sample": [
            {"sample": certified_kernels.INSIDE, "bounds": (0.5, inside)},
            {"sample": certified_kernels.OUTSIDE, "bounds": (5.0, 6.0)},
        ],
    }


def norms(squares=(2.0, 3.0, 3.95), attained=None):
    """Norms of N1 for growing n, and the ratios of a J that is to attain them."""
    return {"norm squared": list(squares), "attained": list(squares if attained is None else attained)}


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


def spectra(printed=(2.0, 4.0), place=LAYER, state=START):
    """Ratios of H1: of one series, over n."""
    return {Series(place, state, "gauss-newton", "relu", 3): {4 * 2**k: [v] for k, v in enumerate(printed)}}


def layers(**changes):
    """Cases of O1: two grids of one degree, two inputs."""
    case = {"degree": 1, "inputs": 2, "condition": (7.0, 8.0), "of one input": (3.9, 4.0), "intervals": 4}
    return [case, case | {"intervals": 8} | changes]


def grids(**changes):
    """Errors of O5 on one grid."""
    places = {"inside": {"absolute": 1.0, "relative": 100.0}, "beyond": {"absolute": 0.0, "relative": 0.0}}
    return {8: places | changes}


def slopes(gd=(1.25, 0.8, 1.3), adam=(0.75, 0.7, 1.0)):
    """Slopes of O8 by seed."""
    return [{"gd": {"slope": a}, "adam": {"slope": b}} for a, b in zip(gd, adam, strict=True)]


def both_scale(runs):
    """The first half of O8's criterion."""
    return rates_by_method.scales(runs, ("gd", "adam"))


def powers(two=4.0, three=6.0):
    """Condition numbers of M2 that grow with these exponents at the last doubling."""
    return [
        {"order": r, "dims": [9, 17, 33], "conditions": {"Jacobi": [1.0, 1.0, (33 / 17) ** power]}}
        for r, power in ((2, two), (3, three))
    ]


def levels(ours=(1.0, 4.0, 5.0), jacobi=(1.0, 2.0, 2.0)):
    """Condition numbers of M3 over n."""
    return {"conditions": {"sum": list(ours), "Jacobi": list(jacobi)}}


def h1(jacobi=(4.0, 12.0), total=(10.0, 12.0)):
    """The control of M3."""
    return {"conditions": {"Jacobi": list(jacobi), "sum over levels": list(total)}}


def exactly(**changes):
    """Cases of P1 over the rationals, of which one leaves the domain."""
    case = {"gradient": True, "Gauss-Newton": True, "activations outside": 0}
    return [case | {"activations outside": 3}, case | changes]


def widths(first=1.0, second=1.0):
    """Errors of O3 on two grids, the best of each as large as may be, or times a factor."""
    grids = {8: 0.1 * first, 16: 0.1 * second}
    return {0: {G: {"target": [0.9, least, 0.5]} for G, least in grids.items()}}


def beside(*float64):
    """What float64 has beside the bounds 2 and 3 of N1; and what it does not compute."""
    return {"norms": [{"bounds": (2.0, 3.0), "float64": value} for value in float64], "wide": [{"bounds": (1.0, 1.0)}]}
