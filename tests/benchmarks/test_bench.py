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

from benchmarks import stack_astropy, stack_lamella, stack_numpy, startup, storage, warp_files
from benchmarks.__main__ import parse
from benchmarks.contenders import contenders
from benchmarks.fits_planes import FitsPlane, WarpFiles
from benchmarks.launch import CommandError, run_measured
from benchmarks.stack import Plan, Row
from benchmarks.tables import ratio, stack_table
from benchmarks.warm import READ, measure, read_all
from benchmarks.warp_files import NoSpaceError, bytes_needed, check_space, make_warps, read_warp
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.stack.stack import statistics_stack
from lamella.planes import Layout

ROOT = Path(__file__).parents[2]
SIZE, N = 96, 5


@pytest.fixture
def warps(tmp_path: Path):
    return make_warps(tmp_path, SIZE, N)


def cube(files, kind: str) -> np.ndarray:
    return np.stack([fits.getdata(path) for path in files.names(kind)])


def run_bench(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **(env or {})}
    )


def test_time_and_memory_are_those_of_the_command_alone() -> None:
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
    with pytest.raises(CommandError, match="exit status 3: no such star"):
        run_measured(
            [sys.executable, "-c", "import sys; print('no such star', file=sys.stderr); sys.exit(3)"]
        )


def test_a_box_of_a_plane_has_the_pixels_that_astropy_reads(warps) -> None:
    for kind in ("image", "mask"):
        path = warps.names(kind)[1]
        box = FitsPlane(path).read(slice(70, 93), slice(11, 60))
        assert box.dtype.isnative
        np.testing.assert_array_equal(box, fits.getdata(path)[70:93, 11:60])


def test_warps_have_the_noise_and_the_defects_that_they_promise(tmp_path: Path) -> None:
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
    stack_numpy.run(warps.folder, N, stack_numpy.STATISTICS[statistic], tmp_path / "numpy.fits")
    control = AssembleConfig(statistic=statistic).stack_control(Layout.of())
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
    assert bytes_needed(1000, 6, []) == 1000 * 1000 * 16 * 10
    assert bytes_needed(1000, 6, ["archive"]) == 1000 * 1000 * (16 * 10 + 12 * 6)
    assert bytes_needed(1000, 6, ["archive", "nan"]) == 1000 * 1000 * (16 * 10 + 16 * 6)
    check_space(tmp_path, 1)
    with pytest.raises(NoSpaceError, match=r"needs 1000000000\.0 GB, .* GB are free"):
        check_space(tmp_path, 10**18)


def test_ratios_are_taken_within_a_round() -> None:
    assert ratio([2.0, 30.0, 9.0], [1.0, 10.0, 2.0]) == "3.0"
    ours = Row("lamella", "MEAN", 10, 1, 1000, cpu_s=[1.0, 2.0, 1.0], wall_s=[1.0, 1.0, 1.0], peak_mb=[5.0])
    peer = Row("peer", "MEAN", 10, 1, 1000, cpu_s=[4.0, 8.0, 3.0], wall_s=[2.0, 3.0, 1.5], peak_mb=[7.0])
    lines = stack_table([ours, peer]).splitlines()
    assert (
        lines[-1]
        == "| 10 | 31 | MEAN | peer | 1 | 4.00 (3.00–8.00) | 2.00 (1.50–3.00) | 7 | 400000.0 | 4.0 | 2.0 |  |"
    )


def test_slow_programs_take_part_in_fewer_tasks() -> None:
    plan = Plan(contenders(), threads=[1, 2], repeats=3)

    def found(statistic: str, n: int) -> dict[str, list[int]]:
        threads: dict[str, list[int]] = {}
        for one, row in plan.entries(statistic, n, 100):
            threads.setdefault(one.name, []).append(row.threads)
        return threads

    few, some, many = (found("MEANCLIP", n) for n in (3, 30, 300))
    assert few["lamella"] == few["SWarp"] == few["Siril"] == [1, 2]
    assert few["numpy by blocks of rows"] == few["astropy sigma_clip by blocks"] == [1]
    assert some["lamella"] == many["lamella"] == [1, 2]
    assert some["SWarp"] == some["Siril"] == many["Siril"] == [2]
    assert "SWarp" not in many
    assert found("MEDIAN", 10)["lamella"] == [2]
    assert "SWarp" not in found("MEDIAN", 30)
    rounds = {one.name: plan.rounds(one, "MEANCLIP", 30) for one in plan.programs}
    assert rounds["lamella"] == rounds["Siril"] == 3
    assert rounds["SWarp"] == 1
    thorough = Plan(contenders(), threads=[1, 2], repeats=3, thorough=True)
    assert any(one.name == "SWarp" for one, _ in thorough.entries("MEDIAN", 300, 100))
    assert all(thorough.rounds(one, "MEANCLIP", 300) == 3 for one in thorough.programs)


def test_wrong_options_are_said_and_further_sizes_are_for_full_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert parse([]).n_at == [(2100, [100, 300])]
    assert parse(["--size", "1000"]).n_at == []
    args = parse(["--n", "5", "--n-at", "500:7,8", "600:9"])
    assert (args.size, args.n, args.n_at) == (4200, [5], [(500, [7, 8]), (600, [9])])
    for words, message in (
        (["--n-at", "500"], "'500' is not SIZE:N,N..."),
        (["--peers-python", "/nonexistent/python"], "there is no program /nonexistent/python"),
    ):
        with pytest.raises(SystemExit):
            parse(words)
        assert message in capsys.readouterr().err


def test_warps_are_made_again_only_when_they_must_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[list[str]] = []
    monkeypatch.setattr(
        warp_files, "run_measured", lambda words, cwd: made.append([str(word) for word in words[4:]])
    )
    store = warp_files.WarpStore(tmp_path / "warps", lambda line: None)
    names = store.get(64, 2, ["nan"]).names("image")
    assert store.get(64, 1).names("image") == names[:1]
    assert made == [["--size", "64", "--n", "2", "--extra", "nan"]]
    for size, n, extra in ((32, 2, []), (32, 3, []), (32, 3, ["archive"])):
        store.get(size, n, extra)
    assert len(made) == 4


def test_images_for_gnuastro_have_nan_where_a_pixel_is_rejected(tmp_path: Path) -> None:
    files = make_warps(tmp_path, 64, 2, nan=True)
    image, weight, nan = (fits.getdata(files.names(kind)[1]) for kind in ("image", "weight", "nan"))
    np.testing.assert_array_equal(nan, np.where(weight > 0, image, np.nan))


def test_astropy_clips_what_is_far_and_weighs_like_the_others(warps, tmp_path: Path) -> None:
    stack_numpy.run(warps.folder, N, stack_astropy.meanclip, tmp_path / "astropy.fits")
    weight = cube(warps, "weight").astype(float)
    good = weight > 0
    with fits.open(tmp_path / "astropy.fits") as hdus:
        count, image = hdus["COUNT"].data, hdus["IMAGE"].data
    whole = count == good.sum(axis=0)
    assert whole.mean() > 0.9
    assert (count <= good.sum(axis=0)).all()
    mean = (weight * cube(warps, "image")).sum(axis=0) / weight.sum(axis=0)
    np.testing.assert_allclose(image[whole], mean[whole], rtol=1e-5, atol=1e-3)


def test_the_floor_reads_every_byte(warps) -> None:
    paths = [path for kind in ("image", "mask", "variance") for path in warps.names(kind)]
    size = sum(path.stat().st_size for path in paths)
    assert read_all(paths, 1) == read_all(paths, 2) == size
    rows = measure(warps, ["MEAN"], 1, 2)
    assert [row["statistic"] for row in rows] == [READ, "MEAN, stack_inputs", "MEAN, assemble"]
    assert rows[0]["cpu_factor"] == 1.0
    assert min(rows[1]["wall_s"]) > 0.0


def test_archives_hold_the_same_pixels_whoever_wrote_them(warps, tmp_path: Path) -> None:
    rows = storage.measure(warps.first(1), tmp_path, 1)
    assert len(rows) == 8
    assert all(row["equal"] for row in rows)
    packed = {row["file_mb"] for row in rows if row["storage"] == "GZIP_2"}
    assert max(packed) < min(row["file_mb"] for row in rows if row["storage"] == "uncompressed")
    other = read_warp(warps, 1)
    assert not storage.same_planes(other, tmp_path / "GZIP_2.lamella.fits")


def run_words(tmp_path: Path, *words: str) -> list[str]:
    common = [
        "--size",
        "64",
        "--n",
        "3",
        "--repeats",
        "1",
        "--threads",
        "1",
        "--work",
        str(tmp_path / "work"),
    ]
    return [*common, "--output", str(tmp_path / "out"), *words]


@pytest.mark.slow
def test_a_run_without_peers_says_so_and_leaves_no_files(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    peers = ("SWarp", "Siril", "gnuastro")
    words = ["--size", "64", "--n", "3", "--repeats", "1", "--threads", "1", "--only", "kernels", "stack"]
    words += ["--statistics", "MEDIAN", "--programs", "lamella", "numpy", *peers]
    words += ["--work", str(work), "--output", str(tmp_path / "out")]
    done = run_bench(*words, env={"PATH": "/nonexistent"})
    assert done.returncode == 0, done.stderr
    assert list(work.iterdir()) == []
    record = json.loads((tmp_path / "out" / "bench.json").read_text())
    status = {row["program"]: row["status"] for row in record["stack"]}
    ok = ("lamella", "numpy by blocks of rows")
    assert status == dict.fromkeys(ok, "ok") | dict.fromkeys(peers, "not installed")
    assert {record["machine"]["peers"][name] for name in peers} == {"not installed"}
    assert [row["statistic"] for row in record["kernels"]] == ["MEDIAN"]
    rows = {row["program"]: row for row in record["stack"]}
    ours = rows["lamella"]
    assert ours["ns_per_input_pixel"] == pytest.approx(1e9 * ours["cpu_s"][0] / (64 * 64 * 3))
    assert rows["numpy by blocks of rows"]["disagree"] < 0.01
    text = (tmp_path / "out" / "bench.md").read_text()
    assert "| 3 | 64 | MEDIAN | SWarp | 1 | not installed |" in text


def test_start_up_is_that_of_whole_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = ("python -c pass", "python -c 'import numba'")
    known = startup.commands
    monkeypatch.setattr(startup, "commands", lambda *args: {name: known(*args)[name] for name in some})
    files, output = WarpFiles(tmp_path, 3), tmp_path / "coadd.fits"
    nothing, numba = startup.measure(files, output, 1, lambda line: None, compile_too=False)
    assert nothing["cpu_s"][0] < numba["cpu_s"][0]
    assert nothing["peak_mb"][0] < numba["peak_mb"][0]
    assert len(startup.table([nothing, numba]).splitlines()) == 4
