"""`refkan spectrum`: studies, networks in files, and certificates."""
