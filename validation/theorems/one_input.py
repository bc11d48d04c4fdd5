"""T3: with one input the spectra of rows 2 and 4 of Table 1 are positive (docs/theorems/one-input.md).

A^-T P H, H non-singular and P a positive diagonal, is similar to a totally non-negative matrix: small steps of both
rows converge. With two equal inputs they do as well; it begins to fail where the inputs differ in one sample, and with
one input where samples leave the domain and tails are not natural.
"""

from collections.abc import Callable
from itertools import count

import numpy as np

import refkan as rk
from refkan import truth
from refkan.analysis.exact.spectra.rational import rational_change_of_basis
from refkan.claims import Verdict, judge
from validation import rationals
from validation.rationals import eigenvalues, random_rationals, spline_design, to_flint

CLAIMS = ("T3",)


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    return [one_input(quick)]


def spectrum_is_positive(order: int, intervals: int, seed: int, inputs: str = "one") -> bool:
    """Whether all eigenvalues of A^-T P H that are not zero are positive, and zero is no defective one.

    Inputs: "one", "equal" (two, with equal samples), "moved" (one of the second's moved), "two". P is random for the
    first two, I for the others. H of one input is not singular, as the theorem supposes.
    """
    rng = np.random.default_rng([3, order, intervals, seed])
    knots = rationals.random_knots(rng, order, intervals)
    A, dim = np.array(truth.change_of_basis(knots, order)), intervals + order - 1
    draws = (rationals.random_points(rng, knots, order, 4 * dim) for _ in count())
    x = next(x for x in draws if rationals.rank(spline_design(knots, order, x)) == dim)
    columns = {"one": [x], "equal": [x, x], "moved": [x, [*x[1:2], *x[1:]]], "two": [x, rng.permutation(x).tolist()]}
    B = np.hstack([np.array(spline_design(knots, order, each)) for each in columns[inputs]])
    known = inputs in ("one", "equal")
    P = np.diag(random_rationals(rng, B.shape[1], 1, 24)) if known else np.eye(B.shape[1], dtype=object)
    inverse = to_flint(np.kron(np.eye(len(columns[inputs]), dtype=object), A.T)).inv()
    M = inverse * to_flint(P @ B.T @ B)
    others = eigenvalues(M)[1]
    return bool(M.rank() == len(others) and all(z.imag == 0 and z.real > 0 for z in others))


def positive_beyond_the_domain(tails: str) -> bool:
    """Whether the spectrum is positive with hats on 0, 1, 2, 3, whose domain is [1, 2], and the samples 1/2 and 5/2."""
    space = rk.SplineSpace([0.0, 1.0, 2.0, 3.0], 2)
    B = to_flint(rk.bsplines.design_matrix(space, [0.5, 2.5], outside=tails).toarray())
    M = rational_change_of_basis(space).transpose().inv() * B.transpose() * B
    return all(z.imag == 0 and z.real > 0 for z in eigenvalues(M)[1])


def one_input(quick: bool) -> Verdict:
    cases = [(r, n, seed) for r in range(1, 6) for n in (1, 2, 3) for seed in range(1 if quick else 12)]
    several = [case for case in cases if case[0] >= 2 and case[:2] != (2, 1)]
    counts = {kind: sum(spectrum_is_positive(*case, kind) for case in several) for kind in ("equal", "moved", "two")}
    single = [spectrum_is_positive(*case) for case in cases]
    natural, linear, polynomial = map(positive_beyond_the_domain, ("natural", "linear", "polynomial"))
    return Verdict(
        "T3",
        judge(all(single) and counts["equal"] == len(several) and natural),
        f"all eigenvalues positive in {sum(single)} of {len(cases)} cases with one input and a random diagonal P,"
        f" r = 1 to 5, and in {counts['equal']} of {len(several)} with two equal inputs; for P = I, with one of their"
        f" samples moved in {counts['moved']}, with two inputs whose samples are paired at random in {counts['two']}",
        details="""Random knots and samples, over the rationals: certified roots of characteristic
polynomials; zero, with several inputs, has a multiplicity equal to the nullity. Proof: docs/theorems/one-input.md.""",
        data={"cases": len(cases), "of several inputs": counts | {"cases": len(several)}},
        mutations={
            "two inputs whose samples are paired at random": judge(counts["two"] == len(several)),
            "two inputs that differ in one sample": judge(counts["moved"] == len(several)),
            "samples outside the domain, linear tails": judge(linear),
            "samples outside the domain, polynomial tails": judge(polynomial),
        },
    )
