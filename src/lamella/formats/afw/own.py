"""What lamella adds to the files that it writes in the layout of afw, to know its own again."""

from __future__ import annotations

import re
from typing import Any

from lsst.images import Box, SkyProjection, TractFrame

from ...data.flux_unit import NJY, FluxUnit
from ...fits.read import Header, header_text
from ...fits.text import OWN_CARD, own_text
from ..units import relative_unit
from .exposure import AfwFile

__all__ = ("OWN_CARD", "box_to_card", "card_to_box", "is_own", "own_flux_unit", "own_projection")

_BOX = re.compile(r"(-?\d{1,10}):(-?\d{1,10}),(-?\d{1,10}):(-?\d{1,10})")


def is_own(file: AfwFile) -> bool:
    """Return whether lamella wrote a file; its planes are as they were then."""
    return OWN_CARD in file.container.primary


def own_flux_unit(file: AfwFile) -> FluxUnit:
    """Return the unit of fluxes: of a reference exposure, if lamella wrote the file and says so, or nJy.

    Raises
    ------
    UnitError
        Raised when a card is damaged.
    """
    header = file.container.primary
    if not is_own(file) or "FLUXUNIT" not in header:
        return NJY
    name, reference = own_text(header, "FLUXUNIT"), own_text(header, "FLUXREF")
    return relative_unit(name, reference, path=file.container.path, where="FLUXUNIT")


def box_to_card(box: Box) -> str:
    """Return the text of a box, rows first: ``"0:4200,100:4300"``."""
    return f"{box.y.start}:{box.y.stop},{box.x.start}:{box.x.stop}"


def card_to_box(file: AfwFile, key: str) -> Box | None:
    """Return the box of a card, or `None` when there is no such card.

    Raises
    ------
    InputError
        Raised when the card holds something else.
    """
    header: Header = file.container.primary
    if key not in header:
        return None
    text = header_text(header, key)
    corners = _BOX.fullmatch(text)
    y0, y1, x0, x1 = (int(number) for number in corners.groups()) if corners else (0, 0, 0, 0)
    if y1 <= y0 or x1 <= x0:
        raise file.container.problem(repr(text), "a box of pixels", key)
    return Box.factory[y0:y1, x0:x1]


def own_projection(file: AfwFile) -> SkyProjection[Any]:
    """Return the projection of a file, with the frame of its tract where the file names one.

    Raises
    ------
    InputError
        Raised when a card is damaged.
    ProjectionError
        Raised when there is no projection.
    """
    projection = file.projection
    box = card_to_box(file, "TRACTBOX") if is_own(file) else None
    if box is None:
        return projection
    header = file.container.primary
    tract = header.get("TRACT")
    if isinstance(tract, bool) or not isinstance(tract, int):
        raise file.container.problem(repr(tract), "a number", "TRACT")
    frame = TractFrame(skymap=own_text(header, "SKYMAP"), tract=tract, bbox=box)
    frames: Any = projection.pixel_to_sky_transform._ast_mapping
    return SkyProjection.from_ast_frame_set(frames, frame)
