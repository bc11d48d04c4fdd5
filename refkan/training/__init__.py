"""Training: losses, optimisers, multilevel and adaptive training, problems with reference solutions, and recipes."""
