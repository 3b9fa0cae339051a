"""The algorithms: plain functions on plain values."""
