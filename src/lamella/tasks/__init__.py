"""lamella on the LSST middleware: repositories, storage classes, tasks. Needs the extra ``[lsst]``."""

from __future__ import annotations

from ..startup import lighten_exit, lighten_imports

__all__ = ()

# Also in pipetask and in programs: the middleware is large.
lighten_imports()
lighten_exit()
