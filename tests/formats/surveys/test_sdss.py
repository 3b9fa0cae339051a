from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
import sep

from lamella.data.exposure import Exposure
from lamella.errors import InputError, MissingPartError, UnreadableFileError
from lamella.formats.read_control import ReadControl
from lamella.formats.recognise import Inputs, open_exposures
from lamella.planes import Layout

LSST_IDS = {
    (4192, "r"): 65503754,
    (4192, "i"): 65505317,
    (6377, "r"): 99644381,
    (6377, "i"): 99645943,
}


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "data" / "sdss"


@pytest.fixture(scope="module")
def real(folder: Path) -> Inputs:
    return open_exposures([folder])


@pytest.fixture(scope="module")
def exposures(real: Inputs) -> list[Exposure]:
    return [source.read() for source in real]


@pytest.fixture(scope="module")
def catalogue(folder: Path) -> dict[str, np.ndarray]:
    with gzip.open(folder / "detected-sources_ri.txt.gz", "rt") as stream:
        names = stream.readline().lstrip("#").split()
        rows = [line.split() for line in stream]
    columns = {name: np.array([row[n] for row in rows]) for n, name in enumerate(names)}
    wanted = ("coord_ra", "coord_dec", "base_SdssCentroid_x", "base_SdssCentroid_y")
    flux = "base_CircularApertureFlux_6_0_instFlux"
    result = {name: columns[name].astype(float) for name in (*wanted, flux, "base_PsfFlux_instFlux")}
    flags = ("base_SdssCentroid_flag", "base_PixelFlags_flag_edge")
    result["good"] = np.all([columns[name] == "False" for name in flags], axis=0)
    result["clean"] = result["good"] & (columns["base_PixelFlags_flag_interpolated"] == "False")
    result["clean"] &= columns["base_ClassificationExtendedness_value"] == "0"
    result["exposure"] = np.array([int(value) >> 32 for value in columns["id"]])
    return result


def rows_of(exposure: Exposure, catalogue: dict[str, np.ndarray], which: str) -> np.ndarray:
    number = LSST_IDS[exposure.info.id.visit // 10000, exposure.info.band]
    return catalogue[which] & (catalogue["exposure"] == number)


def test_two_epochs_in_two_bands_are_found(real: Inputs) -> None:
    assert not real.problems
    identities = [(source.info.id.visit, source.info.id.detector, source.info.band) for source in real]
    assert identities == [
        (41920300, 42, "r"), (41920300, 43, "i"), (63770399, 42, "r"), (63770399, 43, "i"),
    ]  # fmt: skip
    assert all(source.info.bbox.shape == (1489, 2048) for source in real)
    assert [source.info.psf_fwhm for source in real] == pytest.approx([1.0, 0.97, 1.0, 0.97], abs=0.06)


def test_drift_scans_take_longer_than_their_exposure(real: Inputs) -> None:
    """Each row is exposed for 53.9 s, which is 2048 rows, and a frame has 1489."""
    for source in real:
        times = source.info.times
        assert None not in (times.begin, times.middle, times.end)
        assert times.exposure_time == pytest.approx(53.907456, abs=1e-4)
        elapsed = (times.end - times.begin) * 86400.0  # type: ignore[operator]
        assert elapsed == pytest.approx(53.907456 * (1 + 1489 / 2048), abs=0.1)
        assert times.middle == pytest.approx(0.5 * (times.begin + times.end), abs=1e-9)  # type: ignore[operator]


def test_positions_are_those_of_the_lsst_pipeline(
    exposures: list[Exposure], catalogue: dict[str, np.ndarray]
) -> None:
    for exposure in exposures:
        rows = rows_of(exposure, catalogue, "good")
        x, y = catalogue["base_SdssCentroid_x"][rows], catalogue["base_SdssCentroid_y"][rows]
        sky = exposure.info.projection.pixel_to_sky(x=x, y=y)
        east = (sky.ra.deg - catalogue["coord_ra"][rows]) * np.cos(sky.dec.rad)
        apart = 3.6e6 * np.hypot(east, sky.dec.deg - catalogue["coord_dec"][rows])
        assert rows.sum() > 600
        # Both evaluate the same solution; the catalogue is written with twelve digits.
        assert np.median(apart) < 0.2
        assert apart.max() < 1.0


def test_fluxes_are_those_of_the_lsst_pipeline(
    exposures: list[Exposure], catalogue: dict[str, np.ndarray]
) -> None:
    for exposure in exposures:
        rows = rows_of(exposure, catalogue, "clean")
        theirs = catalogue["base_CircularApertureFlux_6_0_instFlux"]
        rows &= (theirs > 3000) & (theirs < 1e5)
        x, y = catalogue["base_SdssCentroid_x"][rows], catalogue["base_SdssCentroid_y"][rows]
        image = np.ascontiguousarray(exposure.pixels.image.array)
        ours, _, _ = sep.sum_circle(image, x, y, 6.0, mask=~np.isfinite(image), subpix=0)
        ratio = ours / theirs[rows]
        assert rows.sum() > 30
        assert np.median(ratio) == pytest.approx(1.0, abs=0.005)
        assert 1.4826 * np.median(np.abs(ratio - np.median(ratio))) < 0.01


def test_noise_is_that_of_the_variance(exposures: list[Exposure]) -> None:
    for exposure in exposures:
        mask = exposure.pixels.mask
        bits = Layout(mask.schema).bits(["DETECTED", "INTERPOLATED", "DETECTION_EDGE"])
        sky = (mask.array[..., 0] & bits) == 0
        image = exposure.pixels.image.array[sky]
        scatter = 1.4826 * np.median(np.abs(image - np.median(image)))
        # Undetected sources, and the rounding to whole counts, add to the noise of photons and read-out.
        assert 0.97 < scatter / np.sqrt(np.median(exposure.pixels.variance.array[sky])) < 1.08
        assert abs(np.median(image)) < 0.1 * scatter


def test_noise_in_nanojansky_is_that_of_the_readme(exposures: list[Exposure]) -> None:
    first = exposures[0]
    image = first.pixels.image.array
    scatter = 1.4826 * np.nanmedian(np.abs(image - np.nanmedian(image))) * float(first.to_njy)
    assert scatter == pytest.approx(108, rel=0.03)
    # From FLUX20 of the header, an independent calibration: 20 mag are 36308 nJy.
    assert float(first.to_njy) == pytest.approx(36307.8 / 1981.78, rel=0.005)


def test_the_psf_has_the_shape_of_the_stars(
    exposures: list[Exposure], catalogue: dict[str, np.ndarray]
) -> None:
    for exposure in exposures:
        rows = rows_of(exposure, catalogue, "clean")
        rows &= (catalogue["base_PsfFlux_instFlux"] > 20000) & (catalogue["base_PsfFlux_instFlux"] < 2e5)
        left = []
        for x, y in zip(*(catalogue[f"base_SdssCentroid_{axis}"][rows] for axis in "xy"), strict=True):
            model = exposure.psf.compute_stellar_image(x=float(x), y=float(y))
            if exposure.info.bbox.contains(model.bbox):
                star = exposure.pixels.image[model.bbox].array
                left.append(share_left(star, model.array))
        assert len(left) >= 5
        # With rows and columns of the stamps exchanged it is 0.06 to 0.07.
        assert np.median(left) < 0.04


def share_left(star: np.ndarray, model: np.ndarray) -> float:
    """Return the root of the squared light that a model leaves of a star's inner pixels."""
    half = model.shape[0] // 2
    inner = np.s_[half - 5 : half + 6, half - 5 : half + 6]
    star, model = star[inner].astype(float), model[inner]
    scale = (star * model).sum() / (model**2).sum()
    return float(np.sqrt(((star - scale * model) ** 2).sum() / (star**2).sum()))


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """Return a folder with the files of one frame."""
    for name in (
        "fpC-006377-r4-0399.fit.gz", "fpM-006377-r4-0399.fit", "psField-006377-4-0399.fit",
        "tsField-006377-4-40-0399.fit",
    ):  # fmt: skip
        shutil.copy(folder / name, tmp_path)
    return tmp_path


def test_without_a_calibration_the_header_serves(copy: Path, exposures: list[Exposure]) -> None:
    (copy / "tsField-006377-4-40-0399.fit").unlink()
    control = ReadControl(subtract_background="never")
    (source,) = open_exposures([copy / "fpC-006377-r4-0399.fit.gz"], control=control)
    exposure, reference = source.read(), exposures[2]
    assert float(exposure.to_njy) == pytest.approx(float(reference.to_njy), rel=0.01)
    x, y = np.array([10.0, 1000.0, 2000.0]), np.array([10.0, 700.0, 1400.0])
    ours, theirs = (frame.info.projection.pixel_to_sky(x=x, y=y) for frame in (exposure, reference))
    assert ours.separation(theirs).mas.max() < 200
    text = " ".join(exposure.notes)
    assert "FLUX20" in text
    assert "Positions from the header" in text
    assert np.median(exposure.pixels.image.array) == pytest.approx(120, abs=2)


@pytest.mark.parametrize("name", ["fpM-006377-r4-0399.fit", "psField-006377-4-0399.fit"])
def test_a_missing_companion_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(MissingPartError, match=f"no file {name}"):
        open_exposures([copy / "fpC-006377-r4-0399.fit.gz"])


def test_a_frame_that_is_cut_off_is_unreadable(copy: Path) -> None:
    path = copy / "fpC-006377-r4-0399.fit.gz"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:500_000])
    with pytest.raises(UnreadableFileError, match=r"fpC-006377-r4-0399\.fit\.gz"):
        open_exposures([path]).sources[0].read()


def test_frames_of_other_names_are_plain_images(copy: Path) -> None:
    path = copy / "fpC-006377-r4-0399.fit.gz"
    other = path.rename(copy / "frame.fit.gz")
    assert open_exposures([other]).sources[0].info.format == "fits"
    with pytest.raises(InputError, match="no reader recognises"):
        open_exposures([other], format="sdss")
