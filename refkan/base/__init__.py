"""What every other part of refkan may use: checks of arguments, errors, array types, whole files, resumed work."""
