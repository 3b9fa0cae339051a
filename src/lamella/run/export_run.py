"""Warps and coadds in files of other software."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..data.coadd import PatchCoadd
from ..data.warp import Warp
from ..errors import ConfigError, NoInputsError, OutputError
from ..files import make_folder
from ..formats.archive.products import afw, is_product, read_product
from ..formats.archive.write import write_archive, write_plain_fits
from ..formats.file_index import bare_name, is_fits_name, walk
from .claim import claim_files

__all__ = ("FileFormat", "export_products")

FileFormat = Literal["afw", "fits", "archive"]


def export_products(
    products: Sequence[Path], output: Path, form: FileFormat, *, compress: bool, overwrite: bool
) -> dict[Path, tuple[str, ...]]:
    """Write warps and coadds in another form, as ``lamella export`` does.

    Parameters
    ----------
    products
        Warps and coadds, or folders of them.
    output
        File, for one product, or folder.
    form
        What is written.
    compress
        Whether pixels are compressed.
    overwrite
        Whether files that are there are replaced.

    Returns
    -------
    dict
        The files, each with notes of what its form cannot hold.

    Raises
    ------
    NoInputsError
        Raised when a folder holds no warp and no coadd.
    OutputError
        Raised when a file is there already, or is being written by another command, or two would have the
        same name.
    ConfigError
        Raised when the product has no such form.
    """
    # The files that were named, and the warps and coadds in folders that were.
    paths: list[Path] = []
    for product in products:
        files = [product]
        if os.path.isdir(product):
            files = [file for file in walk(product) if is_fits_name(file) and is_product(file)]
            if not files:
                raise NoInputsError(f"{product}: there is no warp and no coadd in this folder.")
        paths += files
    paths = list(dict.fromkeys(paths))
    if len(paths) == 1 and is_fits_name(output) and not output.is_dir():
        make_folder(output.parent)
        pairs = [(paths[0], output)]
    else:
        folder = make_folder(output)
        pairs = [(path, folder / f"{Path(bare_name(path)).stem}.fits") for path in paths]
    origins: dict[Path, Path] = {}
    for path, target in pairs:
        if origins.setdefault(target, path) != path:
            raise OutputError(target, reason=f"{origins[target]} and {path} would both be written to it")
        if target.exists() and path.exists() and target.samefile(path):
            raise OutputError(target, reason="it is the product itself")
    with claim_files(origins, overwrite=overwrite):
        return {target: _write(read_product(path), target, form, compress=compress) for path, target in pairs}


def _write(product: Warp | PatchCoadd, target: Path, form: FileFormat, *, compress: bool) -> tuple[str, ...]:
    if form == "afw":
        return tuple(afw("write").write_afw(product, target, compress=compress))
    if form == "archive":
        write_archive(product, target, compress=compress)
    elif isinstance(product, PatchCoadd):
        write_plain_fits(product, target)
    else:
        raise ConfigError(
            f"{target}: warps have no plain FITS form; write them with --format afw or archive.",
            option="format",
            found=form,
        )
    return ()
