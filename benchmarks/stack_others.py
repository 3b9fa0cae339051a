"""The contenders Siril and gnuastro: stacks of images alone, without masks, weights and variances.

Siril is given the images as they are; what it makes of values beyond 1 is cut
off there, so that its result is not compared.  gnuastro is given images whose
rejected pixels are NaN.
"""

from __future__ import annotations

import os
from pathlib import Path

from .fits_planes import WarpFiles

SIRIL = {"MEAN": "rej none", "MEANCLIP": "rej s 3 3", "MEDIAN": "med"}
GNUASTRO = {"MEAN": "{n} mean", "MEANCLIP": "{n} 3 2 sigclip-mean", "MEDIAN": "{n} median"}


def siril_command(
    program: str, files: WarpFiles, statistic: str, threads: int, output: Path
) -> list[str | Path]:
    """Return the command; the sequence that Siril wants is made of links beside the result."""
    folder = output.parent
    for number, path in enumerate(files.names("image"), start=1):
        os.symlink(path, folder / f"r_{number:05d}.fits")
    script = folder / "stack.ssf"
    lines = ["requires 1.0.0", "setext fits", "set32bits", f"setcpu {threads}", "setmem 0.5"]
    lines.append(f"stack r_ {SIRIL[statistic]} -nonorm -out={output}")
    script.write_text("\n".join(lines) + "\n")
    # Its settings are written there, and not among those of the user.
    home = f"XDG_CONFIG_HOME={folder}", f"XDG_CACHE_HOME={folder}"
    return ["env", *home, program, "-d", folder, "-s", script]


def gnuastro_command(
    program: str, files: WarpFiles, statistic: str, threads: int, output: Path
) -> list[str | Path]:
    """Return the command."""
    operator = GNUASTRO[statistic].format(n=files.n).split()
    options = ["-g0", "--wcsfile=none", "--quiet", f"-N{threads}", f"--output={output}"]
    return [program, *files.names("nan"), *operator, *options]
