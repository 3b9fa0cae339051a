"""Numbers as files store them, and what they mean: BSCALE, BZERO and BLANK, in every HDU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from lamella.data.exposure import Exposure
from lamella.errors import InputError
from lamella.fits.hdus import Container
from lamella.fits.scaling import physical_values, with_nan
from lamella.formats.afw.masks import read_flags, read_mask
from lamella.formats.afw.plane_hdus import find_plane, read_plane
from lamella.formats.recognise import open_exposures

from ..formats.afw.exposures import pixels as afw_pixels
from ..formats.afw.exposures import write_exposure
from ..formats.conftest import DecamWriter, open_row

PATH = Path("x.fits")
SHAPE = (60, 80)
BLANKS = ((20, 30), (21, 35), (40, 50))
UNSIGNED = {"i2": 2**15, "i4": 2**31, "i8": 2**63, "u1": -128}


@given(
    kind=st.sampled_from([*UNSIGNED]),
    seed=st.integers(0, 99),
    scale=st.sampled_from([1, 1.0, 0.5, -2.0]),
    zero=st.sampled_from([0, 0.0, 100.5, "other sign"]),
    place=st.sampled_from(["lowest", "highest", "zero", None]),
)
def test_what_is_stored_and_what_it_means(
    kind: str, seed: int, scale: float, zero: Any, place: str | None
) -> None:
    limits = np.iinfo(kind)
    raw = np.random.default_rng(seed).integers(limits.min, limits.max, (5, 6), dtype=kind, endpoint=True)
    blank = {"lowest": int(limits.min), "highest": int(limits.max), "zero": 0, None: None}[place]
    header = fits.Header({"BSCALE": scale, "BZERO": UNSIGNED[kind] if zero == "other sign" else zero})
    if blank is not None:
        header["BLANK"] = blank
        raw[2, 3] = blank
    values, undefined = physical_values(raw, header, PATH, "HDU 1")
    if blank is None:
        assert undefined is None
    else:
        assert np.array_equal(undefined, raw == blank)
    exact = [[int(v) * scale + header["BZERO"] for v in row] for row in raw]
    if scale == 1 and zero == "other sign":
        assert values.dtype.kind == ("i" if kind == "u1" else "u")
        assert values.tolist() == [[int(v) + UNSIGNED[kind] for v in row] for row in raw]
    elif scale == 1 and zero == 0:
        assert values is raw
    else:
        np.testing.assert_allclose(values, np.array(exact, dtype=np.float64), rtol=1e-6, atol=1e-3)
    filled = with_nan(values, undefined)
    assert np.array_equal(np.isnan(filled), np.zeros_like(filled, bool) if undefined is None else undefined)


@pytest.mark.parametrize(("key", "value"), [("BZERO", "much"), ("BSCALE", 0), ("BSCALE", True)])
def test_scales_are_numbers(key: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"x\.fits, HDU 1, {key}: found"):
        physical_values(np.ones((2, 2), np.int16), fits.Header({key: value}), PATH, "HDU 1")


def test_floating_point_numbers_have_no_blank() -> None:
    values, undefined = physical_values(np.ones((2, 2), np.float32), fits.Header({"BLANK": 1}), PATH, "")
    assert undefined is None
    assert (values == 1).all()


# In files.


def stored_hdu(
    meaning: np.ndarray,
    kind: str,
    blank: int,
    *,
    name: str,
    header: fits.Header | None = None,
    compress: str = "",
) -> Any:
    """Return an HDU of integers with the offset of the other sign, the cards written by hand."""
    raw = (meaning.astype(np.int64) - (UNSIGNED[kind] if kind != "i4" else 0)).astype(kind)
    for place in BLANKS:
        raw[place] = blank
    unit = fits.ImageHDU(raw, header, name=name)
    if compress:
        unit = fits.CompImageHDU(raw, unit.header, name=name, compression_type=compress)
    return unit


def missing(exposure: Exposure) -> list[tuple[int, ...]]:
    return [tuple(map(int, place)) for place in np.argwhere(np.isnan(exposure.pixels.image.array))]


@pytest.mark.parametrize("compress", ["", "RICE_1"])
@pytest.mark.parametrize("key", ["BLANK", "ZBLANK"])
@pytest.mark.parametrize("kind", ["i2", "i4", "u1"])
@pytest.mark.parametrize("plane", ["SCI", "WHT", "VAR", "DQ"])
def test_blank_is_no_value_in_any_hdu(
    tmp_path: Path, tan_cards: Callable[..., fits.Header], plane: str, kind: str, key: str, compress: str
) -> None:
    if key == "ZBLANK" and not compress:
        pytest.skip("a card of compressed images")
    blank, offset = {"i2": (2**15 - 1, 2**15), "i4": (0, 0), "u1": (127, -128)}[kind]
    rng = np.random.default_rng(3)
    noise = rng.integers(1, 9, SHAPE)
    flags = np.zeros(SHAPE, np.int64)
    flags[5, 6], flags[7, 8] = 1, 8
    meaning = {"SCI": rng.integers(10, 60, SHAPE), "WHT": noise, "VAR": noise, "DQ": flags}
    units: list[Any] = []
    cards: list[dict[str, Any]] = []
    for name, values in meaning.items():
        header = tan_cards(SHAPE) if name == "SCI" else fits.Header()
        if name == plane:
            units.append(stored_hdu(values, kind, blank, name=name, header=header, compress=compress))
            cards.append({"BZERO": offset, "BSCALE": 1, key: blank})
        else:
            units.append(fits.ImageHDU(values.astype(np.int16), header, name=name))
            cards.append({})
    if plane == "DQ" and kind == "i4":
        # Zero is the usual flag; another number is the BLANK then.
        units[-1].data[units[-1].data == 0] = 4
        for place in BLANKS:
            units[-1].data[place] = 0
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), *units]).writeto(path)
    with fits.open(path, mode="update", disable_image_compression=True, do_not_scale_image_data=True) as hdus:
        for unit, more in zip(hdus[1:], cards, strict=True):
            unit.header.update(more)
    cells = {"image_hdu": "SCI", "mask_hdu": "DQ", "flags": "SAT=1 IGNORE=12"}
    noise_cell = {"weight_hdu": "WHT"} if plane == "WHT" else {"variance_hdu": "VAR"}
    exposure = open_row(tmp_path, **cells, **noise_cell).read()
    assert missing(exposure) == list(BLANKS)
    good = ~np.isnan(exposure.pixels.image.array)
    np.testing.assert_array_equal(exposure.pixels.image.array[good], meaning["SCI"][good].astype(np.float32))
    variance = 1.0 / noise if plane == "WHT" else noise
    np.testing.assert_allclose(exposure.pixels.variance.array[good], variance[good], rtol=1e-6)
    saturated = np.argwhere(exposure.pixels.mask.get("SATURATED")).tolist()
    assert saturated == [[5, 6]]
    assert all(exposure.pixels.mask.get("BAD")[place] for place in BLANKS if plane != "SCI")


def test_decam_quality_that_is_blank_is_no_measurement(decam: DecamWriter) -> None:
    path = decam.write()
    quality = Path(str(path).replace("_ooi_", "_ood_"))
    with fits.open(quality, mode="update") as hdus:
        for place in BLANKS:
            hdus[1].data[place] = -99
        hdus[1].header["BLANK"] = -99
    assert missing(open_exposures([path]).sources[0].read()) == list(BLANKS)


@pytest.mark.parametrize("compress", [None, "GZIP_2", "RICE_1"])
def test_planes_of_afw(tmp_path: Path, compress: str | None) -> None:
    planes = afw_pixels(1)
    planes["IMAGE"] = np.arange(planes["IMAGE"].size).reshape(planes["IMAGE"].shape).astype(np.int16)
    planes["MASK"][...] = 0
    planes["MASK"][5, 5] = 2
    path = write_exposure(tmp_path / "a.fits", planes=planes)
    with fits.open(path, mode="update", do_not_scale_image_data=True) as hdus:
        for index in (1, 2):
            for place in BLANKS:
                hdus[index].data[place] = -7
        hdus[1].header["BZERO"] = 2**15
        for index in (1, 2):
            hdus[index].header["BLANK"] = -7
            if compress:
                unit = hdus[index]
                cards = unit.header.copy()
                hdus[index] = fits.CompImageHDU(unit.data, cards, name=unit.name, compression_type=compress)
                hdus[index].header["EXTTYPE"] = unit.name
    if compress:
        with fits.open(path, mode="update", disable_image_compression=True) as hdus:
            hdus[1].header["BZERO"], hdus[1].header["BLANK"], hdus[2].header["BLANK"] = 2**15, -7, -7
    container = Container(path)
    unit = find_plane(container, "IMAGE")
    assert unit is not None
    image = read_plane(unit)
    assert np.argwhere(np.isnan(image)).tolist() == [list(place) for place in BLANKS]
    assert image[0, 5] == 2**15 + 5
    flags = read_flags(container)
    for name in ("BAD", "NO_DATA"):
        assert np.argwhere(flags[name]).tolist() == [list(place) for place in BLANKS]
        assert np.argwhere(read_mask(container).get(name)).tolist() == [list(place) for place in BLANKS]
    assert np.argwhere(flags["SATURATED"]).tolist() == [[5, 5]]
    exposure = open_exposures([path]).sources[0].read()
    assert missing(exposure) == list(BLANKS)
