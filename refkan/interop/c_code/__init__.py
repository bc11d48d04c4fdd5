"""Networks as functions in C, with a proven bound of what they compute."""
