"""What a command knows of the process that it runs in."""

from __future__ import annotations

import dataclasses

import click

__all__ = ("Process", "ends_with_command")


@dataclasses.dataclass(frozen=True)
class Process:
    """The process of a command.

    Attributes
    ----------
    ends
        Whether it ends with the command, as that of a command line does.
    """

    ends: bool


def ends_with_command(ctx: click.Context) -> bool:
    """Return whether the process of a command ends with it."""
    process = ctx.find_object(Process)
    return process is not None and process.ends
