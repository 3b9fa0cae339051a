"""PSF models as plain numbers, for files; nothing is pickled."""

from __future__ import annotations

from typing import Any

import numpy as np
from lsst.images import Bounds
from lsst.images.psfs import GaussianPointSpreadFunction, PiffWrapper, PointSpreadFunction

from ..errors import InvalidPsfError
from .base import Parameters, StampPsf
from .basis import PolynomialBasisPsf
from .gaussian import DoubleGaussianPsf
from .gridded import GriddedPsf
from .piff import piff_from_text, piff_to_text
from .psfex import PsfexPsf

__all__ = ("KINDS", "psf_from_parameters", "psf_to_parameters")

_GAUSSIAN = "gaussian"
_PIFF = "piff"
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
        return _PIFF, {"archive": piff_to_text(psf)}
    known = ", ".join(KINDS)
    raise InvalidPsfError(
        f"A PSF of class {type(psf).__name__} cannot be written as numbers; these can: {known}. "
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
        return _make(kind, parameters, bounds)
    except KeyError as err:
        found = ", ".join(sorted(parameters)) or "none"
        raise InvalidPsfError(f"A PSF of kind {kind!r} needs parameter {err}; found: {found}.") from None


def _make(kind: str, parameters: Parameters, bounds: Bounds) -> PointSpreadFunction:
    values: dict[str, Any] = dict(parameters)
    if kind == _GAUSSIAN:
        return GaussianPointSpreadFunction(float(values["sigma"]), bounds, int(values["stamp_size"]))
    if kind == _PIFF:
        return piff_from_text(str(values["archive"]), bounds)
    if kind not in _MODELS:
        raise InvalidPsfError(f"There is no PSF model {kind!r}; there are: {', '.join(KINDS)}.")
    return _MODELS[kind].from_parameters(parameters, bounds)
