"""Data-quality maps of the DECam Community Pipeline.

From version 3.5.0 of that pipeline a pixel holds one code, before it held
bits.  The version is in the header (PLVER).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...errors import InputError

__all__ = ("CODES", "LOST", "OLD_BITS", "decode_flags")

LOST = "NO_DATA"
"""Plane of pixels whose value must not be used."""

CODES: dict[int, tuple[str, ...]] = {
    1: ("BAD", LOST),
    2: (LOST,),
    3: ("SATURATED", LOST),
    4: ("SATURATED", LOST),
    5: ("COSMIC_RAY", "BAD", LOST),
    6: ("SUSPECT",),
    7: ("TRANSIENT",),
    8: ("STREAK", "BAD", LOST),
}
"""Planes of each code: bad, no value, saturated, bleed trail, cosmic ray, low weight, transient, streak.

The pipeline flags cosmic rays and streaks but does not repair them.  They are
BAD here as well, because a coadd takes COSMIC_RAY and STREAK to be repaired.
"""

_BAD_PIXEL = 1

OLD_BITS: dict[int, tuple[str, ...]] = {
    1: ("BAD", LOST),
    2: ("SATURATED", LOST),
    4: ("INTERPOLATED",),
    16: ("COSMIC_RAY", "BAD", LOST),
    64: ("SATURATED", LOST),
    128: ("TRANSIENT",),
    256: ("DETECTION_EDGE",),
    512: ("DETECTION_EDGE",),
    1024: ("STREAK", "BAD", LOST),
}
"""Planes of each bit before version 3.5.0."""

_FIRST_WITH_CODES = (3, 5)


def decode_flags(
    quality: np.ndarray, version: str, path: Path, undefined: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Turn a data-quality map into mask planes.

    Parameters
    ----------
    quality
        Integers, shape (y, x).
    version
        Version of the pipeline (PLVER); without one, values up to 8 are codes.
    path
        File, for messages.
    undefined
        Where the integers are undefined (BLANK), shape (y, x); such pixels are bad.

    Returns
    -------
    `dict` [`str`, `numpy.ndarray`]
        Boolean planes, shape (y, x).

    Raises
    ------
    InputError
        Raised when a value has no known meaning.
    """
    if not np.issubdtype(quality.dtype, np.integer):
        raise InputError(path, found=f"data quality of type {quality.dtype}", expected="integers")
    planes: dict[str, np.ndarray] = {}
    if undefined is not None:
        planes = {name: undefined.copy() for name in CODES[_BAD_PIXEL]}
        quality = np.where(undefined, 0, quality)
    numbers = re.search(r"(\d+)\.(\d+)", version)
    has_codes = numbers is None or (int(numbers[1]), int(numbers[2])) >= _FIRST_WITH_CODES
    meaning = CODES if has_codes else OLD_BITS
    values = np.unique(quality)
    _require_known(values, meaning, version, path)
    for value in values[values != 0]:
        chosen = quality == value
        bits = [value] if has_codes else [bit for bit in meaning if value & bit]
        for name in itertools.chain.from_iterable(meaning[int(bit)] for bit in bits):
            planes[name] = planes.get(name, False) | chosen
    return planes


def _require_known(
    values: np.ndarray, meaning: Mapping[int, tuple[str, ...]], version: str, path: Path
) -> None:
    every, codes = sum(meaning), {0, *meaning} if meaning is CODES else None
    unknown = [int(v) for v in values if (v not in codes if codes else v < 0 or v & ~every)]
    if unknown:
        text = ", ".join(map(str, unknown[:5]))
        kind = "codes 0 to 8" if codes else f"bits of {every}"
        raise InputError(
            path,
            where="data quality",
            found=f"the unknown value(s) {text}",
            expected=f"{kind} (pipeline version {version or 'not given'})",
        )
