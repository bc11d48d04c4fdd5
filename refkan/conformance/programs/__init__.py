"""An author's own program in exact arithmetic: what it computes for all inputs of a region, not at points."""

from refkan.conformance.programs.proofs import Counterexample, Proof, Statement, prove

__all__ = ["Counterexample", "Proof", "Statement", "prove"]
