"""lamella on the LSST middleware: repositories, storage classes, tasks. Needs the extra ``[lsst]``."""

from __future__ import annotations

from ..startup import lighten_imports

__all__ = ()

lighten_imports()  # of pipetask, and of programs
