import numpy as np
import pytest
from astropy.io import fits
from lsst.images import Box, Image
from scipy.interpolate import Akima1DInterpolator, CubicSpline

from lamella.errors import InputError, MissingPartError, ShapeError, UnreadableFileError
from lamella.formats.afw.background import Background, BackgroundLayer
from lamella.formats.afw.background_splines import Style
from lamella.formats.afw.summaries import VisitSummary

NAME = "bkgd-849375-12.fits"
BOX = Box.factory[20:140, 10:90]
RNG = np.random.default_rng(8)


def write(path, *layers, **cards):
    """Write layers of values (and variances), as afw does."""
    header = {
        "INTERPSTYLE": 5,
        "UNDERSAMPLESTYLE": 1,
        "APPROXSTYLE": -1,
        "APPROXORDERX": 1,
        "APPROXORDERY": -1,
        "APPROXWEIGHTING": True,
        "BKGD_X0": BOX.x.start,
        "BKGD_Y0": BOX.y.start,
        "BKGD_WIDTH": BOX.x.size,
        "BKGD_HEIGHT": BOX.y.size,
    } | cards
    hdus = []
    for values in layers:
        planes = values, np.zeros(np.shape(values), np.int16), np.full(np.shape(values), 0.5)
        for plane in planes:
            kind = fits.ImageHDU if hdus else fits.PrimaryHDU
            array = np.asarray(plane)
            hdu = kind(array.astype(np.float32) if array.dtype.kind == "f" else array)
            for key, value in header.items():
                if value is not None:
                    hdu.header[f"HIERARCH {key}" if len(key) > 8 else key] = value
            hdus.append(hdu)
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


# A real one.


def test_the_layers_of_an_lsst_file(afw_files):
    background = Background.read(afw_files / NAME)
    assert (len(background), background.bbox) == (4, Box.factory[0:4612, 0:2048])
    for layer in background:
        assert (layer.values.shape, layer.order, layer.style, layer.weighted) == ((37, 17), 6, None, True)
    # LSST's own figure is the sum of the medians of the cells; it was found in another run.
    sky = sum(float(np.median(layer.values)) for layer in background)
    summary = VisitSummary.read(afw_files / "visitSummary-849375.fits")[0]
    assert sky == pytest.approx(summary.quality["skyBg"], abs=0.05)


def test_the_polynomial_of_an_lsst_file_is_the_best_weighted_fit(afw_files):
    background = Background.read(afw_files / NAME)
    layer = background.layers[0]
    y, x = layer.centers
    # Cells of 128 pixels or so, that end with the detector.
    np.testing.assert_allclose(np.diff(x), 2048 / 17, atol=1.0)
    u, v = np.meshgrid((x + 0.5) / 1024.0 - 1.0, (y + 0.5) / 2306.0 - 1.0)
    powers = [(i, j) for i in range(7) for j in range(7 - i)]
    terms = np.array([(u**i * v**j).ravel() for i, j in powers])
    values, weights = (plane.astype(float).ravel() for plane in (layer.values, 1.0 / layer.variance))
    solution = np.linalg.solve((terms * weights) @ terms.T, (terms * weights) @ values)
    box = Box.factory[1000:1010, 300:320]
    at_x, at_y = np.meshgrid((box.x.arange + 0.5) / 1024.0 - 1.0, (box.y.arange + 0.5) / 2306.0 - 1.0)
    expected = sum(c * at_x**i * at_y**j for c, (i, j) in zip(solution, powers, strict=True))
    np.testing.assert_allclose(layer.image(box).array, expected, rtol=2e-7)
    whole = background.image(box)
    assert (whole.bbox, whole.array.dtype) == (box, np.dtype(np.float32))
    parts = sum(layer.image(box).array.astype(float) for layer in background)
    np.testing.assert_allclose(whole.array, parts, rtol=3e-7)


# Layers of each kind.


def cell_values(rows=7, columns=6):
    return RNG.normal(100.0, 5.0, size=(rows, columns)).astype(np.float32)


def test_centres_are_the_middles_of_cells_of_whole_pixels(tmp_path):
    layer = Background.read(write(tmp_path / "a.fits", cell_values(7, 6))).layers[0]
    y, x = layer.centers
    ends = [((k + 1) * 120 + 3) // 7 for k in range(7)]
    middles = [0.5 * (a + b) - 0.5 + 20 for a, b in zip([0, *ends], ends, strict=False)]
    np.testing.assert_array_equal(y, middles)
    assert x[0] == 10 + 0.5 * (80 // 6) - 0.5
    assert (layer.style, layer.order) == (Style.AKIMA_SPLINE, None)


@pytest.mark.parametrize(
    ("number", "curve"),
    [
        (2, lambda x, y: CubicSpline(x, y, bc_type="natural")),
        (3, lambda x, y: CubicSpline(x, y, bc_type="natural")),
        (5, lambda x, y: Akima1DInterpolator(x, y)),
    ],
)
def test_splines_run_along_y_and_then_along_x(tmp_path, number, curve):
    values = cell_values()
    layer = Background.read(write(tmp_path / "a.fits", values, INTERPSTYLE=number)).layers[0]
    y, x = layer.centers
    inner = Box.factory[int(y[0]) + 1 : int(y[-1]), int(x[0]) + 1 : int(x[-1])]
    lines = curve(y, values.astype(float))(inner.y.arange)
    expected = curve(x, lines.T)(inner.x.arange).T
    np.testing.assert_allclose(layer.image(inner).array, expected, rtol=3e-7)
    whole = layer.image()
    assert whole.bbox == BOX
    np.testing.assert_array_equal(whole[inner].array, layer.image(inner).array)


def test_constants_and_lines(tmp_path):
    values = np.array([[1.0, 2.0], [3.0, 5.0]])
    flat = Background.read(write(tmp_path / "a.fits", values, INTERPSTYLE=0)).image()
    np.testing.assert_array_equal(flat.array, np.kron(values, np.ones((60, 40))))
    image = Background.read(write(tmp_path / "b.fits", values, INTERPSTYLE=1)).image().array
    v, u = (np.arange(120) - 29.5) / 60.0, (np.arange(80) - 19.5) / 40.0
    expected = 1.0 + u[None, :] + 2.0 * v[:, None] + u[None, :] * v[:, None]
    np.testing.assert_allclose(image, expected, atol=1e-6)


def test_one_value_is_a_constant_whatever_the_style(tmp_path):
    image = Background.read(write(tmp_path / "a.fits", [[7.5]], INTERPSTYLE=5)).image()
    assert (image.bbox, np.ptp(image.array), image.array[0, 0]) == (BOX, 0.0, 7.5)


def test_cells_without_a_value_are_interpolated_over(tmp_path):
    y, x = Background.read(write(tmp_path / "a.fits", cell_values())).layers[0].centers
    plane = (3.0 + 0.1 * x[None, :] - 0.2 * y[:, None]).astype(np.float32)
    plane[2, 3] = np.nan
    plane[:, 1] = np.nan
    image = Background.read(write(tmp_path / "b.fits", plane, INTERPSTYLE=2)).image()
    expected = 3.0 + 0.1 * BOX.x.arange[None, :] - 0.2 * BOX.y.arange[:, None]
    np.testing.assert_allclose(image.array, expected, atol=1e-5)


def test_a_polynomial_needs_no_value_in_each_cell(tmp_path):
    y, x = Background.read(write(tmp_path / "a.fits", cell_values())).layers[0].centers
    plane = (1.0 + 0.01 * x[None, :] * x[None, :] - 0.2 * y[:, None]).astype(np.float32)
    plane[0, 0] = np.nan
    path = write(tmp_path / "b.fits", plane, APPROXSTYLE=0, APPROXORDERX=2, INTERPSTYLE=-1)
    expected = 1.0 + 0.01 * BOX.x.arange[None, :] ** 2 - 0.2 * BOX.y.arange[:, None]
    np.testing.assert_allclose(Background.read(path).image().array, expected, atol=2e-4)


def test_old_files_say_nothing_of_polynomials(tmp_path):
    cards = dict.fromkeys(("APPROXSTYLE", "APPROXORDERX", "APPROXORDERY", "APPROXWEIGHTING"))
    layer = Background.read(write(tmp_path / "a.fits", cell_values(), **cards)).layers[0]
    assert (layer.order, layer.style) == (None, Style.AKIMA_SPLINE)


def test_a_subtraction_can_be_undone(tmp_path):
    background = Background.read(write(tmp_path / "a.fits", cell_values(), cell_values()))
    box = Box.factory[30:60, 40:50]
    sky = RNG.normal(200.0, 3.0, size=box.shape).astype(np.float32)
    subtracted = Image(sky - background.image(box).array, bbox=box)
    restored = background.restore(subtracted)
    assert restored.bbox == box
    np.testing.assert_allclose(restored.array, sky, rtol=1e-6)
    with pytest.raises(ShapeError, match="box"):
        background.image(Box.factory[0:30, 40:50])


# Files without sense.


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"BKGD_WIDTH": 0}, "0 x 120 pixels"),
        ({"BKGD_WIDTH": 1 << 20, "BKGD_HEIGHT": 1 << 20}, "expected 1 to 268435456 pixels"),
        ({"BKGD_X0": 1 << 40}, "pixels from"),
        ({"BKGD_HEIGHT": "tall"}, "'tall'; expected a whole number"),
        ({"BKGD_HEIGHT": 3}, "6 x 7 cells"),
        ({"INTERPSTYLE": 4}, "found 4; expected constant, linear"),
        ({"INTERPSTYLE": -1}, "found -1"),
        ({"INTERPSTYLE": None}, "found None"),
        ({"APPROXSTYLE": 3}, "style 3"),
        ({"APPROXSTYLE": 0, "APPROXORDERX": 100_000}, "orders 100000 and -1"),
        ({"APPROXSTYLE": 0, "APPROXORDERX": 2, "APPROXORDERY": 3}, "orders 2 and 3"),
        ({"APPROXSTYLE": 0, "APPROXORDERX": -2}, "orders -2"),
    ],
)
def test_cards_without_sense_are_refused(tmp_path, cards, message):
    with pytest.raises(InputError, match=message):
        Background.read(write(tmp_path / "a.fits", cell_values(), **cards))


def test_too_few_cells_are_refused_where_afw_would_refuse_them(tmp_path):
    values = cell_values(3, 4)
    with pytest.raises(InputError, match=r"UNDERSAMPLESTYLE: found 4 x 3 cells; expected 5 each way"):
        Background.read(write(tmp_path / "a.fits", values, UNDERSAMPLESTYLE=0))
    assert Background.read(write(tmp_path / "b.fits", values)).image().array.shape == BOX.shape


def test_layers_without_a_value_are_refused(tmp_path):
    with pytest.raises(InputError, match="no cell with a value"):
        Background.read(write(tmp_path / "a.fits", np.full((5, 5), np.nan)))


def test_layers_have_one_box():
    layers = [
        BackgroundLayer(np.ones((2, 2)), np.ones((2, 2)), box, Style.LINEAR)
        for box in (BOX, Box.factory[0:9, 0:9])
    ]
    with pytest.raises(ShapeError, match="layers of one box"):
        Background(tuple(layers))


def test_other_files_are_refused(tmp_path, afw_files):
    with pytest.raises(UnreadableFileError):
        Background.read(tmp_path / "absent.fits")
    with pytest.raises(MissingPartError, match="no card BKGD_X0"):
        Background.read(afw_files / "obs_base_calexp_hsc.fits")
    path = write(tmp_path / "a.fits", cell_values())
    with fits.open(path) as hdus:
        hdus[:2].writeto(tmp_path / "b.fits")
    with pytest.raises(MissingPartError, match="2 HDUs and a card"):
        Background.read(tmp_path / "b.fits")
    cut = tmp_path / "c.fits"
    cut.write_bytes((afw_files / NAME).read_bytes()[:20_000])
    with pytest.raises(UnreadableFileError):
        Background.read(cut)
