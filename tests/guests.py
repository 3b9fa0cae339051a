"""Programs of a user who may not write: what an administrator installed, a home, temporary files.

The tests of a container are root, whom permissions do not bind: such a program gives up the privilege that
spares root from them (``CAP_DAC_OVERRIDE``), for which no other privilege is needed.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

__all__ = ("obey_permissions", "with_write_permission", "without_write_permission")

_VERSION_3, _CAP_DAC_OVERRIDE = 0x20080522, 1


def without_write_permission(*folders: Path) -> None:
    """Take the permission to write from folders and all that is in them."""
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            path.chmod(path.stat().st_mode & ~0o222)


def with_write_permission(folder: Path) -> None:
    """Give the permission back, so that it can be removed."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)


def obey_permissions() -> None:
    """Have permissions bind this process, and those that it starts, also if it is root.

    Raises
    ------
    OSError
        Raised when the system does not let a privilege go.
    """
    if os.getuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    # Effective, permitted and inheritable, of the first 32 privileges and of the others.
    sets = (ctypes.c_uint32 * 6)()
    drop_for_children = libc.prctl(24, _CAP_DAC_OVERRIDE, 0, 0, 0)  # PR_CAPBSET_DROP
    if drop_for_children or libc.capget(header, sets):
        raise OSError(ctypes.get_errno(), "CAP_DAC_OVERRIDE")
    for index in range(3):
        sets[index] &= ~(1 << _CAP_DAC_OVERRIDE)
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "CAP_DAC_OVERRIDE")
