"""A wrong command line of the manual's commands ends in one line with its status, and nothing is written."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.tasks.manual import commands

pytestmark = pytest.mark.any_database

ID = "--id tract=0 patch=1,0 filter=HSC-I"
ASSEMBLE = [
    # The input.
    ("NONE", 2, "Butler repository"),
    ("EMPTY", 2, "Butler repository"),
    ("FILE", 2, "Butler repository"),
    # Identifiers.
    ("REPO --id tract", 2, "'tract' is not KEY=VALUE"),
    ("REPO --id tract=", 2, "'tract=' is not KEY=VALUE"),
    ("REPO --id =0", 2, "'=0' is not KEY=VALUE"),
    ("REPO --id tract=0 tract=1", 2, "tract is given twice"),
    ("REPO --id tract=zero patch=1,0 filter=HSC-I", 2, "Cannot cast value 'zero' to int for ID key tract"),
    ("REPO --id tract=1..0 patch=1,0 filter=HSC-I", 2, "is not a range"),
    ("REPO --id tract=0..9:0 patch=1,0 filter=HSC-I", 2, "is not a range"),
    ("REPO --id tract=0^^1 patch=1,0 filter=HSC-I", 2, "has an empty item"),
    ("REPO --id tract=0..99999999999 patch=1,0 filter=HSC-I", 2, "more than 1000000 values"),
    ("REPO --id tract=7 patch=1,0 filter=HSC-I", 2, "The sky map toys has no tract 7"),
    ("REPO --id tract=0 patch=9,9 filter=HSC-I", 2, "patch 9,9"),
    ("REPO --id tract=0 patch=999 filter=HSC-I", 2, "patch"),
    ("REPO --id tract=0 patch=upper filter=HSC-I", 2, "patch"),
    ("REPO --id tract=0 patch=1,0 filter=HSC-Z", 2, "no filter 'HSC-Z'"),
    ("REPO --id tract=0 patch=1,0 filter=HSC-I skymap=none", 2, "none"),
    ("REPO --id patch=1,0 filter=HSC-I", 253, "--id must include tract"),
    ("REPO --id tract=0 filter=HSC-I", 253, "--id must include patch"),
    ("REPO --id tract=0 patch=1,0", 253, "--id must include filter"),
    (f"REPO {ID} --selectId visit=abc", 2, "Cannot cast value 'abc' to int for ID key visit"),
    (f"REPO {ID} --selectId visit", 2, "'visit' is not KEY=VALUE"),
    (f"REPO {ID} --selectId visit=1 visit=2", 2, "visit is given twice"),
    # Options.
    ("REPO -c sigmaClip", 2, "'sigmaClip' is not NAME=VALUE"),
    ("REPO -c sigmaClipp=3", 2, "There is no config field 'sigmaClipp'; did you mean sigmaClip?"),
    ("REPO -c interpImage.transpos=True", 2, "did you mean transpose?"),
    ("REPO -c sigmaClip=three", 2, "sigmaClip=three"),
    ("REPO -c sigmaClip=-1", 2, "sigmaClip"),
    ("REPO -c statistic=BOGUS", 2, "BOGUS"),
    ("REPO -c badMaskPlanes=BAD", 2, "expected a literal such as ['A', 'B']"),
    ("REPO -c badMaskPlanes=['NOSUCHPLANE!']", 2, "NOSUCHPLANE!"),
    ("REPO -c subregionSize=[1]", 2, "subregionSize"),
    ("REPO -c warpType=sideways", 2, "sideways"),
    ("REPO -c doApplyUberCal=True", 2, "doApplyUberCal"),
    ("REPO -c statistic=MAX", 2, "statistic|interpolated"),
    ("REPO -c select.retarget=nothing", 2, "is not the path of a class"),
    ("REPO -c select.retarget=os.path", 2, "cannot be retargeted"),
    ("REPO -c select.retarget=lsst.pipe.tasks.selectImages.Nothing", 2, "lamella has no Nothing"),
    ("REPO -c select.retarget=no.such.Module", 2, "cannot be imported"),
    ("REPO -C absent.py", 2, "absent.py"),
    ("REPO -C EMPTY", 2, "EMPTY"),
    ("REPO -C BINARY", 2, "expected a configuration file"),
    ("REPO -C WRONG", 2, "wrong.py:2: 'config.sigmaClip = abs(-3)'"),
    ("REPO --package-dir obs_subaru", 2, "is not PACKAGE=FOLDER"),
    ("REPO --package-dir obs_subaru=NONE", 2, "the folder of obs_subaru"),
    ("REPO -j 0", 2, "0 is less than 1"),
    ("REPO -j -1", 2, "'-1' is not a whole number|expected one argument"),
    ("REPO -j two", 2, "'two' is not a whole number"),
    ("REPO -j", 2, "expected one argument"),
    ("REPO -t soon", 2, "'soon' is not a number of seconds"),
    ("REPO -t 0", 2, "'0' is not a number of seconds"),
    ("REPO -L loud", 2, "not a log level"),
    ("REPO --rerun a --output b", 2, "together"),
    ("REPO --rerun ''", 2, "rerun"),
    ("REPO --rerun none:b", 2, "no collection rerun/none"),
    ("REPO --rerun a:", 2, "rerun"),
    ("REPO --output ''", 2, "the path is empty"),
    ("REPO --rerun ../../elsewhere", 2, "cannot be the name of a collection"),
    ("REPO --rerun mine:../elsewhere", 2, "cannot be the name of a collection"),
    ("REPO --rerun /absolute", 2, "cannot be the name of a collection"),
    ("REPO --rerun a//b", 2, "cannot be the name of a collection"),
    ("REPO --rerun 'a*'", 2, "cannot be the name of a collection"),
    ("REPO --output '/some/[where]'", 2, "cannot be the name of a collection"),
    ("REPO --clobber-output", 2, "not the input"),
    ("REPO --nonsense", 2, "unrecognized arguments: --nonsense"),
    ("REPO stray", 2, "unrecognized arguments: stray"),
    ("REPO --clobber-confg", 2, "did you mean --clobber-config?"),
    ("REPO --profile NONE/profile", 2, "NONE/profile"),
    ("REPO @absent", 2, "absent"),
    ("REPO --legacyCoadd --warpCompareCoadd", 2, "exclude each other"),
    ("REPO --show nonsense", 1, "--show nonsense is unknown"),
    ("REPO --show history", 1, "history needs a value"),
    ("REPO --show history=nothing", 1, "No config field matches 'nothing'"),
]  # fmt: skip
OTHERS = [
    ("make_coadd_temp_exp", f"REPO {ID} --reuse-outputs-from sky", 2, "none of: makeCoaddTempExp, all"),
    ("make_coadd_temp_exp", "REPO -c makeDirect=False", 2, "at least one of makeDirect and makePsfMatched"),
    ("make_coadd_temp_exp", "REPO -c warpAndPsfMatch.warp.warpingKernelName=lanczos9", 2, "lanczos9"),
    ("make_coadd_temp_exp", "REPO -c coaddPsf.warpingKernelName=lanczos5", 2, "is resampled as its image is"),
    ("make_coadd_temp_exp", "REPO --id patch=1,0 filter=HSC-I", 253, "--id must include tract"),
    ("make_coadd_temp_exp", "REPO --legacyCoadd", 2, "unrecognized arguments: --legacyCoadd"),
    ("make_sky_map", "REPO -c skyMap=bogus", 2, "bogus"),
    ("make_sky_map", "REPO -c skyMap=rings skyMap.active.numRings=0", 2, "numRings"),
    ("make_sky_map", "REPO -c skyMap.active.pixelScale=-1", 2, "pixelScale"),
    ("make_sky_map", "REPO --id tract=0", 2, "unrecognized arguments: --id tract=0"),
    ("make_sky_map", "NONE", 2, "Butler repository"),
    ("make_discrete_sky_map", "REPO --id visit=abc", 2, "Cannot cast value 'abc' to int"),
    ("make_discrete_sky_map", "REPO --id visit=101 visit=102", 2, "visit is given twice"),
    ("make_discrete_sky_map", "REPO -c skyMap.projection=bogus", 2, "projection"),
]


def _files(root: Path) -> dict[str, tuple[int, int]]:
    """Return all files and folders with sizes and times."""
    paths = (Path(folder) / name for folder, _, names in os.walk(root) for name in ("", *names))
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


@pytest.fixture
def run(
    repo: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], tuple[Any, list[str]]]:
    """Run a command that ends early; return its status and what it told beside its log."""
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").write_text("x")
    (tmp_path / "BINARY").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "wrong.py").write_text("config.sigmaClip = 2.0\nconfig.sigmaClip = abs(-3)\n")
    monkeypatch.chdir(tmp_path)

    def call(command: str, line: str) -> tuple[Any, list[str]]:
        words = shlex.split(line.replace("WRONG", "wrong.py"))
        before = _files(tmp_path)
        with pytest.raises(SystemExit) as caught:
            getattr(commands, command)([str(repo) if word == "REPO" else word for word in words])
        assert _files(tmp_path) == before
        told = capsys.readouterr().err.splitlines()
        return caught.value.code, [text for text in told if " INFO: " not in text]

    return call


@pytest.mark.parametrize(
    ("command", "line", "status", "reason"),
    [*(("assemble_coadd", *case) for case in ASSEMBLE), *OTHERS],
    ids=lambda value: value if isinstance(value, str) and value.startswith(("REPO", "NONE")) else "",
)
def test_one_line_and_nothing_written(
    run: Callable[[str, str], tuple[Any, list[str]]], command: str, line: str, status: int, reason: str
) -> None:
    code, told = run(command, line)
    assert len(told) == 1, told
    assert any(part in told[0] for part in reason.split("|")), told[0]
    assert code == status
    assert "object at 0x" not in told[0]
