"""What notebooks show of coadds, warps and exposures: a small picture, and a table of the main numbers."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterable
from html import escape

from lsst.images import Image

from ..coadd.summary import summarize
from ..data.coadd import PatchCoadd
from ..data.exposure import Exposure
from ..data.texts import box_text, counted, place_text
from ..data.warp import Warp
from ..errors import LamellaError
from ..visible import visible
from .picture import image_picture

__all__ = ("coadd_html", "exposure_html", "warp_html")

_SIDE = 400
"""Pixels of the longer side of the picture."""
_MOST_BYTES = 120_000
_QUALITIES = (85, 60, 30)
_LONGEST = 120
"""Characters of a text that are shown."""

type _Rows = Iterable[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """What a picture needs of an image."""

    image: Image
    band: str


def coadd_html(coadd: PatchCoadd) -> str:
    """Return a picture and the numbers of a coadd as HTML."""
    title = f"Coadd {coadd.band}, tract {coadd.tract}, patch {coadd.patch[0]},{coadd.patch[1]}"
    return _page(title, _Drawn(coadd.image, coadd.band), _coadd_rows(coadd))


def _coadd_rows(coadd: PatchCoadd) -> _Rows:
    yield "Band", coadd.band
    yield "Sky map", coadd.skymap
    yield from _place(coadd)
    visits = len({(item.id.instrument, item.id.visit) for item in coadd.detectors})
    yield "Visits", f"{visits} ({counted(len(coadd.detectors), 'image')}), {len(coadd.rejections)} left out"
    yield "Visits per pixel", f"up to {int(coadd.exposure_count.array.max(initial=0))}"
    summary = summarize(coadd)
    if summary.depth is not None:
        yield "Depth", f"{summary.depth:.2f} mag (5σ point source)"
    elif summary.flux_limit is not None:
        yield "Depth", f"{summary.flux_limit:.4g} {summary.flux_unit} (5σ point source)"
    if summary.psf_fwhm is not None:
        yield "PSF", f"{summary.psf_fwhm:.2f} arcsec FWHM"
    yield "Unit", str(coadd.flux_unit)
    yield "Mask", ", ".join(summary.mask_fractions) or "no plane has a pixel"


def warp_html(warp: Warp) -> str:
    """Return a picture and the numbers of a warp as HTML."""
    rows = [
        ("Band", warp.band),
        *_place(warp),
        ("Detectors", ", ".join(str(item.id.detector) for item in warp.detectors)),
        ("Matched", "no" if warp.matched_psf is None else "to a common PSF"),
        ("Unit", str(warp.flux_unit)),
    ]
    return _page(f"Warp of {warp.instrument} visit {warp.visit}", _Drawn(warp.image, warp.band), rows)


def exposure_html(exposure: Exposure) -> str:
    """Return a picture and the numbers of an exposure as HTML."""
    info = exposure.info
    width = "not known" if info.psf_fwhm is None else f"{info.psf_fwhm:.2f} arcsec FWHM"
    rows = [
        ("Band", info.band),
        ("File", info.path),
        ("Pixels", box_text(info.bbox)),
        ("Centre", place_text(info.projection, info.bbox).removeprefix("centre ")),
        ("PSF", width),
        ("Unit", str(info.flux_unit)),
        *((name.capitalize(), f"{item.kind} {item.how}") for name, item in info.origins.items()),
    ]
    return _page(f"Exposure {info.id}", _Drawn(exposure.pixels.image, info.band), rows)


def _place(image: PatchCoadd | Warp) -> _Rows:
    yield "Pixels", box_text(image.bbox)
    yield "Centre", place_text(image.sky_projection, image.bbox).removeprefix("centre ")


def _page(title: str, drawn: _Drawn, rows: _Rows) -> str:
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(visible(name))}</th>'
        f'<td style="text-align:left">{escape(_short(text))}</td></tr>'
        for name, text in rows
    )
    style = "display:flex;gap:1em;flex-wrap:wrap;align-items:flex-start"
    return (
        f'<div><strong>{escape(_short(title))}</strong><div style="{style}">'
        f"{_picture(drawn)}<table>{cells}</table></div></div>"
    )


def _short(text: str) -> str:
    text = visible(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _picture(drawn: _Drawn) -> str:
    """Return the picture as an element of HTML; none where it cannot be drawn."""
    try:
        picture = image_picture(drawn, max_side=_SIDE)
        content = next(data for quality in _QUALITIES if len(data := picture.jpeg(quality)) < _MOST_BYTES)
    except (LamellaError, ValueError, StopIteration):
        return ""  # the numbers are worth showing all the same
    text = base64.b64encode(content).decode()
    size = "max-width:400px;image-rendering:auto"
    return f'<img style="{size}" alt="{escape(visible(picture.alt))}" src="data:image/jpeg;base64,{text}">'
