"""How networks are trained on the published equations: set-ups, learning rates, trainers and starts."""
