"""Simulated inputs with known truth that benchmarks and tests share; users have `lamella.testing`."""
