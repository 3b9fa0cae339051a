"""Options of sky maps by their documented names."""

from __future__ import annotations

from typing import Any, ClassVar

from lsst.pex.config import Config, ConfigChoiceField, Field, ListField

from ...sky import discrete, dodeca, healpix, rings
from ...sky.layout import CellPatches, LegacyPatches, PatchLayout
from ...sky.registry import SKYMAP_KINDS
from ...sky.skymap import SkyMapConfig
from .fields import borrow, borrowed, check_with_core, core_values

__all__ = ("SKYMAP_CONFIGS", "BaseSkyMapConfig", "skymap_name_field")


class LegacyTractConfig(Config):
    """Patches with a border of pixels; what is unset here is as the sky map has it."""

    patchInnerDimensions = ListField[int]("Width and height of a patch [pixel]", length=2, optional=True)
    patchBorder = Field[int]("Width of the border of a patch [pixel]", optional=True)


class CellTractConfig(Config):
    """Patches made of square cells."""

    cellInnerDimensions = ListField[int](
        "Width and height of the inner box of a cell, which are equal [pixel]",
        length=2,
        default=[CellPatches.model_fields["cell_inner"].default] * 2,
        listCheck=lambda sizes: sizes[0] == sizes[1],
    )
    cellBorder = borrow(CellPatches, "cell_border")
    numCellsPerPatchInner = borrow(CellPatches, "cells")
    numCellsInPatchBorder = borrow(CellPatches, "border_cells")

    def toCore(self) -> CellPatches:
        """Return the core's form of this."""
        return CellPatches(
            cell_inner=self.cellInnerDimensions[0],
            cell_border=self.cellBorder,
            cells=self.numCellsPerPatchInner,
            border_cells=self.numCellsInPatchBorder,
        )


class BaseSkyMapConfig(Config):
    """Options of all sky maps."""

    kind: ClassVar[str] = ""

    patchInnerDimensions = borrow(LegacyPatches, "inner")
    patchBorder = borrow(LegacyPatches, "border")
    tractBuilder = ConfigChoiceField(
        "How tracts are cut into patches: by patchInnerDimensions and patchBorder, or into cells",
        typemap={"legacy": LegacyTractConfig, "cells": CellTractConfig},
        default="legacy",
    )
    tractOverlap = borrow(SkyMapConfig, "tract_overlap")
    pixelScale = borrow(SkyMapConfig, "pixel_scale")
    projection = borrow(SkyMapConfig, "projection")
    rotation = borrow(SkyMapConfig, "rotation")

    def validate(self) -> None:
        """Check the options one by one, and together as the core does."""
        super().validate()
        if self.kind:
            names = borrowed(self, SKYMAP_KINDS[self.kind].config_class)
            # What the core says of several options together is told of the first that is of this kind alone.
            own = next(name for option, name in names.items() if option not in SkyMapConfig.model_fields)
            check_with_core(self, {**names, "": own})

    def patches(self) -> PatchLayout:
        """Return how tracts are cut into patches."""
        if self.tractBuilder.name == "cells":
            return self.tractBuilder.active.toCore()  # type: ignore[no-any-return]
        legacy = self.tractBuilder.active
        inner, border = legacy.patchInnerDimensions, legacy.patchBorder
        return LegacyPatches(
            inner=tuple(self.patchInnerDimensions if inner is None else inner),
            border=self.patchBorder if border is None else border,
        )

    def toCore(self) -> SkyMapConfig:
        """Return the core's form of this."""
        core = SKYMAP_KINDS[self.kind].config_class
        return core(**core_values(self, core), patches=self.patches())


class DiscreteSkyMapConfig(BaseSkyMapConfig):
    """Square tracts around chosen circles."""

    kind = "discrete"
    raList = borrow(discrete.DiscreteConfig, "ra")
    decList = borrow(discrete.DiscreteConfig, "dec")
    radiusList = borrow(discrete.DiscreteConfig, "radius")


class FieldSkyMapConfig(BaseSkyMapConfig):
    """One rectangular tract; lamella's own."""

    kind = "field"
    tractOverlap = borrow(discrete.FieldConfig, "tract_overlap")
    projection = borrow(discrete.FieldConfig, "projection")
    ra = borrow(discrete.FieldConfig, "ra")
    dec = borrow(discrete.FieldConfig, "dec")
    width = borrow(discrete.FieldConfig, "width")
    height = borrow(discrete.FieldConfig, "height")


class RingsSkyMapConfig(BaseSkyMapConfig):
    """Rings of constant declination."""

    kind = "rings"
    numRings = borrow(rings.RingsConfig, "num_rings")
    raStart = borrow(rings.RingsConfig, "ra_start")
    version = borrow(rings.RingsConfig, "version")


class DodecaSkyMapConfig(BaseSkyMapConfig):
    """Twelve tracts on the faces of a dodecahedron."""

    kind = "dodeca"
    withTractsOnPoles = borrow(dodeca.DodecaConfig, "with_tracts_on_poles")
    tractOverlap = borrow(dodeca.DodecaConfig, "tract_overlap")
    pixelScale = borrow(dodeca.DodecaConfig, "pixel_scale")
    projection = borrow(dodeca.DodecaConfig, "projection")

    def setDefaults(self) -> None:
        """Set the border of patches, which is wider than elsewhere."""
        super().setDefaults()
        self.patchBorder = dodeca.DodecaConfig().patches.border_size


class EquatSkyMapConfig(BaseSkyMapConfig):
    """One band along the equator."""

    kind = "equatorial"
    projection = borrow(rings.EquatorialConfig, "projection")
    numTracts = borrow(rings.EquatorialConfig, "num_tracts")
    decRange = borrow(rings.EquatorialConfig, "dec_range")


class HealpixSkyMapConfig(BaseSkyMapConfig):
    """Tracts on the pixels of a HEALPix map."""

    kind = "healpix"
    rotation = borrow(healpix.HealpixConfig, "rotation")
    log2NSide = borrow(healpix.HealpixConfig, "log2_nside")
    nest = borrow(healpix.HealpixConfig, "nest")


SKYMAP_CONFIGS: dict[str, type[BaseSkyMapConfig]] = {
    "discrete": DiscreteSkyMapConfig,
    "dodeca": DodecaSkyMapConfig,
    "equat": EquatSkyMapConfig,
    "field": FieldSkyMapConfig,
    "healpix": HealpixSkyMapConfig,
    "rings": RingsSkyMapConfig,
}
"""Options of each kind of sky map, by its documented name."""


def skymap_name_field() -> Any:
    """Return the field of the name that a sky map has in the repository."""
    return Field[str]("Name of the sky map in the repository; unset: that of the coadd", optional=True)
