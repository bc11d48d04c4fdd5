"""Functions as a whole, within intervals, and as formulas that round."""
