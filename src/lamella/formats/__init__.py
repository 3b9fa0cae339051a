"""Readers of other people's files, and writers."""
