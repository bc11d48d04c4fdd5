"""Claims on the Allen-Cahn equation."""
