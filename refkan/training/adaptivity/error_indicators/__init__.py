"""Error indicators for knot intervals, and the marking of those to refine."""
