"""A batch system of one machine, and lamella on it."""
