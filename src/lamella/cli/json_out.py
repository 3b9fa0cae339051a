"""JSON for scripts: one value, alone on standard output."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import click

__all__ = ("dry_run_option", "json_option", "plain", "print_json")

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON on standard output, and nothing else."
)


dry_run_option = click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be done, and about what it takes: exposures, patches, pixels, time, memory, disk. "
    "Nothing is written, and no pixels are read.",
)


def print_json(value: Any) -> None:
    """Print a value as JSON; numbers that are not finite become null."""
    click.echo(json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=False))


def plain(value: Any) -> Any:
    """Return a value of mappings, sequences, texts and numbers, numpy's included, as JSON has them."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)
