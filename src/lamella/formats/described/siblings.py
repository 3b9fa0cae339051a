"""The HDUs and files that belong to one image of a described survey."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...errors import MissingPartError
from ...fits.read import Header, hdu_name, image_axes, read_headers
from ..file_index import FileIndex, bare_name, split_name
from ..row_expand import hdu_spelling
from ..table_hdus import default_image, flat_shape
from .description import Description
from .sections import Companion

__all__ = ("ImagePlace", "companion_name", "find_companion", "images_of", "products_like")


@dataclasses.dataclass(frozen=True)
class ImagePlace:
    """One image of a file, and where its other planes are looked for."""

    path: Path
    headers: Sequence[Header]
    """All headers of the file, unparsed."""
    index: int
    """HDU of the image."""
    count: int
    """Number of the image among those of the file, from 1."""
    name: re.Match[str] | None = None
    """How its EXTNAME matches the description."""

    @property
    def hdu(self) -> str:
        """The image's HDU, as a cell of a table names it."""
        return hdu_spelling(self.headers, self.index)

    def sibling(self, hdu: int | str | None, file: Path | None) -> str:
        """Return another HDU of the image, as a cell of a table names it.

        Parameters
        ----------
        hdu
            Index, or pattern of the EXTNAME, which may have groups of the image's name in it. Of several HDUs
            the one is taken with the EXTVER of the image, or its EXTNAME, or its number among them.
        file
            The file, if another; without ``hdu``, its HDU of the image's name is taken, or its only image.

        Raises
        ------
        MissingPartError
            Raised when there is none.
        """
        path = self.path if file is None else file
        headers = self.headers if file is None else read_headers(path)
        if isinstance(hdu, int):
            if hdu >= len(headers):
                count = f"{len(headers)} HDU{'s' if len(headers) > 1 else ''}"
                raise MissingPartError(path, where=f"HDU {hdu}", found=count, expected="this HDU")
            return str(hdu)
        pattern = ".*" if hdu is None else self._expanded(hdu)
        fits = [
            index
            for index, header in enumerate(headers)
            if len(image_axes(header)) > 1 and re.fullmatch(pattern, hdu_name(header, index), re.IGNORECASE)
            if file is not None or index != self.index
        ]
        if not fits:
            names = ", ".join(f"{n} {hdu_name(header, n)}".strip() for n, header in enumerate(headers))
            raise MissingPartError(
                path, where=f"HDU {pattern}", found=f"only HDUs {names}", expected="an image"
            )
        return hdu_spelling(headers, self.nearest(fits, headers))

    def _expanded(self, pattern: str) -> str:
        """Return a pattern with the groups of the image's name in it."""
        if self.name is None:
            return pattern
        return _with_groups(pattern, self.name)

    def nearest(self, fits: list[int], headers: Sequence[Header] | None = None) -> int:
        """Return that of several HDUs of the file, or of some headers, that belongs to the image."""
        headers = self.headers if headers is None else headers
        image = self.headers[self.index]
        for same in (
            [index for index in fits if headers[index].get("EXTVER", 1) == image.get("EXTVER", 1)],
            [index for index in fits if hdu_name(headers[index], index) == hdu_name(image, self.index)],
        ):
            if len(same) == 1:
                return same[0]
        return fits[self.count - 1] if self.count <= len(fits) else fits[0]


def _with_groups(pattern: str, matched: re.Match[str]) -> str:
    """Return a pattern with the groups of a match in it."""
    groups = (matched[0], *matched.groups())
    return re.sub(
        r"\\(\d)",
        lambda match: re.escape(groups[int(match[1])] or "") if int(match[1]) < len(groups) else match[0],
        pattern,
    )


def images_of(path: Path, description: Description) -> Iterator[ImagePlace]:
    """Iterate over the images of a file: one exposure for each.

    Raises
    ------
    MissingPartError
        Raised when there is none.
    UnreadableFileError
        Raised when the file is absent or damaged.
    """
    headers = read_headers(path)
    hdu = description.image.hdu
    if hdu is None:
        yield ImagePlace(path, headers, default_image(headers, (), path), 1)
        return
    if isinstance(hdu, int):
        if hdu >= len(headers) or flat_shape(headers[hdu]) is None:
            raise MissingPartError(path, where=f"HDU {hdu}", found="no 2-d image", expected="one")
        yield ImagePlace(path, headers, hdu, 1)
        return
    count = 0
    for index, header in enumerate(headers):
        matched = hdu.fullmatch(hdu_name(header, index))
        if matched is not None and flat_shape(header) is not None:
            count += 1
            yield ImagePlace(path, headers, index, count, matched)
    if not count:
        names = ", ".join(f"{n} {hdu_name(header, n)}".strip() for n, header in enumerate(headers))
        found = f"only HDUs {names}"
        raise MissingPartError(path, where=f"HDU {hdu.pattern}", found=found, expected="a 2-d image")


def companion_name(path: Path, companion: Companion) -> str | None:
    """Return the name of the file that belongs to an image; `None` where the rule does not fit its name."""
    name = bare_name(path)
    stem, suffix = split_name(name)
    if companion.suffix is not None:
        return f"{stem}{companion.suffix}{suffix}"
    if companion.extension is not None:
        return f"{stem}{companion.extension}"
    if companion.replace is None:
        return None
    pattern, replacement = companion.replace
    replaced = re.sub(pattern, replacement, name, flags=re.IGNORECASE)
    return replaced if replaced != name else None


def products_like(path: Path, companion: Companion, files: FileIndex) -> tuple[Path, ...]:
    """Return the files made of an image and others, compressed or not."""
    if companion.like is None:
        file = find_companion(path, companion, files)
        return () if file is None else (file,)
    name, template = companion.like
    matched = re.search(name, bare_name(path), re.IGNORECASE)
    return () if matched is None else files.matching(_with_groups(template, matched))


def find_companion(path: Path, companion: Companion, files: FileIndex) -> Path | None:
    """Return the file that belongs to an image, compressed or not; `None` when it is not there."""
    name = companion_name(path, companion)
    return None if name is None else files.find(name, near=path)
