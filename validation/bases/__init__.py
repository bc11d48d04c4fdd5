"""B-splines and ReLU powers: the spaces they span, the change of basis and its spectrum, accuracy and cost of both."""
