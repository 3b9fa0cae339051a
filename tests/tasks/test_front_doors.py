"""The same bits from `lamella.assemble`, ``lamella coadd``, the PipelineTask and ``assembleCoadd.py``."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.coadd.assemble_control import AssembleConfig
from lamella.config import Config
from lamella.data.coadd import PatchCoadd
from lamella.formats.archive.products import read_product
from lamella.psf.match_control import MatchControl
from lamella.run.patch_config import PatchConfig
from lamella.tasks.derive import field_name
from lamella.tasks.manual.assembleCoaddConfig import AssembleCoaddConfig
from lamella.tasks.manual.compareWarpAssembleCoadd import CompareWarpAssembleCoaddConfig
from lamella.tasks.manual.makeCoaddTempExp import MakeCoaddTempExpConfig
from lamella.tasks.manual.safeClipAssembleCoadd import SafeClipAssembleCoaddConfig
from lamella.tasks.repository import open_repository
from lamella.testing.hsc_example import HscExample

from .hsc_fixture import (
    ASSEMBLE_HSC_I,
    PATCH,
    PIPETASK,
    HscSite,
    assert_same_bits,
    expected_coadd,
    input_pairs,
)
from .registries import Registry

pytestmark = [pytest.mark.slow, pytest.mark.any_database]


@dataclasses.dataclass(frozen=True)
class Options:
    """The same options for every door."""

    core: AssembleConfig
    manual: str
    switch: str = "--legacyCoadd"

    @property
    def patch(self) -> PatchConfig:
        config = MakeCoaddTempExpConfig()
        config.modelPsf.defaultFwhm = 3.0
        warp = config.warpAndPsfMatch.value.toCore()
        return PatchConfig(warp=warp, assemble=self.core, match=config.matchControl())

    @property
    def command(self) -> str:
        return f"{ASSEMBLE_HSC_I.replace('--legacyCoadd', self.switch)} {self.manual}"


NOISECLIP = AssembleConfig(statistic="NOISECLIP")
BY_VARIANCE = NOISECLIP.replace(weights={"rule": "variance"})
OPTIONS = {
    "information": lambda: Options(NOISECLIP, ""),
    "lamella": lambda: Options(BY_VARIANCE, "-c statistic=NOISECLIP interpImage.maxGap=10"),
    "manual": lambda: Options(AssembleCoaddConfig().toCore(), ""),
    "compare_warp": lambda: Options(CompareWarpAssembleCoaddConfig().toCore(), "", "--warpCompareCoadd"),
    "safe_clip": lambda: Options(SafeClipAssembleCoaddConfig().toCore(), "", ""),
}


@pytest.fixture(scope="module", params=OPTIONS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def options(name: str) -> Options:
    return OPTIONS[name]()


@pytest.fixture(scope="module")
def expected_by_name(hsc_example: HscExample) -> Callable[[str], PatchCoadd]:
    """Coadds as the functions make them, each made once."""
    return functools.cache(lambda name: expected_coadd(hsc_example, "i", OPTIONS[name]().patch))


@pytest.fixture(scope="module")
def expected(
    name: str, options: Options, expected_by_name: Callable[[str], PatchCoadd], hsc_example: HscExample
) -> PatchCoadd:
    coadd = expected_by_name(name)
    assert input_pairs(coadd) == hsc_example.pairs["HSC-I"]
    assert (len(coadd.removals) == 5) == (options.switch != "--legacyCoadd")
    assert (len({one.weight for one in coadd.detectors}) > 5) == (options.core.weights.rule == "information")
    return coadd


def assert_same(found: PatchCoadd, expected: PatchCoadd) -> None:
    assert_same_bits(found, expected)
    assert found.removals == expected.removals


def test_all_sets_of_options_differ(expected_by_name: Callable[[str], PatchCoadd]) -> None:
    """Without this, equal bits could mean that options are passed over."""
    coadds = [expected_by_name(name) for name in OPTIONS]
    for first, second in itertools.combinations(coadds, 2):
        assert (first.image.array != second.image.array).mean() > 0.01


def test_the_lamella_command(
    options: Options, expected: PatchCoadd, hsc_example: HscExample, tmp_path: Path
) -> None:
    settings = tmp_path / "options.yaml"
    settings.write_text(yaml.safe_dump(options.patch.to_dict()))
    out = tmp_path / "out"
    HscSite(tmp_path, hsc_example, Registry()).checked(
        f"lamella coadd {hsc_example.table} --skymap {hsc_example.skymap_file} --band i --patch 5,4 "
        f"--config {settings} -o {out} --quiet"
    )
    assert_same(read_product(out / "coadd-i-0-5,4.fits"), expected)


@pytest.fixture(scope="module")
def piped_warps(hsc_site: HscSite, tmp_path_factory: pytest.TempPathFactory) -> HscSite:
    """A site with the warps of the pipeline, matched ones, too; how they are made is the same for all."""
    site = hsc_site.copy(tmp_path_factory.mktemp("piped") / "site")
    patch = OPTIONS["compare_warp"]().patch
    controls = {"match": patch.match, "warp": patch.warp}
    lines = [f"config.{name}.{line}\n" for name, one in controls.items() for line in assignments(one)]
    lines.append("config.matchCompared = False\n")
    (site.root / "warp.py").write_text("".join(lines))
    warping = PIPETASK.replace("coadd.yaml", "coadd.yaml#makeWarp").replace("lamella/coadds", "warps")
    site.checked(f"{warping} -C makeWarp:{site.root / 'warp.py'}")
    return site


def test_the_pipeline_task(
    name: str, options: Options, expected: PatchCoadd, piped_warps: HscSite, tmp_path: Path
) -> None:
    warped = OPTIONS["compare_warp"]().patch
    assert (options.patch.warp, options.patch.match) == (warped.warp, warped.match)
    overrides = tmp_path / "assemble.py"
    overrides.write_text("".join(f"config.assemble.{line}\n" for line in assignments(options.core)))
    coadding = PIPETASK.replace("coadd.yaml", "coadd.yaml#coadds").replace("-c makeWarp:match.fwhm=3 ", "")
    coadding = coadding.replace("lamella/coadds", name).replace("HSC/defaults", "warps,HSC/defaults")
    piped_warps.checked(f"{coadding} -C assembleCoadd:{overrides}")
    with open_repository(piped_warps.repository, collections=name) as butler:
        coadd = butler.get("deepCoadd", skymap="discrete/ci_hsc", band="i", **PATCH)
    assert coadd.settings["assemble"] == options.core.to_dict()
    assert_same(coadd, expected)


def assignments(config: Config, prefix: str = "") -> list[str]:
    """Return a core configuration as lines of a configuration file of the middleware."""
    lines = []
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Config):
            lines += assignments(value, f"{prefix}{field_name(name)}.")
        else:
            plain = config.to_dict()[name]
            lines.append(f"{prefix}{field_name(name)} = {plain!r}")
    return lines


def test_the_command_of_the_manual(
    options: Options, expected: PatchCoadd, matched_site: HscSite, tmp_path: Path
) -> None:
    if options.core.weights.rule == "information":
        pytest.skip("the manual weighs by variance")
    site = matched_site.copy(tmp_path / "site")
    site.checked(options.command)
    with open_repository(site.repository, collections="deepCoadd-results") as butler:
        coadd = butler.get("deepCoadd", skymap="discrete/ci_hsc", band="i", **PATCH)
    assert coadd.settings["assemble"] == options.core.to_dict()
    assert_same(coadd, expected)


# Without a word on rejection: six visits in r, of which three or more are on most of the area; five in i, of
# which they are not.

CHOICES = {
    "r": ("compare_warp", AssembleConfig(reject={"method": "compare_warp"})),
    "i": ("none", NOISECLIP),
}


@pytest.fixture(scope="module")
def commanded(
    hsc_example: HscExample, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], PatchCoadd]:
    """Coadds of bands as the command chooses, each made once."""

    @functools.cache
    def make(band: str) -> PatchCoadd:
        folder = tmp_path_factory.mktemp("chosen")
        HscSite(folder, hsc_example, Registry()).checked(
            f"lamella coadd {hsc_example.table} --skymap {hsc_example.skymap_file} --band {band} --patch 5,4 "
            f"--match-fwhm 3 -o {folder / 'out'} --quiet"
        )
        return read_product(folder / "out" / f"coadd-{band}-0-5,4.fits")

    return make


@pytest.mark.parametrize("band", CHOICES)
def test_what_the_command_chooses_has_the_same_bits(
    band: str, hsc_example: HscExample, commanded: Callable[[str], PatchCoadd]
) -> None:
    method, core = CHOICES[band]
    config = PatchConfig(assemble=core, match=MatchControl(fwhm=3.0))
    coadd = commanded(band)
    assert coadd.settings["rejection"]["method"] == method
    assert_same(coadd, expected_coadd(hsc_example, band, config))


def test_what_the_pipeline_chooses_has_the_same_bits(
    commanded: Callable[[str], PatchCoadd], hsc_site: HscSite, tmp_path: Path
) -> None:
    """Of a band that is not compared ``pipeline/test_choose.py`` knows it."""
    site = hsc_site.copy(tmp_path / "site")
    site.checked(PIPETASK.replace("band='i'", "band='r'"))
    with open_repository(site.repository, collections="lamella/coadds") as butler:
        coadd = butler.get("deepCoadd", skymap="discrete/ci_hsc", band="r", **PATCH)
        assert butler.query_datasets("deepCoadd_psfMatchedWarp")
    assert coadd.settings["rejection"]["method"] == "compare_warp"
    assert_same(coadd, commanded("r"))
    assert coadd.notes == commanded("r").notes
