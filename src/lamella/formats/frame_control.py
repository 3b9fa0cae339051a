"""The options of reading frames: plain images of one shape."""

from __future__ import annotations

from typing import Literal

from ..config import Config, option
from ..data.options import Normalization

__all__ = ("FrameControl",)


class FrameControl(Config):
    """How frames are read; a table of frames says the same in its cells, and goes first."""

    image_hdu: str = option("", "HDU of the images: name or index; by default the first 2-d image.")
    noise: Literal["auto", "measured", "counts", "none"] = option(
        "auto",
        "Where the noise of an image comes from: 'auto' from a map in its file (variance, standard "
        "deviation, weight), else from the pixels; 'measured' from the pixels; 'counts' from gain and read "
        "noise; 'none': all pixels count alike, and errors come from the scatter of the images.",
    )
    gain: str = option("", "Electrons per unit of the images: a number or a keyword.")
    read_noise: str = option("", "Electrons: a number or a keyword.")
    saturation: str = option("", "Value from which pixels are SATURATED: a number or a keyword.")
    sky: Literal["keep", "subtract"] = option("keep", "Whether a fitted sky is subtracted from each image.")
    normalize: Normalization = option(
        "none",
        "What is made equal in the images before they are combined, on the scale of the first: none; "
        "median, for flat fields; stars, of aligned images.",
    )
