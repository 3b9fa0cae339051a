"""What a repository has on record and its store has lost.

Before a quantum runs, the middleware drops inputs without a file, with a line
of information.  A coadd must not differ for that without a word.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lsst.daf.butler import Butler, DatasetRef, MissingDatasetTypeError
from lsst.pipe.base import QuantumContext

from ...errors import UnreadableFileError

__all__ = ("lost_datasets", "require_datasets")


def lost_datasets(
    butlerQC: QuantumContext, name: str, present: Collection[DatasetRef] = ()
) -> list[DatasetRef]:
    """Return the datasets of a quantum's data ID whose files are gone.

    Parameters
    ----------
    butlerQC
        Knows the quantum.
    name
        Name of the dataset type.
    present
        Those that the quantum has.

    Returns
    -------
    list of DatasetRef
        In the order of their data IDs; none where the butler knows only the quantum itself, which
        then tries to read all that the graph has.
    """
    butler: Any = getattr(butlerQC, "_QuantumContext__butler", None)
    data_id = butlerQC.quantum.dataId
    if not isinstance(butler, Butler) or data_id is None:
        return []
    given: dict[str, Any] = dict(data_id.required)
    try:
        with butler.query() as query:
            refs = list(query.where(given).datasets(name, find_first=True))
    except MissingDatasetTypeError:
        return []
    ids = {ref.id for ref in present}
    absent = [ref for ref in refs if ref.id not in ids]
    stored = butler.stored_many(absent)
    return sorted((ref for ref in absent if not stored[ref]), key=lambda ref: ref.dataId)


def require_datasets(inputs: Mapping[str, tuple[Any, Collection[DatasetRef]]], *names: str) -> None:
    """Require that a quantum has datasets for some connections: without them it could only do nothing.

    Parameters
    ----------
    inputs
        Connections and datasets by the name of the connection, as ``adjustQuantum`` has them.
    *names
        Names of connections.

    Raises
    ------
    UnreadableFileError
        Raised when the files of all are gone.
    """
    for name in names:
        connection, refs = inputs[name]
        if not refs:
            expected = "one in the repository, whose store has lost what the quantum was to read"
            raise UnreadableFileError(connection.name, found="no file", expected=expected)
