"""Figures with axes on the sky."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

import lamella
from lamella.data.inputs import CoaddTarget
from lamella.errors import MaskPlaneError

from ..makers import WarpMaker, varied_warps

matplotlib = pytest.importorskip("matplotlib", reason="needs the extra [plot]")

MAKER = WarpMaker()
TARGET = CoaddTarget(outer_bbox=MAKER.bbox, projection=MAKER.projection)


@pytest.fixture(autouse=True)
def off_screen() -> Iterator[None]:
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def coadd() -> lamella.PatchCoadd:
    return lamella.assemble(varied_warps(MAKER), lamella.AssembleConfig(statistic="MEAN"), target=TARGET)


def test_axes_are_on_the_sky(coadd: lamella.PatchCoadd) -> None:
    from astropy.visualization.wcsaxes import WCSAxes

    part = coadd.local[3:, 5:]
    axes = part.plot()
    assert isinstance(axes, WCSAxes)
    assert np.array_equal(axes.images[-1].get_array().filled(np.nan), part.image.array, equal_nan=True)
    x, y = 2.0, 4.0
    sky = part.sky_projection.pixel_to_sky(x=x + part.bbox.x.start, y=y + part.bbox.y.start)
    world = axes.wcs.pixel_to_world_values(x, y)
    assert np.allclose(world, [sky.ra.deg, sky.dec.deg], atol=1e-9)
    axes.figure.canvas.draw()  # labels can be drawn, too


@pytest.mark.parametrize("plane", ["image", "variance", "exposure_count", "SAT", "NO_DATA"])
def test_every_plane_is_drawn(coadd: lamella.PatchCoadd, plane: str) -> None:
    axes = coadd.plot(plane)
    expected = {
        "image": lambda: coadd.image.array,
        "variance": lambda: np.where(np.isfinite(coadd.variance.array), coadd.variance.array, np.nan),
        "exposure_count": lambda: coadd.exposure_count.array,
    }.get(plane, lambda: coadd.plane(plane))()
    drawn = np.ma.filled(axes.images[-1].get_array().astype(float), np.nan)
    assert np.array_equal(drawn, expected.astype(float), equal_nan=True)


def test_options_and_axes_are_those_of_matplotlib(coadd: lamella.PatchCoadd) -> None:
    import matplotlib.pyplot as plt
    from matplotlib.colors import LogNorm

    axes = plt.figure().add_subplot()
    assert coadd.plot("SATURATED", ax=axes, cmap="magma") is axes
    assert axes.images[-1].cmap.name == "magma"
    limits = MAKER.warp(1).plot(vmin=-3.0, vmax=7.0).images[-1].get_clim()
    assert limits == (-3.0, 7.0)
    assert isinstance(coadd.plot(norm=LogNorm(1, 10)).images[-1].norm, LogNorm)


def test_a_plane_that_there_is_not_is_told(coadd: lamella.PatchCoadd) -> None:
    with pytest.raises(MaskPlaneError, match="did you mean SAT"):
        coadd.plot("SATU")


def test_without_matplotlib_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None; sys.modules['matplotlib.pyplot'] = None\n"
        "from lamella.report.figures import plot_image\n"
        "from lamella.errors import MissingPackageError\n"
        "try:\n    plot_image(None)\nexcept MissingPackageError as err:\n    print(err)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "plot() needs matplotlib: pip install 'lamella[plot]'."
