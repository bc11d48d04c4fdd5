"""`refkan train`: its options, progress and remarks."""
