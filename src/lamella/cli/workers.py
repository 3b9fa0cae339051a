"""How many threads a command uses."""

from __future__ import annotations

import os

import click

__all__ = ("count_cores", "workers_option")

workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="INTEGER",
    help="Patches, visits or tiles worked on at a time.  [default: number of cores]",
)


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
