"""Cases by families: layers and samples, and the quantities asked of them."""
