"""Names, dimensions and storage classes of the datasets that the tasks read and write."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from lsst.daf.butler import Butler, DatasetType, DimensionUniverse
from lsst.daf.butler.registry import CollectionType  # type: ignore[attr-defined]

__all__ = (
    "BRIGHT_OBJECT_RUN",
    "DATASETS",
    "SKYMAP_RUN",
    "Dataset",
    "coadd_datasets",
    "default_run",
    "defaults_chain",
    "find_runs",
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


def default_run(instrument: str) -> str:
    """Return the run that exposures of an instrument go to."""
    return f"{instrument}/calexp"


def defaults_chain(instrument: str) -> str:
    """Return the collection of all that tasks need: exposures, sky maps, masks of bright objects."""
    return f"{instrument}/defaults"


def find_runs(butler: Butler) -> Sequence[str]:
    """Return the names of all runs of a repository."""
    return butler.collections.query("*", collection_types=CollectionType.RUN)
