"""Where knots are: adaptive refinement, geometric transfer to refined knots, and knots that are trained."""
