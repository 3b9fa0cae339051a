from __future__ import annotations

from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astro_metadata_translator import makeObservationInfo
from astropy.coordinates import SkyCoord
from astropy.time import Time
from lsst.images import (
    Box,
    DetectorFrame,
    Image,
    Mask,
    MaskPlane,
    MaskSchema,
    ObservationSummaryStats,
    Polygon,
    VisitImage,
)
from lsst.images._transforms import _ast as astshim
from lsst.images.cameras import CameraFrameSet, Detector, DetectorAttributes, DetectorType, Orientation
from lsst.images.fields import ChebyshevField
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.data.exposure import Exposure
from lamella.errors import LamellaError, NoInputsError, UnitError, UnknownFormatError, UnreadableFileError
from lamella.formats.file_index import FileIndex
from lamella.formats.read_control import ReadControl
from lamella.formats.readers import Opening, find_format
from lamella.formats.recognise import open_exposures
from lamella.planes import Layout
from lamella.testing.contracts import check_exposure_source

from ...projections import tan_projection

BOX = Box.factory[10:70, 20:100]


def make_detector(visit: int = 7) -> Detector:
    # Frame sets are otherwise read from files; only here is one made.
    focal_plane = astshim.Frame(2, "Ident=FOCAL_PLANE")
    focal_plane.setUnit(1, "mm")
    focal_plane.setUnit(2, "mm")
    frames = astshim.FrameSet(focal_plane)
    frames.addFrame(1, astshim.UnitMap(2), astshim.Frame(2, "Ident=FIELD_ANGLE"))
    limits = "Bottom(1)=20,Top(1)=99,Bottom(2)=10,Top(2)=69"
    frames.addFrame(1, astshim.UnitMap(2), astshim.Frame(2, f"Ident=DETECTOR_3,{limits}"))
    attributes = DetectorAttributes(
        name="S00",
        id=3,
        type=DetectorType.SCIENCE,
        serial="s",
        bbox=BOX,
        orientation=Orientation(
            focal_plane_x=0, focal_plane_y=0, focal_plane_z=0, yaw=0 * u.deg, pitch=0 * u.deg, roll=0 * u.deg
        ),
        pixel_size=0.01,
        physical_type="CCD",
    )
    return Detector(attributes, [], CameraFrameSet("Cam", frames), visit=visit)


def make_visit_image(
    unit: u.UnitBase = u.nJy,
    planes: tuple[str, ...] = ("BAD", "SATURATED", "MINE"),
    visit: int = 7,
    **more: Any,
) -> VisitImage:
    rng = np.random.default_rng(visit - 7)
    image = Image(rng.normal(0.0, 3.0, BOX.shape).astype(np.float32), bbox=BOX, unit=unit)
    mask = Mask(0, schema=MaskSchema([MaskPlane(name, f"About {name}.") for name in planes]), bbox=BOX)
    bad = np.zeros(BOX.shape, dtype=bool)
    bad[5, 7] = True
    mask.set(planes[0], bad)
    mask.set(planes[-1], np.roll(bad, 3, axis=1))
    frame = DetectorFrame(instrument="Cam", visit=visit, detector=3, bbox=BOX)
    centre = SkyCoord(10.0, 1.0, unit="deg")
    return VisitImage(
        image,
        mask=mask,
        variance=Image(np.full(BOX.shape, 9.0, dtype=np.float32), bbox=BOX),
        sky_projection=tan_projection(centre, 0.2 * u.arcsec, (60.0, 40.0), pixel_frame=frame),
        obs_info=makeObservationInfo(
            physical_filter="Cam-r",
            datetime_begin=Time("2026-01-01T00:00:37", scale="tai"),
            datetime_end=Time("2026-01-01T00:01:37", scale="tai"),
            exposure_time=60 * u.s,
            visit_id=visit,
        ),
        summary_stats=ObservationSummaryStats(psfSigma=2.0, psfStarDeltaE1Median=0.003),
        psf=GaussianPointSpreadFunction(2.0, BOX, 31),
        detector=make_detector(visit),
        band="r",
        **more,
    )


def read(path: Path, **options: Any) -> Exposure:
    return open_exposures([path], control=ReadControl(**options)).sources[0].read()


def write(visit_image: VisitImage, folder: Path, name: str = "visit.fits") -> Path:
    visit_image.write(str(folder / name))
    return folder / name


def plane(exposure: Exposure, name: str) -> np.ndarray:
    mask = exposure.pixels.mask
    return (mask.array[..., 0] & Layout(mask.schema).bits([name])) != 0


@pytest.mark.parametrize("name", ["visit.fits", "visit.json"])
def test_a_visit_image_is_described_by_its_archive(tmp_path: Path, name: str) -> None:
    (source,) = open_exposures([write(make_visit_image(), tmp_path, name)])
    info = source.info
    assert str(info.id) == "Cam visit 7 detector 3"
    assert (info.band, info.physical_filter, info.format) == ("r", "Cam-r", "lsst-images")
    assert info.bbox == BOX
    assert info.psf_fwhm == pytest.approx(2.0 * 2.3548200 * 0.2)
    assert info.quality == {"psfStarDeltaE1Median": 0.003}
    assert info.mjd == pytest.approx(61041.0 + 30.0 / 86400, abs=1e-7)
    assert info.exposure_time == 60.0
    assert info.polygon is None
    centre = info.projection.pixel_to_sky(x=60.0, y=40.0)
    assert (centre.ra.deg, centre.dec.deg) == pytest.approx((10.0, 1.0))


@pytest.mark.parametrize("name", ["visit.fits", "visit.json"])
def test_pixels_and_psf_come_as_they_are(tmp_path: Path, name: str) -> None:
    original = make_visit_image()
    exposure = read(write(original, tmp_path, name), edge_width=0)
    assert exposure.pixels.bbox == BOX
    np.testing.assert_array_equal(exposure.pixels.image.array, original.image.array)
    np.testing.assert_array_equal(exposure.pixels.variance.array, original.variance.array)
    assert exposure.psf == original.psf
    assert exposure.to_njy == 1.0
    (note,) = exposure.notes
    assert note.startswith("Kept as information, as they are no planes that lamella knows: MINE (1 pixels).")
    check_exposure_source(*open_exposures([tmp_path / name]))


def test_planes_are_matched_by_name_not_by_bit(tmp_path: Path) -> None:
    exposure = read(write(make_visit_image(planes=("COSMIC_RAY", "BAD", "MINE")), tmp_path))
    assert np.argwhere(plane(exposure, "COSMIC_RAY")).tolist() == [[5, 7]]
    assert np.argwhere(plane(exposure, "MINE")).tolist() == [[5, 10]]
    assert not plane(exposure, "BAD").any()
    assert exposure.pixels.mask.schema.descriptions["MINE"] == "About MINE."


def test_a_rim_is_flagged_only_where_the_archive_has_none(tmp_path: Path) -> None:
    assert (
        plane(read(write(make_visit_image(), tmp_path, "a.fits")), "DETECTION_EDGE").sum()
        == 60 * 80 - 50 * 70
    )
    told = make_visit_image(planes=("DETECTION_EDGE", "MINE"))
    assert plane(read(write(told, tmp_path, "b.fits")), "DETECTION_EDGE").sum() == 1


def test_other_units_of_flux_density_are_converted(tmp_path: Path) -> None:
    assert read(write(make_visit_image(unit=u.uJy), tmp_path)).to_njy == pytest.approx(1000.0)


def test_electrons_are_scaled_with_the_image_s_own_scaling(tmp_path: Path) -> None:
    slope = ChebyshevField(BOX, np.array([[2.0, 0.5]]), unit=u.nJy / u.electron)
    exposure = read(write(make_visit_image(unit=u.electron, photometric_scaling=slope), tmp_path))
    scale: Any = exposure.to_njy
    assert scale(x=20.0, y=40.0) == pytest.approx(slope(x=20.0, y=40.0))
    assert scale(x=99.0, y=40.0) - scale(x=20.0, y=40.0) == pytest.approx(2 * 0.5 * 79 / 80)
    assert "photometric scaling" in exposure.notes[0]


def test_a_constant_scaling_is_a_number(tmp_path: Path) -> None:
    flat = ChebyshevField(BOX, np.array([[2.0]]), unit=u.uJy / u.electron)
    exposure = read(write(make_visit_image(unit=u.electron, photometric_scaling=flat), tmp_path))
    assert exposure.to_njy == pytest.approx(2000.0)


def test_units_without_a_way_to_flux_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnitError, match="unit: found electron without a scaling; expected nJy"):
        read(write(make_visit_image(unit=u.electron), tmp_path, "a.fits"))
    flat = ChebyshevField(BOX, np.array([[2.0]]), unit=u.m)
    with pytest.raises(UnitError, match="with a scaling in m"):
        read(write(make_visit_image(unit=u.electron, photometric_scaling=flat), tmp_path, "b.fits"))


def test_the_valid_region_is_kept(tmp_path: Path) -> None:
    region = Polygon.from_box(Box.factory[20:60, 30:90])
    (source,) = open_exposures([write(make_visit_image(bounds=region), tmp_path)])
    assert source.info.polygon == region


def test_the_sky_is_fitted_only_when_asked(tmp_path: Path) -> None:
    visit_image = make_visit_image()
    visit_image.image.array += 50.0
    path = write(visit_image, tmp_path)
    assert np.median(read(path).pixels.image.array) == pytest.approx(50.0, abs=0.5)
    fitted = read(path, subtract_background="always")
    assert np.median(fitted.pixels.image.array) == pytest.approx(0.0, abs=0.5)
    assert "Sky of" in fitted.notes[-1]


@pytest.mark.parametrize("plane", ["SATURATED", "BAD"])
def test_the_sky_is_that_of_pixels_that_are_not_masked(tmp_path: Path, plane: str) -> None:
    skies = []
    for name, value in (("a.fits", 0.0), ("b.fits", 80.0)):
        visit_image = make_visit_image()
        masked = np.zeros(visit_image.image.array.shape, bool)
        masked[5:35, 5:25] = True
        visit_image.mask.set(plane, masked)
        visit_image.image.array[masked] = value
        exposure = read(write(visit_image, tmp_path, name), subtract_background="always")
        skies.append(exposure.pixels.image.array[~masked])
    np.testing.assert_array_equal(*skies)


def test_other_archives_are_no_exposures(tmp_path: Path) -> None:
    make_visit_image().image.write(str(tmp_path / "image.fits"))
    with pytest.raises(NoInputsError):
        open_exposures([tmp_path])
    (source,) = find_format("lsst-images").open(tmp_path / "image.fits", Opening(FileIndex(), ReadControl()))
    with pytest.raises(UnknownFormatError, match=r"an archive of image; expected one of visit_image"):
        source.read()


def test_a_damaged_archive_is_unreadable(tmp_path: Path) -> None:
    path = write(make_visit_image(), tmp_path)
    path.write_bytes(path.read_bytes()[:40_000])
    with pytest.raises(UnreadableFileError):
        open_exposures([path])
    broken = write(make_visit_image(), tmp_path, "visit.json")
    broken.write_text(broken.read_text()[:-500])
    with pytest.raises(LamellaError):
        open_exposures([broken])
