"""What each of many files is: one with exposures, one that belongs to such a file, or neither."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import (
    DuplicateInputError,
    InputError,
    LamellaError,
    MissingPartError,
    UnknownFormatError,
    UnreadableFileError,
)
from ..fits.read import Header, image_axes, read_headers
from .contents import contents_of
from .file_index import FileIndex, is_fits_name
from .readers import FileHead, Format, Role, known_formats

__all__ = ("Candidate", "Roles", "recognise", "sort_files")


_MOST_NAMES = 5
"""So many formats are named in a message."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A file that may hold exposures."""

    path: Path
    named: bool
    """Whether a person named the file, not only a folder above it."""


@dataclasses.dataclass(frozen=True)
class Roles:
    """Files by what they are."""

    exposures: tuple[tuple[Candidate, Format], ...]
    """Those with exposures, and their formats, sorted by path."""
    companions: tuple[Path, ...]
    """Those that belong to exposures."""


def recognise(path: Path, formats: Sequence[Format] | None = None) -> tuple[Format | None, Role]:
    """Return the format that knows a file, and the role of the file in it.

    Parameters
    ----------
    path
        A file.
    formats
        The formats to ask; by default all.

    Raises
    ------
    InputError
        Raised when the file cannot be read.
    """
    head = FileHead(path)
    companion: Format | None = None
    for format in known_formats() if formats is None else formats:
        if format.last_resort and companion is not None:
            break
        role = format.recognise(head)
        if role is Role.COMPANION and format.described is not None:
            # By its name alone, which may be that of an exposure of another format.
            companion = companion or format
        elif role is not Role.FOREIGN:
            return format, role
    return companion, Role.FOREIGN if companion is None else Role.COMPANION


type Skip = Callable[[Candidate, LamellaError], None]
"""Takes note of a file that cannot be used, or raises the error."""
type LeaveOut = Callable[[Path, DuplicateInputError], None]
"""Takes note of a file with light that is in others, too, or raises the error."""


def sort_files(
    candidates: list[Candidate],
    formats: Sequence[Format],
    files: FileIndex,
    skip: Skip,
    leave_out: LeaveOut,
) -> Roles:
    """Tell files with exposures from their companions.

    Parameters
    ----------
    candidates
        The files.
    formats
        The formats to ask, in this order; the last resort after all files are known that belong to others.
    files
        Where companions are looked up.
    skip
        Told of each file that cannot be read, that was named and no format knows, or that holds an image
        which no format knows.
    leave_out
        Told of each file that was made of exposures which are here themselves.
    """
    exposures: list[tuple[Candidate, Format]] = []
    companions: list[Path] = []
    last = [format for format in formats if format.last_resort]
    left = candidates
    for asked in ([format for format in formats if not format.last_resort], last):
        more, left, companions_here = _ask(left, asked, skip)
        exposures += more
        # What belongs to an exposure is none, whatever it looks like.
        owned = _owned(exposures, files)
        exposures = [item for item in exposures if item[0].path.absolute() not in owned]
        companions += companions_here
        companions += [file.path for file in left if file.path.absolute() in owned]
        owned |= _products(exposures, left, files, leave_out)
        exposures = [item for item in exposures if item[0].path.absolute() not in owned]
        left = [file for file in left if file.path.absolute() not in owned]
    for candidate in left:
        try:
            _refuse_unknown(candidate, formats)
        except LamellaError as err:
            skip(candidate, err)
    return Roles(
        tuple(sorted(exposures, key=lambda item: item[0].path.absolute())),
        tuple(companions),
    )


def _ask(
    candidates: list[Candidate], formats: Sequence[Format], skip: Skip
) -> tuple[list[tuple[Candidate, Format]], list[Candidate], list[Path]]:
    """Return the files with exposures, those that no format knows, and companions."""
    exposures, left, companions = [], [], []
    for candidate in candidates:
        try:
            if not os.path.isfile(candidate.path):  # which is no error of a name that is too long
                expected = "a file or a folder"
                raise UnreadableFileError(candidate.path, found="no such file", expected=expected)
            format, role = recognise(candidate.path, formats)
        except LamellaError as err:
            skip(candidate, err)
            continue
        if format is None:
            left.append(candidate)
        elif role is Role.EXPOSURE:
            exposures.append((candidate, format))
        else:
            companions.append(candidate.path)
    return exposures, left, companions


def _owned(exposures: list[tuple[Candidate, Format]], files: FileIndex) -> set[Path]:
    """Return the files that belong to exposures, by what the formats of these say."""
    return {
        path.absolute()
        for candidate, format in exposures
        if format.companions is not None
        for path in format.companions(candidate.path, files)
        if path.absolute() != candidate.path.absolute()
    }


def _products(
    exposures: list[tuple[Candidate, Format]], left: list[Candidate], files: FileIndex, leave_out: LeaveOut
) -> set[Path]:
    """Return the files that were made of exposures which are here, too."""
    present = {file.path.absolute() for file in (*left, *(candidate for candidate, _ in exposures))}
    products: set[Path] = set()
    for candidate, format in exposures:
        for path, told in format.products(candidate.path, files) if format.products is not None else ():
            key = path.absolute()
            if key in present and key not in products and key != candidate.path.absolute():
                products.add(key)
                found = f"{told}, of which {candidate.path.name} is here itself"
                expected = "each exposure once: it is left out, or its light would count twice"
                leave_out(path, DuplicateInputError(path, found=found, expected=expected))
    return products


def _refuse_unknown(candidate: Candidate, formats: Sequence[Format]) -> None:
    """Raise an `InputError` for a file that no format knows, if it was named or holds an image."""
    path = candidate.path
    if candidate.named or (is_fits_name(path) and any(map(_has_pixels, read_headers(path)))):
        raise _unknown(path, formats)


def _has_pixels(header: Header) -> bool:
    """Return whether an HDU holds an image, or a cube of them."""
    axes = image_axes(header)
    return len(axes) > 1 and min(axes) > 0 and min(axes[-2:]) > 1


def _unknown(path: Path, formats: Sequence[Format]) -> InputError:
    from .table import TABLE_SUFFIXES, missing_columns

    is_table = path.suffix.lower() in TABLE_SUFFIXES
    missing = missing_columns(FileHead(path)) if is_table else ()
    if missing:
        return MissingPartError(
            path,
            found=f"a table without the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            expected="an exposure table, which needs them",
        )
    expected = _known(formats)
    if not is_fits_name(path):
        found = "a table" if is_table else "a file whose name is neither that of FITS nor that of a table"
        return UnknownFormatError(path, found=found, expected=expected)
    contents = contents_of(path)
    lacking = f"; there is not {' nor '.join(contents.missing)}" if contents.missing else ""
    return UnknownFormatError(
        path,
        found=f"a file that no reader recognises ({contents}){lacking}",
        expected=f"{expected}. `lamella inspect {path.name}` shows more, and an exposure table can "
        "describe any image with a WCS",
    )


def _known(formats: Sequence[Format]) -> str:
    """Return the formats that were asked, by name while they are few."""
    if len(formats) <= _MOST_NAMES:
        return f"one of: {', '.join(format.name for format in formats)}"
    return f"one of the {len(formats)} formats that `lamella formats` lists"
