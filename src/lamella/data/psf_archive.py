"""PSF models in archives: kind, parameters, and tables of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pydantic
from lsst.images import Box
from lsst.images.psfs import PointSpreadFunction
from lsst.images.serialization import (
    ArrayReferenceModel,
    InlineArrayModel,
    InputArchive,
)

from ..psf.parameters import psf_from_parameters, psf_to_parameters


class NumbersModel(pydantic.BaseModel):
    """Where an array stands in the one array that holds the numbers of all PSF models."""

    start: int
    shape: list[int]
    dtype: str


class PsfModel(pydantic.BaseModel):
    """Serialized form of a PSF model: its kind, plain values, and where its arrays stand."""

    kind: str
    values: dict[str, float | int | str | bool]
    arrays: dict[str, NumbersModel]


def load_numbers(
    numbers: ArrayReferenceModel | InlineArrayModel | None, archive: InputArchive[Any]
) -> np.ndarray:
    """Return the table of numbers to which models of PSFs refer; empty where there is none."""
    return np.zeros(0) if numbers is None else np.asarray(archive.get_array(numbers))


def dump_psf(psf: PointSpreadFunction, numbers: list[np.ndarray]) -> PsfModel:
    """Return the model of a PSF, and append its numbers to ``numbers``."""
    kind, parameters = psf_to_parameters(psf)
    values: dict[str, float | int | str | bool] = {}
    arrays: dict[str, NumbersModel] = {}
    for name, value in parameters.items():
        if isinstance(value, np.ndarray):
            start = sum(array.size for array in numbers)
            arrays[name] = NumbersModel(start=start, shape=list(value.shape), dtype=str(value.dtype))
            numbers.append(np.asarray(value, dtype=np.float64).ravel())
        else:
            values[name] = value
    return PsfModel(kind=kind, values=values, arrays=arrays)


def load_psf(model: PsfModel, numbers: np.ndarray, bounds: Box) -> PointSpreadFunction:
    """Return a PSF from its model; ``bounds`` is where it is defined."""
    parameters: dict[str, Any] = dict(model.values)
    for name, array in model.arrays.items():
        flat = numbers[array.start : array.start + int(np.prod(array.shape))]
        parameters[name] = flat.reshape(array.shape).astype(array.dtype)
    return psf_from_parameters(model.kind, parameters, bounds)
