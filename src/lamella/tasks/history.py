"""What warps and selections tell of how they were made, in the form that files hold."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lsst.pex.config import Config
from lsst.pipe.base import TaskMetadata
from lsst.utils.logging import LsstLogAdapter

from ..data.coadd import Rejection
from ..data.exposure import ExposureId
from ..data.warp import Warp
from ..texts import parse_json
from .derive import DerivedConfig, to_core

if TYPE_CHECKING:
    from ..coadd.warp.pairs import Pairs

__all__ = (
    "common_settings",
    "note_rejections",
    "noted_rejections",
    "plain_settings",
    "record_history",
    "record_unmatched",
    "rejection_from_plain",
    "rejection_to_plain",
    "unmatched_reason",
    "warp_rejections",
    "warp_settings",
)

# Keys in the metadata of a warp.  Its values are scalars, hence texts.
_REJECTED = "rejected"
_SETTINGS = "settings"
_UNMATCHED = "unmatched"


def record_history(warp: Warp, rejected: Sequence[Rejection], settings: Mapping[str, Any]) -> None:
    """Note in a warp which exposures are not in it, and the options of the tasks that made it.

    Parameters
    ----------
    warp
        The warp to change.
    rejected
        Exposures that were selected and could not be used.
    settings
        Options by the name of the step, ``select`` and ``warp``, as `plain_settings` gives them.
    """
    warp.metadata[_REJECTED] = json.dumps([rejection_to_plain(rejection) for rejection in rejected])
    warp.metadata[_SETTINGS] = json.dumps(settings)


def note_rejections(metadata: TaskMetadata, rejected: Sequence[Rejection]) -> None:
    """Note in the metadata of a task which exposures of a visit are in no warp."""
    metadata[_REJECTED] = json.dumps([rejection_to_plain(rejection) for rejection in rejected])


def noted_rejections(metadata: TaskMetadata) -> list[Rejection]:
    """Return what `note_rejections` noted in the metadata of one of the tasks of a quantum."""
    for task in metadata.metadata.values():
        if _REJECTED in task:
            return [rejection_from_plain(row) for row in _noted(task[_REJECTED])]
    return []


def record_unmatched(warp: Warp, reason: str) -> None:
    """Note in a warp why there is none beside it that is matched to a common PSF."""
    warp.metadata[_UNMATCHED] = reason


def unmatched_reason(warp: Warp) -> str:
    """Return why there is no matched warp beside a warp, as far as it tells."""
    return str(warp.metadata.get(_UNMATCHED, "it has no PSF-matched warp"))


def warp_rejections(warp: Warp) -> list[Rejection]:
    """Return the exposures of a visit that were selected, but are not in its warp."""
    return [rejection_from_plain(row) for row in _noted(warp.metadata.get(_REJECTED, "[]"))]


def warp_settings(warp: Warp | Pairs) -> dict[str, Any]:
    """Return the options that a warp was made with, or the first of matched ones, as far as it tells them."""
    settings: dict[str, Any] = _noted(warp.metadata.get(_SETTINGS, "{}"))
    return settings


def _noted(text: object) -> Any:
    return parse_json(str(text), "metadata of a warp", "notes in JSON")


def common_settings(
    warps: Sequence[Mapping[str, Any]], log: logging.Logger | LsstLogAdapter
) -> dict[str, Any]:
    """Return the options by steps that all of some warps were made with.

    Parameters
    ----------
    warps
        What `warp_settings` returns of each.
    log
        Where steps are told that not all have the same options of; the result is without them.
    """
    first, *others = warps or [{}]
    same = {step: value for step, value in first.items() if all(other.get(step) == value for other in others)}
    if differ := set().union(*warps) - set(same):
        log.warning("Warps were made with different options, which is not on record: %s", sorted(differ))
    return same


def plain_settings(config: Config) -> dict[str, Any]:
    """Return the options of a task as plain values: those of the core, where it has a form of them."""
    if isinstance(config, DerivedConfig):
        config = to_core(config)
    elif hasattr(config, "toCore"):
        config = config.toCore()
    plain: dict[str, Any] = config.toDict() if isinstance(config, Config) else config.to_dict()
    return plain


def rejection_to_plain(value: Rejection) -> dict[str, Any]:
    """Return a rejection as values that JSON and YAML can hold."""
    id = dataclasses.asdict(value.id)
    return {**id, "path": value.path, "stage": value.stage, "reason": value.reason}


def rejection_from_plain(row: Mapping[str, Any]) -> Rejection:
    """Make a rejection from what `rejection_to_plain` gave."""
    band = str(row.get("band", ""))  # not in what version 0.1.0 wrote
    id = ExposureId(str(row["instrument"]), int(row["visit"]), int(row["detector"]), band)
    return Rejection(id, str(row["path"]), str(row["stage"]), str(row["reason"]))
