"""Recipes of exposures as JSON: how a repository refers to files that stay where they are.

A recipe says how one exposure of any format is read (see
`lamella.formats.source.Recipe`).  Its fields are plain values, so the text
holds no more than the name of its class and these; nothing is pickled.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pydantic

from ..data.exposure import ExposureSource
from ..errors import InputError, UnreadableFileError
from ..formats.source import FileSource
from ..texts import parse_json

__all__ = ("FORMAT", "source_from_json", "source_to_json")

FORMAT = "lamella-exposure-1"
"""Name of the form of the text, in the text itself."""

_EXPECTED = "a reference to an exposure"

_MOVED = {
    f"lamella.formats.{name}": f"lamella.formats.surveys.{name}" for name in ("decam", "sdss", "visit_image")
}
"""Modules of readers in the recipes of version 0.1.0."""


def source_to_json(source: ExposureSource) -> str:
    """Return how an exposure on disk is read, as text.

    Parameters
    ----------
    source
        The exposure.  Relative paths are taken from the present folder.

    Raises
    ------
    InputError
        Raised when the exposure is not on disk.
    """
    if not isinstance(source, FileSource):
        raise InputError(
            source.info.path,
            found=f"an exposure of class {type(source).__name__}",
            expected="one on disk, to refer to (others can be copied)",
        )
    recipe: Any = source.recipe
    cls = type(recipe)
    values = pydantic.TypeAdapter(cls).dump_python(recipe)
    content = {"format": FORMAT, "class": f"{cls.__module__}:{cls.__qualname__}", "recipe": _plain(values)}
    return json.dumps(content, indent=1) + "\n"


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it, with absolute paths."""
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def source_from_json(text: str, *, path: str) -> FileSource:
    """Make the source of an exposure from text that `source_to_json` returned.

    Parameters
    ----------
    text
        The text.
    path
        Where it comes from, for errors.

    Raises
    ------
    UnreadableFileError
        Raised when the text is damaged, or does not fit this version of lamella.
    """
    try:
        content = parse_json(text, path, _EXPECTED)
        if content["format"] != FORMAT:
            raise UnreadableFileError(path, where="format", found=repr(content["format"]), expected=FORMAT)
        module, _, qualname = content["class"].partition(":")
        cls: Any = getattr(importlib.import_module(_MOVED.get(module, module)), qualname)
        # Nothing but a recipe is used.
        if not (dataclasses.is_dataclass(cls) and hasattr(cls, "describe") and hasattr(cls, "load")):
            raise UnreadableFileError(
                path, where="class", found=content["class"], expected="a recipe of an exposure"
            )
        return FileSource(pydantic.TypeAdapter(cls).validate_python(content["recipe"]))
    except (ValueError, TypeError, KeyError, ImportError, AttributeError) as err:
        if isinstance(err, UnreadableFileError):
            raise
        raise UnreadableFileError(path, found=" ".join(str(err).split()), expected=_EXPECTED) from err
