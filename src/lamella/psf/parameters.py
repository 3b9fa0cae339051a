"""PSF models as plain numbers, for files; nothing is pickled."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from lsst.images import Bounds
from lsst.images.json import JsonInputArchive
from lsst.images.json import write as write_json
from lsst.images.psfs import (
    GaussianPointSpreadFunction,
    PiffSerializationModel,
    PiffWrapper,
    PointSpreadFunction,
)
from lsst.images.serialization import ArchiveReadError

from ..errors import InvalidPsfError
from .base import Parameters, StampPsf
from .basis import PolynomialBasisPsf
from .gaussian import DoubleGaussianPsf
from .gridded import GriddedPsf
from .psfex import PsfexPsf

__all__ = ("KINDS", "psf_from_parameters", "psf_to_parameters")

_GAUSSIAN = "gaussian"
_PIFF = "piff"
_NEEDS_PIFF = "PSF models of Piff need the package piff: pip install 'lamella[piff]'."
_MODELS: dict[str, type[StampPsf]] = {
    model.kind: model for model in (DoubleGaussianPsf, GriddedPsf, PolynomialBasisPsf, PsfexPsf)
}

KINDS: tuple[str, ...] = tuple(sorted([_GAUSSIAN, _PIFF, *_MODELS]))
"""Names of the PSF models that can be written as numbers."""


def psf_to_parameters(psf: PointSpreadFunction) -> tuple[str, dict[str, np.ndarray | float | int | str]]:
    """Return the kind of a PSF model, and its parameters.

    Returns
    -------
    kind : `str`
        Name of the model, one of `KINDS`.
    parameters : `dict`
        Arrays, numbers and texts by name; the bounds are not among them.

    Raises
    ------
    InvalidPsfError
        Raised when the model is not made of numbers; `GriddedPsf.from_psf`
        makes one that is.
    """
    if isinstance(psf, StampPsf):
        return psf.kind, psf.parameters()
    if isinstance(psf, GaussianPointSpreadFunction):
        return _GAUSSIAN, {"sigma": psf.sigma, "stamp_size": psf.kernel_bbox.x.size}
    if isinstance(psf, PiffWrapper):
        try:
            text = write_json(psf).model_dump_json()
        except ImportError as err:
            raise InvalidPsfError(_NEEDS_PIFF) from err
        except NotImplementedError as err:
            raise InvalidPsfError(f"This Piff model cannot be written: {err}") from err
        # Some versions of Piff write what the archive then cannot read; better to know before the model is
        # gone.
        _piff_from_text(text, psf.bounds)
        return _PIFF, {"archive": text}
    kinds = ", ".join(KINDS)
    raise InvalidPsfError(
        f"A PSF of class {type(psf).__name__} cannot be written as numbers; these can: {kinds}. "
        "Sample it with GriddedPsf.from_psf first."
    )


def psf_from_parameters(kind: str, parameters: Parameters, bounds: Bounds) -> PointSpreadFunction:
    """Make the PSF model that `psf_to_parameters` took apart.

    Parameters
    ----------
    kind
        Name of the model.
    parameters
        Its parameters.
    bounds
        Region where it is valid, in pixels.

    Raises
    ------
    InvalidPsfError
        Raised when there is no such kind, or a parameter is missing.
    """
    try:
        values: dict[str, Any] = dict(parameters)
        if kind == _GAUSSIAN:
            return GaussianPointSpreadFunction(float(values["sigma"]), bounds, int(values["stamp_size"]))
        if kind == _PIFF:
            return _piff_from_text(str(values["archive"]), bounds)
        if kind not in _MODELS:
            raise InvalidPsfError(f"There is no PSF model {kind!r}; there are: {', '.join(KINDS)}.")
        return _MODELS[kind].from_parameters(parameters, bounds)
    except KeyError as err:
        names = ", ".join(sorted(parameters)) or "none"
        raise InvalidPsfError(f"A PSF of kind {kind!r} needs parameter {err}; found: {names}.") from None


def _piff_from_text(text: str, bounds: Bounds) -> PiffWrapper:
    """Return the Piff model that `_piff_to_text` made the text of, valid within the bounds given.

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
