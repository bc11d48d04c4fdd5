"""Training: losses, optimisers, multilevel and adaptive training, and problems with reference solutions."""
