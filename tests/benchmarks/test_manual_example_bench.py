"""The benchmark of the page on the manual's example."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.launch import CommandError, Usage
from benchmarks.manual_example import Reader, Step, page_steps, table


def test_steps_are_those_of_the_page() -> None:
    titles = [step.title for step in page_steps()]
    assert titles[:3] == ["python: write_hsc_example", "export", "lamella butler create"]
    assert "assembleCoadd.py compare-warp --warpCompareCoadd filter=HSC-I" in titles
    assert "pipetask run" in titles
    # The two that show coadds differ in what they show.
    assert {title for title in titles if titles.count(title) > 1} == {"python: open_repository"}


def test_medians_are_over_rounds_and_sums_over_steps() -> None:
    steps = [Step("console", "lamella inspect a.fits"), Step("console", "pipetask run -j 1")]
    rounds = [
        [[Usage(cpu, 0.0, 9.0, 9.0), Usage(1.0, 1.0, 9.0, 9.0)], [Usage(2.0, 0.0, 9.0, 9.0)] * 2]
        for cpu in (4.0, 8.0, 5.0)
    ]
    assert table(steps, rounds).splitlines()[2:] == [
        "| lamella inspect | 5.00 | 2.00 | 0.40 |",
        "| pipetask run | 2.00 | 2.00 | 1.00 |",
        "| all | 7.00 | 4.00 | 0.57 |",
    ]
    alone = [[row[:1] for row in rows] for rows in rounds]
    assert table(steps, alone).splitlines()[-1] == "| all | 7.00 |"


def test_readers_have_a_folder_and_a_version_each(tmp_path: Path) -> None:
    source = tmp_path / "src"
    (source / "lamella").mkdir(parents=True)
    (source / "lamella" / "__init__.py").write_text("here = 1\n")
    program = Step("python", "import lamella, pathlib; pathlib.Path('made').write_text(str(lamella.here))")
    assert Reader(tmp_path / "before", source).take(program).cpu_s > 0
    assert (tmp_path / "before" / "made").read_text() == "1"
    with pytest.raises(CommandError, match="here"):
        Reader(tmp_path / "now").take(program)
