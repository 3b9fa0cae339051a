"""Search for artifacts, and their rejection."""
