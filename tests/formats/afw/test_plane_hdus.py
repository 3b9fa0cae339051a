import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from lsst.images import Box

from lamella.errors import InputError, MissingPartError, UnitError, UnreadableFileError
from lamella.fits.hdus import Container
from lamella.formats.afw.masks import plane_bits, read_flags, read_mask, read_masked_image
from lamella.formats.afw.plane_hdus import find_plane, plane_bbox, plane_unit, read_plane

SHAPE = (30, 40)
PLANES = {"MP_BAD": 0, "MP_SAT": 1, "MP_CR": 3, "HIERARCH MP_NO_DATA": 8, "HIERARCH MP_OWN_PLANE": 11}


def arrays(seed=3):
    rng = np.random.default_rng(seed)
    image = rng.normal(100.0, 10.0, SHAPE).astype(np.float32)
    image[4, 7] = np.nan
    mask = rng.choice([0, 1, 2, 8, 256, 2048, 257, 16], size=SHAPE).astype(np.int32)
    return {"IMAGE": image, "MASK": mask, "VARIANCE": rng.uniform(1, 2, SHAPE).astype(np.float32)}


def write(path, values=None, *, compress=None, kinds=True, xy0=(100, -20), mask_type=np.int32, cards=()):
    units = [fits.PrimaryHDU()]
    for kind, array in (values or arrays()).items():
        array = array.astype(mask_type) if kind == "MASK" else array
        if compress is None or (kind == "MASK" and compress.startswith("RICE")):
            hdu = fits.ImageHDU(array)
        elif compress.startswith("RICE"):
            hdu = fits.CompImageHDU(array, compression_type="RICE_1", quantize_level=16, quantize_method=2)
        else:
            hdu = fits.CompImageHDU(
                array,
                compression_type=compress.split("/")[0],
                quantize_level=0,
                tile_shape=(7, 16) if "/" in compress else (1, SHAPE[1]),
            )
        header = hdu.header
        if kinds:
            header["EXTTYPE"] = kind
        if kind == "MASK":
            header.update(PLANES)
        for axis in (1, 2):
            header[f"CTYPE{axis}A"], header[f"CRPIX{axis}A"] = "LINEAR", 1.0
            header[f"CRVAL{axis}A"] = xy0[axis - 1]
        header.update(dict(cards))
        units.append(hdu)
    fits.HDUList(units).writeto(path, overwrite=True)
    return Container(path)


BBOX = Box.factory[-20:10, 100:140]
BOX = Box.factory[-15:6, 113:139]
PART = (slice(5, 26), slice(13, 39))


@pytest.mark.parametrize("compress", [None, "GZIP_1", "GZIP_2", "GZIP_2/tiles", "GZIP_1/tiles"])
def test_planes_and_boxes_of_them_are_what_was_written(tmp_path, compress):
    container = write(tmp_path / "x.fits", compress=compress)
    for kind, expected in arrays().items():
        unit = find_plane(container, kind)
        assert plane_bbox(unit) == BBOX
        plane = read_plane(unit)
        assert plane.dtype == expected.dtype
        np.testing.assert_array_equal(plane, expected)
        np.testing.assert_array_equal(read_plane(unit, BOX), expected[PART])
        last = read_plane(unit, Box.factory[9:10, 139:140])
        np.testing.assert_array_equal(last, expected[-1:, -1:])


def test_lossy_planes_are_what_astropy_makes_of_them(tmp_path):
    values = {kind: array for kind, array in arrays().items() if kind != "MASK"}
    container = write(tmp_path / "x.fits", values, compress="RICE_1")
    with fits.open(container.path) as hdus:
        expected = hdus[1].data.copy()
    plane = read_plane(container.unit(1))
    np.testing.assert_array_equal(plane, expected)
    np.testing.assert_array_equal(read_plane(container.unit(1), BOX), expected[PART])
    difference = plane - values["IMAGE"]
    assert np.isnan(plane[4, 7])
    assert 0 < np.nanstd(difference) < 0.3


@pytest.mark.parametrize("compress", [None, "GZIP_2"])
def test_masks_of_sixteen_bits(tmp_path, compress):
    values = arrays()
    values["MASK"] = np.where(values["MASK"] == 16, 32768 + 1, values["MASK"])
    container = write(tmp_path / "x.fits", values, mask_type=np.uint16, compress=compress)
    unit = find_plane(container, "MASK")
    assert read_plane(unit).dtype == np.uint16
    np.testing.assert_array_equal(read_plane(unit), values["MASK"])
    flags = read_flags(container)
    np.testing.assert_array_equal(flags["BAD"], values["MASK"] & 1 != 0)


def test_mask_planes_are_mapped_by_name_and_unnamed_bits_are_bad(tmp_path):
    container = write(tmp_path / "x.fits")
    unit, raw = find_plane(container, "MASK"), arrays()["MASK"]
    expected = {"BAD": 0, "SATURATED": 1, "COSMIC_RAY": 3, "NO_DATA": 8, "OWN_PLANE": 11}
    assert plane_bits(unit) == expected
    flags, mask = read_flags(container, BOX), read_mask(container, BOX)
    assert mask.bbox == BOX
    assert flags.keys() == expected.keys()
    for name, bit in expected.items():
        truth = (raw >> bit & 1).astype(bool)[PART]
        if name == "BAD":
            unnamed = raw & ~np.int32(sum(1 << bit for bit in expected.values())) != 0
            assert unnamed[PART].any()
            truth |= unnamed[PART]
        np.testing.assert_array_equal(flags[name], truth)
        np.testing.assert_array_equal(mask.get(name), truth)
    others = set(mask.schema.names) - expected.keys()
    assert not any(mask.get(name).any() for name in others)


def test_the_highest_bit_of_a_mask_is_a_bit(tmp_path):
    values = arrays()
    values["MASK"] = np.full(SHAPE, -(2**31), dtype=np.int32)
    container = write(tmp_path / "x.fits", values, cards={"HIERARCH MP_LAST": 31}.items())
    flags = read_flags(container)
    assert flags["LAST"].all()
    assert not flags["BAD"].any()
    assert read_mask(container).get("LAST").all()


@pytest.mark.parametrize(
    "cards", [{"MP_BAD": 1}, {"MP_BAD": 32}, {"MP_BAD": -1}, {"MP_BAD": "x"}, {"MP_INTRP": 3}]
)
def test_planes_that_contradict_each_other_are_refused(tmp_path, cards):
    container = write(tmp_path / "x.fits", cards=cards.items())
    with pytest.raises(InputError, match="MP_"):
        read_mask(container)


def test_planes_without_a_kind_are_found_by_position(tmp_path):
    container = write(tmp_path / "x.fits", kinds=False)
    assert [find_plane(container, kind).index for kind in ("IMAGE", "MASK", "VARIANCE")] == [1, 2, 3]
    masked = read_masked_image(container, BOX)
    np.testing.assert_array_equal(masked.image.array, arrays()["IMAGE"][PART])
    np.testing.assert_array_equal(masked.variance.array, arrays()["VARIANCE"][PART])
    plain = tmp_path / "plain.fits"
    fits.PrimaryHDU(arrays()["IMAGE"]).writeto(plain)
    alone = Container(plain)
    assert find_plane(alone, "IMAGE").index == 0
    assert find_plane(alone, "MASK") is None
    assert np.isnan(read_masked_image(alone).variance.array).all()
    with pytest.raises(MissingPartError, match="MASK"):
        read_flags(alone)


def test_the_first_pixel_comes_from_the_linear_projection_or_from_ltv(tmp_path):
    def start(cards):
        container = write(tmp_path / "x.fits", cards=cards.items())
        box = plane_bbox(container.unit(1))
        return box.x.start, box.y.start

    assert start({"LTV1": -5.0, "LTV2": 3.0}) == (100, -20)
    # A linear projection about another pixel is not that of afw.
    assert start({"CRPIX1A": 2.0, "LTV1": -5.0, "LTV2": 3.0}) == (5, -3)
    assert start({"CRPIX1A": 2.0}) == (0, 0)
    for wrong in ({"CRVAL1A": 1e12}, {"CRVAL1A": "x"}):
        with pytest.raises(InputError, match="CRVAL1A"):
            start(wrong)


def test_units(tmp_path):
    container = write(tmp_path / "x.fits", cards={"BUNIT": "nJy"}.items())
    assert plane_unit(container.unit(1)) == u.nJy
    masked = read_masked_image(container)
    assert (masked.image.unit, masked.variance.unit) == (u.nJy, u.nJy**2)
    container = write(tmp_path / "y.fits", cards={"BUNIT": "bananas"}.items())
    with pytest.raises(UnitError, match="bananas"):
        plane_unit(container.unit(1))
    container = write(tmp_path / "z.fits")
    assert plane_unit(container.unit(1)) is None


def test_boxes_outside_and_planes_of_other_sizes_are_refused(tmp_path):
    container = write(tmp_path / "x.fits")
    with pytest.raises(InputError, match=r"HDU 1 \(IMAGE\)"):
        read_plane(container.unit(1), Box.factory[0:11, 100:140])
    values = arrays()
    values["VARIANCE"] = values["VARIANCE"][:-1]
    with pytest.raises(InputError, match="VARIANCE"):
        read_masked_image(write(tmp_path / "y.fits", values))
    with pytest.raises(InputError, match="axes"):
        plane_bbox(container.units[0])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"ZNAXIS1 =                   40", b"ZNAXIS1 =                  400"),
        (b"ZNAXIS2 =                   30", b"ZNAXIS2 =               300000"),
        (b"ZTILE1  =                   40", b"ZTILE1  =                    0"),
        (b"ZBITPIX =                  -32", b"ZBITPIX =                  -31"),
    ],
)
def test_compressed_sizes_that_cannot_be_are_refused(tmp_path, old, new):
    path = write(tmp_path / "x.fits", compress="GZIP_2").path
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    container = Container(path)
    with pytest.raises(InputError, match="HDU 1"):
        read_plane(container.unit(1))


@pytest.mark.parametrize("compress", ["GZIP_1", "GZIP_2", "RICE_1"])
def test_damaged_tiles_are_an_error_or_other_pixels_but_no_crash(tmp_path, compress):
    container = write(tmp_path / "x.fits", compress=compress)
    unit = container.unit(1)
    data, rng = container.path.read_bytes(), np.random.default_rng(1)
    refused = 0
    for _ in range(25):
        damaged = bytearray(data)
        for offset in rng.integers(unit.start, unit.start + unit.size, 4):
            damaged[offset] ^= 1 << int(rng.integers(8))
        container.path.write_bytes(damaged)
        try:
            assert read_plane(unit).shape == SHAPE
        except UnreadableFileError:
            refused += 1
    # Each gzipped tile carries a checksum; RICE has none.
    assert refused >= (20 if compress.startswith("GZIP") else 0)
