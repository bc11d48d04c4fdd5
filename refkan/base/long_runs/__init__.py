"""Long work: resumed from checkpoints, interrupted, and on how many threads."""
