"""The record of how a visit compares with the coadd that it is in."""

from __future__ import annotations

import dataclasses

__all__ = ("VisitCheck",)


@dataclasses.dataclass(frozen=True, slots=True, order=True, kw_only=True)
class VisitCheck:
    """How a visit compares with the coadd that it is in.

    Attributes
    ----------
    instrument, visit
        Identity.
    sources
        Number of sources that both have.
    dx, dy
        Median offset of its sources from those of the other visits, in pixels of the coadd; `None` with too
        few of them, or with one visit.
    flux
        Median of its fluxes over those in the other visits; `None` with too few.
    noise
        Noise of its blank pixels over what its variance says; `None` where it cannot be measured.
    warning
        What a user should look at, or nothing.
    """

    instrument: str
    visit: int
    sources: int = 0
    dx: float | None = None
    dy: float | None = None
    flux: float | None = None
    noise: float | None = None
    warning: str = ""
