"""What is said of distortions that CTYPE does not name."""

from __future__ import annotations

from typing import Any

import pytest

from lamella.sky.projection import projection_notes

from .test_projection import PV, SIP, TAN


def typed(kind: str) -> dict[str, str]:
    return {"CTYPE1": f"RA---{kind}", "CTYPE2": f"DEC--{kind}"}


@pytest.mark.parametrize(
    ("header", "notes"),
    [
        (TAN, ()),
        (TAN | typed("TAN-SIP") | SIP, ()),
        (TAN | typed("TPV") | PV, ()),
        (TAN | PV, ()),
        (TAN | SIP, ("A_ORDER is taken, although CTYPE1 = RA---TAN does not say SIP.",)),
        (
            TAN | typed("TAN-SIP") | SIP | PV,
            ("CTYPE1 = RA---TAN-SIP is taken, PV1_7 is not: TAN-SIP has no PV.",),
        ),
        (TAN | typed("TPV") | SIP | PV, ("CTYPE1 = RA---TPV is taken, A_ORDER is not: TPV has no SIP.",)),
        (TAN | typed("ZPN-SIP") | SIP | {"PV2_1": 1.0}, ()),
    ],
)
def test_notes(header: dict[str, Any], notes: tuple[str, ...]) -> None:
    assert projection_notes(header, path="x.fits", hdu=0) == notes
