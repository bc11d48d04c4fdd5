"""Running claim files: discovery, processes, resumed parts, and what became of each row."""
