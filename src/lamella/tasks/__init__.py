"""lamella on the LSST middleware: repositories, storage classes, tasks. Needs the extra ``[lsst]``."""

from __future__ import annotations

from ..startup import lighten_exit

__all__ = ()

lighten_exit()  # also of pipetask and of programs: the middleware is large
