"""Instruments as the middleware wants them: one class for any name."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from lsst.pipe.base import Instrument
from lsst.utils.introspection import get_full_type_name

from ..errors import ConfigError

if TYPE_CHECKING:
    from lsst.daf.butler import DataId, FormatterV2
    from lsst.daf.butler.registry import Registry

__all__ = ("DETECTOR_MAX", "VISIT_MAX", "LamellaInstrument", "instrument_class", "instrument_record")

VISIT_MAX = 2**50
"""Numbers of visits are smaller than this; with `DETECTOR_MAX` they pack into 62 bits."""

DETECTOR_MAX = 2**12
"""Numbers of detectors are smaller than this."""

_NAME_LENGTH = 32
_MODULE = "lamella.tasks.instruments"


class LamellaInstrument(Instrument):
    """An instrument that is known by its calibrated exposures only.

    The middleware finds the class of an instrument by importing it.  That of
    HSC, for example, is ``lamella.tasks.instruments.HSC``.
    """

    name = "lamella"
    """Short name of the instrument."""

    @classmethod
    def getName(cls) -> str:
        """Return the short name of the instrument."""
        return cls.name

    def getRawFormatter(self, dataId: DataId) -> type[FormatterV2]:
        """Raise `NotImplementedError`: raw exposures are not for this package."""
        raise NotImplementedError("lamella reads calibrated exposures; it has no formatter for raw ones.")

    def register(self, registry: Registry, *, update: bool = False) -> None:
        """Add the instrument to a repository; its filters and detectors are added with exposures."""
        registry.syncDimensionData("instrument", instrument_record(type(self)), update=update)


@functools.cache
def instrument_class(name: str) -> type[LamellaInstrument]:
    """Return the class of an instrument.

    Parameters
    ----------
    name
        Short name, at most 32 characters.

    Raises
    ------
    ConfigError
        Raised when the name is empty or too long.
    """
    if not 0 < len(name) <= _NAME_LENGTH:
        message = f"The instrument's name {name!r} has {len(name)} characters; expected 1 to {_NAME_LENGTH}."
        raise ConfigError(message, option="instrument", found=name)
    values = {"name": name, "__module__": _MODULE, "__doc__": f"The instrument {name}."}
    return type(name.replace(".", "%2E"), (LamellaInstrument,), values)


def instrument_record(cls: type[Instrument]) -> dict[str, Any]:
    """Return the dimension record of an instrument, as plain values."""
    return {
        "name": cls.getName(),
        "visit_max": VISIT_MAX,
        "exposure_max": VISIT_MAX,
        "detector_max": DETECTOR_MAX,
        "class_name": get_full_type_name(cls),
        "visit_system": 0,
    }
