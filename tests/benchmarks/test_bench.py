"""The benchmark measures what it says, and compares programs that compute the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.coadd.assemble import AssembleConfig
from lamella.coadd.stack import statistics_stack
from lamella.planes import make_schema

ROOT = Path(__file__).parents[2]
SIZE, N = 96, 5


@pytest.fixture(autouse=True)
def benchmarks_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture
def warps(tmp_path: Path):
    from benchmarks.warp_files import make_warps

    return make_warps(tmp_path, SIZE, N)


def cube(files, kind: str) -> np.ndarray:
    return np.stack([fits.getdata(path) for path in files.names(kind)])


def run_bench(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **(env or {})}
    )


def test_time_and_memory_are_those_of_the_command_alone() -> None:
    from benchmarks.launch import run_measured

    mine = bytearray(os.urandom(1024)) * 400_000  # 400 MB that the child must not be charged for
    code = "import time; b = bytearray(b'x') * 200_000_000; t = time.process_time()\n"
    code += "while time.process_time() - t < 0.3: pass\nprint(len(b))"
    usage, text = run_measured([sys.executable, "-I", "-S", "-c", code])
    assert len(mine) == 409_600_000
    assert text.strip() == "200000000"
    assert 200 < usage.peak_mb < 250
    assert 0.3 <= usage.cpu_s < 1.5
    assert usage.wall_s >= 0.3


def test_a_command_that_fails_says_why() -> None:
    from benchmarks.launch import CommandError, run_measured

    with pytest.raises(CommandError, match="exit status 3: no such star"):
        run_measured(
            [sys.executable, "-c", "import sys; print('no such star', file=sys.stderr); sys.exit(3)"]
        )


def test_a_box_of_a_plane_has_the_pixels_that_astropy_reads(warps) -> None:
    from benchmarks.fits_planes import FitsPlane

    for kind in ("image", "mask"):
        path = warps.names(kind)[1]
        box = FitsPlane(path).read(slice(70, 93), slice(11, 60))
        assert box.dtype.isnative
        np.testing.assert_array_equal(box, fits.getdata(path)[70:93, 11:60])


def test_warps_have_the_noise_and_the_defects_that_they_promise(tmp_path: Path) -> None:
    from benchmarks.warp_files import make_warps

    files = make_warps(tmp_path, 400, 2)
    image, variance, mask, weight = (cube(files, kind) for kind in ("image", "variance", "mask", "weight"))
    header = fits.getheader(files.names("mask")[0])
    bad = (mask & (1 << header["MP_BAD"])) != 0
    assert bad.mean() == pytest.approx(0.025, abs=0.002)
    assert ((mask & (1 << header["MP_DETECTED"])) != 0).mean() == pytest.approx(0.05, abs=0.002)
    assert (image[bad] == 1e4).all()
    np.testing.assert_array_equal(weight[1] == 0, bad[1])
    y, x = np.mgrid[:400, :400]
    pull = (image[1] - 20.0 * np.sin(y / 40.0) * np.sin(x / 55.0)) / np.sqrt(variance[1])
    low, high = np.quantile(pull[~bad[1]], [0.158655, 0.841345])
    assert (high - low) / 2 == pytest.approx(1.0, abs=0.02)
    assert (pull[~bad[1]] > 10).mean() == pytest.approx(0.001, abs=0.0004)


@pytest.mark.parametrize("statistic", ["MEAN", "MEANCLIP", "NOISECLIP", "MEDIAN"])
def test_numpy_computes_what_lamella_computes(warps, tmp_path: Path, statistic: str) -> None:
    from benchmarks import stack_numpy

    stack_numpy.run(warps.folder, N, statistic, tmp_path / "numpy.fits")
    control = AssembleConfig(statistic=statistic).stack_control(make_schema())
    weights = [fits.getheader(path)["WEIGHT"] for path in warps.names("image")]
    ours = statistics_stack(
        *(cube(warps, k) for k in ("image", "mask", "variance")), weights, control=control
    )
    with fits.open(tmp_path / "numpy.fits") as hdus:
        far = np.abs(hdus["IMAGE"].data - ours.image) > 0.01 * np.sqrt(ours.variance)
        # A value at the very limit of a clip may fall to either side.
        assert far.mean() < 1e-3
        assert (hdus["COUNT"].data != ours.count).mean() < 1e-3


def test_lamella_from_files_to_files(warps, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import stack_lamella

    output = tmp_path / "lamella.fits"
    stack_lamella.run(warps.folder, N, "MEAN", 2, output, find_weights=False)
    phases = json.loads(capsys.readouterr().out)
    assert list(phases) == ["import", "open", "assemble", "write"]
    weight = cube(warps, "weight").astype(float)
    expected = (weight * cube(warps, "image")).sum(axis=0) / weight.sum(axis=0)
    with fits.open(output) as hdus:
        np.testing.assert_allclose(hdus["IMAGE"].data, expected, rtol=1e-5, atol=1e-3)
        np.testing.assert_array_equal(hdus["COUNT"].data, (weight > 0).sum(axis=0))


def test_too_small_a_disk_is_said_before_anything_is_written(tmp_path: Path) -> None:
    from benchmarks.warp_files import NoSpaceError, bytes_needed, check_space

    assert bytes_needed(1000, 6, archives=False) == 1000 * 1000 * 16 * 10
    assert bytes_needed(1000, 6, archives=True) == 1000 * 1000 * (16 * 10 + 12 * 6)
    check_space(tmp_path, 1)
    with pytest.raises(NoSpaceError, match=r"needs 1000000000\.0 GB, .* GB are free"):
        check_space(tmp_path, 10**18)


def test_ratios_are_taken_within_a_round() -> None:
    from benchmarks.stack import Row
    from benchmarks.tables import ratio, stack_table

    assert ratio([2.0, 30.0, 9.0], [1.0, 10.0, 2.0]) == "3.0"
    ours = Row("lamella", "MEAN", 10, 1, 1000, cpu_s=[1.0, 2.0, 1.0], wall_s=[1.0, 1.0, 1.0], peak_mb=[5.0])
    peer = Row("peer", "MEAN", 10, 1, 1000, cpu_s=[4.0, 8.0, 3.0], wall_s=[2.0, 3.0, 1.5], peak_mb=[7.0])
    lines = stack_table([ours, peer]).splitlines()
    assert (
        lines[-1]
        == "| 10 | MEAN | peer | 1 | 4.00 (3.00–8.00) | 2.00 (1.50–3.00) | 7 | 400000.0 | 4.0 | 2.0 |  |"
    )


def test_a_run_without_swarp_says_so_and_leaves_no_files(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    words = ["--size", "64", "--n", "3", "--repeats", "1", "--threads", "1", "--only", "stack"]
    words += ["--statistics", "MEDIAN", "--work", str(work), "--output", str(tmp_path / "out")]
    done = run_bench(*words, env={"PATH": "/nonexistent"})
    assert done.returncode == 0, done.stderr
    assert list(work.iterdir()) == []
    record = json.loads((tmp_path / "out" / "bench.json").read_text())
    status = {row["program"]: row["status"] for row in record["stack"]}
    assert status == {"lamella": "ok", "numpy by blocks of rows": "ok", "SWarp": "not installed"}
    assert record["machine"]["swarp"] == "not installed"
    assert [row["statistic"] for row in record["kernels"]] == ["MEDIAN"]
    ours, numpy_row = record["stack"][:2]
    assert ours["ns_per_input_pixel"] == pytest.approx(1e9 * ours["cpu_s"][0] / (64 * 64 * 3))
    assert numpy_row["disagree"] < 0.01
    assert "| 3 | MEDIAN | SWarp | 1 | not installed |" in (tmp_path / "out" / "bench.md").read_text()
