"""The formats that lamella reads, and how others add theirs."""

from __future__ import annotations

import dataclasses
import enum
import functools
import importlib
import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..suggestions import nearest
from .description_files import description_names
from .file_index import FileIndex, is_fits_name
from .read_control import ReadControl

if TYPE_CHECKING:
    from ..data.exposure import ExposureSource

__all__ = (
    "FileHead",
    "Format",
    "Opening",
    "Role",
    "find_format",
    "format_names",
    "known_formats",
    "register_format",
)


class Role(enum.Enum):
    """Role of a file in a format."""

    EXPOSURE = "exposure"
    """It holds one or more exposures."""
    COMPANION = "companion"
    """It belongs to an exposure: weights, flags, a PSF model, a table."""
    FOREIGN = "foreign"
    """The format does not know it."""


@dataclasses.dataclass(frozen=True)
class FileHead:
    """A file that is to be recognised: its name, and its first headers when asked for."""

    path: Path

    @property
    def is_fits(self) -> bool:
        """Whether the name is that of a FITS file."""
        return is_fits_name(self.path)

    @functools.cached_property
    def headers(self) -> tuple[Mapping[str, Any], ...]:
        """Values of the headers of the first two HDUs; none for a file that is not FITS.

        Only the first of a file that is compressed as a whole, if pixels follow it: they would be inflated to
        get at the second.

        Raises
        ------
        UnreadableFileError
            Raised when the file is damaged.
        """
        from ..fits.read import read_cards

        if not self.is_fits:
            return ()
        first = read_cards(self.path, limit=1)
        is_packed = self.path.suffix.lower() in (".gz", ".bz2")
        return first if is_packed and first[0].get("NAXIS") else read_cards(self.path, limit=2)

    @functools.cached_property
    def text(self) -> str:
        """The first 64 kB as text; characters that are not UTF-8 are replaced."""
        with self.path.open("rb") as stream:
            return stream.read(65536).decode("utf-8", errors="replace")


@dataclasses.dataclass(frozen=True)
class Opening:
    """Companions and options for the opening of a file."""

    files: FileIndex
    """Where companions are looked up."""
    control: ReadControl
    companions: tuple[Path, ...] = ()
    """Files given beside the exposures, or in folders that were given, that some format calls companions."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of exposure files, and the reader for it.

    Attributes
    ----------
    name
        Name for ``--format``.
    description
        One line for people.
    recognise
        Returns the role of a file in this format, from its name and first headers.
    open
        Makes the sources of a file that holds exposures.  May raise
        `lamella.errors.InputError`; must not read pixels.
    companion_folders
        Names of folders, beside an exposure or beside its folder, in which its
        companions may lie.
    companions
        Returns the files that belong to a file with exposures, whatever they look like by themselves.
    products
        Returns the files that were made of a file with exposures and others, and what they are: they are
        left out beside it, or its light would count twice.
    described
        The description that it was made from, if it was.
    last_resort
        Whether it is asked for files only that no other format knows and that belong to no exposure.
    """

    name: str
    description: str
    recognise: Callable[[FileHead], Role]
    open: Callable[[Path, Opening], Iterable[ExposureSource]]
    companion_folders: tuple[str, ...] = ()
    companions: Callable[[Path, FileIndex], Iterable[Path]] | None = None
    products: Callable[[Path, FileIndex], Iterable[tuple[Path, str]]] | None = None
    described: Path | None = None
    last_resort: bool = False


_ADDED: dict[str, Format] = {}
_ENTRY_POINTS = "lamella.formats"
_BUILTIN = {
    "decam": "surveys.decam",
    "sdss": "surveys.sdss",
    "afw": "afw.source",
    "lsst-images": "surveys.visit_image",
    "table": "table",
}
_LAST = {"fits": "plain.fits"}
"""What is asked when no other format knows a file."""
"""The formats that come with lamella, and their modules, which are imported when they are needed."""


def register_format(format: Format) -> None:
    """Add a format; it is asked before those that come with lamella.

    A package can also name its `Format` in an entry point of the group
    ``lamella.formats``, and needs no call then.

    Raises
    ------
    ConfigError
        Raised when another format has this name.
    """
    taken = {other.name: other for other in known_formats()}.get(format.name)
    if taken is not None and taken is not format:
        raise ConfigError(f"There is a format {format.name!r} already.", option="format", found=format.name)
    _ADDED[format.name] = format


def known_formats() -> tuple[Format, ...]:
    """Return all formats, in the order in which they are asked."""
    builtin, last = (
        [importlib.import_module(f".{name}", __package__).FORMAT for name in modules.values()]
        for modules in (_BUILTIN, _LAST)
    )
    described = _described()
    own = (described.described_format(each) for each in described.user_descriptions())
    shipped = (described.described_format(each) for each in described.shipped_descriptions())
    return (*_ADDED.values(), *_installed(), *builtin, *own, *shipped, *last)


def _described() -> Any:
    """Return the module of descriptions, which needs this one."""
    return importlib.import_module(".described.formats", __package__)


def format_names() -> tuple[str, ...]:
    """Return the names of all formats, in the same order."""
    coded = (*_ADDED, *(format.name for format in _installed()), *_BUILTIN)
    return tuple(dict.fromkeys((*coded, *description_names(), *_LAST)))


@functools.cache
def _installed() -> tuple[Format, ...]:
    points = sorted(importlib.metadata.entry_points(group=_ENTRY_POINTS), key=lambda point: point.name)
    return tuple(point.load() for point in points)


def find_format(name: str) -> Format:
    """Return the format of a name, or that of a file with a description (``my.toml``).

    Raises
    ------
    ConfigError
        Raised when there is none.
    InputError
        Raised when a description cannot be read, or something in it is wrong.
    """
    if name.lower().endswith(".toml"):
        format: Format = _described().file_format(Path(name))
        return format
    # Of two with a name, that of the user is asked first.
    formats = {format.name: format for format in reversed(known_formats())}
    if name not in formats:
        names = ", ".join(reversed(formats))
        told = (
            f"There is no format {name!r}; there are: {names}, or a file NAME.toml{nearest(name, formats)}."
        )
        raise ConfigError(told.replace("?.", "?"), option="format", found=name)
    return formats[name]
