"""The contender SWarp: combination of images that share a pixel grid, without resampling."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .fits_planes import WarpFiles

COMBINE_TYPES = {"MEAN": "WEIGHTED", "MEANCLIP": "CLIPPED", "NOISECLIP": "CLIPPED", "MEDIAN": "MEDIAN"}
"""What is nearest to each statistic; CLIPPED knows the noise from the weights, like NOISECLIP."""

OPTIONS = {
    "WEIGHT_TYPE": "MAP_WEIGHT", "RESCALE_WEIGHTS": "N", "RESAMPLE": "N", "CLIP_SIGMA": "3",
    "CLIP_AMPFRAC": "0", "SUBTRACT_BACK": "N", "FSCALASTRO_TYPE": "NONE", "MEM_MAX": "256",
    "COMBINE_BUFSIZE": "256", "WRITE_XML": "N", "VERBOSE_TYPE": "QUIET",
}  # fmt: skip


def find_swarp() -> str | None:
    """Return the program, if it is installed."""
    return shutil.which("SWarp") or shutil.which("swarp")


def swarp_version(program: str) -> str:
    done = subprocess.run([program, "-v"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def swarp_command(
    program: str, files: WarpFiles, statistic: str, threads: int, output: Path
) -> list[str | Path]:
    """Return the command; lists of files are written beside the result, to keep it short."""
    lists = {}
    for kind in ("image", "weight"):
        lists[kind] = output.with_suffix(f".{kind}.list")
        lists[kind].write_text("".join(f"{path}\n" for path in files.names(kind)))
    options = OPTIONS | {
        "COMBINE_TYPE": COMBINE_TYPES[statistic],
        "NTHREADS": str(threads),
        "WEIGHT_IMAGE": f"@{lists['weight']}",
        "IMAGEOUT_NAME": str(output),
        "WEIGHTOUT_NAME": str(output.with_suffix(".weight.fits")),
    }
    words = [word for name, value in options.items() for word in (f"-{name}", value)]
    return [program, f"@{lists['image']}", *words]
