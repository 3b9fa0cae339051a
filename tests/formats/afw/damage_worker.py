"""Opens damaged files, one after the other, in a process that another one watches.

``python damage_worker.py FOLDER TEMPORARY FIRST STOP`` prints one line of JSON
per variant: what came of it, seconds, and MiB of memory beyond what the
process had before.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from damage import damaged

from lamella.cli.describe_afw import describe_afw
from lamella.errors import LamellaError
from lamella.formats.afw.background import Background
from lamella.formats.afw.catalogs import ExposureCatalog
from lamella.formats.afw.exposure import AfwFile
from lamella.formats.afw.kinds import Kind, kind_of
from lamella.formats.afw.photo import PhotoCalib
from lamella.formats.afw.summaries import VisitSummary
from lamella.formats.archive.products import is_product, read_product
from lamella.formats.recognise import open_exposures

SEED = 20_260_728
FORBIDDEN = ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen")
FOREIGN = ("lsst.afw", "lsst.meas", "lsst.cell", "lsst.pipe")

broken_rules: list[str] = []


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Notice code of others: pickles, programs, packages that an archive names."""
    foreign = event == "import" and str(arguments[0]).startswith(FOREIGN)
    if foreign or (event in FORBIDDEN and not is_numba()):
        broken_rules.append(f"{event} {arguments[:1]}")


def is_numba() -> bool:
    """Tell whether numba is at work, whose cache of compiled kernels holds pickles."""
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("numba."):
            return True
        frame = frame.f_back
    return False


def memory(key: str) -> float:
    """Return a number of MiB from the status of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    return 0.0


def look_at_objects(path: Path) -> None:
    """Build all objects of the archive, and use them."""
    archive = AfwFile(path).archive
    errors: list[Exception] = []
    for id in archive.ids if archive is not None else ():
        try:
            value = archive.get(id)
            x, y = np.array([10.0, 2000.0]), np.array([5.0, 4000.0])
            if hasattr(value, "pixel_to_sky_transform"):
                sky = value.pixel_to_sky_transform.apply_forward(x=x, y=y)
                value.sky_to_pixel_transform.apply_forward(x=sky.x, y=sky.y)
            elif hasattr(value, "compute_kernel_image"):
                value.compute_kernel_image(x=20.0, y=30.0)
            elif isinstance(value, PhotoCalib):
                value.at(x, y)
        except LamellaError as err:
            errors.append(err)
    if errors:
        raise errors[0]


def read_file(path: Path) -> None:
    file = AfwFile(path)
    if file.has_image:
        file.read()
    for name in ("projection", "photo_calib", "filter", "visit_info", "detector", "valid_polygon", "summary"):
        getattr(file, name)


def read_exposures(path: Path) -> None:
    for source in open_exposures([path]):
        source.read()


def read_summary(path: Path) -> None:
    if kind_of(path) is Kind.CATALOG:
        VisitSummary.read(path).exposures()
        for record in ExposureCatalog.read(path):
            record.numbers()


def read_background(path: Path) -> None:
    if kind_of(path) is Kind.BACKGROUND:
        Background.read(path).image()


def read_as_product(path: Path) -> None:
    if is_product(path):
        read_product(path).psf  # noqa: B018


def describe(path: Path) -> None:
    describe_afw(path, verbose=True)


WAYS: tuple[Callable[[Path], None], ...] = (
    look_at_objects,
    read_file,
    read_exposures,
    read_summary,
    read_background,
    read_as_product,
    describe,
)


def try_all(path: Path) -> tuple[str, float]:
    """Open a file in each way; return the first error's class, or "answer", and the longest time.

    It is that of the processor, which others on the machine do not lengthen.
    """
    outcome, longest = "answer", 0.0
    for way in WAYS:
        begin = time.process_time()
        try:
            way(path)
        except LamellaError as err:
            if outcome == "answer":
                outcome = type(err).__name__
        except BaseException as err:
            return f"UNTYPED {type(err).__name__} in {way.__name__}: {str(err)[:200]}", longest
        longest = max(longest, time.process_time() - begin)
    return outcome, longest


def run(folder: Path, temporary: Path, first: int, stop: int) -> None:
    files = sorted(path for path in folder.iterdir() if ".fits" in path.name)
    for file in files:
        try_all(file)  # what is imported or compiled late, is now
    room = int(memory("VmSize") + 1536) << 20
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    sys.addaudithook(watch)
    for number in range(first, stop):
        damage, name, content = damaged(files[number % len(files)], SEED + number)
        path = temporary / name
        path.write_bytes(content)
        size = len(content) / 2**20
        del content
        Path("/proc/self/clear_refs").write_text("5")
        before = memory("VmRSS")
        outcome, seconds = try_all(path)
        if broken_rules:
            outcome = f"UNTYPED code: {broken_rules.pop()}"
        line = {
            "number": number,
            "file": files[number % len(files)].name,
            "damage": damage,
            "outcome": outcome,
            "seconds": round(seconds, 3),
            "mib": round(max(memory("VmHWM") - before, 0.0), 1),
            "size": round(size, 2),
        }
        print(json.dumps(line), flush=True)
        path.unlink()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    run(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
