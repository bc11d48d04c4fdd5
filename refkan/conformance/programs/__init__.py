"""An author's own program in exact arithmetic: what it computes for all inputs of a region, not at points."""

from refkan.conformance.programs.program_proofs import Proof, prove

__all__ = ["Proof", "prove"]
