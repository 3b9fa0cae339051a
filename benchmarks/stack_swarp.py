"""The contender SWarp: combination of images that share a pixel grid, without resampling."""

from __future__ import annotations

from pathlib import Path

from .fits_planes import WarpFiles

COMBINE_TYPES = {"MEAN": "WEIGHTED", "MEANCLIP": "CLIPPED", "NOISECLIP": "CLIPPED", "MEDIAN": "MEDIAN"}
"""What is nearest to each statistic; CLIPPED knows the noise from the weights, like NOISECLIP."""

OPTIONS = {
    "WEIGHT_TYPE": "MAP_WEIGHT", "RESCALE_WEIGHTS": "N", "CLIP_SIGMA": "3", "CLIP_AMPFRAC": "0",
    "SUBTRACT_BACK": "N", "MEM_MAX": "256", "COMBINE_BUFSIZE": "256", "WRITE_XML": "N",
    "VERBOSE_TYPE": "QUIET",
}  # fmt: skip


def swarp_words(program: str, inputs: Path, options: dict[str, str]) -> list[str]:
    """Return a command on the images that a file lists, with these options beside the common ones."""
    words = [word for name, value in (OPTIONS | options).items() for word in (f"-{name}", value)]
    return [program, f"@{inputs}", *words]


def swarp_command(program: str, files: WarpFiles, statistic: str, threads: int, output: Path) -> list[str]:
    """Return the command; lists of files are written beside the result, to keep it short."""
    lists = {}
    for kind in ("image", "weight"):
        lists[kind] = output.with_suffix(f".{kind}.list")
        lists[kind].write_text("".join(f"{path}\n" for path in files.names(kind)))
    options = {
        "RESAMPLE": "N",
        "FSCALASTRO_TYPE": "NONE",
        "COMBINE_TYPE": COMBINE_TYPES[statistic],
        "NTHREADS": str(threads),
        "WEIGHT_IMAGE": f"@{lists['weight']}",
        "IMAGEOUT_NAME": str(output),
        "WEIGHTOUT_NAME": str(output.with_suffix(".weight.fits")),
    }
    return swarp_words(program, lists["image"], options)
