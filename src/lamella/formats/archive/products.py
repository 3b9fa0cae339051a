"""Reading warps and coadds: those that lamella wrote, in `lsst.images` archives, and those of afw."""

from __future__ import annotations

import contextlib
import functools
import importlib
import re
import threading
from collections.abc import Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Self

import numpy as np
from lsst.images import Box, Image, MaskedImage, MaskSchema, SkyProjection
from lsst.images.psfs import PointSpreadFunction
from lsst.images.serialization import Reader, open_archive

from ...data.coadd import PatchCoadd
from ...data.detector import DetectorInput
from ...data.inputs import WarpInput
from ...data.owners import Owners
from ...data.warp import Warp
from ...errors import InputError, UnreadableFileError
from ...fits.cards import BEGINNING
from ...fits.hdus import Container, primary_cards
from ...fits.planes_by_box import Plane, open_planes
from ...image.planes import Planes
from ..file_index import bare_name, is_fits_name
from .archive_tree import check_archive, find_sums, open_tree

__all__ = ("ArchiveWarp", "is_product", "read_image", "read_metadata", "read_product")

_EXPECTED = "a warp or a coadd of lamella"
# An extension that has no other of the same name.
_HDU = re.compile(r"fits:[\w/\-]+")
_SCHEMAS = ("lamella_warp", "lamella_patch_coadd")


def is_product(path: str | PathLike[str]) -> bool:
    """Return whether a file is a warp or a coadd, of lamella or of afw."""
    cards = primary_cards(path)
    if "JSONADDR" in cards:
        return is_fits_name(Path(path)) and any(name in str(cards.get("DATAMODL", "")) for name in _SCHEMAS)
    if not afw("kinds").is_afw_image(path):
        return False
    try:
        return bool(afw("products").is_afw_product(path))
    except InputError:
        return False


def afw(module: str) -> Any:
    """Return a module of the wing for afw files.

    Archives know the wing by name alone: they stand without it, and do not wait
    the tenth of a second that its import takes.
    """
    return importlib.import_module(f"lamella.formats.afw.{module}")


def read_product(path: str | PathLike[str], *, bbox: Box | None = None) -> Warp | PatchCoadd:
    """Read a warp or a coadd, or a box of it.

    Files of lamella are read as they were written, and those of afw as far as
    they go; see `lamella.formats.afw.products.read_afw_product`.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, damaged, or holds something else.
    InputError
        Raised when it is of afw, and lacks what a warp or a coadd needs.

    Examples
    --------
    >>> import lamella
    >>> from lsst.images import Box
    >>> coadd = lamella.read_product("demo/coadds/coadd-r-0-0,0.fits")
    >>> coadd.band, str(coadd.unit)
    ('r', 'nJy')
    >>> part = lamella.read_product("demo/coadds/coadd-r-0-0,0.fits", bbox=Box.factory[100:150, 80:160])
    >>> part.image.array.shape
    (50, 80)
    """
    if afw("kinds").is_afw_image(path):
        return afw("products").read_afw_product(path, bbox=bbox)  # type: ignore[no-any-return]
    with _open(path, MaskedImage) as reader:
        check_archive(path)
        product = reader.read(bbox=bbox) if bbox is not None else reader.read()
    if not isinstance(product, Warp | PatchCoadd):
        raise UnreadableFileError(path, found=f"a {type(product).__name__}", expected=_EXPECTED)
    return product


def read_metadata(path: str | PathLike[str]) -> dict[str, Any]:
    """Read the flexible metadata of a warp or a coadd, and nothing else.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, damaged, or holds something else.
    """
    with _open_tree(path, MaskedImage) as reader:
        return dict(reader.metadata)


def read_image(path: str | PathLike[str]) -> Image:
    """Read the image plane of a warp or a coadd.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, damaged, or holds something else.
    """
    with _open(path, MaskedImage) as reader:
        check_archive(path, only="IMAGE")
        image: Image = reader.get_component("image")
        return image


@contextlib.contextmanager
def _open[T](path: str | PathLike[str], kind: type[T]) -> Iterator[Reader[T]]:
    local, beginning = Path(path), BEGINNING
    if is_fits_name(local) and bare_name(local) == local.name:
        with contextlib.suppress(OSError), local.open("rb") as file:  # it is told when the file is opened
            beginning = file.read(len(BEGINNING))
    if beginning != BEGINNING:  # `lsst.images` says no more than EOFError
        raise UnreadableFileError(local, found="no FITS header", expected=_EXPECTED)
    with _typed_errors(path), open_archive(fspath(path), kind) as reader:
        yield reader


@contextlib.contextmanager
def _open_tree[T](path: str | PathLike[str], kind: type[T]) -> Iterator[Reader[T]]:
    """Open an archive of which no pixels will be read."""
    with _typed_errors(path), open_tree(path, kind) as quick:
        if quick is not None:
            yield quick
            return
    with _open(path, kind) as reader:
        yield reader


@contextlib.contextmanager
def _typed_errors(path: str | PathLike[str]) -> Iterator[None]:
    try:
        yield
    except (UnreadableFileError, MemoryError):
        raise
    except Exception as err:  # what astropy, AST and pydantic say of damaged bytes has no end
        reason = getattr(err, "strerror", None) or " ".join(str(err).split()) or type(err).__name__
        raise UnreadableFileError(path, found=reason, expected=_EXPECTED) from err


class ArchiveWarp:
    """A warp in an archive as a `lamella.data.inputs.WarpSource`: boxes are read when they are needed.

    Used as a context manager, it keeps the file open, which makes reading many
    boxes faster; otherwise it opens the file for each box.

    Parameters
    ----------
    path
        The archive.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, damaged, or not a warp; also by `read`.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = fspath(path)
        self._file, self._stack, self._lock = Container(path), contextlib.ExitStack(), threading.Lock()
        self._reader: Reader[Warp] | None = None
        with _open_tree(self.path, Warp) as reader:
            tree: Any = reader.get_tree()
            self.instrument: str = tree.instrument
            self.visit: int = tree.visit
            self.band: str = tree.band
            self.bbox: Box = tree.bbox
            self.schema = MaskSchema(tree.mask.planes, dtype=np.int32)
            self.detectors: tuple[DetectorInput, ...] = reader.get_component("detectors")
            self.owners: Owners | None = reader.get_component("owners")
            self.projection: SkyProjection[Any] = reader.get_component("sky_projection")
            self.matched_psf: PointSpreadFunction | None = reader.get_component("matched_psf")
            mean = tree.mean_variance
            self._mean_variance = None if mean is None else mean.to_value()
            planes = tree.bad_mask_planes
            self.bad_mask_planes: tuple[str, ...] | None = None if planes is None else tuple(planes)
            # The HDUs of image, mask and variance; none when pixels are not in HDUs of their own.
            self._extensions: tuple[str, str, str] | None = None
            models = (tree.image.data, *tree.mask.data, tree.variance.data)
            names = [str(getattr(getattr(model, "value", model), "source", "")) for model in models]
            # With planes that have no name, bits are stored at other places than they have in memory.
            if len(names) == 3 and None not in tree.mask.planes and all(map(_HDU.fullmatch, names)):
                first, second, third = (name.removeprefix("fits:") for name in names)
                self._extensions = first, second, third

    def __reduce__(self) -> tuple[type[ArchiveWarp], tuple[str]]:
        return type(self), (self.path,)

    def __enter__(self) -> Self:
        if self._planes is not None:
            self._stack.enter_context(self._file)
        else:
            self._reader = self._stack.enter_context(_open(self.path, Warp))
        return self

    def __exit__(self, *problem: object) -> None:
        self._reader = None
        self._stack.close()

    def read(self, box: Box) -> Planes:
        """Read the planes of a box; several threads may do so at a time."""
        planes = Planes.unset(box)
        self.fill(planes)
        return planes

    def fill(self, planes: Planes) -> None:
        """Fill the planes of a box; several threads may do so at a time."""
        if self._planes is not None:
            at = planes.box.slice_within(self.bbox)
            with self._file:
                for plane, out in zip(self._planes, planes.arrays, strict=True):
                    plane.read(at.y, at.x, out)
        elif self._reader is not None:
            self._fill_with(self._reader, planes)
        else:
            with _open(self.path, Warp) as reader:
                self._fill_with(reader, planes)

    def _fill_with(self, reader: Reader[Warp], planes: Planes) -> None:
        """Fill planes by way of `lsst.images`, which knows all forms of storage, one thread at a time."""
        with self._lock, _typed_errors(self.path):
            image, mask, variance = (
                reader.get_component(name, bbox=planes.box) for name in ("image", "mask", "variance")
            )
        planes.image[...], planes.mask[...] = image.array, mask.array[..., 0]
        planes.variance[...] = variance.array

    @functools.cached_property
    def _planes(self) -> list[Plane] | None:
        """Image, mask and variance; `None` where they are stored in a way that only `lsst.images` knows."""
        with self._file:
            names = self._extensions
            opened = None if names is None else open_planes(self._file, names, find_sums(self._file))
        planes = [] if opened is None or self._extensions is None else [opened[n] for n in self._extensions]
        is_usual = [plane.dtype for plane in planes] == list(Planes.TYPES)
        return planes if is_usual and {plane.shape for plane in planes} == {tuple(self.bbox.shape)} else None

    def as_input(self) -> WarpInput:
        """Return the record of this warp for `lamella.coadd.assemble.assemble`."""
        return WarpInput.of(self, self, self.projection, self._mean_variance)
