"""Text of AST in several threads."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import astropy.units as u
import pytest
from astropy.wcs import WCS
from lsst.images import GeneralFrame, SkyProjection
from lsst.images._transforms import _ast as astshim

from lamella.astlock import guard_ast

HEADER = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0,
    "CRPIX1": 50.0, "CRPIX2": 50.0, "CDELT1": -1e-4, "CDELT2": 1e-4, "CUNIT1": "deg", "CUNIT2": "deg",
}  # fmt: skip


@pytest.fixture(autouse=True)
def hasty_threads() -> Iterator[None]:
    """Threads that change within a text, again and again."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(call: Callable[[], Any], times: int = 200) -> list[Any]:
    with ThreadPoolExecutor(4) as pool:
        return [future.result() for future in [pool.submit(call) for _ in range(times)]]


def project() -> SkyProjection[Any]:
    return SkyProjection.from_fits_wcs(WCS(HEADER), GeneralFrame(unit=u.pix))


def test_text_that_threads_write_is_not_mixed() -> None:
    guard_ast()
    projection = project()
    assert set(in_threads(lambda: projection.show(comments=True))) == {projection.show(comments=True)}


def test_threads_read_what_was_written() -> None:
    guard_ast()
    text = project().show()
    read = in_threads(lambda: astshim.Mapping.fromString(text).show(False))
    assert set(read) == {astshim.Mapping.fromString(text).show(False)}


def test_headers_are_read_in_threads() -> None:
    guard_ast()
    assert set(in_threads(lambda: project().show())) == {project().show()}


def test_a_second_call_changes_nothing() -> None:
    guard_ast()
    before = astshim.Object.show, astshim.FitsChan.read
    guard_ast()
    assert (astshim.Object.show, astshim.FitsChan.read) == before
