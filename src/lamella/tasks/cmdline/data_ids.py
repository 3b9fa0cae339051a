"""What ``--id`` and ``--selectId`` hold: data identifiers, and references to the data."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from ...errors import IncompleteIdError
from .butler import CommandButler
from .config_actions import CommandAction
from .data_ref import DataRef
from .id_grammar import parse_id
from .keys import OPTIONAL_KEYS, canonical

__all__ = ("CoaddDataIdContainer", "DataIdContainer", "IdAction")

_LOG = logging.getLogger("lamella.cmdline")


class DataIdContainer:
    """Data identifiers of one option, and references to the data that they stand for.

    Attributes
    ----------
    idList : `list` [`dict`]
        The identifiers, in the order of the command line.
    refList : `list` [`DataRef`]
        The references, when `makeDataRefList` has been called.
    datasetType : `str`
        Name of the dataset type that they refer to.
    """

    def __init__(self) -> None:
        self.datasetType = ""
        self.idList: list[dict[str, Any]] = []
        self.refList: list[DataRef] = []

    def setDatasetType(self, datasetType: str) -> None:
        """Set the name of the dataset type."""
        self.datasetType = datasetType

    def castDataIds(self, butler: CommandButler) -> None:
        """Give the values the types of their keys, in place.

        An unknown key is warned of, and its value stays text.

        Raises
        ------
        TypeError
            Raised when a value cannot have the type of its key.
        """
        keys = butler.getKeys(self.datasetType)
        ids = [canonical(dataId) for dataId in self.idList]
        for key in sorted({key for dataId in ids for key in dataId} - set(keys) - OPTIONAL_KEYS):
            _LOG.warning(
                "Unexpected ID %s; taking its value as text. %s has: %s",
                key,
                self.datasetType,
                ", ".join(keys),
            )
        for dataId in ids:
            for key, value in dataId.items():
                kind = keys.get(key, str)
                try:
                    dataId[key] = kind(value)
                except ValueError:
                    text = f"Cannot cast value {value!r} to {kind.__name__} for ID key {key}"
                    raise TypeError(text) from None
        self.idList = ids

    def makeDataRefList(self, namespace: argparse.Namespace) -> None:
        """Fill ``refList`` with the existing datasets that match; warn where none does.

        Parameters
        ----------
        namespace
            The parsed command, with the ``butler``.
        """
        groups: dict[tuple[Any, ...], list[DataRef]] = {}
        existing: dict[tuple[Any, ...], DataRef] = {}
        for dataId in self.idList:
            # Sixteen detectors of five visits are five questions to the repository.
            group = {key: value for key, value in dataId.items() if key != "ccd"}
            key = tuple(group.items())
            if key not in groups:
                groups[key] = namespace.butler.subset(self.datasetType, group)
            matches = groups[key]
            if "ccd" in dataId:
                matches = [ref for ref in matches if ref.dataId.get("ccd") == dataId["ccd"]]
            if not matches:
                _LOG.warning("No data found for dataId=%s", dataId)
            for ref in matches:
                existing.setdefault(_dataset_of(ref), ref)
        self.refList += existing.values()


def _dataset_of(ref: DataRef) -> tuple[Any, ...]:
    """Return what tells the dataset of a reference; that of an exposure has no sky map, said of it or not."""
    is_patch = "tract" in ref.dataId
    return tuple(sorted((key, value) for key, value in ref.dataId.items() if is_patch or key != "skymap"))


class CoaddDataIdContainer(DataIdContainer):
    """Data identifiers of coadds, which need not exist: each must be complete."""

    def makeDataRefList(self, namespace: argparse.Namespace) -> None:
        """Fill ``refList`` with one reference for each identifier.

        Raises
        ------
        IncompleteIdError
            Raised when an identifier lacks a key.
        """
        butler = namespace.butler
        for dataId in self.idList:
            for key in butler.getKeys(self.datasetType):
                if key not in dataId:
                    given = " ".join(f"{name}={value}" for name, value in dataId.items()) or "nothing"
                    raise IncompleteIdError(f"--id must include {key}; found {given}.", key=key)
        refs = [butler.dataRef(self.datasetType, dataId) for dataId in self.idList]
        self.refList += dict.fromkeys(refs)


class IdAction(CommandAction):
    """Adds what one ``--id`` stands for to the container of that option."""

    caught = ValueError

    def apply(self, namespace: argparse.Namespace, values: Any) -> None:
        """Add the identifiers to those of earlier occurrences."""
        getattr(namespace, self.dest).idList += parse_id(values)
