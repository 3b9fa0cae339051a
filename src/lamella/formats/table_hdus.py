"""Which HDUs of the files of a table row hold which plane, and which header holds the WCS of the image."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from ..errors import InputError, MissingPartError, ProjectionError
from ..fits.read import Header, hdu_label, header_text, image_axes, is_hdu
from .plane_roles import hdu_role

__all__ = (
    "default_image",
    "flat_shape",
    "hdu_index",
    "inherits_wcs",
    "is_other_plane",
    "require_distinct",
    "wcs_index",
)

_WCS_CARD = re.compile(r"(CTYPE|CRVAL|CRPIX|CDELT|CROTA)\d|(CD|PC)\d_\d|[AB]_(ORDER|\d+_\d+)|PV\d_\d+")
_CELESTIAL = re.compile(r"(RA|DEC|\wLON|\wLAT)-.*")
_COMPLETE = tuple(f"{key}{axis}" for key in ("CTYPE", "CRVAL", "CRPIX") for axis in (1, 2))


def flat_shape(header: Header) -> tuple[int, int] | None:
    """Return the shape (y, x) of a 2-d image, or of one with more axes that all have the length 1."""
    axes = image_axes(header)
    if len(axes) < 2 or any(size != 1 for size in axes[:-2]):
        return None
    return axes[-2], axes[-1]


def hdu_index(headers: Sequence[Header], hdu: str | int, path: Path) -> int:
    """Return the index of an HDU that is given by its index or name: EXTNAME, or EXTNAME,EXTVER, in any case.

    Raises
    ------
    MissingPartError
        Raised when there is no such HDU.
    """
    for index, header in enumerate(headers):
        if is_hdu(hdu, index, header):
            return index
    names = _hdu_names(headers, range(len(headers)))
    raise MissingPartError(path, where=hdu_label(hdu), found=f"only HDUs {names}", expected="this HDU")


def _hdu_names(headers: Sequence[Header], indices: Iterable[int]) -> str:
    """Return indices and names of HDUs, for messages."""
    return ", ".join(f"{index} {header_text(headers[index], 'EXTNAME')}".strip() for index in indices)


def is_other_plane(header: Header) -> bool:
    """Return whether an HDU has the name, or the class, of weights, variances, flags or the like."""
    return hdu_role(header) is not None


def default_image(
    headers: Sequence[Header], taken: Collection[int], path: Path, *, cube: bool = False
) -> int:
    """Return the index of the HDU that is the image where nobody names one.

    Parameters
    ----------
    headers
        All headers of the file.
    taken
        Indices of HDUs that are other planes.
    path
        The file, for messages.
    cube
        Whether a cube of three planes is an image, too.

    Returns
    -------
    int
        The first with a 2-d image that is not taken and whose name is not
        that of weights, variances, flags or the like.

    Raises
    ------
    MissingPartError
        Raised when there is none, or one of more dimensions stands before it.
    """
    expected = "a 2-d image, or a column image_hdu that names it"
    for index, header in enumerate(headers):
        axes = image_axes(header)
        if index in taken or not axes or is_other_plane(header):
            continue
        if flat_shape(header) is None and not (cube and axes[-3] == 3):
            size = " x ".join(map(str, reversed(axes)))
            where, array = hdu_label(index), f"an array of {size} numbers"
            raise MissingPartError(path, where=where, found=array, expected=expected)
        return index
    contents = f"no 2-d image, but other planes and tables (HDUs {_hdu_names(headers, range(len(headers)))})"
    raise MissingPartError(path, found=contents, expected=expected)


def require_distinct(image: tuple[Path, int], others: dict[str, tuple[Path, int]], where: str) -> None:
    """Refuse an HDU that is said to be the image and something else.

    Parameters
    ----------
    image
        File and HDU of the image.
    others
        Those of the other planes, by their kinds.
    where
        The row, for messages.

    Raises
    ------
    InputError
        Raised when one of them is the same.
    """
    for kind, (path, index) in others.items():
        if index == image[1] and path.resolve() == image[0].resolve():
            roles = f"the same HDU as image and as {kind} ({where})"
            raise InputError(path, where=hdu_label(index), found=roles, expected="different HDUs")


def wcs_index(
    headers: Sequence[Header], image: int, taken: Collection[int], path: Path, *, named: bool
) -> int:
    """Return the index of the HDU whose header holds the WCS of an image.

    Parameters
    ----------
    headers
        All headers of the file.
    image
        Index of the image.
    taken
        Indices of HDUs that are other planes.
    path
        The file, for messages.
    named
        Whether the user says which HDU is the image.

    Returns
    -------
    int
        That of the image; 0 where the image has no card of a WCS, and a
        primary HDU without pixels has a complete one.

    Raises
    ------
    ProjectionError
        Raised when the WCS of the primary header could belong to several images, and nobody
        says which is meant.
    """
    if not inherits_wcs(headers, image, path):
        return image
    if named:
        return 0
    # Images of the sky whose WCS would be that of the primary header.
    sharing = [
        index
        for index, header in enumerate(headers)
        if index not in taken and flat_shape(header) is not None and not is_other_plane(header)
        if inherits_wcs(headers, index, path)
    ]
    if len(sharing) > 1:
        names = _hdu_names(headers, sharing)
        raise ProjectionError(
            path,
            where=f"{hdu_label(0)}, the primary header",
            found=f"one WCS, which cannot belong to {len(sharing)} images without their own (HDUs {names})",
            expected="a WCS in the header of each image, or a column image_hdu that says whose it is",
        )
    return 0


def inherits_wcs(headers: Sequence[Header], image: int, path: Path) -> bool:
    """Return whether the WCS of an image can only be that of the primary header."""
    if image == 0 or any(map(_WCS_CARD.fullmatch, headers[image])) or headers[0].get("NAXIS") != 0:
        return False
    if headers[image].get("INHERIT") is False:
        return False
    primary = headers[0]
    types = [header_text(primary, f"CTYPE{axis}").upper() for axis in (1, 2)]
    return all(key in primary for key in _COMPLETE) and all(map(_CELESTIAL.fullmatch, types))
