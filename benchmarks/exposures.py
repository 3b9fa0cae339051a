"""Simulated exposures in plain FITS files, and the patch that they are resampled to.

Stars lie on a loose grid on the sky, so that they are at the same places in all
exposures.  Each exposure has its own rotation of up to 2 degrees, its own scale
within 0.1 %, and distortions (up to 2 pixels, fewer on small detectors), written as TPV or as the TAN-SIP
that is the same polynomial.  Beside the image there are a variance, a mask, a
weight map, and the TPV header as text for SWarp, which does not know SIP.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

CENTRE = (150.0, 2.0)
SCALE = 0.2
SIGMA = 1.7
"""Of the stars, in pixels."""
FLUX = 1e4
STEP = 50
STAMP = 14
DISTORTIONS = ("TAN", "SIP", "TPV")
_TERMS = [(p, q) for order in range(4) for p in range(order + 1) for q in [order - p]]
_PV = {4: (2, 0), 5: (1, 1), 6: (0, 2), 7: (3, 0), 9: (1, 2)}
"""Powers of the two coordinates in the terms of TPV that are used."""
BYTES_PER_PIXEL = 16
"""Of one exposure: image, variance, mask and weight."""


@dataclasses.dataclass(frozen=True)
class Exposures:
    """What is simulated, and where."""

    folder: Path
    count: int
    shape: tuple[int, int]
    """Rows and columns."""
    size: int
    """Width and height of the patch."""
    distortion: str = "TPV"
    spread: tuple[float, float] = (100.0, 100.0)
    """Largest distance of a centre from that of the patch, down and across, in pixels."""
    noise: float = 0.0
    """Standard deviation of a pixel; without noise the variance is 1."""
    detectors: int = 1
    """Exposures that have the same visit."""

    @property
    def table(self) -> Path:
        return self.folder / "exposures.csv"

    @property
    def skymap(self) -> Path:
        return self.folder / "skymap.json"

    @property
    def grid(self) -> Path:
        """The header of the patch as text."""
        return self.folder / "patch.head"

    @property
    def pixels(self) -> int:
        """Number of pixels of all exposures."""
        return self.count * math.prod(self.shape)

    @property
    def bytes_needed(self) -> int:
        return BYTES_PER_PIXEL * self.pixels

    def name(self, i: int, kind: str = "") -> Path:
        """Return a file: the image, or its variance, mask or weight."""
        return self.folder / f"exposure{i:03d}{f'.{kind}' if kind else ''}.fits"

    def files(self) -> list[Path]:
        """Return the files of all exposures."""
        kinds = ("", "variance", "mask", "weight")
        return [self.name(i, kind) for i in range(self.count) for kind in kinds]

    def subset(self, count: int) -> Exposures:
        return dataclasses.replace(self, count=count)


def patch_header(size: int) -> fits.Header:
    """Return the header of the patch."""
    centre = size // 2 + 1
    cards = {"SIMPLE": True, "BITPIX": -32, "NAXIS": 2, "NAXIS1": size, "NAXIS2": size}
    cards |= {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg"}
    cards |= {"CRVAL1": CENTRE[0], "CRVAL2": CENTRE[1], "CRPIX1": centre, "CRPIX2": centre}
    cards |= {"CD1_1": -SCALE / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": SCALE / 3600}
    return fits.Header({**cards, "RADESYS": "ICRS", "EQUINOX": 2000.0})


def exposure_header(number: int, of: Exposures, distortion: str, seed: int = 1) -> dict[str, Any]:
    """Return the header of an exposure; SIP and TPV are the same distortion."""
    rng = np.random.default_rng((seed, number))
    turn = math.radians(rng.uniform(-2.0, 2.0))
    scale = SCALE / 3600 * (1.0 + rng.uniform(-1e-3, 1e-3))
    down, across = rng.uniform(-1.0, 1.0, 2) * of.spread * SCALE / 3600
    # The corners of large detectors move by up to 2 pixels.
    side = max(of.shape)
    half, pixel = SCALE / 3600 * side / 2, SCALE / 3600 * min(1.0, side / 4096)
    terms = [
        {k: rng.uniform(-1, 1) * pixel / half**2 / (1 if k < 7 else 2 * half) for k in _PV} for _ in range(2)
    ]
    code = {"TAN": "TAN", "TPV": "TPV", "SIP": "TAN-SIP"}[distortion]
    cards = {"CTYPE1": f"RA---{code}", "CTYPE2": f"DEC--{code}", "CUNIT1": "deg", "CUNIT2": "deg"}
    ra = CENTRE[0] + across / math.cos(math.radians(CENTRE[1]))
    matrix = scale * np.array([[-math.cos(turn), math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    cards |= {"CRVAL1": ra, "CRVAL2": CENTRE[1] + down}
    cards |= {"CRPIX1": of.shape[1] / 2 + 0.5, "CRPIX2": of.shape[0] / 2 + 0.5}
    cards |= {f"CD{i + 1}_{j + 1}": float(matrix[i, j]) for i in (0, 1) for j in (0, 1)}
    if distortion == "TPV":
        for axis, coefficients in enumerate(terms, start=1):
            cards |= {f"PV{axis}_0": 0.0, f"PV{axis}_1": 1.0, f"PV{axis}_2": 0.0}
            cards |= {f"PV{axis}_{k}": value for k, value in coefficients.items()}
    elif distortion == "SIP":
        cards |= _sip_cards(terms, matrix, max(of.shape) / 2)
    return cards | {"RADESYS": "ICRS", "EQUINOX": 2000.0}


def _sip_cards(terms: list[dict[int, float]], matrix: np.ndarray, half: float) -> dict[str, float]:
    """Return the SIP polynomials that move pixels as TPV moves intermediate world coordinates.

    Both are of the third order, so that a fit of one to the other is exact.
    """
    u, v = (values.ravel() for values in np.mgrid[-1:1:9j, -1:1:9j])
    plane = matrix @ (half * np.stack([u, v]))
    moved = [
        # The first coordinate of the second axis is the second one.
        sum(value * a ** _PV[k][0] * b ** _PV[k][1] for k, value in one.items())
        for one, (a, b) in zip(terms, (plane, plane[::-1]), strict=True)
    ]
    shift = np.linalg.solve(matrix, np.stack(moved))
    powers = np.stack([u**p * v**q for p, q in _TERMS], axis=1)
    cards: dict[str, float] = {}
    for name, values in zip("AB", shift, strict=True):
        found = np.linalg.lstsq(powers, values, rcond=None)[0]
        cards[f"{name}_ORDER"] = 3
        for (p, q), value in zip(_TERMS, found, strict=True):
            if p + q > 1:
                cards[f"{name}_{p}_{q}"] = float(value / half ** (p + q))
    return cards


def draw_stars(shape: tuple[int, int], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return an image of stars."""
    image = np.zeros(shape, np.float32)
    offsets = np.arange(2 * STAMP + 1)
    for a, b in zip(x, y, strict=True):
        i, j = round(a) - STAMP, round(b) - STAMP
        px, py = (np.exp(-0.5 * ((offsets + k - c) / SIGMA) ** 2) for k, c in ((i, a), (j, b)))
        at = slice(j, j + offsets.size), slice(i, i + offsets.size)
        image[at] += FLUX / (2 * math.pi * SIGMA**2) * np.outer(py, px)
    return image


def star_grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where the stars are in the patch, in pixels."""
    rng = np.random.default_rng(7)
    ys, xs = np.mgrid[STEP // 2 : size : STEP, STEP // 2 : size : STEP]
    x, y = (values.ravel() + rng.uniform(-0.5, 0.5, values.size) for values in (xs, ys))
    return x, y


def make_exposures(of: Exposures) -> None:
    """Write the files of all exposures, their table, the sky map and the header of the patch."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    from lamella.sky.field import skymap_for_area

    of.folder.mkdir(parents=True, exist_ok=True)
    header = patch_header(of.size)
    of.grid.write_text(header.tostring(sep="\n", padding=False) + "\n")
    centre, scale = SkyCoord(*CENTRE, unit="deg"), SCALE * u.arcsec
    options = {"patch_size": of.size, "patch_border": 0}
    area = skymap_for_area(centre, (of.size - 0.5) * scale, scale, name="bench", **options)
    of.skymap.write_text(area.to_json())
    rows = ["file,variance_file,mask_file,image_hdu,variance_hdu,mask_hdu,band,visit,detector,psf_fwhm,unit"]
    fwhm = SIGMA * SCALE * math.sqrt(8 * math.log(2))
    for i in range(of.count):
        _make_exposure(i, of)
        names = ",".join(of.name(i, kind).name for kind in ("", "variance", "mask"))
        rows.append(f"{names},0,0,0,r,{i // of.detectors + 1},{i % of.detectors},{fwhm:.4f},nJy")
    of.table.write_text("\n".join(rows) + "\n")


def projection_of(header: Any) -> Any:
    from lamella.sky.projection import projection_from_header

    return projection_from_header(dict(header), path="simulated", hdu=0)


def star_places(i: int, of: Exposures) -> tuple[np.ndarray, np.ndarray]:
    """Return where the stars are in an exposure that are well inside of it, in pixels."""
    from lamella.sky.pixelmap import PixelMap

    source, patch = (
        projection_of(header) for header in (exposure_header(i, of, of.distortion), patch_header(of.size))
    )
    x, y = PixelMap(source, patch).to_source(*star_grid(of.size))
    margin = STAMP + 2
    inside = (x > margin) & (x < of.shape[1] - margin) & (y > margin) & (y < of.shape[0] - margin)
    return x[inside], y[inside]


def _make_exposure(i: int, of: Exposures) -> None:
    from lamella.fits.headers import add_plane_cards
    from lamella.planes import Layout, make_schema

    image = draw_stars(of.shape, *star_places(i, of))
    mask = np.where(image > 1.0, np.int32(Layout.of().bits(("DETECTED",))), np.int32(0))
    variance = of.noise**2 or 1.0
    if of.noise:
        image += np.float32(of.noise) * np.random.default_rng((3, i)).standard_normal(of.shape, np.float32)
    header = fits.Header(list(exposure_header(i, of, of.distortion).items()))
    flags = header.copy()
    add_plane_cards(flags, make_schema())
    fits.writeto(of.name(i), image, header)
    fits.writeto(of.name(i, "mask"), mask, flags)
    fits.writeto(of.name(i, "variance"), np.full(of.shape, variance, np.float32), header)
    fits.writeto(of.name(i, "weight"), np.full(of.shape, 1 / variance, np.float32), header)
    if of.distortion == "SIP":
        text = fits.Header(list(exposure_header(i, of, "TPV").items())).tostring(sep="\n", padding=False)
        for kind in ("", "weight"):
            path = of.name(i, kind)
            path.with_suffix(".head").write_text(text + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write simulated exposures.")
    parser.add_argument("options", help="values of Exposures, as JSON")
    values = json.loads(parser.parse_args().options)
    make_exposures(load(values))


def dump(of: Exposures) -> str:
    """Return the description of exposures as JSON."""
    return json.dumps(dataclasses.asdict(of), default=str)


def load(values: dict[str, Any]) -> Exposures:
    """Return exposures from what `dump` wrote."""
    pairs = {name: tuple(values[name]) for name in ("shape", "spread")}
    return Exposures(**{**values, **pairs, "folder": Path(values["folder"])})


if __name__ == "__main__":
    main()
