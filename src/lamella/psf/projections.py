"""Projections as text, because those of `lsst.images` cannot be pickled."""

from __future__ import annotations

from typing import Any

from lsst.images import SkyProjection, SkyProjectionSerializationModel
from lsst.images.json import JsonInputArchive
from lsst.images.json import write as write_json
from lsst.images.serialization import JsonRef

from ..astlock import guard_ast

__all__ = ("dump_projection", "load_projection")

guard_ast()


def dump_projection(projection: SkyProjection[Any]) -> str:
    """Return a projection as the JSON text of an `lsst.images` archive."""
    return write_json(projection).model_dump_json()


def load_projection(text: str) -> SkyProjection[Any]:
    """Return the projection that `dump_projection` made the text of."""
    model = SkyProjectionSerializationModel[JsonRef].model_validate_json(text)
    return model.deserialize(JsonInputArchive(model.indirect))
