"""Code against the formulas: published backends, layers with one defect each, the gradients of refkan itself."""
