"""The statistics of a stack by their documented names."""

from __future__ import annotations

import enum
from typing import Any, cast

from lsst.images import MaskSchema

from ...coadd.stack.stack_control import StackControl, Statistic
from ...errors import ConfigError
from ...planes import Layout, make_schema

__all__ = ("Property", "StatisticsControl", "stringToStatisticsProperty")


class Property(enum.IntFlag):
    """What is computed from the inputs of a pixel.

    The numbers are those of the original code; NOISECLIP is lamella's own.
    """

    NOTHING = 0
    ERRORS = 0x1
    NPOINT = 0x2
    MEAN = 0x4
    STDEV = 0x8
    VARIANCE = 0x10
    MEDIAN = 0x20
    IQRANGE = 0x40
    MEANCLIP = 0x80
    STDEVCLIP = 0x100
    VARIANCECLIP = 0x200
    MIN = 0x400
    MAX = 0x800
    SUM = 0x1000
    MEANSQUARE = 0x2000
    ORMASK = 0x4000
    NCLIPPED = 0x8000
    NMASKED = 0x10000
    NOISECLIP = 0x20000

    @property
    def statistic(self) -> Statistic:
        """The statistic by the name that the core has for it.

        Raises
        ------
        ConfigError
            Raised when this is none, or more than one.
        """
        if self.name is None or self.name not in Statistic.__args__:  # type: ignore[attr-defined]
            message = f"{self!r} is not one statistic that images can be stacked with."
            raise ConfigError(message, option="statistic", found=self.name)
        return cast(Statistic, self.name)


def stringToStatisticsProperty(name: str) -> Property:
    """Return the statistic of a name.

    Raises
    ------
    ConfigError
        Raised when there is none of that name.
    """
    try:
        return Property[name]
    except KeyError:
        message = f"There is no statistic {name!r}; there are: {', '.join(Property.__members__)}."
        raise ConfigError(message, option="statistic", found=name) from None


class StatisticsControl:
    """How a statistic is computed; a changeable form of `lamella.StackControl`.

    Parameters
    ----------
    numSigmaClip, numIter, andMask, nanSafe
        As the setters take them.
    schema
        Schema that the bits of masks belong to; that of `lamella.planes.make_schema`
        by default.

    Notes
    -----
    Each setter checks its value as `lamella.StackControl` does, and raises a
    `lamella.errors.ConfigError`, which is a `ValueError`.
    """

    def __init__(
        self,
        numSigmaClip: float = 3.0,
        numIter: int = 3,
        andMask: int = 0,
        nanSafe: bool = True,
        *,
        schema: MaskSchema | None = None,
    ) -> None:
        self.schema = schema or make_schema()
        self._control = StackControl(
            sigma_clip=numSigmaClip,
            clip_iter=numIter,
            bad_mask=andMask,
            nan_safe=nanSafe,
            no_good_mask=Layout(self.schema).no_data,
        )

    def _set(self, **values: Any) -> None:
        self._control = self._control.replace(**values)

    def getNumSigmaClip(self) -> float:
        """Return how many sigma from the centre values are clipped."""
        return self._control.sigma_clip

    def setNumSigmaClip(self, numSigmaClip: float) -> None:
        """Set how many sigma from the centre values are clipped; positive."""
        self._set(sigma_clip=numSigmaClip)

    def getNumIter(self) -> int:
        """Return the number of passes of a clip."""
        return self._control.clip_iter

    def setNumIter(self, numIter: int) -> None:
        """Set the number of passes of a clip; positive."""
        self._set(clip_iter=numIter)

    def getAndMask(self) -> int:
        """Return the bits that reject a pixel."""
        return self._control.bad_mask

    def setAndMask(self, andMask: int) -> None:
        """Set the bits that reject a pixel."""
        self._set(bad_mask=andMask)

    def getNoGoodPixelsMask(self) -> int:
        """Return the bits of pixels without any input."""
        return self._control.no_good_mask

    def setNoGoodPixelsMask(self, noGoodPixelsMask: int) -> None:
        """Set the bits of pixels without any input."""
        self._set(no_good_mask=noGoodPixelsMask)

    def getNanSafe(self) -> bool:
        """Return whether values that are not finite are left out."""
        return self._control.nan_safe

    def setNanSafe(self, isNanSafe: bool) -> None:
        """Set whether values that are not finite are left out."""
        self._set(nan_safe=isNanSafe)

    def getFluxTolerance(self) -> float:
        """Return the scatter that NOISECLIP allows beyond the noise, as a fraction of the value."""
        return self._control.flux_tolerance

    def setFluxTolerance(self, fluxTolerance: float) -> None:
        """Set the scatter that NOISECLIP allows beyond the noise, as a fraction of the value."""
        self._set(flux_tolerance=fluxTolerance)

    def getGradientTolerance(self) -> float:
        """Return the scatter that NOISECLIP allows beyond the noise, as a fraction of the slope."""
        return self._control.gradient_tolerance

    def setGradientTolerance(self, gradientTolerance: float) -> None:
        """Set the scatter that NOISECLIP allows beyond the noise, as a fraction of the slope."""
        self._set(gradient_tolerance=gradientTolerance)

    def getLeastNoiseClip(self) -> float:
        """Return the least limit of NOISECLIP, in sigma."""
        return self._control.least_noise_clip

    def setLeastNoiseClip(self, leastNoiseClip: float) -> None:
        """Set the least limit of NOISECLIP, in sigma."""
        self._set(least_noise_clip=leastNoiseClip)

    def getWeighted(self) -> bool:
        """Return whether weights are asked for."""
        return bool(self._control.weighted)

    def getWeightedIsSet(self) -> bool:
        """Return whether weights were asked for or declined."""
        return self._control.weighted is not None

    def setWeighted(self, useWeights: bool) -> None:
        """Set whether weights are used."""
        self._set(weighted=useWeights)

    def getCalcErrorFromInputVariance(self) -> bool:
        """Return whether the variance comes from those of the inputs instead of their scatter."""
        return self._control.error_from_input_variance

    def setCalcErrorFromInputVariance(self, calcErrorFromInputVariance: bool) -> None:
        """Set whether the variance comes from those of the inputs instead of their scatter."""
        self._set(error_from_input_variance=calcErrorFromInputVariance)

    def getCalcErrorMosaicMode(self) -> bool:
        """Return whether the variance is the mean of those of the inputs."""
        return self._control.mosaic_error

    def setCalcErrorMosaicMode(self, calcErrorMosaicMode: bool) -> None:
        """Set whether the variance is the mean of those of the inputs."""
        self._set(mosaic_error=calcErrorMosaicMode)

    def getMaskPropagationThreshold(self, bit: int) -> float:
        """Return the share of rejected weight beyond which the result gets a bit; 1 if none was set."""
        return self._control.propagation_thresholds.get(bit, 1.0)

    def setMaskPropagationThreshold(self, bit: int, threshold: float) -> None:
        """Set the share of rejected weight beyond which the result gets a bit, given by its number."""
        self._set(propagation_thresholds={**self._control.propagation_thresholds, bit: threshold})

    def to_core(
        self,
        flags: Property,
        *,
        clipped: int = 0,
        mask_map: tuple[tuple[int, int], ...] | None = None,
        schema: MaskSchema | None = None,
    ) -> StackControl:
        """Return the core's form of this.

        Parameters
        ----------
        flags
            Which statistic.
        clipped, mask_map
            Bits for clipped pixels and pairs for rejected ones, in the schema of this object.
        schema
            Schema of the masks to be stacked; all bits are translated to it, by name.
        """
        old, new, control = self.schema, schema or self.schema, self._control

        def move(bits: int) -> int:
            names = [name for name in old.names if bits & int(old.bit(name).mask)]
            return Layout(new).bits(names)

        return control.replace(
            statistic=flags.statistic,
            bad_mask=move(control.bad_mask),
            no_good_mask=move(control.no_good_mask),
            clipped_mask=move(clipped),
            mask_map=mask_map and tuple((move(bits), move(result)) for bits, result in mask_map),
            propagation_thresholds={
                move(1 << bit).bit_length() - 1: value
                for bit, value in control.propagation_thresholds.items()
            },
        )
