"""How claim files are found, run, kept and reported."""
