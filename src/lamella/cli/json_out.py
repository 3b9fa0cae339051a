"""JSON for scripts: one value, alone on standard output."""

from __future__ import annotations

import json
from typing import Any

import click

from ..visible import visible_json
from .screen import echo

__all__ = ("json_option", "print_json")

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON on standard output, and nothing else."
)


def print_json(value: Any) -> None:
    """Print a value as JSON; numbers that are not finite become null."""
    from ..config import plain

    text = json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=False)
    echo(visible_json(text))
