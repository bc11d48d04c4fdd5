"""Theorems: statements proven on pages of docs/theorems or by algebra on the spot, each with its certificate."""
