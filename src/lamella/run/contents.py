"""What a folder of results holds: the coadds of earlier runs, and the sky map that all of them are on."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ..errors import LamellaError, OutputError, UnreadableFileError
from ..filenames import coadd_stem
from ..files import write_text
from ..fits.read import read_cards
from ..fits.text import from_fits
from ..report.record import CoaddRecord, Skipped, read_record
from ..sky.registry import load_skymap
from ..sky.skymap import SkyMap
from ..texts import read_json

__all__ = ("EarlierCoadds", "find_earlier", "require_same_skymap", "save_skymap")

_SKYMAP = "skymap.json"
_RESULTS = ("coadd-*.fits", "warp-*.fits", "matched-*.fits", "warps/*.fits")


@dataclasses.dataclass(frozen=True)
class EarlierCoadds:
    """The coadds of a folder that a run has not to do with."""

    coadds: tuple[CoaddRecord, ...] = ()
    problems: tuple[Skipped, ...] = ()
    """Records that cannot be listed, and why."""


def find_earlier(folder: Path, names: Collection[str], skymap: SkyMap[Any]) -> EarlierCoadds:
    """Find the finished coadds in a folder that are not among those of a run.

    Parameters
    ----------
    folder
        Folder of results.
    names
        Names of the coadds of the run, e.g. ``r-0-5,4``.
    skymap
        The sky map of the run.

    Returns
    -------
    EarlierCoadds
        Those of all versions of lamella whose records can be read, by name.
    """
    coadds: list[CoaddRecord] = []
    problems: list[Skipped] = []
    stems = {f"coadd-{coadd_stem(name)}" for name in names}
    for path in sorted(folder.glob("coadd-*.json")):
        if path.stem in stems:
            continue
        try:
            record = read_record(path)
            reason = _why_not_listed(record, folder, skymap)
        except UnreadableFileError as err:
            problems.append(Skipped(path.name, str(err)))
            continue
        if reason:
            problems.append(Skipped(path.name, reason))
        else:
            coadds.append(dataclasses.replace(record, earlier=True))
    return EarlierCoadds(tuple(coadds), tuple(problems))


def _why_not_listed(record: CoaddRecord, folder: Path, skymap: SkyMap[Any]) -> str:
    """Return what is wrong with a coadd of an earlier run; an empty text if nothing is."""
    missing = [name for name in record.files.values() if not os.path.exists(folder / name)]
    if missing:
        return f"{', '.join(missing)} of it is no longer there"
    if record.grid and record.grid != skymap.identity:
        return "it is on another sky map"
    if not record.grid and _skymap_name(folder / record.files.get("plain FITS", "")) != skymap.name:
        return "it is on another sky map"
    return ""


def _skymap_name(plain: Path) -> str:
    """Return the name of the sky map of a coadd by its plain file; records of version 0.1.0 lack it."""
    try:
        (cards,) = read_cards(plain, 1)
        return from_fits(str(cards["SKYMAP"]))
    except (UnreadableFileError, KeyError):
        return ""


def require_same_skymap(folder: Path, skymap: SkyMap[Any]) -> None:
    """Refuse a folder whose results are on another sky map.

    Raises
    ------
    OutputError
        Raised then: its patches have the names of others.
    """
    if not any(any(folder.glob(pattern)) for pattern in _RESULTS):
        return
    other = _skymap_of(folder)
    if other is None or other == (skymap.identity, skymap.name):
        return
    path = folder / _SKYMAP
    hint = f", or keep its pixels with --skymap {path}" if path.exists() else ""
    raise OutputError(
        folder, reason=f"it holds results on another sky map, {other[1]!r}; choose another folder{hint}"
    )


def _skymap_of(folder: Path) -> tuple[str, str] | None:
    """Return identity and name of the sky map of a folder; `None` where nothing tells it."""
    try:
        skymap = load_skymap(folder / _SKYMAP)
    except LamellaError:  # absent or damaged: it is written again
        return _skymap_of_records(sorted(folder.glob("coadd-*.json")), folder)
    return skymap.identity, skymap.name


def _skymap_of_records(records: Sequence[Path], folder: Path) -> tuple[str, str] | None:
    for path in records:
        try:
            values = read_json(path, "the record of a coadd")
            grid, plain = values.get("grid", ""), values["files"]["plain FITS"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        if grid:
            return str(grid), _skymap_name(folder / Path(str(plain)).name)
    return None


def save_skymap(skymap: SkyMap[Any], folder: Path) -> None:
    """Write a sky map beside what was made on it, unless it is there.

    Raises
    ------
    OutputError
        Raised when the folder holds results on another sky map.
    """
    require_same_skymap(folder, skymap)
    path, text = folder / _SKYMAP, skymap.to_json()
    if not (path.exists() and path.read_bytes() == text.encode()):
        write_text(path, text)
