"""What the exit status of a command says.

======== ======================================================================
status   meaning
======== ======================================================================
0        every target is done; some may have had nothing to do
1 … 252  so many targets failed
253      the run did not start: its configuration, schemas or software versions
         differ from those stored with the output, or could not be stored; or
         an identifier of a coadd lacks a key
254      nothing to coadd: no target failed and none had anything to do, or there
         was no target
255      253 targets or more failed
======== ======================================================================

A wrong command line ends with 2, and an unknown ``--show`` with 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ("EXIT_NOTHING", "EXIT_NOT_STARTED", "exit_status")

EXIT_NOT_STARTED = 253
EXIT_NOTHING = 254
_MANY = 255


def exit_status(results: Sequence[Any]) -> int:
    """Return the exit status of a run.

    Parameters
    ----------
    results
        One per target, each with ``exitStatus`` (0 or not) and ``nothing`` (whether
        the target had nothing to do).
    """
    failed = sum(result.exitStatus != 0 for result in results)
    if failed:
        return failed if failed < EXIT_NOT_STARTED else _MANY
    return EXIT_NOTHING if all(result.nothing for result in results) else 0
