"""The core works where no LSST middleware is installed, and asks for none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import lamella

ROOT = Path(lamella.__file__).parent

# Makes the middleware impossible to import, installed or not, and notes who tried.
BLOCKER = """
import importlib.abc, json, sys

class Blocker(importlib.abc.MetaPathFinder):
    packages = ("lsst.daf", "lsst.pipe", "lsst.pex", "lsst.ctrl", "lsst.sphgeom")
    asked = []

    def find_spec(self, name, path=None, target=None):
        if not name.startswith(self.packages):
            return None
        frame = sys._getframe(1)
        while frame and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        self.asked.append((frame.f_globals.get("__name__", "?"), name))
        raise ModuleNotFoundError(f"blocked: {name}", name=name)

def report():
    loaded = sorted(name for name in sys.modules if name.startswith(Blocker.packages))
    asked = [pair for pair in Blocker.asked if pair[0].split(".")[0] == "lamella"]
    print(json.dumps({"loaded": loaded, "asked": asked}))

sys.meta_path.insert(0, Blocker())
"""

IMPORT_ALL = """
import importlib
for name in {names!r}:
    importlib.import_module(name)
report()
"""

MAKE_A_COADD = """
import sys
from pathlib import Path
import lamella
from lamella.cli.main import main
from lamella.testing.config import SurveyConfig
from lamella.testing.survey import simulate_survey

folder = Path(sys.argv[1])
config = SurveyConfig.on_common_grid(
    bands=("r",), visits_per_band=3, detector_shape=(64, 64), stars=2, bright_stars=0, galaxies=2
)
survey = simulate_survey(folder / "survey", config)
sys.argv = ["lamella", "coadd", str(survey.table), "-o", str(folder / "out"), "--quiet", "--workers", "1"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
(product,) = [path for path in folder.glob("out/*.fits") if "plain" not in path.name]
assert len(lamella.read_product(product).inputs) == 3
report()
"""


def core_modules() -> list[str]:
    paths = [path.relative_to(ROOT.parent).with_suffix("") for path in ROOT.rglob("*.py")]
    names = (".".join(path.parts).removesuffix(".__init__") for path in paths)
    return sorted(n for n in names if not f"{n}.".startswith(("lamella.tasks.", "lamella.cli.butler.")))


def run_blocked(code: str, *arguments: str) -> dict[str, list[str]]:
    done = subprocess.run([sys.executable, "-c", BLOCKER + code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_all_modules_but_those_of_the_tasks_can_be_imported() -> None:
    names = core_modules()
    assert len(names) > 100
    assert {"lamella.coadd.assemble", "lamella.cli.main", "lamella.testing.survey"} <= set(names)
    assert run_blocked(IMPORT_ALL.format(names=names)) == {"loaded": [], "asked": []}


def test_a_coadd_can_be_made(tmp_path: Path) -> None:
    assert run_blocked(MAKE_A_COADD, str(tmp_path)) == {"loaded": [], "asked": []}


def test_the_blocker_blocks() -> None:
    """Without this the two tests above could not fail."""
    code = """
__name__ = "lamella.some_module"
try:
    import lsst.daf.butler
except ImportError:
    pass
report()
"""
    assert run_blocked(code)["asked"] == [["lamella.some_module", "lsst.daf"]]


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_command_starts(option: str) -> None:
    code = f"""
from lamella.cli.main import main
sys.argv = ["lamella", {option!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
report()
"""
    assert run_blocked(code) == {"loaded": [], "asked": []}
