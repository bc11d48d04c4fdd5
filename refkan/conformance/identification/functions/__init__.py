"""What the functions on edges are: their pieces, points and knots, their recursion, or another basis."""
