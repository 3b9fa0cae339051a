"""Simulated exposures as files in the layouts of surveys, made from published cards."""
