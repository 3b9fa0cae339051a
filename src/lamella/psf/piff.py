"""Models of Piff as text, through the archives of `lsst.images`."""

from __future__ import annotations

from importlib.metadata import version

from lsst.images import Bounds
from lsst.images.json import JsonInputArchive
from lsst.images.json import write as write_json
from lsst.images.psfs import PiffSerializationModel, PiffWrapper
from lsst.images.serialization import ArchiveReadError

from ..errors import InvalidPsfError

__all__ = ("piff_from_text", "piff_to_text")

_NEEDS_PIFF = "PSF models of Piff need the package piff: pip install 'lamella[piff]'."


def piff_to_text(psf: PiffWrapper) -> str:
    """Return a Piff model as the JSON text of an `lsst.images` archive, which has been read back once.

    Raises
    ------
    InvalidPsfError
        Raised when Piff is not installed, or the model cannot be written and read back.
    """
    try:
        text = write_json(psf).model_dump_json()
    except ImportError as err:
        raise InvalidPsfError(_NEEDS_PIFF) from err
    except NotImplementedError as err:
        raise InvalidPsfError(f"This Piff model cannot be written: {err}") from err
    # Some versions of Piff write what the archive then cannot read; better to know before the model is gone.
    piff_from_text(text, psf.bounds)
    return text


def piff_from_text(text: str, bounds: Bounds) -> PiffWrapper:
    """Return the Piff model that `piff_to_text` made the text of, valid within the bounds given.

    Raises
    ------
    InvalidPsfError
        Raised when Piff is not installed, or its version does not go with that of ``lsst-images``.
    """
    model = PiffSerializationModel.model_validate_json(text)
    try:
        psf = model.deserialize(JsonInputArchive(model.indirect))
    except ArchiveReadError as err:
        raise InvalidPsfError(_NEEDS_PIFF) from err
    except AttributeError as err:
        versions = " and ".join(f"{name} {version(name)}" for name in ("piff", "lsst-images"))
        raise InvalidPsfError(f"A Piff model cannot be read back: {versions} do not fit ({err}).") from err
    return PiffWrapper(psf.piff_psf, bounds, psf.kernel_bbox.x.size)
