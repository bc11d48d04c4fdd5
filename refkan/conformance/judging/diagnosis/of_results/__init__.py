"""Hypotheses on results: a right computation with a wrong last step."""
