"""Of which function the gradients are derivatives, and in which settings."""
