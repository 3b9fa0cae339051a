"""Formats made from descriptions: those that are shipped, and those of the user."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

from ...data.exposure import ExposureSource
from ...errors import ConfigError, InputError
from ...fits.read import Header, hdu_name, read_cards
from ..cards import Cards, Condition
from ..description_files import SHIPPED, description_paths, user_folder
from ..faulty_row import FaultyRow
from ..file_index import FileIndex, bare_name
from ..readers import FileHead, Format, Opening, Role
from ..source import FileSource
from ..table_row import TableRow
from .description import Description, read_description
from .rows import companions_of, described_rows, products_of

__all__ = ("described_format", "file_format", "shipped_descriptions", "user_descriptions")


def described_format(description: Description) -> Format:
    """Return the format of a description."""

    def open_file(path: Path, opening: Opening) -> Iterator[ExposureSource]:
        for row in described_rows(path, description, opening.files):
            if isinstance(row, InputError):
                yield FileSource(FaultyRow(path, row))
            else:
                yield FileSource(TableRow(path, 0, row, opening.control, description.name))

    def companions(path: Path, files: FileIndex) -> Iterable[Path]:
        return companions_of(path, description, files)

    def products(path: Path, files: FileIndex) -> Iterable[tuple[Path, str]]:
        return products_of(path, description, files)

    return Format(
        name=description.name,
        description=description.description,
        recognise=lambda head: _role(head, description),
        open=open_file,
        companions=companions,
        products=products,
        described=description.path,
    )


def file_format(path: Path) -> Format:
    """Return the format of a description in a file.

    Raises
    ------
    InputError
        Raised when it cannot be read, or something in it is wrong.
    """
    return described_format(read_description(path))


def _role(head: FileHead, description: Description) -> Role:
    name = bare_name(head.path)
    if any(pattern.search(name) for pattern in description.ignore):
        return Role.COMPANION
    if not head.is_fits or not _is_named(name, description) or not _has_cards(head, description):
        return Role.FOREIGN
    return Role.EXPOSURE if _has_hdus(head, description) else Role.FOREIGN


def _is_named(name: str, description: Description) -> bool:
    pattern = description.match.name
    return pattern is None or pattern.search(name) is not None


def _has_cards(head: FileHead, description: Description) -> bool:
    """Return whether a card of the first two HDUs is as each condition wants it."""
    if not description.match.cards:
        return True
    each = [Cards(head.path, "", (header,)) for header in head.headers]

    def holds(key: str, condition: Condition) -> bool:
        verdicts = [condition.holds(cards.get(key)) for cards in each]
        return all(verdicts) if condition.told is False else any(verdicts)

    return all(holds(key, condition) for key, condition in description.match.cards.items())


def _has_hdus(head: FileHead, description: Description) -> bool:
    """Return whether the file has HDUs of the names."""
    wanted = description.match.hdus
    if not wanted:
        return True
    if len(head.headers) < 2:  # other headers are not there, or not worth inflating a whole file
        return False
    names = _hdu_names(read_cards(head.path))
    return all(hdu < len(names) if isinstance(hdu, int) else any(map(hdu.fullmatch, names)) for hdu in wanted)


def _hdu_names(headers: Iterable[Header]) -> list[str]:
    return [hdu_name(header, index) for index, header in enumerate(headers)]


@functools.cache
def shipped_descriptions() -> tuple[Description, ...]:
    """Return the descriptions that come with lamella, by name."""
    return tuple(map(read_description, description_paths(SHIPPED)))


def user_descriptions() -> tuple[Description, ...]:
    """Return the descriptions of the user, by name.

    Raises
    ------
    ConfigError
        Raised when one of them cannot be read; it tells all faults.
    """
    try:
        return tuple(map(read_description, description_paths(user_folder())))
    except InputError as err:
        raise ConfigError(f"A format of yours cannot be read. {err}", option="format") from err
