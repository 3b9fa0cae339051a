"""What fluxes are measured in: nJy, or the units of a reference exposure where nobody knows a zero point."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import astropy.units as u

from ..errors import CalibrationError
from .photometry import magnitude

__all__ = ("NJY", "FluxUnit", "flux_unit_of")


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class FluxUnit:
    """Unit of fluxes, and what it is relative to.

    Fluxes of two units do not add up: ``adu`` of one exposure is not ``adu`` of another.

    Raises
    ------
    CalibrationError
        Raised when the name is not that of a unit, when it is a unit of flux density other than nJy, or when
        nJy has a reference.
    """

    name: str = "nJy"
    """Name of the unit, as in FITS headers: ``nJy``, ``adu``, ``electron / s``."""
    reference: str = ""
    """Name of the exposure whose pixels are in this unit; empty for nJy, and where it is not known."""

    def __post_init__(self) -> None:
        try:
            unit = u.Unit(self.name)
        except (ValueError, TypeError):
            raise CalibrationError(f"{self.name!r} is no unit of fluxes.", found=self.name) from None
        if unit.is_equivalent(u.nJy) and (self.name != "nJy" or self.reference):
            raise CalibrationError(
                f"Fluxes in {self} have magnitudes; expected nJy, without a reference exposure.",
                found=self.name,
            )

    @property
    def is_absolute(self) -> bool:
        """Whether fluxes have magnitudes."""
        return self.name == "nJy"

    @property
    def unit(self) -> u.UnitBase:
        """The unit of pixels, as planes of `lsst.images` carry it."""
        return u.Unit(self.name)

    def magnitude(self, flux: float) -> float | None:
        """Return the AB magnitude of a flux; `None` where fluxes have none."""
        return float(magnitude(flux)) if self.is_absolute else None

    @property
    def note(self) -> str:
        """What a user must know of fluxes in this unit; empty for nJy."""
        if self.is_absolute:
            return ""
        return f"Fluxes are in {self}: no zero point is known, so that they have no magnitudes."

    def __str__(self) -> str:
        if self.reference:
            return f"{self.name} of the reference exposure {self.reference}"
        return self.name if self.is_absolute else f"{self.name} of an unknown zero point"


NJY = FluxUnit()
"""The unit of fluxes that have magnitudes."""


class _Measured(Protocol):
    @property
    def flux_unit(self) -> FluxUnit: ...


def flux_unit_of(records: Sequence[_Measured]) -> FluxUnit:
    """Return the unit of fluxes that exposures, detectors or warps share; nJy of none."""
    return records[0].flux_unit if records else NJY
