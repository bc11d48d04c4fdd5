"""Networks trained on the differential equations of the papers: Poisson, Burgers, Allen-Cahn."""
