"""H1, the second experiment: condition numbers of Gauss-Newton matrices and Hessians in both bases and elsewhere.

The statement does not say of which model and matrix, and at which parameters it is made, nor how ReLU powers are
scaled: each choice is a reading. A ratio grows with n if the exponent of n fitted to its medians over the seeds is
positive, for every order.
"""

from collections.abc import Mapping, Sequence

from refkan.claims import Beside, Estimate, Reading, Readings, Verdict, estimate, exactly, judge, twin
from refkan.claims.statuses import Status
from validation.conditioning import condition_ratios, network_spectra
from validation.conditioning.condition_ratios import LAYER, Case, Ratios, Series, at, exponents, median_of, medians
from validation.conditioning.network_spectra import START, TRAINED, TRAINED_ELSEWHERE
from validation.measures import log_slope
from validation.statements import Progress, RunSize, each, quick_and_full, silent

CLAIMS = ("H1",)

# A quick run is a full one with fewer samples, steps and seeds and without the largest sizes: those that 20 s allow.
QUICK, FULL = quick_and_full(
    orders=((2, 3), (2, 3, 4)),
    layers=((8, 16, 32, 64), (8, 16, 32, 64, 128, 256)),
    levels=(((1, 3), (2, 6), (4, 12)), ((1, 3), (2, 6), (4, 12), (8, 24))),
    node_maps=(("affine", "mean-std"),) * 2,
    states=((START, TRAINED, TRAINED_ELSEWHERE),) * 2,
    seeds=(range(1), range(10)),
    samples=(200, 4000),
    steps=(20, 100),
)
"""Orders (layers have 1 as well), intervals of layers and of the two layers of [2, 5, 1]; `states` are where matrices
are taken, by `steps` of L-BFGS."""


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    return answer(QUICK if quick else FULL, progress)


def answer(size: RunSize, progress: Progress = silent) -> list[Verdict]:
    progress("H1: single layers")
    layers = [network_spectra.layer_condition(order, n) for order in (1, *size.orders) for n in size.layers]
    networks: list[Case] = []
    places = size.node_maps, size.orders, size.levels
    for node_map, order, level in each(progress, "H1: {}, order {}, intervals {}", *places):
        for seed in size.seeds:
            networks += network_spectra.network_cases(order, level, node_map, seed, size)
    models: list[Case] = []
    levels = size.levels[:-1] if len(size.levels) > 3 else size.levels
    for order, level in each(progress, "H1: other architectures, order {}, intervals {}", size.orders, levels):
        for seed in size.seeds:
            models += network_spectra.other_models(order, level, seed, size)
    return [verdict(layers, networks, models, size)]


RATIO, EXPONENT = "least ratio over n and r", "least exponent of n over r"
BEYOND = 1e-9
"""By how much a ratio must exceed 1, and an exponent 0: more than by rounding."""

COST = "one seed takes 50 s of processor time"


def besides(by_series: Ratios) -> list[Beside]:
    """Return by seed the least ratio of all sizes and orders, and the least exponent of n of all orders."""
    seeds = range(min(len(values) for sizes in by_series.values() for values in sizes.values()))
    least, growth = {}, {}
    for k in seeds:
        own = [{n: values[k] for n, values in sizes.items()} for sizes in by_series.values()]
        least[k] = min(ratio for sizes in own for ratio in sizes.values())
        growth[k] = min(log_slope(list(sizes), list(sizes.values())) for sizes in own)
    return [Beside(RATIO, "ratio", least), Beside(EXPONENT, "exponent", growth)]


def asked(by_series: Ratios) -> tuple[Estimate, ...]:
    """The ratio is above 1 and grows with n; a single layer does not depend on chance."""
    bounds, made = {RATIO: 1.0 + BEYOND, EXPONENT: BEYOND}, []
    for cell in besides(by_series):
        if {series.place for series in by_series} == {LAYER}:
            made.append(exactly(cell.cell, cell.values[0], at_least=bounds[cell.cell]))
        else:
            made.append(estimate(cell.cell, cell.values, at_least=bounds[cell.cell], cost=COST))
    return tuple(made)


def parted(by_series: Ratios) -> dict[tuple[str, ...], Ratios]:
    """H1 for every model, state, matrix and basis apart: the statement does not say which."""
    parts: dict[tuple[str, ...], dict[Series, Mapping[int, Sequence[float]]]] = {}
    for series, sizes in by_series.items():
        parts.setdefault(series[:-1], {})[series] = sizes
    return dict(parts)


def readings(by_series: Ratios, reduced: bool = False) -> Readings:
    return Readings(
        [
            Reading(
                {"model": model(place), "parameters": state, "matrix": matrix, "against": other},
                measured=condition_ratios.summary(part),
                cells=tuple(besides(part)),
                estimates=asked(part),
                size=f"n to {max(max(sizes) for sizes in part.values())}",
                reduced=reduced,
            )
            for (place, state, matrix, other), part in parted(by_series).items()
        ],
        experiment=False,
    )


def model(place: str) -> str:
    """The name of a model: a layer, or the networks with one node map."""
    return place if place == LAYER else f"[2, 5, 1] with {place} maps"


def status(by_series: Ratios) -> Status:
    """Return whether the numbers point as the statement says under every reading."""
    return twin(e for part in parted(by_series).values() for e in asked(part))


def verdict(layers: Sequence[Case], networks: Sequence[Case], models: Sequence[Case], size: RunSize = FULL) -> Verdict:
    by_series = condition_ratios.ratios(layers, networks)
    made = readings(by_series, reduced=size.samples < FULL.samples)
    single = {series: sizes for series, sizes in by_series.items() if series.place == LAYER}
    states = {
        state: {series: sizes for series, sizes in at(by_series, state).items() if series.place != LAYER}
        for state in (START, TRAINED, TRAINED_ELSEWHERE)
    }
    starts = at(by_series, START)
    scaled = {key: ratio for key, ratio in medians(states[START]).items() if key[0].other == "scaled-relu"}
    return made.verdict(
        "H1",
        measured=f"{made.over()}. Condition number in another basis over that of the B-splines. One layer: "
        f"{condition_ratios.layer_summary(single)}. [2, 5, 1], "
        + ". ".join(f"{state}: {condition_ratios.summary(part)}" for state, part in states.items() if part),
        details=DETAILS,
        data={"layers": list(layers), "networks": list(networks), "other models": list(models)},
        mutations={
            "the ReLU powers have the lower condition number": status(
                condition_ratios.ratios(layers, networks, "relu")
            ),
            "the ratio of one layer grows as n falls": status(backwards(single)),
            "the ratio at the start is bounded": judge(all(exponent < 0.5 for exponent in exponents(starts).values())),
            "scaling the ReLU powers is enough": judge(all(ratio < 10 for ratio in scaled.values())),
            "the SiLU edge is as well conditioned": judge(silu_alike(networks, models)),
        },
    )


def backwards(by_series: Ratios) -> Ratios:
    """The ratios with the sizes in the reverse order."""
    return {series: dict(zip(sizes, list(sizes.values())[::-1], strict=True)) for series, sizes in by_series.items()}


def silu_alike(networks: Sequence[Case], models: Sequence[Case]) -> bool:
    """Whether the SiLU edge stays within 10 times of the plain one at the start, for every order and size."""
    silu = [case for case in models if case["model"] == "SiLU edge" and case["state"] == START]
    keys = {(case["order"], case["level"]) for case in silu}
    return all(
        median_of(c["condition"] for c in silu if (c["order"], c["level"]) == key)
        <= 10
        * median_of(
            c["gauss-newton"]["spline"]
            for c in networks
            if (c["order"], c["level"], c["state"], c["node map"]) == (*key, START, "affine")
        )
        for key in keys
    )


DETAILS = """Condition numbers of the numerical range: largest over smallest magnitude of an eigenvalue, without nulls.
Which directions are null is decided in the spline basis and does not depend on the basis. In the ReLU basis small
eigenvalues come from the inverse of the matrix, which keeps condition numbers far beyond 1e16 right to many digits.
Nothing is evaluated in the ReLU basis.

One layer: least squares in L2 on uniform knots. Networks [2, 5, 1] on the regression target of [S26] section 5.1, at
a random start and after some steps of L-BFGS from it, in the spline or in the ReLU basis; B-splines, ReLU powers and
ReLU powers scaled by the mean spacing are compared at the same function. Hessians away from a minimum are
indefinite: their condition numbers are those of magnitudes.

Training under fixed affine maps can drive activations out of the domain, where B-splines have no data: directions
drop out of the numerical range, and the condition number is one of what is left.

The SiLU edge w_b silu(x) + w_s s(x) undoes what B-splines bring, in one direction an edge: silu is smooth, splines
come within O(h^r) of it with coefficients of norm O(n^(1/2)), which leaves a singular value O(h^r n^(-1/2)). The
condition number grows like n^(2r + 1), faster even than the n^(2r) of the ReLU basis."""
