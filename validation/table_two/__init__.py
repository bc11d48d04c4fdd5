"""Table 2 of [S26]: which networks and which five runs its numbers are those of, and its trainings run again."""
