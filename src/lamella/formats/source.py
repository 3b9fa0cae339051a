"""Exposures on disk that are read when they are needed, and the options of reading them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol

from ..data.exposure import Exposure, ExposureInfo
from ..data.texts import short
from ..errors import LamellaError, UnreadableFileError
from ..fits.datasum import collect_stale_sums

__all__ = ("FileSource", "Recipe", "typed_errors")


@contextlib.contextmanager
def typed_errors(place: str) -> Iterator[None]:
    """Turn what damaged bytes lead to somewhere behind the readers into an error with the file.

    Parameters
    ----------
    place
        The file of the exposure that is read.

    Raises
    ------
    UnreadableFileError
        Raised for every error that is not one of lamella.
    """
    try:
        yield
    except (LamellaError, MemoryError):
        raise
    except Exception as err:
        told = getattr(err, "strerror", None) or f"{type(err).__name__}: {err}"
        reason = " ".join(str(told).split()).rstrip(".")
        raise UnreadableFileError(place, found=reason, expected="an exposure") from err


class Recipe(Protocol):
    """Paths and options for reading one exposure.

    Recipes are dataclasses of plain values (paths, names, numbers), so that they
    can be pickled and sent to a worker process.  One whose files are not all
    among its fields names them in a property ``files``.  One that has a method
    ``image_place``, which returns file and HDU (an index) of the image, or `None`, lets
    copies be found by a few rows of it.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def describe(self) -> ExposureInfo:
        """Read headers only."""
        ...

    def load(self, info: ExposureInfo) -> Exposure:
        """Read the pixels, which the caller may change."""
        ...


class FileSource:
    """An `lamella.data.exposure.ExposureSource` made from a recipe.

    Parameters
    ----------
    recipe
        Recipe of the exposure.

    Notes
    -----
    The description is read once and kept.  It is not pickled, so that jobs stay small: a worker process
    reads the headers again.
    """

    reads_afresh = True
    """True if `read` returns a private copy that callers may modify."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._info: ExposureInfo | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"recipe": self.recipe, "_info": None}

    def __repr__(self) -> str:
        info = self._info
        told = (
            f"{info.id}, band {short(info.band)}" if isinstance(info, ExposureInfo) else "not yet looked at"
        )
        return f"{type(self).__name__}: {told}, {type(self.recipe).__name__} of {self._place}"

    @property
    def _place(self) -> str:
        files = self.files
        return short(str(files[0])) if files else "no file"

    @property
    def info(self) -> ExposureInfo:
        """Description from headers only."""
        if self._info is None:
            with typed_errors(self._place):
                self._info = self.recipe.describe()
        return self._info

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the exposure is read from, companions included."""
        named = getattr(self.recipe, "files", None)
        if named is not None:
            return tuple(named)
        values = [getattr(self.recipe, field.name) for field in dataclasses.fields(self.recipe)]
        return tuple(value for value in values if isinstance(value, Path))

    def read(self) -> Exposure:
        """Read the pixels; a note of the exposure tells of those that differ from the DATASUM of their file.

        Raises
        ------
        InputError
            Raised when the file is not what it must be, e.g. has no pixel with
            a positive weight.
        ShapeError
            Raised when the planes of the exposure differ in shape.
        """
        with collect_stale_sums() as stale, typed_errors(self._place):
            exposure = self._load()
        return dataclasses.replace(exposure, notes=(*exposure.notes, *stale)) if stale else exposure

    def _load(self) -> Exposure:
        return self.recipe.load(self.info)
