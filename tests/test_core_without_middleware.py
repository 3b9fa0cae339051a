"""The core needs what its own requirements bring, and nothing else that happens to be installed."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import lamella

from .core_only import requirements, run_core_only, top_modules
from .formats.afw.exposures import write_exposure

ROOT = Path(lamella.__file__).parent
NOTHING: dict[str, list[object]] = {"loaded": [], "asked": []}

IMPORT_ALL = """
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
"""

COMMAND = """
from pathlib import Path
import lamella
from lamella.cli.main import main

def run(*words):
    try:
        main([str(word) for word in words])
    except SystemExit as end:
        assert not end.code, (words, end.code)
"""

SURVEY_TO_COADDS = f"""{COMMAND}
from lamella.testing.config import SurveyConfig
from lamella.testing.survey import simulate_survey

folder = Path(sys.argv[1])
config = SurveyConfig.on_common_grid(
    bands=("g", "r"), visits_per_band=3, detector_shape=(64, 64), stars=4, bright_stars=0, galaxies=2
)
survey = simulate_survey(folder / "survey", config).table
run("coadd", survey, "-o", folder / "out", "--workers", "1", "--keep-warps", "--quiet")
assert (folder / "out" / "index.html").exists()
coadd = lamella.read_product(folder / "out" / "coadd-r-0-0,0.fits")
assert len(coadd.inputs) == 3
run("warp", survey, "-o", folder / "warps", "--band", "r", "--workers", "1")
warps = sorted(folder.glob("warps/**/warp-r-*.fits"))
run("stack", *warps, "-o", folder / "stack.fits", "--plain", folder / "plain.fits", "--statistic", "MEAN")
assert len(lamella.read_product(folder / "stack.fits").inputs) == 3
run("inspect", survey, folder / "stack.fits", *warps)
run("export", folder / "out", "-o", folder / "afw")
products = sorted(path for path in (folder / "afw").glob("*.fits"))
assert len(products) == 2 + 6 + 6, products  # coadds, warps, matched warps
for path in products:
    assert lamella.read_product(path).bbox == coadd.bbox
run("stack", *folder.glob("afw/warp-r-*"), "-o", folder / "again.fits", "--statistic", "MEAN")
"""

READ_AFW = f"""{COMMAND}
run("inspect", *sys.argv[1:])
for source in lamella.open_exposures(sys.argv[1:], format="afw").sources:
    assert source.read().pixels.image.array.size
"""


def test_all_modules_but_those_of_the_tasks_can_be_imported() -> None:
    paths = [path.relative_to(ROOT.parent).with_suffix("") for path in ROOT.rglob("*.py")]
    names = (".".join(path.parts).removesuffix(".__init__") for path in paths)
    names = sorted(n for n in names if not f"{n}.".startswith(("lamella.tasks.", "lamella.cli.butler.")))
    assert len(names) > 100
    assert {"lamella.coadd.assemble", "lamella.cli.main", "lamella.testing.survey"} <= set(names)
    assert run_core_only(IMPORT_ALL, *names) == NOTHING


def test_a_survey_becomes_warps_coadds_stacks_and_files_for_afw(tmp_path: Path) -> None:
    assert run_core_only(SURVEY_TO_COADDS, str(tmp_path)) == NOTHING


def test_exposures_of_afw_are_read(tmp_path: Path) -> None:
    paths = [write_exposure(tmp_path / f"{visit}.fits", visit=visit) for visit in (7, 8)]
    assert run_core_only(READ_AFW, *map(str, paths)) == NOTHING


def test_exposures_that_afw_itself_wrote_are_read(shared: Path) -> None:
    names = ("meas_modelfit_calexp_pcapsf", "obs_base_calexp_hsc")
    paths = [str(shared / "data" / "lsst_fits" / f"{name}.fits") for name in names]
    assert run_core_only(READ_AFW, *paths) == NOTHING


def test_the_command_starts() -> None:
    assert run_core_only(f"{COMMAND}\nrun('--version')\nrun('--help')") == NOTHING


def test_what_the_core_requires_is_computed_from_metadata() -> None:
    core = requirements()
    assert {"lamella", "numpy", "lsst-images", "astropy-iers-data"} <= core  # directly, and in turn
    assert not {"lsst-daf-butler", "lsst-pipe-base", "pytest", "sphinx"} & core
    if _is_installed("lsst-daf-butler"):
        assert {"lsst-daf-butler", "lsst-sphgeom"} <= requirements("lamella", "lsst")
    modules = top_modules(core)
    assert {"lamella", "PIL", "lsst.images", "yaml"} <= modules
    assert not {"lsst", "lsst.daf", "lsst.pipe", "pytest", "hypothesis"} & modules


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def test_nothing_else_can_be_imported_or_seen() -> None:
    """Without this the tests above could not fail: pytest is installed, and so is the middleware in CI."""
    code = """
import importlib.metadata, importlib.util
__name__ = "lamella.some_module"
for name in ("pytest", "lsst.daf.butler", "lsst.sphgeom"):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        assert name.startswith(error.name)
    else:
        raise AssertionError(name)
assert importlib.util.find_spec("hypothesis") is None
installed = {distribution.name for distribution in importlib.metadata.distributions()}
assert "lamella" in installed and "pytest" not in installed
import lsst.images, yaml
"""
    names = [name for _, name in run_core_only(code)["asked"]]
    assert names == ["pytest", "lsst.daf", "lsst.sphgeom", "hypothesis"]


def test_the_hook_is_as_narrow_as_the_requirements() -> None:
    """What a distribution that needs little may import is little: not even numpy."""
    code = "assert importlib.util.find_spec('numpy') is None; import click"
    report = run_core_only(f"import importlib.util; {code}", distribution="click")
    assert report["loaded"] == []
