"""``lamella warm``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numba
import numpy as np
import pytest
from astropy.io import fits
from numba.core import event

from lamella.cli.warm_formats import write_plain
from lamella.testing.config import SurveyConfig
from lamella.testing.layouts.layouts import write_layout
from lamella.testing.survey import Survey

from ..formats.test_measure import Bare
from .conftest import lamella_ok


@contextlib.contextmanager
def compilations() -> Iterator[list[str]]:
    """Yield the kernels that are compiled meanwhile."""
    names: list[str] = []

    class Listener(event.Listener):
        def on_start(self, event: event.Event) -> None:
            names.append(event.data["dispatcher"].__name__)

        def on_end(self, event: event.Event) -> None:
            pass

    listener = Listener()
    event.register("numba:compile", listener)
    try:
        yield names
    finally:
        event.unregister("numba:compile", listener)


def survey(**options: object) -> Survey:
    fixed = {"bands": ("r",), "visits_per_band": 2, "detector_grid": (1, 1), "detector_shape": (140, 130)}
    sky = {"stars": 40, "galaxies": 4, "star_magnitudes": (17.5, 20.0), "dither": 3.0, "distortion": 0.0}
    return Survey(SurveyConfig(**fixed, **sky, **options))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr("tempfile.tempdir", None)
        text = lamella_ok("warm")
    assert not list(folder.iterdir())
    return text


def test_warming_names_what_was_compiled_and_leaves_nothing_behind(warm: str) -> None:
    for what in ("NOISECLIP", "lanczos5", "several detectors", "larger pixels", "compare_warp", "writing"):
        assert what in warm
    assert "layouts of surveys" in warm
    assert "plain images" in warm


def integers(folder: Path) -> Path:
    """Write plain images of 16 bits without a gain."""
    for letter in "ab":
        path = Bare(f"{letter}.fits", cards={"SATURATE": 60000}).write(folder)
        with fits.open(path) as hdus:
            fits.writeto(path, np.round(hdus[0].data).astype(np.int16), hdus[0].header, overwrite=True)
    return folder


@pytest.mark.parametrize("name", ["lookup tables", "integers", "hst-acs", "sdss-frame", "des", "wise"])
def test_afterwards_no_coadd_compiles_anything(warm: str, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "exposures"
    if name == "lookup tables":
        write_plain(survey(seed=5).exposures(), folder)
    elif name == "integers":
        folder.mkdir()
        integers(folder)
    else:
        write_layout(name, survey(seed=5).exposures(), folder)
    with compilations() as compiled:
        lamella_ok("coadd", folder, "-o", tmp_path / "out", "--quiet")
    assert compiled == []


def test_a_function_that_is_compiled_is_counted() -> None:
    def add_one(number: int) -> int:
        return number + 1

    with compilations() as compiled:
        numba.njit(add_one)(1)
    assert compiled == ["add_one"]
