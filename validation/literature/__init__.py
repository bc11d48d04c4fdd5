"""What other papers claim about spline networks: their statements, with source and place, measured here."""
