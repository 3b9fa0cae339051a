"""Tests of what the cells of a row make of the pixels."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lamella.data.exposure import Exposure
from lamella.data.flux_unit import FluxUnit
from lamella.errors import FaultsError, InputError, MissingPartError
from lamella.formats.read_control import ReadControl
from lamella.formats.recognise import open_exposures
from lamella.formats.source import FileSource
from lamella.formats.table_row import TableRow
from lamella.planes import Layout

SHAPE = (160, 180)
SKY, SIGMA = 400.0, 10.0
ROW = {"file": "a.fits", "band": "r", "visit": "3", "detector": "1", "zero_point": "27", "psf_fwhm": "1"}
RNG = np.random.default_rng(11)
IMAGE = RNG.normal(SKY, SIGMA, SHAPE).astype(np.float32)
IMAGE[40, 50], IMAGE[41, 51] = 60000.0, -1.0


@pytest.fixture
def write(tmp_path: Path, tan_cards: Callable[..., fits.Header]) -> Callable[..., Path]:
    """Return what writes a file with an image and further planes by name, and gives its path."""

    def write_file(
        name: str = "a.fits", image: np.ndarray = IMAGE, cards: Any = None, **planes: np.ndarray
    ) -> Path:
        header = tan_cards(SHAPE)
        header.update(cards or {})
        hdus = [fits.PrimaryHDU(image, header)]
        hdus += [fits.ImageHDU(plane, name=plane_name) for plane_name, plane in planes.items()]
        fits.HDUList(hdus).writeto(tmp_path / name)
        return tmp_path / name

    return write_file


def source_of(path: Path, **cells: str | None) -> FileSource:
    values = {name: cell for name, cell in (ROW | cells).items() if cell is not None}
    return FileSource(TableRow(path.parent / "t.csv", 1, values, ReadControl(background_mesh=64)))


def read(path: Path, **cells: str | None) -> Exposure:
    return source_of(path, **cells).read()


def in_plane(exposure: Exposure, name: str) -> list[list[int]]:
    mask = exposure.pixels.mask
    return np.argwhere(mask.array[..., 0] & Layout(mask.schema).bits([name])).tolist()


def test_a_standard_deviation_is_squared(write: Callable[..., Path]) -> None:
    sigma = np.full(SHAPE, 10.0, np.float32)
    sigma[3, 4] = -1.0
    exposure = read(write(ERR=sigma), stddev_hdu="err")
    assert np.median(exposure.pixels.variance.array) == 100.0
    assert [3, 4] in in_plane(exposure, "NO_DATA")


def test_relative_weights_are_put_on_the_measured_noise(write: Callable[..., Path]) -> None:
    conf = np.full(SHAPE, 100, np.int16)
    conf[:, 90:] = 25
    conf[7, 8] = 0
    image = IMAGE.copy()
    image[:, 90:] = SKY + 2 * (IMAGE[:, 90:] - SKY)
    exposure = read(write(image=image, CONF=conf), confidence_hdu="CONF", sky="present")
    variance = exposure.pixels.variance.array
    assert np.median(variance[:, :90]) == pytest.approx(SIGMA**2, rel=0.05)
    assert np.median(variance[:, 90:]) == pytest.approx(4 * SIGMA**2, rel=0.05)
    assert [7, 8] in in_plane(exposure, "NO_DATA")


def test_noise_is_measured(write: Callable[..., Path]) -> None:
    exposure = read(write(), noise="measured", sky="present", saturation="50000")
    assert np.median(exposure.pixels.variance.array) == pytest.approx(SIGMA**2, rel=0.05)
    assert in_plane(exposure, "SATURATED") == [[40, 50]]
    assert "Noise measured" in " ".join(exposure.notes)


def test_noise_is_that_of_counts(write: Callable[..., Path]) -> None:
    cards = {"GAIN": 5.0, "RDNOISE": 10.0}
    exposure = read(write(cards=cards), noise="counts", gain="GAIN", read_noise="RDNOISE / 2", sky="present")
    variance = exposure.pixels.variance.array
    assert np.median(variance) == pytest.approx(SKY / 5 + 1.0, rel=0.01)
    assert variance[40, 50] == pytest.approx(60000 / 5 + 1.0, rel=0.01)


def test_noise_of_counts_needs_the_sky(write: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="found a sky that is subtracted"):
        read(write(), noise="counts", gain="2")
    exposure = read(
        write("b.fits", SKY=np.full(SHAPE, SKY, np.float32)), file="b.fits", noise="counts", gain="4",
        sky_hdu="SKY",
    )  # fmt: skip
    assert np.median(exposure.pixels.variance.array) == pytest.approx(SKY / 4, rel=0.01)
    assert np.median(exposure.pixels.image.array) == pytest.approx(0.0, abs=0.3)


def test_keywords_and_arithmetic_stand_for_numbers(write: Callable[..., Path]) -> None:
    cards = {"MAGZP": 25.0, "EXPTIME": 100.0, "EXPNUM": 9007199254740993, "CCD": 7, "SEEING": 3.0}
    path = write(cards=cards, VAR=np.full(SHAPE, 100.0, np.float32))
    source = source_of(
        path,
        variance_hdu="VAR",
        zero_point="MAGZP + 2.5*log10(EXPTIME)",
        visit="EXPNUM",
        detector="CCD - 1",
        psf_fwhm=None,
        psf_fwhm_pixels="SEEING",
        exposure_time="EXPTIME / 2",
    )
    assert (source.info.id.visit, source.info.id.detector) == (9007199254740993, 6)
    assert source.info.exposure_time == 50.0
    assert source.read().to_njy == pytest.approx(10 ** ((31.4 - 30.0) / 2.5), rel=1e-3)
    assert source.info.origins["zero point"].how == "MAGZP + 2.5*log10(EXPTIME)"
    assert source.info.origins["zero point"].value == "30"


def test_a_keyword_that_is_missing_names_cell_and_file(write: Callable[..., Path]) -> None:
    path = write(VAR=np.full(SHAPE, 100.0, np.float32))
    with pytest.raises(
        MissingPartError, match=r"t\.csv, row 1, column 'zero_point': found .*a\.fits, HDU 0, MAGZP"
    ):
        _ = source_of(path, variance_hdu="VAR", zero_point="MAGZP").info


def test_a_value_may_mean_no_data(write: Callable[..., Path]) -> None:
    exposure = read(write(), noise="measured", sky="present", bad_value="-1")
    assert in_plane(exposure, "NO_DATA") == [[41, 51]]


def test_surface_brightness_is_multiplied_by_the_area_of_a_pixel(write: Callable[..., Path]) -> None:
    area = np.full(SHAPE, 1.0, np.float32)
    area[:, :20] = 1.1
    path = write(
        cards={"BUNIT": "MJy/sr", "PIXAR_SR": 2e-14}, ERR=np.full(SHAPE, 10.0, np.float32), AREA=area
    )
    exposure = read(path, zero_point=None, stddev_hdu="ERR", pixel_area="PIXAR_SR", pixel_area_hdu="AREA")
    assert exposure.to_njy == pytest.approx(2e-14 * 1e15)
    assert exposure.pixels.image.array[9, 9] == pytest.approx(1.1 * IMAGE[9, 9])
    assert exposure.pixels.variance.array[9, 9] == pytest.approx(121.0)
    without = read(path, zero_point=None, stddev_hdu="ERR")
    scale = math.sqrt(without.to_njy / 1e15)
    from lamella.sky.footprint import pixel_scale

    assert math.degrees(scale) * 3600 == pytest.approx(
        pixel_scale(without.info.projection, without.info.bbox)
    )


def test_asinh_images_are_made_linear(write: Callable[..., Path]) -> None:
    linear = IMAGE.astype(np.float64)
    stored = 2.5 / np.log(10) * np.arcsinh((linear - 3.0) / 2 / 20.0)
    path = write(
        image=stored.astype(np.float32),
        cards={"BSOFTEN": 20.0, "BOFFSET": 3.0},
        VAR=np.full(SHAPE, 100.0, np.float32),
    )
    exposure = read(path, variance_hdu="VAR", softening="BSOFTEN", offset="BOFFSET")
    np.testing.assert_allclose(exposure.pixels.image.array[:30], linear[:30], rtol=1e-4)
    assert np.median(exposure.pixels.variance.array) == 100.0


def test_a_relative_scale_claims_no_magnitudes(write: Callable[..., Path]) -> None:
    source = source_of(write(), zero_point=None, flux_scale="1.25", noise="measured", sky="present")
    assert source.info.flux_unit == FluxUnit("adu")
    assert source.read().to_njy == 1.25


def test_what_was_not_measured_is_an_error_when_it_is_read(write: Callable[..., Path]) -> None:
    path = write()
    source = source_of(path, zero_point=None, flux_scale="measured", noise="measured", sky="present")
    with pytest.raises(InputError, match="column 'flux_scale': found 'measured', but no stars"):
        source.read()
    source = source_of(path, psf_fwhm="measured", noise="measured", sky="present")
    assert source.info.psf_fwhm is None
    with pytest.raises(InputError, match="column 'psf_fwhm': found 'measured', but no star"):
        source.read()


def test_a_stamp_is_the_psf_everywhere(write: Callable[..., Path], tmp_path: Path) -> None:
    j, i = np.mgrid[:25, :25]
    stamp = np.exp(-((i - 12) ** 2 + (j - 12) ** 2) / 8.0)
    fits.PrimaryHDU(stamp).writeto(tmp_path / "p.fits")
    exposure = read(write(), psf_fwhm=None, psf_stamp_file="p.fits", noise="measured", sky="present")
    np.testing.assert_allclose(
        exposure.psf.compute_kernel_image(x=60, y=70).array, stamp / stamp.sum(), atol=1e-12
    )


def test_cards_beside_the_image_override_its_header(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write()
    plain = source_of(path, noise="measured", sky="present").info
    header = fits.getheader(path)
    cards = {key: header[key] for key in ("CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2")}
    cards |= {key: header[key] for key in header if key.startswith("CD")}
    cards["CRVAL2"] += 0.01
    (tmp_path / "a.head").write_text(
        "\n".join(str(card) for card in fits.Header({**cards, "FLXSCALE": 2.0}).cards) + "\nEND\n"
    )
    source = source_of(path, wcs_head="a.head", noise="measured", sky="present", zero_point="25 - FLXSCALE")
    moved = (
        source.info.projection.pixel_to_sky(x=80, y=70).dec - plain.projection.pixel_to_sky(x=80, y=70).dec
    )
    assert moved.deg == pytest.approx(0.01, abs=1e-4)
    assert source.read().to_njy == pytest.approx(10 ** ((31.4 - 23.0) / 2.5), rel=1e-3)


def test_planes_of_a_cube_are_three_colors(write: Callable[..., Path]) -> None:
    cube = np.stack([IMAGE, 2 * IMAGE, 3 * IMAGE])
    path = write(image=cube)
    for factor, color in enumerate("RGB", start=1):
        exposure = read(path, color=color, noise="measured", sky="present")
        assert exposure.pixels.image.array.shape == SHAPE
        assert np.median(exposure.pixels.variance.array) == pytest.approx((factor * SIGMA) ** 2, rel=0.05)
    with pytest.raises(InputError, match="an array of 180 x 160 x 3 numbers"):
        read(path, noise="measured")


def test_a_mosaic_is_three_colors_of_half_the_size(write: Callable[..., Path]) -> None:
    gains = np.tile(np.array([[1.0, 2.0], [3.0, 1.0]], np.float32), (SHAPE[0] // 2, SHAPE[1] // 2))
    path = write(image=IMAGE * gains, cards={"BAYERPAT": "GRBG"})
    for gain, color in ((2, "R"), (1, "G"), (3, "B")):
        source = source_of(path, color=color, bayer="BAYERPAT", noise="measured", sky="present")
        assert source.info.bbox.shape == (80, 90)
        samples = 2 if color == "G" else 1
        variance = np.median(source.read().pixels.variance.array)
        assert variance == pytest.approx((gain * SIGMA) ** 2 * 16 / samples, rel=0.06)


def test_weights_of_a_mosaic_are_those_of_its_super_pixels(write: Callable[..., Path]) -> None:
    weight = np.full(SHAPE, 2.0, np.float32)
    weight[:40, :40] = 0.0
    path = write(cards={"BAYERPAT": "RGGB"}, WHT=weight)
    exposure = read(path, color="G", bayer="BAYERPAT", confidence_hdu="WHT", sky="present")
    assert np.median(exposure.pixels.variance.array[30:]) == pytest.approx(SIGMA**2 * 8, rel=0.06)
    assert in_plane(exposure, "NO_DATA")[-1] == [19, 19]


def test_one_row_may_stand_for_all_images_of_a_file(
    tmp_path: Path, tan_cards: Callable[..., fits.Header]
) -> None:
    hdus = [fits.PrimaryHDU()]
    for version in (1, 2):
        header = tan_cards(SHAPE)
        header["CCDNUM"] = 10 + version
        hdus.append(fits.ImageHDU(IMAGE + version, header, name="SCI", ver=version))
        hdus.append(fits.ImageHDU(np.full(SHAPE, version, np.float32), name="ERR", ver=version))
    fits.HDUList(hdus).writeto(tmp_path / "m.fits")
    table = tmp_path / "t.csv"
    table.write_text(
        "file,band,visit,detector,image_hdu,stddev_hdu,zero_point,psf_fwhm\nm.fits,r,5,CCDNUM,*,ERR,27,1\n"
    )
    sources = open_exposures([table]).sources
    assert [source.info.id.detector for source in sources] == [11, 12]
    assert [float(np.median(source.read().pixels.variance.array)) for source in sources] == [1.0, 4.0]


def test_planes_in_another_file_are_those_of_the_image_name_or_index(
    tmp_path: Path, tan_cards: Callable[..., fits.Header]
) -> None:
    science, named, unnamed = [fits.PrimaryHDU()], [fits.PrimaryHDU()], [fits.PrimaryHDU()]
    for number in (1, 2):
        science.append(fits.ImageHDU(IMAGE + number, tan_cards(SHAPE), name=f"S{number}"))
        science[-1].header["CCD"] = number
        named.insert(1, fits.ImageHDU(np.full(SHAPE, number, np.float32), name=f"S{number}"))
        unnamed.append(fits.ImageHDU(np.full(SHAPE, number, np.float32)))
    for name, hdus in (("m", science), ("named", named), ("unnamed", unnamed)):
        fits.HDUList(hdus).writeto(tmp_path / f"{name}.fits")
    for name in ("named", "unnamed"):
        table = tmp_path / f"{name}.csv"
        head = "file,band,visit,detector,image_hdu,stddev_file,zero_point,psf_fwhm"
        table.write_text(f"{head}\nm.fits,r,5,CCD,*,{name}.fits,27,1\n")
        sources = open_exposures([table]).sources
        assert [float(np.median(source.read().pixels.variance.array)) for source in sources] == [1.0, 4.0]


def test_a_star_in_a_name_is_the_same_in_the_other_names(
    tmp_path: Path, tan_cards: Callable[..., fits.Header]
) -> None:
    hdus = [fits.PrimaryHDU()]
    for number, quadrant in enumerate(("3-4.E", "3-4.F"), start=1):
        hdus.append(fits.ImageHDU(IMAGE + number, tan_cards(SHAPE), name=f"{quadrant}.SCI"))
        hdus.append(fits.ImageHDU(np.full(SHAPE, number, np.float32), name=f"{quadrant}.RMS"))
    for number, hdu in enumerate(hdus[1::2], start=1):
        hdu.header["QUAD"] = number
    fits.HDUList(hdus).writeto(tmp_path / "m.fits")
    table = tmp_path / "t.csv"
    table.write_text(
        "file,band,visit,detector,image_hdu,stddev_hdu,zero_point,psf_fwhm\n"
        "m.fits,r,5,QUAD,*.SCI,*.RMS,27,1\n"
    )
    sources = open_exposures([table]).sources
    assert [float(np.median(source.read().pixels.variance.array)) for source in sources] == [1.0, 4.0]
    table.write_text(table.read_text().replace("*.SCI", "*.IMG"))
    with pytest.raises(MissingPartError, match=r"HDU \*\.IMG: found only HDUs 0, 1 3-4\.E\.SCI"):
        open_exposures([table])


def test_all_faults_of_a_row_are_told_at_once(write: Callable[..., Path]) -> None:
    cells = {"zero_point": "1 +", "sky": "blue", "flags": "BADD=1", "psf_fwhm": None, "detector": "1.5"}
    source = source_of(write(), **cells)
    with pytest.raises(FaultsError, match="found 6 faults") as caught:
        _ = source.info
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert len(again.faults) == 6


def test_faults_of_all_rows_are_one_message_with_counts(tmp_path: Path) -> None:
    lines = [f"{n}.fits,r,{n},1,measured,27,1,blue" for n in range(40)]
    lines[7] += "green"
    lines[9] = lines[9].replace(",1,blue", ",wide +,blue")
    table = tmp_path / "t.csv"
    head = "file,band,visit,detector,noise,zero_point,psf_fwhm,sky"
    table.write_text("\n".join([head, *lines]) + "\n")
    with pytest.raises(InputError, match="found 40 exposures that cannot be used") as caught:
        open_exposures([table])
    message = str(caught.value)
    assert (
        "found 'blue'; expected 'subtracted', 'present', 'file' or 'measured' (the same for 38 others)"
        in message
    )
    assert "found 'bluegreen'" in message
    assert "'wide +': no arithmetic on keywords" in message
