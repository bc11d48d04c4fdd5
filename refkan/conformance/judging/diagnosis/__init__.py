r"""Hints: defects whose results, computed, are those that a backend returned.

Hypotheses are tried in order, the plain before the contrived; the first that reproduces theirs becomes the hint. What
no hypothesis reproduces gets no hint.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from refkan.conformance.judging.diagnosis import (
    additions,
    beside,
    denominators,
    grids,
    mixed_blocks,
    other_knots,
    other_layers,
    pairs,
    places,
    recursions,
    slopes,
)
from refkan.conformance.judging.diagnosis.hypotheses import Source, first_match
from refkan.conformance.judging.diagnosis.of_results import (
    factors,
    last_steps,
    mixed_samples,
    numerical_derivatives,
    parts_of_results,
    remainders,
)
from refkan.conformance.judging.diagnosis.of_results.changed_functions import Changed, diagnose_change, invalid_state
from refkan.conformance.judging.findings import Evidence, Hint, Tries

__all__ = ["Changed", "diagnose", "diagnose_change", "invalid_state"]

ORDER: tuple[Source, ...] = (
    recursions.outside,
    beside.right_ends,
    recursions.ends,
    recursions.repeated,
    last_steps.zeros,
    slopes.at_knots,
    last_steps.detached,
    beside.beside,
    other_layers.rounding,
    denominators.shifted_denominators,
    factors.factors,
    slopes.formulas,
    slopes.spacings,
    slopes.cuts,
    parts_of_results.factors,
    mixed_blocks.mixed,
    other_layers.inputs,
    last_steps.layouts,
    other_layers.coefficients,
    other_knots.knots,
    places.domains,
    places.intervals,
    places.left_out,
    recursions.denominators,
    last_steps.cotangents,
    mixed_samples.stale,
    last_steps.sample_order,
    mixed_samples.lost,
)

LATER: tuple[Source, ...] = (
    additions.branches,
    additions.maps,
    grids.grids,
    other_layers.degrees,
    places.tables,
    other_layers.knots_nearby,
    recursions.cancellation,
    numerical_derivatives.differences,
    other_layers.arithmetic,
    remainders.outputs,
    remainders.intervals,
)

TOGETHER: tuple[Source, ...] = (
    additions.branches,
    additions.maps,
    other_layers.degrees,
    places.tables,
    remainders.outputs,
)
"""Of the later ones those that reproduce results exactly, and may do so beside another."""


def diagnose(evidence: Evidence, for_two: Tries | None = None) -> tuple[Hint, ...]:
    """Return hints on a failed case, the leading one first; () if no hypothesis reproduces the results, nor two do.

    `for_two` bounds the search for two defects at once, and counts it; by default, nothing does.
    """
    if evidence.again is not None and not np.array_equal(evidence.again, evidence.theirs, equal_nan=True):
        differ = int((evidence.again != evidence.theirs).sum())
        text = f"{differ} of {evidence.theirs.size} results differ in a second run on the same model"
        return (Hint("not deterministic", text),)
    with np.errstate(all="ignore"):
        found = (
            recursions.nan_hints(evidence)
            or first_match(evidence, ORDER)
            or mixed_samples.mixed(evidence)  # asks the backend, so not before what the results tell by themselves
            or first_match(evidence, LATER)
            or pairs.pair(replace(evidence, tries=for_two or Tries()), (*ORDER, *TOGETHER))
            or recursions.outside_at_all(evidence)
        )
        if found and found[0].name == "reversed outputs" and evidence.case.setting.spec.n_inputs == 1:
            # Of a basis, whose outputs are its functions, one is the other.
            found += first_match(evidence, (other_layers.coefficients,))
        if found and found[0].name == "inputs mixed up":
            # On the same knots exchanged inputs give that too: both are told, other cases decide.
            found += tuple(
                hint for hint in first_match(evidence, (other_layers.inputs,)) if hint.name == "inputs reordered"
            )
        if found and found[0].name == "constant factor":
            # On equally spaced knots another normalisation is a factor: both are told, other cases decide.
            found += first_match(evidence, (other_knots.normalisation,))
    return found
