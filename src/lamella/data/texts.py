"""What values say of themselves in a few lines: at most five, whatever they hold.

The values themselves (`lamella.data.coadd`, `.warp`, `.exposure`) call these functions.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from lsst.images import Box

__all__ = (
    "box_text",
    "coadd_text",
    "counted",
    "exposure_text",
    "info_text",
    "place_text",
    "provenance_text",
    "short",
    "warp_text",
)

_LONGEST = 60
"""Characters of a name that are shown."""
_FEW = 5


def short(text: str) -> str:
    """Return a text on one line, without its middle where it is long."""
    text = " ".join(text.split())
    half = _LONGEST // 2 - 1
    return text if len(text) <= _LONGEST else f"{text[:half]}...{text[-half:]}"


def box_text(box: Box) -> str:
    """Return size and place of a box: ``200 x 100 pixels from (x=3, y=0)``."""
    start = f" from (x={box.x.start}, y={box.y.start})" if (box.x.start, box.y.start) != (0, 0) else ""
    return f"{box.x.size} x {box.y.size} pixels{start}"


def place_text(projection: Any, box: Box) -> str:
    """Return the position of the centre of a box; an empty text where it has none."""
    try:
        sky = projection.pixel_to_sky(x=box.x.center, y=box.y.center).icrs
        return f"centre {sky.ra.deg:.5f} {sky.dec.deg:+.5f}"
    except Exception:  # a value must be shown whatever is wrong with it
        return "centre not on the sky"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _joined(*lines: str) -> str:
    return "\n  ".join(line for line in lines if line)


def coadd_text(coadd: Any) -> str:
    """Describe a coadd in four lines."""
    visits = len({(item.id.instrument, item.id.visit) for item in coadd.detectors})
    most = int(coadd.exposure_count.array.max(initial=0))
    options = coadd.settings.get("assemble", {})
    method = options.get("reject", {}).get("method", "none")
    rejection = f", rejection {method}" if method != "none" else ""
    statistic = f"; {options['statistic']}{rejection}" if "statistic" in options else ""
    return _joined(
        f"PatchCoadd: band {short(coadd.band)}, tract {coadd.tract}, patch {coadd.patch[0]},{coadd.patch[1]} "
        f"of sky map {short(coadd.skymap)!r}",
        f"{box_text(coadd.bbox)}, {place_text(coadd.sky_projection, coadd.bbox)}, in {coadd.flux_unit.name}",
        f"{counted(visits, 'visit')}, up to {most} per pixel; {len(coadd.rejections)} exposures left out"
        f"{statistic}",
    )


def warp_text(warp: Any) -> str:
    """Describe a warp in three lines."""
    psf = "" if warp.matched_psf is None else ", matched to a common PSF"
    return _joined(
        f"Warp: {short(warp.instrument)} visit {warp.visit}, band {short(warp.band)}, "
        f"{counted(len(warp.detectors), 'detector')}{psf}",
        f"{box_text(warp.bbox)}, {place_text(warp.sky_projection, warp.bbox)}, in {warp.flux_unit.name}",
    )


def info_text(info: Any) -> str:
    """Describe an exposure without its pixels in three lines."""
    width = "" if info.psf_fwhm is None else f", PSF {info.psf_fwhm:.3g} arcsec"
    time = "" if info.exposure_time is None else f", {info.exposure_time:.6g} s"
    return _joined(
        f"ExposureInfo: {info.id}, band {short(info.band)}{time}{width}",
        f"{box_text(info.bbox)}, {place_text(info.projection, info.bbox)}",
        f"of {short(info.path)}",
    )


def exposure_text(exposure: Any) -> str:
    """Describe an exposure in four lines."""
    scale = exposure.to_njy
    number = f"{scale:.6g}" if isinstance(scale, int | float) else "a field of"
    lines = info_text(exposure.info).splitlines()
    return "\n".join(
        [
            lines[0].replace("ExposureInfo", "Exposure", 1),
            *lines[1:],
            f"  {number} {exposure.info.flux_unit.name} per unit; {counted(len(exposure.notes), 'note')}",
        ]
    )


def provenance_text(provenance: Any) -> str:
    """Describe a record in three lines."""
    stages = Counter(item.stage for item in provenance.rejections)
    left_out = ", ".join(f"{number} by {stage}" for stage, number in _most(stages))
    return _joined(
        f"Provenance: {counted(len(provenance.detectors), 'input')}, "
        f"{counted(len(provenance.rejections), 'rejection')}{f' ({left_out})' if left_out else ''}",
        f"settings of {', '.join(map(str, provenance.settings)) or 'nothing'}; "
        f"versions of {counted(len(provenance.versions), 'package')}; "
        f"{counted(len(provenance.notes), 'note')}",
    )


def _most(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return the most frequent names and their numbers."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_FEW]
