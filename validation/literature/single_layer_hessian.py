r"""O1: the Hessian of one KAN layer is well conditioned whatever the grid, that of two-layer ReLU is not ([W24]).

As reported, the text of the section on spectral bias being out of reach: for least squares on inputs uniform on
[0, 1]^d, and splines of degree k on G intervals.

With the Gram matrix M of one input's B-splines b_i and m_i = int b_i = (M 1)_i, the Hessian of an output is

    H = I (x) M + (1 1^T - I) (x) m m^T,    d x d blocks,

for inputs are independent. On v (x) R^dim it is M - m m^T where v is orthogonal to 1 (d - 1 times), and
M + (d - 1) m m^T where v = 1. As (M - m m^T) 1 = m - m (m^T 1) = 0, there are d - 1 null vectors; m^T m = 1^T M^2 1 <=
lambda_max(M) 1^T M 1 = lambda_max(M), and the eigenvalues of M - m m^T other than 0 are at least lambda_min(M), by
interlacing. Hence the condition number is at most d kappa(M): the bound with C = kappa(M), which does not depend on the
grid for it is bounded by the order alone (de Boor). Both facts are measured: the rank of H over the rationals, the
eigenvalues of both matrices in enclosures.

What the description leaves open of grid extension is in
`grid_extension`. The ReLU ramps have equidistant kinks and trained outer weights.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import refkan as rk
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.ranks.ranks import rank_of_matrix
from refkan.analysis.exact.spectra.rational import rational_gram
from refkan.claims import Beside, Estimate, Reading, Readings, Verdict, estimate, exactly, judge, twin
from refkan.claims.estimates import agree
from validation.literature.placed_knots import grid_extension
from validation.rationals import eigenvalues
from validation.statements import Progress, each, silent

CLAIMS = ("O1",)
EXPERIMENT = grid_extension.EXPERIMENT

SETTLED = 0.05
"""By how much the last doubling of the grid may change C."""

EXPONENT, MARGIN = 4.0, 0.1
Case = dict[str, Any]


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    degrees, grids, inputs = (1, 2, 3), (4, 8, 16), (1, 2, 5)
    if not quick:
        degrees, grids, inputs = (*degrees, 4, 5), (*grids, 32), (*inputs, 20)
    layers: list[Case] = []
    for degree, intervals in each(progress, "O1: degree {}, {} intervals", degrees, grids):
        layers += layer_cases(degree, intervals, inputs)
    ramps = [ramp_case(n) for n in ((8, 16, 32) if quick else (16, 32, 64, 128))]
    return [verdict(layers, ramps, grid_extension.measure(quick, progress))]


def hessian(space: rk.SplineSpace, inputs: int) -> Any:
    M, m = gram_and_means(space)
    rows = [[M[i, j] for j in range(space.dim)] for i in range(space.dim)]
    outer = [[a * b for b in m] for a in m]
    blocks = [[rows if p == q else outer for q in range(inputs)] for p in range(inputs)]
    return type(M)([[entry for block in line for entry in block[i]] for line in blocks for i in range(space.dim)])


def gram_and_means(space: rk.SplineSpace) -> tuple[Any, list[Any]]:
    """M and m = M 1, for the B-splines sum to one."""
    M = rational_gram(space)
    return M, [sum(M[i, j] for j in range(space.dim)) for i in range(space.dim)]


def layer_cases(degree: int, intervals: int, inputs: Sequence[int]) -> list[Case]:
    """Nullity and certified condition number for each number of inputs, and the condition number of M."""
    space = rk.SplineSpace.uniform(degree + 1, intervals)
    low, high = rk.exact.certified_condition_number(space, which="gram")
    M, m = gram_and_means(space)
    column = type(M)([[entry] for entry in m])
    cases = []
    for d in inputs:
        factors = (d - 1, -1)[: min(d, 2)]
        spectrum = [z.real for f in factors for z in eigenvalues(M + f * column * column.transpose())[1]]
        ratio = max(spectrum, key=float) / min(spectrum, key=float)
        condition = Enclosure.between(ratio, ratio).floats()
        nullity = d * space.dim - rank_of_matrix(hessian(space, d).numer_denom()[0]).rank
        case = {"degree": degree, "intervals": intervals, "inputs": d, "nullity": nullity, "condition": condition}
        cases.append(case | {"of one input": (low, high)})
    return cases


def ramp_case(neurons: int) -> Case:
    """Certified condition number of ReLU ramps with equidistant kinks on [0, 1]."""
    space = rk.SplineSpace.uniform(2, neurons - 1)
    return {"neurons": space.dim, "condition": rk.exact.certified_condition_number(space, which="relu_gram")}


def exponent(ramps: Sequence[Case]) -> float:
    """The exponent of n over the last doubling; n + 1/2 as in S1, which the offset of the kinks asks for."""
    (n, a), (N, b) = ((case["neurons"] + 0.5, case["condition"][0]) for case in ramps[-2:])
    return float(np.log(b / a) / np.log(N / n))


def constants(cases: Sequence[Case]) -> dict[int, list[float]]:
    """C for each degree, grid by grid: upper ends of the certified condition number of one input."""
    by_degree: dict[int, dict[int, float]] = {}
    for case in cases:
        by_degree.setdefault(case["degree"], {})[case["intervals"]] = case["of one input"][1]
    return {degree: list(by_grid.values()) for degree, by_grid in by_degree.items()}


def bounded(cases: Sequence[Case], power: float = 1.0) -> bool:
    """Whether the condition number is at most C d^power in every case, C the largest of the degree."""
    C = {degree: max(values) for degree, values in constants(cases).items()}
    return all(case["condition"][1] <= C[case["degree"]] * case["inputs"] ** power * (1 + 1e-9) for case in cases)


def theory(layers: Sequence[Case], ramps: Sequence[Case]) -> tuple[Estimate, ...]:
    """Return what is exact or enclosed, so that no chance enters: nullity, bound, its constant, and the exponent."""
    C = constants(layers)
    wrong = sum(case["nullity"] != case["inputs"] - 1 for case in layers)
    quotients = [case["condition"][1] / (max(C[case["degree"]]) * case["inputs"]) for case in layers]
    change = max(abs(values[-1] / values[-2] - 1) for values in C.values())
    return (
        exactly(f"layers of {len(layers)} of another nullity than d - 1 an output", wrong, at_most=0.0),
        exactly("greatest condition number over C d", max(quotients), at_most=1.0 + 1e-9),
        exactly("change of C over the last doubling of the grid", change, at_most=SETTLED),
        exactly("exponent of ReLU ramps", exponent(ramps), at_least=EXPONENT - MARGIN, at_most=EXPONENT + MARGIN),
    )


def gain(values: Mapping[int, float]) -> Estimate:
    return estimate(grid_extension.RATIO, values, at_most=1.0, cost="one seed takes two seconds of processor time")


def verdict(layers: Sequence[Case], ramps: Sequence[Case], extension: dict[str, Any]) -> Verdict:
    exact, ratios = theory(layers, ramps), grid_extension.comparisons(extension)
    listed = ", ".join(f"k = {degree}: {values[-1]:.5g}" for degree, values in constants(layers).items())
    right = agree(exact) is True
    made = Readings(
        [
            Reading(
                choice,
                measured=f"C certified, {listed}",
                corrected=right and gain(values).holds is False,
                cells=(Beside(grid_extension.RATIO, "ratio", values),),
                estimates=(*exact, gain(values)),
            )
            for choice, values in ratios
        ]
    )
    swapped = [right and gain({s: 1 / v for s, v in values.items()}).points for _, values in ratios]
    relu = [rk.exact.certified_condition_number(rk.SplineSpace.uniform(4, n), which="relu_gram")[1] for n in (4, 8)]
    return made.verdict(
        "O1",
        corrected="the bound with C the condition number of one input's Gram matrix, and n^4 for ReLU ramps; that"
        " extension learns high frequencies better than its finest grid from the start is not part of it",
        details=DETAILS,
        data={"layers": list(layers), "ramps": list(ramps), "extension": extension},
        mutations={
            "without the factor d": judge(bounded(layers, 0.0)),
            "a null vector for each input": judge(all(case["nullity"] == case["inputs"] for case in layers)),
            "ReLU ramps like n^2": judge(abs(exponent(ramps) - 2) <= MARGIN),
            "ReLU powers have a C of their own": judge(abs(relu[1] / relu[0] - 1) <= SETTLED),
            "the finest grid from the start in place of extension": judge(all(swapped)),
        },
        controls={"with extension half of what is missing": twin([gain(dict.fromkeys(range(20), 0.5))])},
    )


DETAILS = """Ranks are those of the rational matrices (a minor that is not zero modulo a prime, null vectors that are
multiplied out), eigenvalues are certified roots of characteristic polynomials. Several outputs repeat the matrix,
and so multiply the nullity. Extension is set against the same network on the finest grid from the start; errors are
amplitudes that are missing at the upper half of the target's frequencies, relative to those of the target."""
