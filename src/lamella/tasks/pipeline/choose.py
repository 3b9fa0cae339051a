"""How artifacts are left out of the bands of a graph, chosen once when it is built."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from lsst.daf.butler import Butler, MissingDatasetTypeError
from lsst.pipe.base import PipelineTaskConnections, QuantaAdjuster

from ...coadd.reject.choice import RejectionChoice, choose_rejection, figures_of
from ...coadd.select.select_control import SelectControl
from ...data.exposure import ExposureSource
from ...errors import GeometryError
from ...run.jobs import plan_jobs
from ...sky.skymap import SkyMap
from .exposures import open_handles

__all__ = ("choose_for_graph",)

_LOG = logging.getLogger("lsst.lamella.chooseRejection")


def choose_for_graph(
    adjuster: QuantaAdjuster, connections: PipelineTaskConnections, select: SelectControl
) -> dict[tuple[str, str], RejectionChoice]:
    """Choose how artifacts are left out of each band of a graph, as ``lamella coadd`` does.

    A choice follows from all exposures of the band in the collections of the graph, of which no pixel is
    read, and not from the part of them that the data query of the graph asks for.

    Parameters
    ----------
    adjuster
        Knows the quanta of a task by visit and patch, and the repository.
    connections
        Those of the task: ``calexps`` and ``skyMap``.
    select
        Which exposures are used.

    Returns
    -------
    dict
        Choices by sky map and band.
    """
    data_ids = (adjuster.expand_quantum_data_id(data_id) for data_id in adjuster.iter_data_ids())
    keys = sorted({(str(data_id["skymap"]), str(data_id["band"])) for data_id in data_ids})
    choices = {}
    for name, band in keys:
        skymap = _find_skymap(adjuster.butler, connections.skyMap.name, name)  # type: ignore[attr-defined]
        if skymap is None:  # told where it is missed
            continue
        sources = _find_sources(adjuster.butler, connections.calexps, band)  # type: ignore[attr-defined]
        choices[name, band] = choice = _choose(sources, skymap, select)
        _LOG.info(
            "Rejection of artifacts, band %s: %s, because %s (%s).",
            band, choice.method, choice.reason, figures_of([choice]),
        )  # fmt: skip
    return choices


def _choose(sources: Sequence[ExposureSource], skymap: SkyMap[Any], select: SelectControl) -> RejectionChoice:
    """Choose for the exposures of one band."""
    jobs = plan_jobs([source for source in sources if _has_place(source)], skymap, select)
    return next((job.rejection for job in jobs if job.rejection is not None), choose_rejection([]))


def _find_skymap(butler: Butler, kind: str, name: str) -> SkyMap[Any] | None:
    try:
        skymap: SkyMap[Any] = butler.get(kind, skymap=name)
    except (LookupError, OSError):
        return None
    return skymap


def _find_sources(butler: Butler, connection: Any, band: str) -> list[ExposureSource]:
    """Open all exposures of a band; what cannot be read is told by the task that selects it."""
    try:
        with butler.query() as query:
            refs = list(query.where(band=band).datasets(connection.name, find_first=True))
    except MissingDatasetTypeError:
        return []
    stored = butler.stored_many(refs)
    present = [ref.overrideStorageClass(connection.storageClass) for ref in refs if stored[ref]]
    sources, _ = open_handles(butler.getDeferred(ref) for ref in present)
    return list(sources)


def _has_place(source: ExposureSource) -> bool:
    try:
        _ = source.info.footprint  # which is kept, and looked at again
    except GeometryError:
        return False
    return True
