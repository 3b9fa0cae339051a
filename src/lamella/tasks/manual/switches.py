"""The switches of ``assembleCoadd.py``, which choose the task that it runs."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ("SWITCHES", "add_switches")

SWITCHES = {
    "--legacyCoadd": "assembleCoadd",
    "--warpCompareCoadd": "compareWarpAssembleCoadd",
    "--compareWarpCoadd": "compareWarpAssembleCoadd",
}
"""The names of the tasks; without a switch it is ``safeClipAssembleCoadd``."""


class _Switch(argparse.Action):
    """Ends a command that has come to the parser of one task with a switch for another."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option_string: str | None = None
    ) -> None:
        """Say that the choice has been made."""
        parser.error(f"{option_string} is for the command assembleCoadd.py; here the class is the choice")


def add_switches(parser: argparse.ArgumentParser) -> None:
    """List the switches in the help of a parser; the command has taken them out before it parses."""
    group = parser.add_argument_group(
        "tasks",
        "Without a switch it is SafeClipAssembleCoaddTask, which compares a mean with a clipped mean.",
    )
    group.add_argument(
        "--legacyCoadd", action=_Switch, nargs=0, help="AssembleCoaddTask: a mean that may be clipped"
    )
    group.add_argument(
        "--warpCompareCoadd", "--compareWarpCoadd", action=_Switch, nargs=0,
        help="CompareWarpAssembleCoaddTask: compares PSF-matched warps with the static sky",
    )  # fmt: skip
