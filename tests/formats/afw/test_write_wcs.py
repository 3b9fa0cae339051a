"""Projections as text of AST: with the frames that afw asks for, and the same positions."""

import pickle
import re

import numpy as np
import pytest
from lsst.images import Box

from lamella.formats.afw.asttext import parse_ast
from lamella.formats.afw.exposure import AfwFile
from lamella.formats.afw.summaries import VisitSummary
from lamella.formats.afw.wcs import build_sky_wcs
from lamella.formats.afw.write_tables import OutputArchive
from lamella.formats.afw.write_wcs import add_projection, sky_wcs_text
from lamella.sky.projection import projection_from_header, same_grid

from .test_psf_coadd import header

BOX = Box.factory[0:4000, 0:4000]
SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 3e-6, "B_1_1": -2e-6}


class _Record:
    """What the reader asks of an object."""

    def __init__(self, text):
        self.text = text

    def row(self):
        return self

    def array(self, name):
        assert name == "wcs"
        return np.frombuffer(self.text, np.uint8)


def worst(ours, wanted, box):
    rng = np.random.default_rng(0)
    x, y = (rng.uniform(i.start - 0.5, i.stop - 0.5, 300) for i in (box.x, box.y))
    sky = wanted.pixel_to_sky(x=x, y=y)
    # AST's own way back from galactic coordinates is off by 3e-5 pixels.
    there, back = ours.sky_to_pixel(sky), wanted.sky_to_pixel(sky)
    mas = float(ours.pixel_to_sky(x=x, y=y).separation(sky).to_value("mas").max())
    return max(np.abs(there.x - back.x).max(), np.abs(there.y - back.y).max()), mas


CARDS = {
    "equator": header(scale=0.2 / 3600, x=1000.0, y=2000.0),
    "pole": header(scale=0.2 / 3600, x=1000.0, y=2000.0) | {"CRVAL2": 89.9},
    "SIP": header(scale=0.2 / 3600, x=1000.0, y=2000.0)
    | SIP
    | {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"},
    "stereographic": header(scale=0.2 / 3600, x=1000.0, y=2000.0)
    | {"CTYPE1": "RA---STG", "CTYPE2": "DEC--STG"},
    "FK5": header(scale=0.2 / 3600, x=1000.0, y=2000.0) | {"RADESYS": "FK5", "EQUINOX": 2000.0},
    "galactic": header(scale=0.2 / 3600, x=1000.0, y=2000.0) | {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"},
}


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("stored", [False, True])
def test_positions_and_frames(name, stored):
    projection = projection_from_header(CARDS[name], path="t", hdu=0)
    if stored:
        projection = pickle.loads(pickle.dumps(projection))
    text = sky_wcs_text(projection, BOX)
    again = build_sky_wcs(_Record(text), None)
    pixels, mas = worst(again, projection, BOX)
    assert pixels < 1e-6
    assert mas < 1e-5
    tree = parse_ast(text.decode().partition("1 SkyWcs 0 ")[2])
    frames = [tree.part(f"Frm{number}") for number in range(1, tree.whole("Nframe", most=9) + 1)]
    names = [
        str(frame.sections["Frame"].get("Domain", "")).strip('"') if frame.name == "Frame" else "SKY"
        for frame in frames
    ]
    base, current, sky = tree.whole("Base", 1, most=9), tree.whole("Currnt", 1, most=9), frames[-1]
    assert (names, base, current, sky.name) == (["PIXELS", "IWC", "SKY"], 1, 3, "SkyFrame")
    assert sky.own.keys() >= {"SRef1", "SRef2"}
    assert re.match(rb'.*System = "ICRS"', text, re.DOTALL)
    # What was written once is written the same again.
    assert sky_wcs_text(again, BOX) == text


def test_the_middle_frame_of_a_tangent_plane_is_linear():
    text = sky_wcs_text(projection_from_header(CARDS["equator"], path="t", hdu=0), BOX).decode()
    first = text.partition("Map2 =")[2].partition("Map3 =")[0]
    assert set(re.findall(r"Begin (\w+)", first)) <= {"CmpMap", "MatrixMap", "ShiftMap", "WinMap"}


def test_projections_of_afw_are_kept_as_they_are(afw_files):
    summary = VisitSummary.read(afw_files / "drp_tasks_visitSummary_1176.fits.gz")
    outlines = [(entry.projection, entry.bbox) for entry in (summary.find(1176, n) for n in (0, 50, 103))]
    names = ("obs_base_calexp_hsc.fits", "afw_exposure-version-2.fits")
    outlines += [(file.projection, file.bbox) for file in (AfwFile(afw_files / name) for name in names)]
    for projection, box in outlines:
        again = build_sky_wcs(_Record(sky_wcs_text(projection, box)), None)
        assert again == projection


def test_one_projection_is_one_object():
    archive = OutputArchive()
    first, second = (projection_from_header(CARDS[name], path="t", hdu=0) for name in ("equator", "pole"))
    numbers = [add_projection(archive, projection, BOX) for projection in (first, second, first)]
    assert numbers == [1, 2, 1]


def test_grids_are_the_same_up_to_a_millionth_of_a_pixel():
    first = projection_from_header(CARDS["equator"], path="t", hdu=0)
    again = build_sky_wcs(_Record(sky_wcs_text(first, BOX)), None)
    assert first != again
    assert same_grid(first, again, BOX)
    moved = projection_from_header(
        CARDS["equator"] | {"CRPIX1": CARDS["equator"]["CRPIX1"] + 1e-5}, path="t", hdu=0
    )
    assert not same_grid(first, moved, BOX)
    assert same_grid(first, moved, BOX, tolerance=1e-4)
    assert not same_grid(first, projection_from_header(CARDS["pole"], path="t", hdu=0), BOX)
