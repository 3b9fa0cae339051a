"""All kinds of sky maps, and how they are made from names, options and files."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from ..errors import ConfigError, UnreadableFileError
from ..texts import parse_json, read_text
from .discrete import DiscreteSkyMap, FieldSkyMap
from .dodeca import DodecaSkyMap
from .healpix import HealpixSkyMap
from .image import ImageSkyMap
from .rings import EquatorialSkyMap, RingsSkyMap
from .skymap import FORMAT, SkyMap

__all__ = ("SKYMAP_KINDS", "load_skymap", "make_skymap", "skymap_from_json")

_EXPECTED = "a sky map in JSON"

SKYMAP_KINDS: dict[str, type[SkyMap[Any]]] = {
    cls.kind: cls
    for cls in (
        DiscreteSkyMap,
        DodecaSkyMap,
        EquatorialSkyMap,
        FieldSkyMap,
        HealpixSkyMap,
        ImageSkyMap,
        RingsSkyMap,
    )
}
"""Kinds of sky maps by name."""


def make_skymap(kind: str, options: Mapping[str, Any] | None = None, *, name: str = "") -> SkyMap[Any]:
    """Make a sky map from the name of its kind and its options.

    Parameters
    ----------
    kind
        One of `SKYMAP_KINDS`.
    options
        Options as the configuration class of that kind has them.
    name
        Name of the sky map.

    Raises
    ------
    ConfigError
        Raised when there is no such kind, or an option is unknown or has a value that it cannot have.

    Examples
    --------
    >>> import lamella
    >>> from astropy.coordinates import SkyCoord
    >>> options = {"num_rings": 120, "pixel_scale": 0.168, "tract_overlap": 1 / 60}
    >>> skymap = lamella.make_skymap("rings", options)
    >>> tract = skymap.find_tract(SkyCoord(150.1, 2.2, unit="deg"))
    >>> tract.id, tract.find_patch(SkyCoord(150.1, 2.2, unit="deg")).label
    (9813, '5,4')
    """
    cls = SKYMAP_KINDS.get(kind)
    if cls is None:
        kinds = ", ".join(SKYMAP_KINDS)
        raise ConfigError(
            f"There is no kind of sky map {kind!r}; there are: {kinds}.", option="kind", found=kind
        )
    return cls(cls.config_class(**(options or {})), name=name)


def skymap_from_json(text: str, *, path: str | PathLike[str] = "sky map") -> SkyMap[Any]:
    """Make a sky map from text that `SkyMap.to_json` returned.

    Parameters
    ----------
    text
        The text.
    path
        Where it comes from, for errors.

    Raises
    ------
    UnreadableFileError
        Raised when the text is damaged or not a sky map, or when what it
        describes does not have the identity that it states.
    """
    content = parse_json(text, path, _EXPECTED)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        form = repr(content.get("format")) if isinstance(content, dict) else f"a {type(content).__name__}"
        raise UnreadableFileError(path, where="format", found=form, expected=repr(FORMAT))
    try:
        skymap = make_skymap(content["kind"], content["config"], name=content["name"])
    except KeyError as err:
        raise UnreadableFileError(path, where=str(err.args[0]), found="nothing", expected="a value") from err
    except (ConfigError, TypeError) as err:
        raise UnreadableFileError(
            path, where="config", found=str(err), expected="options of a sky map"
        ) from err
    if content.get("identity") != skymap.identity:
        raise UnreadableFileError(
            path,
            where="identity",
            found=repr(content.get("identity")),
            expected=f"{skymap.identity!r} (from config)",
        )
    return skymap


def load_skymap(path: str | PathLike[str]) -> SkyMap[Any]:
    """Read a sky map from a JSON file.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, damaged or not a sky map.

    Examples
    --------
    >>> import lamella
    >>> skymap = lamella.load_skymap("demo/coadds/skymap.json")
    >>> len(skymap), skymap[0].patch("0,0").label
    (1, '0,0')
    """
    return skymap_from_json(read_text(path, _EXPECTED), path=path)
