"""``lamella coadd`` on two epochs of SDSS frames, against the catalogue of another pipeline."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
import sep
from astropy.coordinates import SkyCoord

from lamella.data.coadd import PatchCoadd
from lamella.formats.archive.products import read_product
from lamella.formats.recognise import open_exposures

pytestmark = pytest.mark.slow

FRAMES = {  # upper part of a catalogue number: run and field as a visit, band
    65503754: (41920300, "r"),
    65505317: (41920300, "i"),
    99644381: (63770399, "r"),
    99645943: (63770399, "i"),
}
APERTURE = 6.0  # pixels; that of the catalogue


@dataclasses.dataclass(frozen=True)
class Matched:
    """Isolated stars of both epochs: weighted means of catalogue position and flux (nJy)."""

    sky: SkyCoord
    flux: np.ndarray


def read_catalogue(path: Path) -> dict[str, np.ndarray]:
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    names = lines[0].lstrip("#").split()
    columns = dict(zip(names, np.array([line.split() for line in lines[1:]]).T, strict=True))
    wanted = ("coord_ra", "coord_dec", "base_PsfFlux_instFlux", "base_PsfFlux_instFluxErr")
    values = {name: columns[name].astype(float) for name in wanted}
    values["aperture"] = columns["base_CircularApertureFlux_6_0_instFlux"].astype(float)
    values["frame"] = columns["id"].astype(np.int64) >> 32
    flags = ("PixelFlags_flag_edge", "PixelFlags_flag_saturated", "SdssCentroid_flag")
    flags += ("PixelFlags_flag_interpolatedCenter",)
    values["bad"] = np.any([columns[f"base_{flag}"] == "True" for flag in flags], axis=0)
    return values


def match(catalogue: dict[str, np.ndarray], coadd: PatchCoadd, njy: dict[int, float], band: str) -> Matched:
    weight = {int(row["visit"]): float(row["weight"]) for row in coadd.inputs}
    sky = SkyCoord(catalogue["coord_ra"], catalogue["coord_dec"], unit="deg")
    signal = catalogue["base_PsfFlux_instFlux"] / catalogue["base_PsfFlux_instFluxErr"]
    good = ~catalogue["bad"] & (signal > 50) & np.isfinite(catalogue["aperture"])
    frames = [frame for frame, (_, name) in FRAMES.items() if name == band]
    first, second = (np.flatnonzero(good & (catalogue["frame"] == frame)) for frame in frames)
    nearest, distance, _ = sky[first].match_to_catalog_sky(sky[second])
    close = distance < 0.5 * u.arcsec
    first, second = first[close], second[nearest[close]]
    everything = sky[np.isin(catalogue["frame"], frames)]
    neighbours = np.array([(everything.separation(sky[i]) < 12 * u.arcsec).sum() for i in first])
    first, second = first[neighbours <= 2], second[neighbours <= 2]  # the star itself, twice
    visits = [FRAMES[frame][0] for frame in frames]
    weights = [weight[visit] for visit in visits]

    def mean(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.average([one, other], axis=0, weights=weights)

    flux = catalogue["aperture"]
    position = [mean(catalogue[name][first], catalogue[name][second]) for name in ("coord_ra", "coord_dec")]
    return Matched(
        SkyCoord(*position, unit="deg"), mean(flux[first] * njy[visits[0]], flux[second] * njy[visits[1]])
    )


@pytest.mark.parametrize("band", ["r", "i"])
def test_fluxes_and_positions_of_isolated_stars(sdss: Path, shared: Path, band: str) -> None:
    data = shared / "data" / "sdss"
    coadd = read_product(sdss / f"coadd-{band}-0-0,0.fits")
    assert sorted(coadd.inputs["visit"]) == [41920300, 63770399]
    sources = [source for source in open_exposures([data]).sources if source.info.band == band]
    njy = {source.info.id.visit: source.read().to_njy for source in sources}
    stars = match(read_catalogue(data / "detected-sources_ri.txt.gz"), coadd, njy, band)
    assert stars.flux.size >= 30

    pixel = coadd.sky_projection.sky_to_pixel(stars.sky)
    image = np.where(np.isfinite(coadd.image.array), coadd.image.array, 0).astype(np.float32)
    x, y = pixel.x - coadd.bbox.x.start, pixel.y - coadd.bbox.y.start
    flux, _, _ = sep.sum_circle(image, x, y, APERTURE, subpix=0)
    ratio = flux / stars.flux - 1
    assert abs(np.median(ratio)) < 0.005
    assert 1.4826 * np.median(np.abs(ratio - np.median(ratio))) < 0.01

    found_x, found_y, _ = sep.winpos(image, x, y, np.full(x.size, 1.2))
    found = coadd.sky_projection.pixel_to_sky(x=found_x + coadd.bbox.x.start, y=found_y + coadd.bbox.y.start)
    assert np.median(found.separation(stars.sky).mas) < 30


@pytest.mark.parametrize("band", ["r", "i"])
def test_no_diffraction_spike_is_taken_for_a_streak(sdss: Path, band: str) -> None:
    """Twelve spikes of saturated stars in r, and two in i, turn between the visits."""
    coadd = read_product(sdss / f"coadd-{band}-0-0,0.fits")
    assert len(coadd.artifacts) == 2
    assert not coadd.artifacts["streak"].any()
