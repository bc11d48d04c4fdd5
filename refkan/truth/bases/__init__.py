"""The bases of spline networks: their functions, the matrices between them, and knots that move."""
