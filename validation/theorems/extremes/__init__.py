"""Extreme values over all networks, or all knot vectors, with proofs in docs/theorems."""
