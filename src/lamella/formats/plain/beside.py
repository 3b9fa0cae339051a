"""The files that belong to a plain image, by their names and folders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..file_index import FileIndex, bare_name, distance, split_name
from ..plane_roles import TRUST, image_words, name_words, word_roles

__all__ = ("companions_of", "file_pattern", "head_of", "is_companion_name")

_HEADS = (".head", ".wcs")
"""Cards beside an image: of SCAMP, and of astrometry.net and ASTAP."""
_ALONE = re.compile("WEIGHT|WHT|CONF|RMS|SIGMA|ERR|UNC|UNCERT|VAR|IVAR|INVVAR|MASK|FLAG|FLAGS|BPM|DQ|BADPIX")
"""Words that no image has at the end of its name."""
_ORDER = (*TRUST, "mask", "other")

type _Key = tuple[str, ...]


def is_companion_name(path: Path) -> bool:
    """Return whether a file has the name of weights, noise or flags of another one, wherever that is."""
    words = _words(path)
    return len(words) > 1 and _ALONE.fullmatch(words[-1]) is not None


def companions_of(path: Path, files: FileIndex) -> Iterator[tuple[str, Path]]:
    """Iterate over the files that belong to a plain image, with what they are.

    Their names have, beside the words of the image's, one that says what they hold, at any place
    (``x.weight.fits``, ``mask_x.fits``, ``x_wht.fits`` beside ``x_sci.fits``), or they have the name of the
    image in a folder that says so (``weights/x.fits``).  None lies nearer to another image of that name.

    Yields
    ------
    tuple
        One of `TRUST`, ``mask`` or ``other``, in this order, and the file; then ``head`` and its file.
    """
    owners, owned = files.group(_image_keys), files.group(_owner_keys)
    nearest: dict[str, Path] = {}
    for key in _image_keys(path):
        rivals = owners.get(key, ())
        # The nearest first, because it takes long to see to which of many images one belongs.
        for file in sorted(owned.get(key, ()), key=lambda file: distance(file, path)):
            kind = _kind(file, key, path)
            if kind is None or (kind in nearest and distance(file, path) >= distance(nearest[kind], path)):
                continue
            if files.belongs(file, path, rivals):
                nearest[kind] = file
    yield from sorted(nearest.items(), key=lambda item: _ORDER.index(item[0]))
    yield from (("head", head) for head in _heads(path, files))


def head_of(path: Path, files: FileIndex) -> Path | None:
    """Return the file of cards beside an image, if there is one."""
    return next(_heads(path, files), None)


def _heads(path: Path, files: FileIndex) -> Iterator[Path]:
    stem = split_name(bare_name(path))[0]
    heads = (files.find(stem + extension, near=path) for extension in _HEADS)
    yield from (head for head in heads if head is not None)


def file_pattern(path: Path, file: Path) -> str:
    """Return how the name of a file differs from that of the image that it belongs to: ``*_wht.fits``."""
    stem, name = split_name(bare_name(path))[0], bare_name(file)
    if stem in name:
        pattern = name.replace(stem, "*", 1)
    else:
        kept = set(_words(path))
        pattern = f"*{'_'.join(word for word in _words(file) if word not in kept).lower()}*"
    return pattern if _folder_kind(file) is None else f"{file.parent.name}/{pattern}"


def _words(path: Path) -> _Key:
    return name_words(split_name(bare_name(path))[0])


def _image_keys(path: Path) -> Iterator[_Key]:
    """Yield the words by which an image is known: all, and those that do not call it an image."""
    words = _words(path)
    yield words
    if (rest := image_words(words)) != words and rest:
        yield rest


def _owner_keys(path: Path) -> Iterator[_Key]:
    """Yield the words of the images that a file may belong to."""
    words = _words(path)
    if _folder_kind(path):
        yield words
    yield from (rest for _, rest in word_roles(words) if rest)


def _kind(path: Path, key: _Key, image: Path) -> str | None:
    """Return what a file is to an image of some words; `None` if it is nothing."""
    kinds = (kind for kind, rest in word_roles(_words(path)) if rest == key)
    named = next(kinds, None)
    if named is not None or _folder_kind(image):
        return named
    return _folder_kind(path)


def _folder_kind(path: Path) -> str | None:
    """Return what the name of its folder, e.g. ``weights``, says that a file is; `None` for nothing."""
    words = name_words(path.absolute().parent.name)
    if len(words) != 1:
        return None
    named = (words, (words[0].removesuffix("S"),))
    return next((kind for name in named for kind, _ in word_roles(name)), None)
