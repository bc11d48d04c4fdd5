"""The stages of identification, each with the mathematics above it."""
