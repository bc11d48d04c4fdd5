"""Set-ups: a problem with its points, conditions and reference solution, and the network proposed for it."""
