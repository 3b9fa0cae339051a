"""Readers of the pages on the middleware paste what is shown there, too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from ..formats.afw.exposures import CARDS, write_exposure
from ..pages.blocks import MIDDLEWARE, ROOT
from ..pages.conftest import demo, desk, scripts  # noqa: F401 (fixtures)
from ..pages.reader import Desk

pytestmark = pytest.mark.slow


def write_exposures(folder: Path) -> None:
    """Write three visits of HSC in a band."""
    (folder / "exposures").mkdir()
    for visit in range(3):
        shifted = CARDS | {"CRPIX1": CARDS["CRPIX1"] + 0.4 * visit, "CRPIX2": CARDS["CRPIX2"] - 0.3 * visit}
        write_exposure(folder / "exposures" / f"calexp-{visit}.fits", visit=visit, cards=shifted)


SITES: dict[str, Callable[[Path], object]] = {"docs/pipelines.md": write_exposures}


@pytest.mark.parametrize("page", MIDDLEWARE)
def test_the_blocks_of_a_page_run(page: str, desk: Desk) -> None:  # noqa: F811
    desk.read(ROOT / page, SITES.get(page))
