"""Exposures into a repository: as references to the files that they are in, or as copies."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from lsst.daf.butler import Butler, DatasetRef, DatasetType, FileDataset
from lsst.daf.butler.registry import CollectionType  # type: ignore[attr-defined]
from lsst.images.serialization import write_archive

from ..coadd.select.select import Deselected, of_another_unit
from ..coadd.warp.information import exposure_information
from ..data.exposure import ExposureSource
from ..data.exposure_archive import ExposureImage
from ..data.weights import WeightProblem
from ..errors import ConfigError, DuplicateInputError, InputError, LamellaError
from ..files import TEMPORARY_PREFIX
from .chains import extend_own_chain, is_own_chain
from .datasets import common_runs, default_run, defaults_chain, find_prefix
from .formatters import PLANES
from .recipes import source_to_json
from .repository import register_instrument
from .visit_records import BAND_STEP, Visit, group_visits, insert_visit, numbered

__all__ = (
    "Transfer",
    "default_run",
    "defaults_chain",
    "derived_visits",
    "ingest_exposures",
    "of_other_units",
    "unextended_chains",
)

Transfer = Literal["direct", "copy"]


def ingest_exposures(
    butler: Butler,
    sources: Sequence[ExposureSource],
    *,
    run: str | None = None,
    transfer: Transfer = "direct",
    check: bool = False,
    on_unusable: Callable[[ExposureSource, Exception], None] | None = None,
) -> list[DatasetRef]:
    """Add exposures of any format: their instruments, filters, detectors, visits, regions, and themselves.

    The chain of `defaults_chain` is extended if lamella made it; see
    `unextended_chains`.  Each visit is added whole or not at all.  Exposures that the run has
    already are left as they are.  A visit in several bands becomes one visit per
    band, see `lamella.tasks.visit_records.numbered`; the exposures themselves, and
    the warps and coadds made of them, keep the number that they came with.

    Parameters
    ----------
    butler
        The repository.
    sources
        The exposures, from `lamella.formats.recognise.open_exposures`.
    run
        Run to put them in.  By default that of `default_run`, which all commands
        read; exposures in another one are for those who name it.
    transfer
        ``"direct"`` leaves the files where they are and refers to them;
        ``"copy"`` puts all that a coadd needs into the repository.
    check
        Whether to read the pixels of exposures that are referred to, too.
    on_unusable
        Called for each exposure that no coadd can use, with the reason, instead of raising
        it: it has no place on the sky, or its pixels were read and cannot be.  Such an
        exposure is not added.

    Returns
    -------
    list of DatasetRef
        The datasets of all ``sources`` that can be used, in the order of their identities.

    Raises
    ------
    DuplicateInputError
        Raised when the run has the exposure from another file, or the
        repository has its visit elsewhere on the sky or in another filter.
    InputError
        Raised when the exposures of a visit contradict each other, or one that
        is not on disk is to be referred to.
    ConfigError
        Raised when files of this machine are to be referred to from a
        repository elsewhere.
    """
    if transfer == "direct":
        for root in butler.get_datastore_roots().values():
            if root is not None and not root.isLocal:
                # Other machines would look in vain for files of this one.
                reason = "is not a folder of this machine: exposures must be copied there, not referred to."
                raise ConfigError(f"{root} {reason}", option="copy", found=str(root))
    refs: list[DatasetRef] = []
    stage = _Staging(transfer, check, on_unusable)
    visits = group_visits(stage.with_place(sources))
    prefix = find_prefix(butler)
    for instrument in sorted({visit.key["instrument"] for visit in visits}):
        register_instrument(butler, instrument)
        destination = run or default_run(instrument, prefix)
        chain = defaults_chain(instrument, prefix)
        butler.collections.register(destination, CollectionType.RUN)
        # Exposures in a run of its own are for those who name it.
        common = (destination,) if destination == default_run(instrument, prefix) else ()
        extend_own_chain(butler, chain, (*common, *common_runs(prefix)))
    for visit in visits:
        destination = run or default_run(visit.key["instrument"], prefix)
        kind = butler.get_dataset_type(f"{prefix}calexp")
        refs += _ingest_visit(butler, numbered(butler, visit), kind, destination, stage)
    return refs


def of_other_units(sources: Sequence[ExposureSource]) -> list[Deselected]:
    """Return the exposures that are left out of coadds with the others of their band, and why.

    They have no zero point where others have one; see `lamella.coadd.select.select.of_another_unit`.
    """
    ordered = sorted((source.info for source in sources), key=lambda info: (info.band, info.id))
    groups = itertools.groupby(ordered, key=lambda info: info.band)
    return [item for _, group in groups for item in of_another_unit(list(group))]


@dataclasses.dataclass(frozen=True)
class _Staging:
    """How the files of exposures are made, and what becomes of those that no coadd can use."""

    transfer: Transfer
    check: bool
    on_unusable: Callable[[ExposureSource, Exception], None] | None

    @contextlib.contextmanager
    def _telling(self, source: ExposureSource) -> Iterator[None]:
        try:
            yield
        except (LamellaError, OSError) as err:
            if self.on_unusable is None:
                raise
            self.on_unusable(source, err)

    def with_place(self, sources: Sequence[ExposureSource]) -> list[ExposureSource]:
        """Return the exposures that have a place on the sky."""
        usable = []
        for source in sources:
            with self._telling(source):
                _ = source.info.footprint  # which is kept
                usable.append(source)
        return usable

    def make_files(self, sources: Sequence[ExposureSource], folder: Path) -> dict[int, Path]:
        """Make the files of the exposures of a visit that can be used, and return them by detector."""
        files: dict[int, Path] = {}
        for source in sources:
            with self._telling(source):
                files[source.info.id.detector] = self._make_file(source, folder)
        return files

    def _make_file(self, source: ExposureSource, folder: Path) -> Path:
        exposure = source.read() if self.check or self.transfer == "copy" else None
        if exposure is not None:
            information = exposure_information(exposure)
            if isinstance(information, WeightProblem):
                expected = "an exposure that can be weighed"
                raise InputError(source.info.path, found=str(information), expected=expected)
        path = folder / f"{source.info.id.detector}.{'fits' if self.transfer == 'copy' else 'json'}"
        if self.transfer == "copy" and exposure is not None:
            write_archive(ExposureImage(exposure), str(path), compression_options=dict.fromkeys(PLANES))
        else:
            path.write_text(source_to_json(source), encoding="utf-8")
        return path


def derived_visits(butler: Butler, refs: Sequence[DatasetRef]) -> dict[int, str]:
    """Return the visits of some exposures whose number is derived, because the visit has several bands.

    Parameters
    ----------
    butler
        The repository.
    refs
        What `ingest_exposures` returned.

    Returns
    -------
    dict
        By the number in the repository: number of the visit and band, e.g. ``"123-r"``.
    """
    names: dict[int, str] = {}
    for instrument, number in sorted({(str(r.dataId["instrument"]), int(r.dataId["visit"])) for r in refs}):
        if number >= BAND_STEP:
            key: dict[str, Any] = {"instrument": instrument, "visit": number}
            (record,) = butler.query_dimension_records("visit", **key, explain=True)
            if record.name != str(number):
                names[number] = str(record.name)
    return names


def unextended_chains(butler: Butler, refs: Sequence[DatasetRef]) -> dict[str, list[str]]:
    """Return the chains of defaults that lack what was ingested, because lamella did not make them.

    Parameters
    ----------
    butler
        The repository.
    refs
        What `ingest_exposures` returned.

    Returns
    -------
    dict
        By the name of the chain: the collections that it lacks.
    """
    lacking: dict[str, list[str]] = {}
    prefix = find_prefix(butler)
    for instrument in sorted({str(ref.dataId["instrument"]) for ref in refs}):
        chain = defaults_chain(instrument, prefix)
        if not is_own_chain(butler, chain):
            children = butler.collections.get_info(chain).children
            common = {ref.run for ref in refs}.intersection({default_run(instrument, prefix)})
            wanted = (*common, *common_runs(prefix))
            lacking[chain] = [run for run in wanted if run not in children]
    return {chain: runs for chain, runs in lacking.items() if runs}


def _ingest_visit(
    butler: Butler, visit: Visit, kind: DatasetType, run: str, staging: _Staging
) -> list[DatasetRef]:
    present = {
        int(ref.dataId["detector"]): ref
        for ref in butler.query_datasets(kind, run, **visit.key, find_first=False, explain=False)
    }
    for source in visit.sources:
        if source.info.id.detector in present:
            _require_same(butler, present[source.info.id.detector], source)
    new = [source for source in visit.sources if source.info.id.detector not in present]
    # On the file system of the repository, so that files are moved by renaming.
    roots: Any = [root for root in butler.get_datastore_roots().values() if root is not None and root.isLocal]
    parent = roots[0].ospath if roots else None
    with tempfile.TemporaryDirectory(
        prefix=f"{TEMPORARY_PREFIX}ingest-", dir=parent, ignore_cleanup_errors=True
    ) as folder:
        staged = staging.make_files(new, Path(folder))
        usable = [s for s in visit.sources if s.info.id.detector in (present.keys() | staged.keys())]
        if not usable:
            return []
        visit = dataclasses.replace(visit, sources=tuple(usable))
        with butler.transaction():
            insert_visit(butler, visit)
            expand = butler.registry.expandDataId
            added = {
                detector: DatasetRef(kind, expand({**visit.key, "detector": detector}), run=run)
                for detector in staged
            }
            datasets = [FileDataset(str(staged[detector]), [ref]) for detector, ref in added.items()]
            if datasets:
                butler.ingest(*datasets, transfer="move")
    refs = present | added
    return [refs[source.info.id.detector] for source in visit.sources]


def _require_same(butler: Butler, ref: DatasetRef, source: ExposureSource) -> None:
    uri = butler.getURI(ref)
    if uri.getExtension() == ".json":
        same = uri.read().decode() == source_to_json(source)
        origin = "another file, or with other options"
    else:
        origin = butler.get(ref.makeComponentRef("info")).path
        same = Path(origin).absolute() == Path(source.info.path).absolute()
    if not same:
        claim = f"{source.info.id}, which the run {ref.run} has from {origin}"
        raise DuplicateInputError(source.info.path, found=claim, expected="a new exposure, or another run")
