"""Names of other packages that the reference of Python links to, without a look at the network.

Sphinx reads inventories of other projects' pages; whole ones are large, and cannot be fetched everywhere.
These have the names that signatures and texts of lamella have.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ("setup", "write_inventories")

# Role, page below the address of the project (`{}` is the name), and names.
_NAMES: Mapping[str, tuple[str, tuple[tuple[str, str, str], ...]]] = {
    "python": (
        "https://docs.python.org/3/",
        (
            ("class", "library/pathlib.html#{}", "pathlib.Path"),
            ("class", "library/os.html#{}", "os.PathLike"),
            ("class", "library/concurrent.futures.html#{}", "concurrent.futures.Executor"),
            (
                "class",
                "library/collections.abc.html#{}",
                "collections.abc.Callable collections.abc.Iterable collections.abc.Iterator "
                "collections.abc.Mapping collections.abc.Sequence collections.abc.Collection",
            ),
            ("data", "library/constants.html#{}", "None True False"),
            ("data", "library/typing.html#{}", "typing.Any typing.Literal"),
            (
                "class",
                "library/stdtypes.html#{}",
                "str bytes dict list tuple set frozenset",
            ),
            ("class", "library/functions.html#{}", "int float bool complex object type"),
            ("class", "library/datetime.html#{}", "datetime.datetime"),
            (
                "exception",
                "library/exceptions.html#{}",
                "Exception ValueError TypeError OSError LookupError KeyError IndexError RuntimeError "
                "AttributeError MemoryError ImportError NotImplementedError ArithmeticError",
            ),
            ("module", "library/concurrent.futures.html#module-{}", "concurrent.futures"),
        ),
    ),
    "numpy": (
        "https://numpy.org/doc/stable/",
        (
            ("class", "reference/generated/{}.html#{}", "numpy.ndarray numpy.dtype"),
            ("class", "reference/random/generator.html#{}", "numpy.random.Generator"),
            ("class", "reference/arrays.scalars.html#{}", "numpy.float32 numpy.int32 numpy.uint8"),
        ),
    ),
    "astropy": (
        "https://docs.astropy.org/en/stable/",
        (
            (
                "class",
                "api/{}.html#{}",
                "astropy.coordinates.SkyCoord astropy.table.Table astropy.table.QTable "
                "astropy.units.Quantity "
                "astropy.time.Time astropy.wcs.WCS astropy.io.fits.Header astropy.io.fits.HDUList "
                "astropy.nddata.CCDData astropy.nddata.NDData",
            ),
        ),
    ),
    # Its documentation is in its repository.
    "lsst-images": (
        "https://github.com/lsst/images/",
        (
            (
                "class",
                "#",
                "lsst.images.Box lsst.images.Image lsst.images.Mask lsst.images.MaskPlane "
                "lsst.images.MaskSchema lsst.images.MaskedImage lsst.images.Polygon "
                "lsst.images.SkyProjection "
                "lsst.images.GeneralFrame lsst.images.Interval lsst.images.psfs.PointSpreadFunction "
                "lsst.images.psfs.GaussianPointSpreadFunction",
            ),
        ),
    ),
}

_LISTED = {name for _, groups in _NAMES.values() for _, _, names in groups for name in names.split()}
_SHORT = {"np.": "numpy.", "u.": "astropy.units."}


def write_inventories(folder: Path) -> dict[str, tuple[str, str]]:
    """Write one inventory per project, and return what Sphinx calls the mapping of them.

    Parameters
    ----------
    folder
        Where they go; made if it is absent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for project, (address, groups) in _NAMES.items():
        path = folder / f"{project}.inv"
        path.write_bytes(_inventory(project, groups))
        mapping[project] = (address, str(path))
    return mapping


def _inventory(project: str, groups: tuple[tuple[str, str, str], ...]) -> bytes:
    head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
    head += "# The remainder of this file is compressed using zlib.\n"
    lines = [
        f"{name} py:{role} 1 {page.replace('{}', name)} -\n"
        for role, page, names in groups
        for name in names.split()
    ]
    return head.encode() + zlib.compress("".join(lines).encode())


def _public_name(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Resolve a name that an annotation has from where it is defined, by the one that users import."""
    from sphinx.ext.intersphinx import resolve_reference_any_inventory

    target = str(node.get("reftarget", ""))
    for start, full in _SHORT.items():
        if target.startswith(start):
            target = full + target.removeprefix(start)
    if target not in _LISTED:
        package, dot, _ = target.partition(".")
        last = target.rpartition(".")[2]
        namesakes = [name for name in _LISTED if name.rpartition(".")[2] == last]
        candidates = [name for name in namesakes if not dot or name.partition(".")[0] == package]
        if len(candidates) != 1:
            return None
        (target,) = candidates
    node["reftarget"] = target
    node["reftype"] = "obj"
    return resolve_reference_any_inventory(env, False, node, content)


def setup(app: Any) -> dict[str, Any]:
    """Ask for names that Sphinx does not find."""
    app.connect("missing-reference", _public_name, priority=900)
    return {"parallel_read_safe": True}
