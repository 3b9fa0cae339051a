"""Warps of afw, and of `write_afw`, as inputs of a coadd."""

import numpy as np
import pytest
from lsst.images import Box

from lamella import assemble, open_warp, read_product, write_afw, write_archive
from lamella.coadd.stack.prepare import target_around
from lamella.data.detector import DetectorInput
from lamella.data.exposure import ExposureId
from lamella.errors import InputError, MissingPartError, UnreadableFileError
from lamella.formats.afw.exposure import AfwFile
from lamella.formats.afw.own import card_to_box
from lamella.formats.afw.warps import AfwWarp
from lamella.formats.archive.products import ArchiveWarp
from lamella.psf.gaussian import DoubleGaussianPsf

from .exposures import SHAPE, pixels, write_exposure
from .test_products import SCALE, add_inputs, write_coadd
from .test_write import BOX, make_coadd, make_warp


def write_warp(path, visit=7, **changes):
    parts = {"COADD_INPUTS": add_inputs(visits=(visit,), weights=(1.0,))}
    return write_exposure(path, add=parts, visit=visit, leave_out=("PSF",), **changes)


def test_boxes_of_a_warp_of_afw_are_those_of_the_product(tmp_path):
    path = write_warp(tmp_path / "warp.fits")
    source, product = open_warp(path), read_product(path)
    assert isinstance(source, AfwWarp)
    assert (source.instrument, source.visit, source.band, source.bbox) == (
        "HSC",
        7,
        "r",
        Box.from_shape(SHAPE),
    )
    assert source.schema == product.mask.schema
    box = Box.factory[2:12, 3:20]
    cutout = source.read(box)
    for name, plane in (("image", product.image), ("variance", product.variance)):
        np.testing.assert_array_equal(getattr(cutout, name), plane[box].array)
        assert getattr(cutout, name).dtype == np.float32
    np.testing.assert_array_equal(cutout.mask, product.mask[box].array[..., 0])
    assert cutout.mask.flags.writeable
    assert cutout.image.flags.writeable
    record = source.as_input()
    assert record.key == ("HSC", 7)
    assert [detector.id for detector in record.detectors] == [ExposureId("HSC", 7, 3, "r")]
    assert isinstance(record.detectors[0], DetectorInput)


def test_the_coadd_of_warps_of_afw_is_that_of_the_same_warps_in_archives(tmp_path):
    paths = [write_warp(tmp_path / f"{visit}.fits", visit) for visit in (7, 8, 9)]
    copies = [tmp_path / f"copy-{path.name}" for path in paths]
    for path, copy in zip(paths, copies, strict=True):
        write_archive(read_product(path), str(copy))
    coadds = []
    for files in (paths, copies):
        sources = [open_warp(path) for path in files]
        assert isinstance(sources[0], AfwWarp if files is paths else ArchiveWarp)
        target = target_around([warp.bbox for warp in sources], sources[0].projection)
        coadds.append(assemble([warp.as_input() for warp in sources], target=target))
    first, second = coadds
    for name in ("image", "mask", "variance", "exposure_count", "exposure_count_unmasked"):
        assert getattr(first, name).array.tobytes() == getattr(second, name).array.tobytes(), name
    assert [(d.id, d.weight) for d in first.detectors] == [(d.id, d.weight) for d in second.detectors]
    assert first.exposure_count.array.max() == 3
    mean = np.mean([pixels(visit)["IMAGE"][30, 30] for visit in (7, 8, 9)]) * SCALE
    assert first.image.array[30, 30] == pytest.approx(mean, rel=1e-5)


def test_an_exported_warp_is_read_in_boxes(tmp_path):
    model = DoubleGaussianPsf(3.0, 7.5, 0.1, BOX, 25)
    for warp in (make_warp(), make_warp(matched_psf=model)):
        write_afw(warp, tmp_path / "a.fits")
        source = open_warp(tmp_path / "a.fits")
        assert isinstance(source, AfwWarp)
        box = Box.factory[100:110, 200:230]
        planes = source.read(box)
        assert planes.image.tobytes() == warp[box].image.array.tobytes()
        assert planes.variance.tobytes() == warp[box].variance.array.tobytes()
        assert planes.mask.tobytes() == warp[box].mask.array.tobytes()
        assert (source.matched_psf is None) == (warp.matched_psf is None)
        assert source.projection.pixel_frame == warp.sky_projection.pixel_frame


def test_what_is_no_warp_is_refused(tmp_path, afw_files):
    coadd = tmp_path / "coadd.fits"
    write_afw(make_coadd(), coadd)
    for path in (coadd, write_coadd(tmp_path / "other.fits")):
        with pytest.raises(UnreadableFileError, match="found a coadd; expected a warp"):
            open_warp(path)
    with pytest.raises(MissingPartError, match="found no inputs"):
        open_warp(write_exposure(tmp_path / "calexp.fits"))
    with pytest.raises(InputError, match=r"a\.fits"):
        open_warp(tmp_path / "a.fits")
    with pytest.raises(InputError):
        open_warp(afw_files / "drp_tasks_visitSummary_1176.fits.gz")


@pytest.mark.parametrize("text", ["0:10,5", "10:0,0:5", "0:1:2,0:3", "a:b,c:d"])
def test_boxes_in_cards_are_checked(tmp_path, text):
    path = write_exposure(tmp_path / "a.fits", primary={"TRACTBOX": text, "LAMELLA": "1"})
    with pytest.raises(InputError, match="TRACTBOX: found"):
        card_to_box(AfwFile(path), "TRACTBOX")


@pytest.mark.parametrize("cards", [{"PATCH": "5;4"}, {"TRACT": "x"}, {"INNERBOX": "1:2"}])
def test_damaged_places_in_a_sky_map_are_refused(tmp_path, cards):
    own = {"LAMELLA": "1", "PATCH": "5,4", "TRACT": 3, "SKYMAP": "rings", "INNERBOX": "0:5,0:5"}
    path = write_coadd(tmp_path / "a.fits", primary=own)
    coadd = read_product(path)
    assert (coadd.skymap, coadd.tract, coadd.patch) == ("rings", 3, (5, 4))
    with pytest.raises(InputError, match=r"PATCH|INNERBOX"):
        read_product(write_coadd(tmp_path / "b.fits", primary=own | cards))
