"""Cases: layers, samples and quantities with their exact answers."""
