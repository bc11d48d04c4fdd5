"""Files that commands read: numbers, networks, and rows for them."""
