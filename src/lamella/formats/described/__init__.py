"""Surveys as descriptions: from TOML to rows of exposure tables."""
