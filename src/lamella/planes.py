"""Names of mask planes, and the bits that they have in lamella's arrays.

Planes are named as `lsst.images` names them.  The shorter names of the
original pipelines (``SAT``, ``CR``, ``INTRP``, ``EDGE``, ...) are accepted
everywhere through one table of aliases.

Inside lamella a mask has one int32 per pixel, and the planes of
`STANDARD_PLANES` have the same bits everywhere; further planes of an input
follow behind them, sorted by name, so that bits do not depend on the order in
which files are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .errors import MaskPlaneError
from .suggestions import nearest

if TYPE_CHECKING:
    import numpy as np
    from lsst.images import MaskSchema

__all__ = (
    "ALIASES",
    "BAD_MASK_PLANES",
    "SKY_PLANES",
    "STANDARD_PLANES",
    "Layout",
    "is_standard",
    "legacy_name",
    "make_schema",
    "plane_name",
    "plane_names",
    "suggestion",
)

STANDARD_PLANES: dict[str, str] = {
    "BAD": "Bad pixel of the detector.",
    "SATURATED": "Pixel was saturated, or touched by the bleed trail of a saturated one.",
    "INTERPOLATED": "Value was interpolated from neighbouring pixels.",
    "COSMIC_RAY": "A cosmic ray hit this pixel.",
    "DETECTION_EDGE": "Pixel is within a rim along the edge of the detector.",
    "DETECTED": "Pixel is part of a detected source.",
    "DETECTED_NEGATIVE": "Pixel is part of a detected source of negative flux.",
    "SUSPECT": "Value is doubtful, e.g. close to saturation or of low weight.",
    "NO_DATA": "There is no measurement at this pixel.",
    "VIGNETTED": "Pixel was vignetted by the optics.",
    "STREAK": "A satellite or another extended streak crossed this pixel.",
    "CLIPPED": "At least one input was left out here because its value disagreed with the others.",
    "REJECTED": "At least one input was left out here because its pixel was masked.",
    "SENSOR_EDGE": "The edge of a contributing detector is here, so that the PSF is discontinuous.",
    "INEXACT_PSF": "The inputs used here differ from those of the PSF model.",
    "BRIGHT_OBJECT": "Pixel is within the mask of a bright object.",
    "CROSSTALK": "Pixel was corrected for crosstalk.",
    "NOT_DEBLENDED": "Pixel belongs to a source that was not deblended.",
    "UNMASKED_NAN": "Value was NaN without a reason on record.",
    "PARTLY_VIGNETTED": "Pixel was partly vignetted by the optics.",
    "ITL_DIP": "Pixel is on a dark trail from a bright source, on an ITL detector.",
    "SPIKE": "Pixel is near a diffraction spike.",
    "GHOST": "Pixel is within an optical ghost.",
    "TRANSIENT": "Value differs from other epochs of the same place.",
}
"""Name and meaning of the standard planes, in bit order from bit 0."""

BAD_MASK_PLANES: tuple[str, ...] = ("NO_DATA", "BAD", "SATURATED", "DETECTION_EDGE")
"""Pixels with one of these planes are left out of coadds and weights, unless something else is asked for."""

SKY_PLANES = frozenset({"DETECTED", "DETECTED_NEGATIVE", "NOT_DEBLENDED"})
"""Planes that say what is seen at a pixel; they are no reason why it has no value."""

ALIASES: dict[str, str] = {
    "SAT": "SATURATED",
    "INTRP": "INTERPOLATED",
    "CR": "COSMIC_RAY",
    "EDGE": "DETECTION_EDGE",
    "UNMASKEDNAN": "UNMASKED_NAN",
}
"""Names of the original pipelines, and what they are called here."""

_LEGACY = {new: old for old, new in ALIASES.items()}
_MAX_PLANES = 31


def plane_name(name: str) -> str:
    """Return the name that lamella uses for a mask plane."""
    return ALIASES.get(name, name)


def plane_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that lamella uses for some mask planes, without repeats."""
    return tuple(dict.fromkeys(plane_name(name) for name in names))


def is_standard(name: str) -> bool:
    """Tell whether a name is that of a standard plane, or an alias of one."""
    return plane_name(name) in STANDARD_PLANES


def suggestion(name: str) -> str:
    """Return ``"; did you mean BAD?"`` for a name much like that of a standard plane, else an empty text."""
    return nearest(name, [*STANDARD_PLANES, *ALIASES])


def legacy_name(name: str) -> str:
    """Return the name that the original pipelines use for a mask plane."""
    return _LEGACY.get(name, name)


def make_schema(extra: Iterable[str] = (), *, descriptions: dict[str, str] | None = None) -> MaskSchema:
    """Return the schema of lamella's masks: one int32 per pixel.

    Parameters
    ----------
    extra
        Names of planes beyond the standard ones, in any order.
    descriptions
        Meaning of the extra planes, where known.

    Raises
    ------
    MaskPlaneError
        Raised when there are more than 31 planes.
    """
    import numpy as np
    from lsst.images import MaskPlane, MaskSchema

    # Sorted, so that bits do not depend on the order in which files are read.
    more = sorted(set(plane_names(extra)) - set(STANDARD_PLANES))
    if len(STANDARD_PLANES) + len(more) > _MAX_PLANES:
        raise MaskPlaneError(
            f"{len(STANDARD_PLANES)} standard planes and {len(more)} others ({', '.join(more)}) "
            f"do not fit into {_MAX_PLANES} bits.",
            planes=more,
        )
    meaning = descriptions or {}
    planes = [MaskPlane(name, text) for name, text in STANDARD_PLANES.items()]
    planes += [MaskPlane(name, meaning.get(name, f"Plane {name} of the inputs.")) for name in more]
    return MaskSchema(planes, dtype=np.int32)


class _Bit:
    """The bit of a plane, as an attribute of a `Layout`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, layout: Layout, owner: type[Layout]) -> int:
        return layout.bits((self._name,))


class Layout:
    """The planes of int32 masks of shape (y, x), with their bits.

    It is made once, with the images of a stage, and handed down.

    Parameters
    ----------
    schema
        A schema made by `make_schema`.
    """

    bad = _Bit("BAD")
    saturated = _Bit("SATURATED")
    interpolated = _Bit("INTERPOLATED")
    edge = _Bit("DETECTION_EDGE")
    no_data = _Bit("NO_DATA")
    clipped = _Bit("CLIPPED")
    rejected = _Bit("REJECTED")
    sensor_edge = _Bit("SENSOR_EDGE")
    inexact_psf = _Bit("INEXACT_PSF")

    def __init__(self, schema: MaskSchema) -> None:
        self.schema = schema
        self._bits = {name: int(schema.bit(name).mask) for name in schema.names}

    @classmethod
    def of(cls, *schemas: MaskSchema, names: Iterable[str] = ()) -> Layout:
        """Make the layout of the standard planes and those of schemas, and further ones by name."""
        return cls(make_schema({*names, *(name for schema in schemas for name in schema.names)}))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all planes, from the lowest bit."""
        return tuple(self._bits)

    def bits(self, names: Iterable[str], *, missing_ok: bool = False) -> int:
        """Return the bits of planes, or-ed together.

        Parameters
        ----------
        names
            Names of planes; aliases are accepted.
        missing_ok
            Whether a plane that there is not counts as no bit.

        Raises
        ------
        MaskPlaneError
            Raised when there is no such plane and ``missing_ok`` is false.
        """
        total = 0
        for name in plane_names(names):
            if name in self._bits:
                total |= self._bits[name]
            elif not missing_ok:
                hint = suggestion(name) or "."
                raise MaskPlaneError(
                    f"There is no mask plane {name!r}; there are: {', '.join(self._bits)}{hint}", plane=name
                )
        return total

    def moved(self, mask: np.ndarray, layout: Layout) -> np.ndarray:
        """Move the bits of a mask with another layout in place, by name, and return it."""
        if layout._bits.items() <= self._bits.items():
            return mask  # as nearly always: most inputs have the standard planes alone
        moves = [(bit, self.bits((name,))) for name, bit in layout._bits.items()]
        old = mask.copy()
        # Planes that keep their bits stay in one step; a bit without a plane is dropped.
        mask &= sum(before for before, after in moves if before == after)
        for before, after in moves:
            if before != after:
                mask[(old & before) != 0] |= after
        return mask
