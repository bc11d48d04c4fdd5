"""Methods for least squares: Gauss-Newton, natural gradient, Levenberg-Marquardt, variable projection."""
