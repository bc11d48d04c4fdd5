"""Networks against networks at equal work: splines, ReLU powers, dense networks, the original KAN."""
