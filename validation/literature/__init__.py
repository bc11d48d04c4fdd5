"""What other papers claim about spline networks: conditioning, starts, bases, inputs, knots, rates, optimisers."""
