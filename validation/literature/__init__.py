"""What other papers claim about spline networks: conditioning, starts, other bases, inputs, evaluation."""
