"""Of what gradients are the gradients, and in which settings."""
