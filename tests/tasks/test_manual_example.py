"""The page on the manual's example: its commands and programs run, and do what it says."""

from __future__ import annotations

import contextlib
import io
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from benchmarks.manual_example import PAGE, page_steps
from lamella.data.coadd import PatchCoadd
from lamella.formats.archive.products import read_product
from lamella.psf.match_control import MatchControl
from lamella.run.patch_config import PatchConfig
from lamella.tasks.manual.assembleCoaddConfig import AssembleCoaddConfig
from lamella.tasks.manual.compareWarpAssembleCoadd import CompareWarpAssembleCoaddConfig
from lamella.tasks.manual.makeCoaddTempExp import MakeCoaddTempExpConfig
from lamella.tasks.manual.safeClipAssembleCoadd import SafeClipAssembleCoaddConfig
from lamella.tasks.manual.warpAndPsfMatch import WarperConfig
from lamella.tasks.repository import open_repository
from lamella.testing.hsc_example import HscExample

from .hsc_fixture import (
    ASSEMBLE_HSC_I,
    ASSEMBLE_HSC_R,
    PATCH,
    HscSite,
    assert_same_bits,
    expected_coadd,
    input_pairs,
    unknown_files,
)
from .registries import Registry

pytestmark = [pytest.mark.slow, pytest.mark.any_database]

PROGRAMS = ("export", "lamella", "makeCoaddTempExp.py", "assembleCoadd.py", "pipetask")
FILTERS = {"i": "HSC-I", "r": "HSC-R"}


@pytest.fixture(scope="module")
def page_site(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> tuple[HscSite, list[str]]:
    """The site that a reader of the page has at its end, and what each step printed."""
    folder = tmp_path_factory.mktemp("page")
    root = folder / "ci_hsc"
    root.mkdir()
    site = HscSite(root, HscExample(root / "raw"), registry)
    # As a reader types it, one program of ours and one of the manual's: that others are called and with what
    # database makes no difference to a shell.
    typed = {"python", *PROGRAMS} - ({"lamella", "assembleCoadd.py"} if registry.server is None else set())
    printed = []
    for step in page_steps():
        language, text = step.language, step.text
        if text.startswith("lamella butler create"):
            text = text.rstrip() + registry.options()
        program = "python" if language == "python" else text.split()[0]
        printed.append((run_step if program in typed else type_step)(site, language, text))
        typed.add(program)
    assert typed == {"python", *PROGRAMS}
    return site, printed


def type_step(site: HscSite, language: str, text: str) -> str:
    """Run a program or a command in a shell, and return what it printed."""
    command = f"python -W error - <<'END'\n{text}END" if language == "python" else text
    return site.checked(f"cd {shlex.quote(str(site.root.parent))}\n{command}", here=False)


def run_step(site: HscSite, language: str, text: str) -> str:
    """Run a program or a command in this process, and return what it printed."""
    if text.startswith("export"):
        return ""
    if language == "console":
        return site.checked(text)
    printed = io.StringIO()
    with contextlib.chdir(site.root.parent), contextlib.redirect_stdout(printed):
        exec(compile(text, str(PAGE), "exec"), {})
    return printed.getvalue()


@pytest.fixture(scope="module", params=FILTERS)
def coadd(request: pytest.FixtureRequest, page_site: tuple[HscSite, list[str]]) -> PatchCoadd:
    with open_repository(page_site[0].repository, collections="deepCoadd-results") as butler:
        found: PatchCoadd = butler.get("deepCoadd", skymap="discrete/ci_hsc", band=request.param, **PATCH)
    return found


def test_the_commands_are_those_of_the_manual(shared: Path) -> None:
    lines = (shared / "spec" / "manual.txt").read_text().splitlines()
    assert ASSEMBLE_HSC_I in lines
    assert ASSEMBLE_HSC_R in lines


@pytest.mark.parametrize("printed", [ASSEMBLE_HSC_I, ASSEMBLE_HSC_R])
def test_the_page_has_them(printed: str) -> None:
    # A shell takes a backslash and the end of its line away.
    commands = [step.text.replace("\\\n", "").rstrip() for step in page_steps() if step.language == "console"]
    assert printed in commands


def test_the_table_of_inputs_has_exactly_the_pairs(
    coadd: PatchCoadd, page_site: tuple[HscSite, list[str]]
) -> None:
    name = FILTERS[coadd.band]
    assert input_pairs(coadd) == page_site[0].example.pairs[name]
    assert len(coadd.inputs) == {"HSC-I": 16, "HSC-R": 17}[name]
    assert len(coadd.rejections) == 0
    assert (coadd.inputs["good_pixels"] > 500).all()
    # A weight per visit.
    weights = {(row["visit"], row["weight"]) for row in coadd.inputs}
    assert len(weights) == len({visit for visit, _ in weights}) == {"HSC-I": 5, "HSC-R": 6}[name]


def test_the_coadd_is_deeper_than_its_inputs(coadd: PatchCoadd) -> None:
    counts = coadd.exposure_count.array
    assert counts.max() >= 5
    assert (counts > 0).mean() > 0.95
    good = (counts > 0) & np.isfinite(coadd.variance.array)
    deep, shallow = good & (counts >= 4), good & (counts == 1)
    assert np.median(coadd.variance.array[deep]) < 0.5 * np.median(coadd.variance.array[shallow])


def test_the_coadd_is_that_of_the_functions(coadd: PatchCoadd, page_site: tuple[HscSite, list[str]]) -> None:
    config = PatchConfig(warp=WarperConfig().toCore(), assemble=AssembleCoaddConfig().toCore())
    assert_same_bits(coadd, expected_coadd(page_site[0].example, coadd.band, config))


def test_results_are_where_the_manual_says(coadd: PatchCoadd, page_site: tuple[HscSite, list[str]]) -> None:
    name = FILTERS[coadd.band]
    data = page_site[0].repository
    for path in (f"deepCoadd-results/{name}/0/5,4/calexp-{name}-0-5,4.fits", f"deepCoadd/{name}/0/5,4.fits"):
        assert_same_bits(read_product(data / path), coadd)


def test_exposures_are_found_by_their_regions(page_site: tuple[HscSite, list[str]]) -> None:
    site, _ = page_site
    with open_repository(site.repository) as butler:
        for band, name in FILTERS.items():
            where = f"skymap='discrete/ci_hsc' and tract=0 and patch={PATCH['patch']} and band='{band}'"
            with butler.query() as query:
                found = query.where(where, instrument="HSC").data_ids(["visit", "detector", "patch"])
                pairs = sorted((data_id["visit"], data_id["detector"]) for data_id in found)
            assert tuple(pairs) == site.example.pairs[name]


def test_the_pipeline_finds_the_same_exposures(page_site: tuple[HscSite, list[str]]) -> None:
    site, _ = page_site
    with open_repository(site.repository, collections="lamella/coadds") as butler:
        coadd = butler.get("deepCoadd", skymap="discrete/ci_hsc", band="i", **PATCH)
    assert coadd.settings["assemble"]["reject"]["method"] == "compare_warp"
    assert input_pairs(coadd) == site.example.pairs["HSC-I"]
    matched = MakeCoaddTempExpConfig().matchControl().replace(fwhm=3.0)
    assert matched.to_dict() != coadd.settings["match"] == MatchControl(fwhm=3.0).to_dict()


@pytest.mark.parametrize(
    ("rerun", "config"),
    [("safe-clip", SafeClipAssembleCoaddConfig), ("compare-warp", CompareWarpAssembleCoaddConfig)],
)
def test_coadds_without_artifacts_are_those_of_the_functions(
    rerun: str, config: Any, page_site: tuple[HscSite, list[str]]
) -> None:
    site, printed = page_site
    with open_repository(site.repository, collections=f"rerun/{rerun}") as butler:
        coadd = butler.get("deepCoadd", skymap="discrete/ci_hsc", band="i", **PATCH)
    assert input_pairs(coadd) == site.example.pairs["HSC-I"]
    match = MakeCoaddTempExpConfig().matchControl().replace(fwhm=3.0)
    options = PatchConfig(warp=WarperConfig().toCore(), assemble=config().toCore(), match=match)
    expected = expected_coadd(site.example, "i", options)
    assert_same_bits(coadd, expected)
    assert coadd.removals == expected.removals
    assert 0 < sum(one.removed for one in coadd.removals) < 0.1 * sum(one.valid for one in coadd.removals)
    assert any("transient" in text for text in printed)


def test_nothing_is_left_over(page_site: tuple[HscSite, list[str]]) -> None:
    site, printed = page_site
    assert printed[-1] == "Forgot 0 tasks.\nRemoved 0 files.\n"
    exported = {"deepCoadd/skyMap.json"}
    for name in FILTERS.values():
        exported |= {
            f"deepCoadd/{name}/0/5,4.fits",
            f"deepCoadd-results/{name}/0/5,4/calexp-{name}-0-5,4.fits",
        }
    with open_repository(site.repository) as butler:
        found = {path.relative_to(site.repository).as_posix() for path in unknown_files(butler)}
    assert found == exported


def test_what_the_page_shows_is_printed(page_site: tuple[HscSite, list[str]]) -> None:
    _, printed = page_site
    assert printed[0] == "{'HSC-R': 17, 'HSC-I': 16}\n"
    tables = next(text for text in printed if "good_pixels" in text)
    assert "903986" in tables
    assert "903334" in tables


def test_help_is_there(page_site: tuple[HscSite, list[str]]) -> None:
    text = page_site[0].checked("assembleCoadd.py --help")
    assert "--selectId" in text
    assert "--id" in text
