"""Stage 4 of layers that are declared to have other functions than B-splines: what these are like.

Later stages ask for the gradients of these functions, as they do for B-splines.
"""

from refkan.conformance.identification.stages_and_differences import Stage
from refkan.conformance.identification.subject import Subject

SAMPLES = 64


def another_basis(subject: Subject) -> Stage:
    """Return how many functions there are, their range, and what they sum to."""
    spec = subject.spec((2, 1))
    theirs = subject.basis(spec, subject.samples(spec, SAMPLES)[:, 0])
    total = theirs.sum(axis=1)
    told = f"another basis, as declared: {subject.declared.basis}; {theirs.shape[1]} functions with values from "
    told += (
        f"{theirs.min():.3g} to {theirs.max():.3g}, which sum to {total.min():.3g} to {total.max():.3g} in the domain"
    )
    return Stage("functions", told)
