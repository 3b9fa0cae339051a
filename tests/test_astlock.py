"""Text of AST in several threads, and projections in other processes."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import astropy.units as u
import numpy as np
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


SIP = {
    **HEADER, "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP",
    "A_ORDER": 2, "A_2_0": 1e-6, "A_1_1": 2e-6, "B_ORDER": 2, "B_0_2": 3e-6,
}  # fmt: skip


@pytest.mark.parametrize("header", [HEADER, SIP])
@pytest.mark.parametrize("copied", [lambda one: pickle.loads(pickle.dumps(one)), copy.deepcopy])
def test_a_copy_of_a_projection_has_its_bits(header: dict[str, Any], copied: Callable[[Any], Any]) -> None:
    guard_ast()
    frames = astshim.FitsChan(
        astshim.StringStream(WCS(header).to_header_string(relax=True)), "Encoding=FITS-WCS"
    ).read()
    projection = SkyProjection.from_ast_frame_set(frames, GeneralFrame(unit=u.pix))
    again = copied(projection)
    assert again == projection
    assert again.pixel_frame == projection.pixel_frame
    x = np.linspace(0.0, 1000.0, 701)
    ours, theirs = (p.pixel_to_sky_transform.apply_forward(x=x, y=x[::-1]) for p in (projection, again))
    assert (ours.x.tobytes(), ours.y.tobytes()) == (theirs.x.tobytes(), theirs.y.tobytes())
    ours, theirs = (p.pixel_to_sky_transform.apply_inverse(x=ours.x, y=ours.y) for p in (projection, again))
    assert (ours.x.tobytes(), ours.y.tobytes()) == (theirs.x.tobytes(), theirs.y.tobytes())


def test_a_process_may_begin_with_a_projection() -> None:
    """Nothing of lamella need be imported there before."""
    guard_ast()
    code = "import pickle, sys; one = pickle.loads(sys.stdin.buffer.read()); print(one.show())"
    ended = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(project()), capture_output=True, check=True
    )
    assert ended.stdout.decode() == project().show() + "\n"
