"""One visit less the static sky."""

from __future__ import annotations

import dataclasses

import numpy as np
from lsst.images import Box, MaskSchema

from ...data.inputs import WarpInput
from ...image.planes import overlap
from ...kernels.compare import subtract_template
from ..stack.tiles import InputReader
from .template import Template

__all__ = ("Difference",)


@dataclasses.dataclass(frozen=True, eq=False)
class Difference:
    """A warp less the template; arrays of shape (y, x).

    Attributes
    ----------
    box
        Box of the arrays.
    image
        float32; NaN where there is nothing to compare.
    noise
        float32; what is held to be its variance: the tests write tolerances into it.
    mask
        The mask of the warp.
    has_value
        bool; where the warp has a value, masked or not.
    """

    box: Box
    image: np.ndarray
    noise: np.ndarray
    mask: np.ndarray
    has_value: np.ndarray
    template: Template

    @classmethod
    def of(
        cls,
        one: WarpInput,
        schema: MaskSchema,
        template: Template,
        bad: int,
        shared_limit: float = 0.0,
        sky: np.ndarray | None = None,
    ) -> Difference | None:
        """Subtract the template from a visit; return nothing where the two do not overlap.

        Parameters
        ----------
        one
            The visit.
        schema
            A schema with its planes.
        template
            The static sky.
        bad
            Pixels with one of these bits are not compared.
        shared_limit
            As for `lamella.kernels.compare.subtract_template`.
        sky
            What to subtract instead of the image of the template, on its box.
        """
        box = overlap(one.source.bbox, template.bbox)
        if box is None:
            return None
        planes = InputReader(one, schema).read(box)
        image, noise = (np.empty(box.shape, dtype=np.float32) for _ in range(2))
        at = box.slice_within(template.bbox)
        arrays = [plane[at.y, at.x] for plane in (template.image if sky is None else sky, template.variance)]
        subtract_template(
            planes.image, planes.variance, planes.mask, bad, *arrays, shared_limit, image, noise
        )
        return cls(box, image, noise, planes.mask, np.isfinite(planes.image), template)

    def of_template(self, plane: np.ndarray) -> np.ndarray:
        """Return the part of a plane of the template's box."""
        at = self.box.slice_within(self.template.bbox)
        return plane[at.y, at.x]
