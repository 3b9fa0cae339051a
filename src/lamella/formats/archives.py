"""Reading warps and coadds: those that lamella wrote, in `lsst.images` archives, and those of afw."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from os import PathLike, fspath
from typing import Any, Self

import numpy as np
from astropy.io import fits
from lsst.images import Box, Image, MaskedImage, MaskSchema, SkyProjection
from lsst.images.psfs import PointSpreadFunction
from lsst.images.serialization import Reader, open_archive

from ..coadd.archive import PatchCoadd, Warp
from ..coadd.inputs import DetectorInput, WarpInput
from ..coadd.sources import Planes
from ..errors import InputError, UnreadableFileError
from .afw.kinds import Kind, kind_of
from .afw.products import is_afw_product, read_afw_product

__all__ = ("ArchiveWarp", "is_product", "read_image", "read_metadata", "read_product")

_EXPECTED = "a warp or a coadd of lamella"
_SCHEMAS = ("lamella_warp", "lamella_patch_coadd")


def is_product(path: str | PathLike[str]) -> bool:
    """Return whether a file is a warp or a coadd, of lamella or of afw."""
    try:
        header = fits.getheader(path, 0)
    except (OSError, ValueError):
        return False
    if "JSONADDR" in header:
        return any(name in str(header.get("DATAMODL", "")) for name in _SCHEMAS)
    try:
        return is_afw_product(path)
    except InputError:
        return False


def _is_afw_image(path: str | PathLike[str]) -> bool:
    try:
        return kind_of(path) is Kind.IMAGE
    except InputError:
        return False


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
    """
    if _is_afw_image(path):
        return read_afw_product(path, bbox=bbox)
    with _open(path, MaskedImage) as reader:
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
    with _open(path, MaskedImage) as reader:
        return dict(reader.metadata)


def read_image(path: str | PathLike[str]) -> Image:
    """Read the image plane of a warp or a coadd.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, damaged, or holds something else.
    """
    with _open(path, MaskedImage) as reader:
        image: Image = reader.get_component("image")
        return image


@contextlib.contextmanager
def _open[T](path: str | PathLike[str], kind: type[T]) -> Iterator[Reader[T]]:
    with _typed_errors(path), open_archive(fspath(path), kind) as reader:
        yield reader


@contextlib.contextmanager
def _typed_errors(path: str | PathLike[str]) -> Iterator[None]:
    try:
        yield
    except (UnreadableFileError, MemoryError):
        raise
    except Exception as err:  # what astropy, AST and pydantic say of damaged bytes has no end
        reason = " ".join(str(err).split()) or type(err).__name__
        raise UnreadableFileError(path, found=reason, expected=_EXPECTED) from err


class ArchiveWarp:
    """A warp in an archive as a `lamella.coadd.inputs.WarpSource`: boxes are read when they are needed.

    Used as a context manager, it keeps the file open, which makes reading many
    boxes several times faster; otherwise it opens the file for each box.

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
        self._stack = contextlib.ExitStack()
        self._reader: Reader[Warp] | None = None
        self._lock = threading.Lock()
        with _open(self.path, Warp) as reader:
            tree: Any = reader.get_tree()
            self.instrument: str = tree.instrument
            self.visit: int = tree.visit
            self.band: str = tree.band
            self.bbox: Box = tree.bbox
            self.schema = MaskSchema(tree.mask.planes, dtype=np.int32)
            self.detectors: tuple[DetectorInput, ...] = reader.get_component("detectors")
            self.projection: SkyProjection[Any] = reader.get_component("sky_projection")
            self.matched_psf: PointSpreadFunction | None = reader.get_component("matched_psf")

    def __enter__(self) -> Self:
        self._reader = self._stack.enter_context(_open(self.path, Warp))
        return self

    def __exit__(self, *problem: object) -> None:
        self._reader = None
        self._stack.close()

    def read(self, box: Box) -> Planes:
        """Read the planes of a box; several threads may do so at a time."""
        with self._reading() as reader:
            image, mask, variance = (
                reader.get_component(name, bbox=box) for name in ("image", "mask", "variance")
            )
            return Planes(
                np.ascontiguousarray(image.array, dtype=np.float32),
                np.ascontiguousarray(mask.array[..., 0], dtype=np.int32),
                np.ascontiguousarray(variance.array, dtype=np.float32),
            )

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Reader[Warp]]:
        if self._reader is None:
            with _open(self.path, Warp) as reader:
                yield reader
            return
        with self._lock, _typed_errors(self.path):
            yield self._reader

    def as_input(self) -> WarpInput:
        """Return the record of this warp for `lamella.coadd.assemble.assemble`."""
        return WarpInput(
            instrument=self.instrument,
            visit=self.visit,
            band=self.band,
            source=self,
            detectors=self.detectors,
            model_psf=self.matched_psf,
        )
