"""SWarp from exposures onto a patch: Lanczos-3, counts conserved, no background subtracted."""

from __future__ import annotations

import shutil
from pathlib import Path

from .exposures import Exposures
from .stack_swarp import swarp_words

_OPTIONS = {
    "RESAMPLE": "Y", "RESAMPLING_TYPE": "LANCZOS3", "FSCALASTRO_TYPE": "VARIABLE", "COPY_KEYWORDS": "",
}  # fmt: skip


def resample_command(
    program: str, of: Exposures, folder: Path, threads: int, combine: str | None = None
) -> list[str]:
    """Return the command that leaves resampled exposures in a folder, or with ``combine`` the coadd only."""
    inputs = folder / "images.list"
    inputs.write_text("".join(f"{of.name(i)}\n" for i in range(of.count)))
    # What lies beside the output under this name fixes its pixels.
    shutil.copy(of.grid, folder / "coadd.head")
    options = _OPTIONS | {
        "COMBINE": "Y" if combine else "N",
        "COMBINE_TYPE": combine or "WEIGHTED",
        "DELETE_TMPFILES": "Y" if combine else "N",
        "NTHREADS": str(threads),
        "RESAMPLE_DIR": str(folder),
        "VMEM_DIR": str(folder),
        "IMAGEOUT_NAME": str(folder / "coadd.fits"),
        "WEIGHTOUT_NAME": str(folder / "coadd.weight.fits"),
    }
    return swarp_words(program, inputs, options)
