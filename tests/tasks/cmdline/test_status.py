from __future__ import annotations

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.pipe.base import Struct

from lamella.tasks.cmdline.status import EXIT_NOT_STARTED, EXIT_NOTHING, exit_status


def _results(done: int = 0, failed: int = 0, nothing: int = 0) -> list[Struct]:
    return (
        [Struct(exitStatus=0, nothing=False)] * done
        + [Struct(exitStatus=1, nothing=False)] * failed
        + [Struct(exitStatus=0, nothing=True)] * nothing
    )


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ({"done": 3}, 0),
        ({"done": 1, "nothing": 2}, 0),
        ({"nothing": 2}, EXIT_NOTHING),
        ({}, EXIT_NOTHING),
        ({"failed": 1, "nothing": 1}, 1),
        ({"failed": 2, "done": 5}, 2),
        ({"failed": 252}, 252),
        ({"failed": 253}, 255),
        ({"failed": 254}, 255),
        ({"failed": 256}, 255),
        ({"failed": 1000}, 255),
    ],
)
def test_status(counts: dict[str, int], status: int) -> None:
    assert exit_status(_results(**counts)) == status


def test_statuses_are_distinct() -> None:
    failures = {exit_status(_results(failed=number)) for number in range(1, 600)}
    assert not failures & {0, EXIT_NOTHING, EXIT_NOT_STARTED}
