"""Translation of data identifiers: the manual's keys, and the dimensions of today's Butler.

=========  ==============================================================
manual     dimensions
=========  ==============================================================
tract      tract
patch      patch; ``5,4`` is column and row, a single number today's index
filter     physical_filter, or band
visit      visit
ccd        detector
=========  ==============================================================

The sky map and the instrument, which today's Butler also asks for, are found:
the manual knows one of each.  Where a repository has several sky maps, that one
is meant which alone has the tract and the patch; otherwise say which with
``skymap=NAME``.  Identifiers then hold its name, and those of exposures
``instrument=NAME`` where there are several instruments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lsst.daf.butler import Butler, DataCoordinate, DimensionGroup, DimensionRecord

from ...errors import SkyMapError
from ...texts import parse_whole
from ..datasets import find_prefix

__all__ = ("OPTIONAL_KEYS", "KeyTranslator", "canonical")

OPTIONAL_KEYS = frozenset({"skymap", "instrument"})
"""Keys that the manual does not know; they are needed where a repository has several."""

_ALIASES = {"detector": "ccd", "band": "filter", "physical_filter": "filter", "exposure": "visit"}
"""Today's names of the manual's keys; both may be typed."""


def canonical(dataId: Mapping[str, Any]) -> dict[str, Any]:
    """Return a data identifier with the manual's names of the keys."""
    return {_ALIASES.get(key, key): value for key, value in dataId.items()}


class KeyTranslator:
    """Translates data identifiers for one repository.

    Parameters
    ----------
    butler
        The repository, opened for reading.
    """

    def __init__(self, butler: Butler) -> None:
        self._butler = butler
        self._cells: dict[tuple[Any, Any], dict[int, str]] = {}
        self._records: dict[str, list[DimensionRecord]] = {}
        self._stored: list[str] | None = None

    @staticmethod
    def keys_of(dimensions: DimensionGroup) -> dict[str, type]:
        """Return the manual's keys of a dataset with these dimensions, and their types."""
        names = set(dimensions.names)
        keys: dict[str, type] = {}
        if "tract" in names:
            keys["tract"] = int
        if "patch" in names:
            keys["patch"] = str
        if names & {"band", "physical_filter"}:
            keys["filter"] = str
        if names & {"visit", "exposure"}:
            keys["visit"] = int
        if "detector" in names:
            keys["ccd"] = int
        return keys

    def to_gen3(self, dimensions: DimensionGroup, dataId: Mapping[str, Any]) -> dict[str, Any]:
        """Return today's identifier of what the manual's keys identify.

        Keys that the dimensions do not ask for are passed over; those that are
        missing stay missing, for a search.

        Raises
        ------
        LookupError
            Raised when the repository has no such patch or filter, or several
            sky maps or instruments and it is not said which.
        """
        given = canonical(dataId)
        names = set(dimensions.names)
        identifier: dict[str, Any] = {}
        if "skymap" in names:
            identifier["skymap"] = self.skymap_of(given)
        if "instrument" in names:
            instrument = given.get("instrument")
            if not instrument:
                instruments = {record.name for record in self._all("instrument")}
                if len(instruments) > 1 and "filter" in given:
                    records = [r for r in self._all("physical_filter") if r.name == given["filter"]]
                    instruments = {record.instrument for record in records} or instruments
                instrument = _only(sorted(instruments), "instrument", "instrument")
            if instrument:  # else there are several, and only a search can tell
                identifier["instrument"] = str(instrument)
        if "tract" in names and "tract" in given:
            identifier["tract"] = int(given["tract"])
        if "patch" in names and "patch" in given:
            identifier["patch"] = self._patch(identifier, given["patch"])
        if "filter" in given:
            identifier |= self._filter(dimensions, given["filter"])
        for key, dimension in (("visit", "visit"), ("visit", "exposure"), ("ccd", "detector")):
            if dimension in dimensions.required and key in given:
                identifier[dimension] = int(given[key])
        return identifier

    def to_gen2(self, coordinate: DataCoordinate) -> dict[str, Any]:
        """Return the manual's identifier for one of today's, with its implied dimensions."""
        identifier: dict[str, Any] = {}
        for key in self.keys_of(coordinate.dimensions):
            match key:
                case "patch":
                    identifier[key] = self._cell(
                        coordinate["skymap"], coordinate["tract"], coordinate["patch"]
                    )
                case "filter":
                    if "physical_filter" in coordinate.dimensions:
                        names = {coordinate["physical_filter"]}
                    else:
                        records, name = self._all("physical_filter"), coordinate["band"]
                        names = {record.name for record in records if record.band == name}
                    identifier[key] = str(names.pop() if len(names) == 1 else coordinate["band"])
                case "visit":
                    name = "visit" if "visit" in coordinate.dimensions else "exposure"
                    identifier[key] = coordinate[name]
                case "ccd":
                    identifier[key] = coordinate["detector"]
                case _:
                    identifier[key] = coordinate[key]
        required = coordinate.dimensions.required
        if "skymap" in required and len(self._skymaps()) > 1:
            identifier["skymap"] = str(coordinate["skymap"])
        if "instrument" in required and len(self._all("instrument")) > 1:
            identifier["instrument"] = str(coordinate["instrument"])
        return identifier

    def normal(self, dataId: Mapping[str, Any]) -> dict[str, Any]:
        """Return an identifier with the manual's names, and patches as column and row.

        Where the repository has several sky maps, the identifier of a patch has the name of its own.

        Raises
        ------
        LookupError
            Raised when the repository has no such patch, or several and it is not said which.
        """
        given = canonical(dataId)
        patch = given.get("patch")
        if patch is not None and "tract" in given:
            skymap, tract = self.skymap_of(given), int(given["tract"])
            index = self._patch({"skymap": skymap, "tract": tract}, patch)
            given["patch"] = self._cell(skymap, tract, index)
            if len(self._skymaps()) > 1:
                given["skymap"] = skymap
        return given

    def skymap_of(self, dataId: Mapping[str, Any]) -> str:
        """Return the name of the sky map that an identifier means.

        That is the one which it names, the only one, or the only one that has
        its tract and its patch.

        Raises
        ------
        LookupError
            Raised when there is none, or several qualify.
        """
        names = [str(dataId["skymap"])] if dataId.get("skymap") else self._skymaps()
        if len(names) > 1 and "tract" in dataId:
            names = [name for name in names if self._has_patch(name, dataId)] or names
        return _only(names, "sky map", "skymap")

    def _skymaps(self) -> list[str]:
        """Return the names of the sky maps: where there are several, of those that are stored, too."""
        names = sorted(str(record.name) for record in self._all("skymap"))
        if len(names) > 1:
            if self._stored is None:
                name = f"{find_prefix(self._butler)}skyMap"
                refs = self._butler.query_datasets(name, explain=False, limit=None)
                self._stored = sorted({str(ref.dataId["skymap"]) for ref in refs})
            return self._stored or names
        return names

    def _has_patch(self, skymap: str, dataId: Mapping[str, Any]) -> bool:
        """Tell whether a sky map has the tract of an identifier, and its patch if it has one."""
        tract = int(dataId["tract"])
        try:
            if "patch" in dataId:
                self._cell(skymap, tract, self._patch({"skymap": skymap, "tract": tract}, dataId["patch"]))
        except SkyMapError:
            return False
        return bool(self._cells_of(skymap, tract))

    def _patch(self, tract: Mapping[str, Any], patch: Any) -> int:
        """Return the index of a patch that is given as column and row, or as its index."""
        parsed = [parse_whole(number.strip()) for number in str(patch).split(",")]
        numbers = [number for number in parsed if number is not None]
        if len(numbers) < len(parsed) or len(numbers) > 2:
            raise SkyMapError(f"{patch!r} is not a patch; expected column,row such as 5,4.", patch=patch)
        if len(numbers) == 1:
            return numbers[0]
        if "tract" not in tract:
            raise SkyMapError(f"Patch {patch} is given without a tract.", patch=patch)
        wanted = ",".join(map(str, numbers))
        for index, cell in self._cells_of(tract["skymap"], tract["tract"]).items():
            if cell == wanted:
                return index
        raise self._no_patch(tract["skymap"], tract["tract"], patch)

    def _cell(self, skymap: Any, tract: Any, index: Any) -> str:
        """Return column and row of a patch, as the manual writes them."""
        try:
            return self._cells_of(skymap, tract)[index]
        except KeyError:
            raise self._no_patch(skymap, tract, index) from None

    def _cells_of(self, skymap: Any, tract: Any) -> dict[int, str]:
        """Return column and row of each patch of a tract, by its index; they are read once."""
        key = (skymap, tract)
        if key not in self._cells:
            records = self._query("patch", skymap=skymap, tract=tract)
            self._cells[key] = {record.id: f"{record.cell_x},{record.cell_y}" for record in records}
        return self._cells[key]

    def _filter(self, dimensions: DimensionGroup, name: Any) -> dict[str, Any]:
        records = self._all("physical_filter")
        physical = [record for record in records if record.name == name]
        bands = {record.band for record in records if name in (record.name, record.band)}
        if not bands:
            raise SkyMapError(
                f"The repository has no filter {name!r}; there are: "
                f"{', '.join(sorted({record.name for record in records}))}.",
                filter=name,
            )
        if physical and "physical_filter" in dimensions.names:
            return {"physical_filter": name}
        if "band" in dimensions.names:
            return {"band": _only(sorted(bands), "band", "filter")}
        return {}

    def _no_patch(self, skymap: str, tract: Any, patch: Any) -> SkyMapError:
        if skymap not in self._skymaps():
            names = ", ".join(self._skymaps())
            return SkyMapError(f"The repository has no sky map {skymap}; there are: {names}.", skymap=skymap)
        if not self._cells_of(skymap, tract):
            return SkyMapError(f"The sky map {skymap} has no tract {tract}.", tract=tract)
        return SkyMapError(f"Tract {tract} of {skymap} has no patch {patch}.", tract=tract, patch=patch)

    def _all(self, element: str) -> list[DimensionRecord]:
        if element not in self._records:
            records = self._query(element)
            if not records:
                return []
            self._records[element] = records
        return self._records[element]

    def _query(self, element: str, **values: Any) -> list[DimensionRecord]:
        return self._butler.query_dimension_records(element, explain=False, limit=None, **values)


def _only(names: Sequence[str], kind: str, key: str) -> str:
    if len(names) == 1:
        return names[0]
    if not names:
        raise SkyMapError(f"The repository has no {kind}.", **{key: None})
    raise SkyMapError(
        f"The repository has more than one {kind}: {', '.join(names)}. Say which with {key}=NAME.",
        **{key: list(names)},
    )
