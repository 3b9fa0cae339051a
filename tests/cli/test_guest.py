"""A package that an administrator installed and warmed, and a user who may write to the output alone."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lamella
from lamella.testing.survey import Survey

from ..guests import with_write_permission, without_write_permission

pytestmark = pytest.mark.slow

_ROOT = Path(__file__).parents[2]
_CPU_SECONDS = 10.0
_SMALL_DEMO = (
    "from lamella.cli import demo; from tests.cli.conftest import TINY; "
    "demo.SurveyConfig = lambda seed: TINY.replace(seed=seed, bands=('r',))"
)


class Site:
    """A copy of the package, and a home."""

    def __init__(self, folder: Path) -> None:
        self.package, self.home = folder / "site" / "lamella", folder / "home"
        shutil.copytree(Path(lamella.__file__).parent, self.package)
        self.home.mkdir()

    def run(self, *arguments: object, before: str = "") -> tuple[str, float]:
        """Run a command of the copy, which must end well; return what it told, and its CPU seconds."""
        words = [str(argument) for argument in arguments]
        code = (
            f"import sys; sys.path[:0] = [{str(self.package.parent)!r}, {str(_ROOT)!r}]\n{before}\n"
            f"import lamella; assert lamella.__file__.startswith({str(self.package)!r})\n"
            f"from lamella.cli.main import main; main({words})"
        )
        env = {"HOME": str(self.home), "OPENBLAS_NUM_THREADS": "1"}
        start = _children_seconds()
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stderr, _children_seconds() - start


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    copy = Site(tmp_path)
    yield copy
    with_write_permission(copy.package)
    with_write_permission(copy.home)


@pytest.mark.usefixtures("coadds")  # after which most is compiled, and copied
def test_what_was_compiled_by_root_serves_a_user_who_may_write_nothing(
    site: Site, survey: Survey, tmp_path: Path
) -> None:
    options = "coadd", survey.table, "--band", "g", "--workers", 1
    site.run(*options, "-o", tmp_path / "roots")
    without_write_permission(site.package, site.home)
    guest = "from tests.guests import obey_permissions; obey_permissions()"
    told, seconds = site.run(*options, "-o", tmp_path / "out", before=guest)
    assert "lamella: 0.1.0, coadd: reading exposures ..." in told
    assert "ompil" not in told
    assert seconds < _CPU_SECONDS
    site.run("demo", "-o", tmp_path / "demo", "--workers", 1, before=f"{guest}\n{_SMALL_DEMO}")
    assert (tmp_path / "demo" / "coadds" / "index.html").exists()
    with pytest.raises(AssertionError, match="cannot be written"):
        site.run(*options, "-o", site.home / "out", before=guest)
