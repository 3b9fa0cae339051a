"""Which function builds the objects of which class of an archive.

A builder is registered by the name that the class has in the archive index::

    @persistable("PhotoCalib")
    def build_photo_calib(record: ObjectRecord, archive: Archive) -> PhotoCalib:
        row = record.row()
        field = archive.get(row.integer("field"))
        ...

It takes the rows that the object has in the tables of the archive
(`~lamella.formats.afw.afw_archive.ObjectRecord`), and the archive, which gives the
objects that this one refers to.  Nothing that a file says is imported or
executed: a class without a builder becomes an
`~lamella.formats.afw.afw_archive.UnknownObject`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ("Builder", "find_builder", "persistable")

type Builder = Callable[[Any, Any], object]
"""Makes an object from its record and the archive; may raise any error, which becomes an `InputError`."""

_MODULES = (
    "catalogs",
    "fields",
    "info",
    "photo",
    "psf",
    "psf_coadd",
    "psf_kernels",
    "psf_piff",
    "wcs",
)
"""Modules of this package that register builders; imported when the first object is built."""

_BUILDERS: dict[str, Builder] = {}


def persistable[F: Builder](*names: str) -> Callable[[F], F]:
    """Register a function as the builder of the classes of some names.

    Parameters
    ----------
    *names
        What stands in the column ``name`` of the archive index.
    """

    def register(builder: F) -> F:
        for name in names:
            if _BUILDERS.setdefault(name, builder) is not builder:
                raise ValueError(f"There are two builders of {name!r}.")
        return builder

    return register


def find_builder(name: str) -> Builder | None:
    """Return the builder of a class, or `None` when the class is not known."""
    _load()
    return _BUILDERS.get(name)


@cache
def _load() -> None:
    for module in _MODULES:
        importlib.import_module(f".{module}", __package__)
