"""Names, dimensions and storage classes of the datasets that the tasks read and write.

In a repository of other software, which has types of the same names, those of
lamella begin with a prefix, and so do its runs.  It is chosen when lamella first
writes to the repository, and found by the name of the type of its sky maps.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence

from lsst.daf.butler import Butler, DatasetType, DimensionUniverse
from lsst.daf.butler.registry import CollectionType  # type: ignore[attr-defined]
from lsst.pipe.base.automatic_connection_constants import PACKAGES_INIT_OUTPUT_NAME

from ..errors import ConfigError

__all__ = (
    "BACKGROUND",
    "BRIGHT_OBJECT_RUN",
    "DATASETS",
    "SKYMAP_RUN",
    "Dataset",
    "check_prefix",
    "coadd_datasets",
    "common_runs",
    "default_run",
    "defaults_chain",
    "find_own_runs",
    "find_prefix",
    "find_runs",
    "prefixed",
)

SKYMAP_RUN = "skymaps"
"""Run of all sky maps."""

BRIGHT_OBJECT_RUN = "brightObjectMasks"
"""Run of the masks of bright objects."""

_PATCH = ("skymap", "tract", "patch")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Name, storage class and dimensions of a dataset type."""

    name: str
    storage_class: str
    dimensions: tuple[str, ...]

    def make_type(self, universe: DimensionUniverse) -> DatasetType:
        """Return the dataset type in a repository's universe of dimensions."""
        return DatasetType(self.name, self.dimensions, self.storage_class, universe=universe)


def coadd_datasets(coadd_name: str = "deep") -> tuple[Dataset, ...]:
    """Return the datasets of one kind of coadd.

    Parameters
    ----------
    coadd_name
        Beginning of the names, the option ``coaddName`` of the tasks.
    """
    coadd, warp, patch_band = f"{coadd_name}Coadd", (*_PATCH, "instrument", "visit"), (*_PATCH, "band")
    return (
        Dataset(f"{coadd}_directWarp", "LamellaWarp", warp),
        Dataset(f"{coadd}_psfMatchedWarp", "LamellaWarp", warp),
        Dataset(f"{coadd_name}Visits", "StructuredDataDict", patch_band),
        Dataset(coadd, "LamellaPatchCoadd", patch_band),
        Dataset(f"{coadd}_nImage", "ImageV2", patch_band),
        Dataset(f"{coadd}_artifactMask", "MaskV2", warp),
        Dataset(f"{coadd}PsfMatched", "LamellaPatchCoadd", patch_band),
        Dataset(f"{coadd}PsfMatched_nImage", "ImageV2", patch_band),
        Dataset(f"{coadd}_inputSummary_tract", "ArrowAstropy", ("skymap", "tract", "band")),
        Dataset(f"{coadd}_inputSummary", "ArrowAstropy", ("skymap",)),
    )


DATASETS: tuple[Dataset, ...] = (
    Dataset("calexp", "LamellaExposure", ("instrument", "visit", "detector")),
    Dataset("skyMap", "LamellaSkyMap", ("skymap",)),
    Dataset("brightObjectMask", "LamellaBrightObjects", (*_PATCH, "band")),
)
"""Datasets of a repository before the first task runs."""


BACKGROUND = Dataset("calexpBackground", "LamellaBackground", ("instrument", "visit", "detector"))
"""What was subtracted from exposures; a repository has it when some are ingested."""

_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SKYMAP = next(dataset for dataset in DATASETS if dataset.name == "skyMap")


def prefixed(datasets: Iterable[Dataset], prefix: str) -> tuple[Dataset, ...]:
    """Return datasets with a prefix before their names."""
    return tuple(dataclasses.replace(dataset, name=f"{prefix}{dataset.name}") for dataset in datasets)


def check_prefix(prefix: str) -> None:
    """Require that a prefix can begin the name of a dataset type; "" can.

    Raises
    ------
    ConfigError
        Raised when it cannot.
    """
    if prefix and not _PREFIX.fullmatch(prefix):
        reason = f"the prefix {prefix!r} must be of letters, digits and _, and not begin with a digit."
        raise ConfigError(reason, option="dataset-prefix", found=prefix)


def find_prefix(butler: Butler, chosen: str | None = None) -> str:
    """Return the prefix of lamella's dataset types in a repository; "" where it has none.

    Parameters
    ----------
    butler
        The repository.
    chosen
        Prefix that a person asks for.

    Raises
    ------
    ConfigError
        Raised when the chosen one cannot begin a name, or the repository has another one.
    """
    check_prefix(chosen or "")
    kinds = butler.registry.queryDatasetTypes(f"*{_SKYMAP.name}")
    there = sorted(
        kind.name.removesuffix(_SKYMAP.name)
        for kind in kinds
        if kind.storageClass_name == _SKYMAP.storage_class
    )
    if there and chosen not in (None, there[0]):
        reason = (
            f"the dataset types of lamella in this repository have the prefix {there[0]!r}, not {chosen!r}."
        )
        raise ConfigError(reason, option="dataset-prefix", found=chosen)
    return there[0] if there else chosen or ""


def default_run(instrument: str, prefix: str = "") -> str:
    """Return the run that exposures of an instrument go to."""
    return f"{instrument}/{prefix}calexp"


def defaults_chain(instrument: str, prefix: str = "") -> str:
    """Return the collection of all that tasks need: exposures, sky maps, masks of bright objects."""
    return f"{instrument}/{prefix}defaults"


def common_runs(prefix: str = "") -> tuple[str, str]:
    """Return the runs of the sky maps and of the masks of bright objects."""
    return f"{prefix}{SKYMAP_RUN}", f"{prefix}{BRIGHT_OBJECT_RUN}"


def find_own_runs(butler: Butler) -> Sequence[str]:
    """Return the names of the runs that hold nothing of other software.

    Where lamella's dataset types have no prefix, all of the repository is its own; else
    these are the runs in which all types have it, software versions apart.
    """
    prefix = find_prefix(butler)
    if not prefix:
        return find_runs(butler)
    runs = butler.collections.query_info("*", collection_types=CollectionType.RUN, include_summary=True)
    types = {info.name: set(info.dataset_types or ()) - {PACKAGES_INIT_OUTPUT_NAME} for info in runs}
    return [run for run, names in types.items() if names and all(n.startswith(prefix) for n in names)]


def find_runs(butler: Butler) -> Sequence[str]:
    """Return the names of all runs of a repository."""
    return butler.collections.query("*", collection_types=CollectionType.RUN)
