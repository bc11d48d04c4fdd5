"""Numbers that programs are run over: polynomials with rational coefficients, their signs, and what is undefined."""
