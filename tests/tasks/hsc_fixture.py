"""The site of the manual's example: a folder with exposures, sky map and repository."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import io
import logging
import os
import shlex
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from astropy.table import Table
from lsst.daf.butler import Butler, CollectionType, DatasetRef
from lsst.daf.butler.cli.cliLog import CliLog
from lsst.images import Image

from lamella.coadd.assemble import assemble
from lamella.coadd.stack.prepare import input_of
from lamella.coadd.warp.psfmatch import match_warp, patch_target_psf
from lamella.coadd.warp.warp import make_warp
from lamella.data.coadd import PatchCoadd
from lamella.data.warp import Warp
from lamella.formats.recognise import open_exposures
from lamella.run.jobs import plan_jobs
from lamella.run.patch_config import PatchConfig
from lamella.tasks.ingest import ingest_exposures
from lamella.tasks.repository import open_repository, register_skymap
from lamella.testing.asserts import assert_bits_equal
from lamella.testing.hsc_example import HscExample
from lamella.testing.hsc_grid import hsc_skymap

from ..once import made_once
from ..processes import kept_logs, start_program
from ..same import COUNTS, assert_same_planes
from .registries import Registry

__all__ = (
    "ASSEMBLE_HSC_I",
    "ASSEMBLE_HSC_R",
    "MATCHED",
    "PATCH",
    "PIPETASK",
    "SELECT_HSC_I",
    "HscSite",
    "HscSites",
    "assert_same_bits",
    "assert_same_contents",
    "assert_same_value",
    "build_site",
    "contents",
    "expected_coadd",
    "input_pairs",
    "run_here",
    "unknown_files",
    "warp_command",
)

PATCH = {"tract": 0, "patch": 4 * 16 + 5}
"""Patch 5,4 of tract 0 as the middleware numbers it."""

# As the manual prints them.
ASSEMBLE_HSC_I = (
    "assembleCoadd.py --legacyCoadd $CI_HSC_DIR/DATA --id patch=5,4 tract=0 filter=HSC-I "
    "       --selectId visit=903986 ccd=16 --selectId visit=903986 ccd=22 --selectId visit=903986 ccd=23 "
    "       --selectId visit=903986 ccd=100 --selectId visit=904014 ccd=1 --selectId visit=904014 ccd=6 "
    "       --selectId visit=904014 ccd=12 --selectId visit=903990 ccd=18 --selectId visit=903990 ccd=25 "
    "       --selectId visit=904010 ccd=4 --selectId visit=904010 ccd=10 --selectId visit=904010 ccd=100 "
    "       --selectId visit=903988 ccd=16 --selectId visit=903988 ccd=17 --selectId visit=903988 ccd=23 "
    "       --selectId visit=903988 ccd=24"
)
ASSEMBLE_HSC_R = (
    "assembleCoadd.py --legacyCoadd $CI_HSC_DIR/DATA --id patch=5,4 tract=0 filter=HSC-R "
    "       --selectId visit=903334 ccd=16 --selectId visit=903334 ccd=22 --selectId visit=903334 ccd=23 "
    "       --selectId visit=903334 ccd=100 --selectId visit=903336 ccd=17 --selectId visit=903336 ccd=24 "
    "       --selectId visit=903338 ccd=18 --selectId visit=903338 ccd=25 --selectId visit=903342 ccd=4 "
    "       --selectId visit=903342 ccd=10 --selectId visit=903342 ccd=100 --selectId visit=903344 ccd=0 "
    "       --selectId visit=903344 ccd=5 --selectId visit=903344 ccd=11 --selectId visit=903346 ccd=1 "
    "       --selectId visit=903346 ccd=6 --selectId visit=903346 ccd=12"
)

# All exposures of HSC-I, told by ranges.
SELECT_HSC_I = "--selectId visit=903986..903990:2 ccd=0..111 --selectId visit=904010^904014 ccd=0..111"

# Options of makeCoaddTempExp.py for warps that --warpCompareCoadd needs; these coarse exposures have PSFs of
# two to three pixels.
MATCHED = "-c makePsfMatched=True modelPsf.defaultFwhm=3"

# Starts a run, or goes on with one that was killed.
PIPETASK = (
    "pipetask run -b $CI_HSC_DIR/DATA -p resource://lamella/pipelines/coadd.yaml -i HSC/defaults "
    "-o lamella/coadds --skip-existing-in lamella/coadds --register-dataset-types "
    "-c makeWarp:match.fwhm=3 "
    "-d \"skymap='discrete/ci_hsc' and tract=0 and patch=69 and band='i'\""
)


def warp_command(example: HscExample, name: str) -> str:
    """Return the command that makes the warps of a filter."""
    ids = " ".join(f"--selectId visit={visit} ccd={ccd}" for visit, ccd in example.pairs[name])
    return f"makeCoaddTempExp.py $CI_HSC_DIR/DATA --id patch=5,4 tract=0 filter={name} {ids}"


@dataclasses.dataclass(frozen=True)
class HscSite:
    """What ``$CI_HSC_DIR`` names.

    Attributes
    ----------
    root
        Its folder; the repository is ``DATA`` in it.
    example
        The exposures.
    registry
        Where the repository has its database.
    """

    root: Path
    example: HscExample
    registry: Registry

    @property
    def repository(self) -> Path:
        return self.root / "DATA"

    @property
    def environment(self) -> dict[str, str]:
        """Variables for a command: the programs of this Python come first."""
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return os.environ | {"CI_HSC_DIR": str(self.root), "PATH": programs}

    def shell(self, command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command line as a person would type it; the result has what it printed."""
        return subprocess.run(
            ["bash", "-c", command],
            env=self.environment,
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )

    def words(self, command: str) -> list[str]:
        """Return a command line as the shell gives it to the program."""
        return shlex.split(command.replace("\\\n", "").replace("$CI_HSC_DIR", str(self.root)))

    def here(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command line in this process, which spares the start of another one."""
        return run_here(self.words(command), self.root)

    def checked(self, command: str, *, here: bool = True) -> str:
        """Run a command line that must end well, and return what it printed."""
        done = self.here(command) if here else self.shell(command)
        assert done.returncode == 0, f"{command}\nended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def start(self, command: str, log: Path) -> BaseProcess:
        """Start a command line in a process group of its own, which can be killed as one.

        It finds everything imported, so that most moments are of its work.
        """
        return start_program(_COMMAND, self.root, *self.words(command), log=log)

    def copy(self, root: Path) -> HscSite:
        """Return a site with a repository of its own; the exposures are not copied."""
        root.mkdir(parents=True, exist_ok=True)
        self.registry.copy(self.repository, root / "DATA")
        return HscSite(root, self.example, self.registry)


_COMMAND = """
import os, sys
from importlib.metadata import entry_points
os.setsid()
os.chdir(sys.argv[1])
sys.argv = sys.argv[2:]
(program,) = entry_points(group="console_scripts", name=sys.argv[0])
sys.exit(program.load()())
"""


def run_here(line: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the words of a command in this process; the result has what it printed."""
    (program,) = importlib.metadata.entry_points(group="console_scripts", name=line[0])
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(folder), _fresh_logs():
        patch.setattr(sys, "argv", list(line))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            status = _status_of(program.load())
    return subprocess.CompletedProcess(line, status, printed.getvalue())


def _status_of(program: Callable[[], object]) -> int:
    """Return the status with which a program ends, as the interpreter would."""
    try:
        program()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except Exception:
        traceback.print_exc()
        return 1
    return 0


@contextlib.contextmanager
def _fresh_logs() -> Iterator[None]:
    """Let a program find the loggers as in a new process, and take back what it does to them."""
    with kept_logs():
        logging.getLogger().handlers[:] = []
        try:
            yield
        finally:
            CliLog.resetLog()
            logging.captureWarnings(False)


def build_site(root: Path, example: HscExample, registry: Registry) -> HscSite:
    """Make a repository that holds the exposures and the sky map, in an empty folder."""
    site = HscSite(root, example, registry)
    registry.create(site.repository)
    with open_repository(site.repository, writeable=True) as butler:
        register_skymap(butler, hsc_skymap())
        ingest_exposures(butler, open_exposures([example.table]).sources)
    return site


class HscSites:
    """Sites that tests copy, for each database made when they are first asked for.

    Those on SQLite are shared by all processes of a test run.
    """

    def __init__(self, example: HscExample, folders: pytest.TempPathFactory) -> None:
        self.example, self.folders = example, folders
        self.ingested = functools.cache(self._ingested)
        self.warped = functools.cache(self._warped)
        self.matched = functools.cache(self._matched)

    def _ingested(self, registry: Registry) -> HscSite:
        return self._make("ci_hsc", registry, lambda root: build_site(root, self.example, registry))

    def _warped(self, registry: Registry) -> HscSite:
        def make(root: Path) -> None:
            site = self.ingested(registry).copy(root)
            for name in site.example.pairs:
                site.checked(warp_command(site.example, name))

        return self._make("warped", registry, make)

    def _matched(self, registry: Registry) -> HscSite:
        def make(root: Path) -> None:
            site = self.warped(registry).copy(root)
            patch = "--id patch=5,4 tract=0 filter=HSC-I"
            site.checked(
                f"makeCoaddTempExp.py $CI_HSC_DIR/DATA {patch} {SELECT_HSC_I} {MATCHED} --clobber-config"
            )

        return self._make("matched", registry, make)

    def _make(self, name: str, registry: Registry, make: Callable[[Path], object]) -> HscSite:
        if registry.server is None:
            root = made_once(self.folders, name, make)
        else:
            make(root := self.folders.mktemp(name))
        return HscSite(root, self.example, registry)


def expected_coadd(example: HscExample, band: str, config: PatchConfig | None = None) -> PatchCoadd:
    """Return the coadd of patch 5,4 as the functions of the core make it, without files."""
    config = config or PatchConfig()
    sources = open_exposures([example.table]).sources
    (job,) = plan_jobs(sources, hsc_skymap(), config.select, bands=[band], patches=["5,4"])
    target = job.target()
    exposures = [source.read() for source in job.sources]
    visits = sorted({exposure.info.id.visit for exposure in exposures})
    warps = [
        make_warp(
            [one for one in exposures if one.info.id.visit == visit],
            target.projection,
            target.outer_bbox,
            config.warp,
        )
        for visit in visits
    ]
    inputs = [input_of(warp) for warp in warps if warp is not None]
    if config.needs_matched:
        assert config.match.fwhm is not None
        psf = patch_target_psf(config.match.fwhm, target.outer_bbox, config.match)
        matched = [match_warp(warp, psf, config.match) for warp in warps if warp is not None]
        inputs = [
            dataclasses.replace(one, matched=input_of(warp).source)
            for one, warp in zip(inputs, matched, strict=True)
        ]
    return assemble(inputs, config.assemble, target=target)


def input_pairs(coadd: PatchCoadd) -> tuple[tuple[int, int], ...]:
    """Return visit and detector of the inputs in the table of a coadd."""
    return tuple((int(row["visit"]), int(row["detector"])) for row in coadd.inputs)


def assert_same_bits(found: PatchCoadd, expected: PatchCoadd) -> None:
    """Require that two coadds are equal: pixels, counts, inputs with weights, and PSF."""
    assert found.inner_bbox == expected.inner_bbox
    assert_same_planes(found, expected, *COUNTS)
    for name in ("visit", "detector", "weight", "good_pixels", "psf_fwhm"):
        assert found.inputs[name].tolist() == expected.inputs[name].tolist(), name
    x, y = found.bbox.x.center, found.bbox.y.center
    stamps = [coadd.psf.compute_kernel_image(x=x, y=y).array for coadd in (found, expected)]
    assert_bits_equal(*stamps, name="psf")


def contents(butler: Butler, collection: str) -> dict[tuple[str, tuple[tuple[str, Any], ...]], DatasetRef]:
    """Return the datasets that the runs below a collection hold, by type and data ID."""
    refs = butler.query_all_datasets(collection, find_first=True, limit=None)
    found = (ref for ref in refs if ref.run.startswith(f"{collection}/"))
    return {(ref.datasetType.name, tuple(sorted(ref.dataId.required.items()))): ref for ref in found}


def assert_same_contents(found: Butler, expected: Butler, collection: str) -> None:
    """Require that a collection holds the same datasets in two repositories, each readable and equal."""
    ours, theirs = contents(found, collection), contents(expected, collection)
    assert ours.keys() == theirs.keys()
    for key, ref in ours.items():
        assert_same_value(found.get(ref), expected.get(theirs[key]))


def assert_same_value(found: Any, expected: Any) -> None:
    """Require that two datasets are equal, those apart that tell of times and resources."""
    assert type(found) is type(expected)
    if isinstance(found, PatchCoadd):
        assert_same_bits(found, expected)
    elif isinstance(found, Warp):
        assert_same_planes(found, expected)
        assert [(d.id, d.good_pixels) for d in found.detectors] == [
            (d.id, d.good_pixels) for d in expected.detectors
        ]
    elif isinstance(found, Image):
        assert_bits_equal(found.array, expected.array)
    elif isinstance(found, Table):
        assert found.pformat() == expected.pformat()


def unknown_files(butler: Butler) -> list[Path]:
    """Return the files in a repository's folder that are neither datasets nor what keeps the books."""
    (root,) = (Path(root.ospath) for root in butler.get_datastore_roots().values() if root is not None)
    runs = butler.collections.query("*", collection_types=CollectionType.RUN)
    refs = butler.query_all_datasets(runs, find_first=False, limit=None)
    uris = butler.get_many_uris(refs, allow_missing=True).values()
    known = {Path(uri.ospath).resolve() for one in uris for uri in one.iter_all() if uri.isLocal}
    # The database may have a journal; only SQLite knows whether it is needed.
    known |= {root / "butler.yaml", *root.glob("gen3.sqlite3*")}
    # What a command notes beside its output.
    records = (*root.glob("deepCoadd-results/config/*"), *root.glob("rerun/*/config/*"))
    known |= {path for path in records if path.suffix in (".py", ".yaml")}
    files = (path for path in root.rglob("*") if path.is_file())
    return sorted(path for path in files if path.resolve() not in known)
