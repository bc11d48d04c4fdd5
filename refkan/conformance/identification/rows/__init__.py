"""What results of a row of samples, or functions of an input, depend on beside it."""
