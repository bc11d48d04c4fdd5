"""What other papers say of where knots and widths belong."""
