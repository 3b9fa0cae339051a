"""The same bits from `lamella.assemble`, ``lamella coadd``, the PipelineTask and ``assembleCoadd.py``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.coadd.archive import PatchCoadd
from lamella.coadd.assemble import AssembleConfig
from lamella.config import Config
from lamella.formats.archives import read_product
from lamella.run.jobs import PatchConfig
from lamella.tasks.derive import field_name
from lamella.tasks.manual.assembleCoaddConfig import AssembleCoaddConfig
from lamella.tasks.repository import open_repository

from .hsc_fixture import (
    ASSEMBLE_HSC_I,
    PATCH,
    PIPETASK,
    HscSite,
    assert_same_bits,
    expected_coadd,
    input_pairs,
)


@dataclasses.dataclass(frozen=True)
class Options:
    """The same options for every door."""

    core: AssembleConfig
    manual: str


@pytest.fixture(scope="module", params=["lamella", "manual"])
def options(request: pytest.FixtureRequest) -> Options:
    if request.param == "manual":
        return Options(AssembleCoaddConfig().toCore(), "")
    return Options(AssembleConfig(), "-c statistic=NOISECLIP interpImage.maxGap=10")


@pytest.fixture(scope="module")
def expected(options: Options, hsc_site: HscSite) -> PatchCoadd:
    coadd = expected_coadd(hsc_site, "i", PatchConfig(assemble=options.core))
    assert input_pairs(coadd) == hsc_site.example.pairs["HSC-I"]
    return coadd


def test_both_sets_of_options_differ(hsc_site: HscSite) -> None:
    """Without this, equal bits could mean that options are passed over."""
    first = expected_coadd(hsc_site, "i")
    second = expected_coadd(hsc_site, "i", PatchConfig(assemble=AssembleCoaddConfig().toCore()))
    assert (first.image.array != second.image.array).mean() > 0.01


def test_the_lamella_command(
    options: Options, expected: PatchCoadd, hsc_site: HscSite, tmp_path: Path
) -> None:
    settings = tmp_path / "options.yaml"
    settings.write_text(yaml.safe_dump({"assemble": options.core.to_dict()}))
    example, out = hsc_site.example, tmp_path / "out"
    hsc_site.checked(
        f"lamella coadd {example.table} --skymap {example.skymap_file} --band i --patch 5,4 "
        f"--config {settings} -o {out} --quiet"
    )
    assert_same_bits(read_product(out / "coadd-i-0-5,4.fits"), expected)


def test_the_pipeline_task(options: Options, expected: PatchCoadd, hsc_site: HscSite, tmp_path: Path) -> None:
    site = hsc_site.copy(tmp_path / "site")
    overrides = tmp_path / "assemble.py"
    overrides.write_text("".join(f"config.assemble.{line}\n" for line in assignments(options.core)))
    site.checked(f"{PIPETASK} -C assembleCoadd:{overrides}")
    with open_repository(site.repository, collections="lamella/coadds") as butler:
        coadd = butler.get("deepCoadd", skymap="discrete/ci_hsc", band="i", **PATCH)
    assert coadd.settings["assemble"] == options.core.to_dict()
    assert_same_bits(coadd, expected)


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
    options: Options, expected: PatchCoadd, warped_site: HscSite, tmp_path: Path
) -> None:
    site = warped_site.copy(tmp_path / "site")
    site.checked(f"{ASSEMBLE_HSC_I} {options.manual}")
    with open_repository(site.repository, collections="deepCoadd-results") as butler:
        coadd = butler.get("deepCoadd", skymap="discrete/ci_hsc", band="i", **PATCH)
    assert coadd.settings["assemble"] == options.core.to_dict()
    assert_same_bits(coadd, expected)
