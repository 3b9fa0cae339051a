"""Layouts of surveys that publish coadds: each visit is written as one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .frame import Frame, Number, image_hdu, save, with_cards

__all__ = ("write_2mass", "write_irac_mosaic", "write_unwise", "write_wise_atlas")

_UNUSABLE = ("BAD", "SATURATED", "COSMIC_RAY", "NO_DATA")


def write_unwise(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as unWISE coadds in W1: img, invvar, and the scatter and number of exposures."""
    for frame in visit:
        stem = f"unwise-{frame.plan.visit:04d}p{frame.detector:03d}-w1"
        header = with_cards(frame.wcs(), {"BAND": 1, "MAGZP": 22.5})
        njy = 3631e9 * 10 ** (-0.4 * (22.5 + 2.699))
        weight = np.where(frame.has(*_UNUSABLE), 0.0, 1.0 / frame.variance(njy)).astype(np.float32)
        scatter = np.where(weight > 0, 3.5 * np.sqrt(frame.variance(njy)), 0.0).astype(np.float32)
        planes = {"img": np.nan_to_num(frame.image(njy)), "invvar": weight, "std": scatter}
        planes["n"] = np.where(weight > 0, 12, 0).astype(np.int32)
        for name, data in planes.items():
            save(folder / f"{stem}-{name}-m.fits{'' if name == 'img' else '.gz'}", [image_hdu(data, header)])


def write_wise_atlas(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as AllWISE Atlas images in W2: int, unc and cov."""
    for frame in visit:
        stem = f"{frame.plan.visit:04d}p{frame.detector:03d}_ac51-w2"
        cards: dict[str, Number] = {"BAND": 2, "MAGZP": frame.plan.zero_point - 3.339, "BUNIT": "DN"}
        lost = frame.has(*_UNUSABLE)
        stddev = np.where(lost, np.nan, np.sqrt(frame.variance())).astype(np.float32)
        coverage = np.where(lost, 0.0, 11.3).astype(np.float32)
        planes = {"int": frame.image(sky=20.0), "unc": stddev, "cov": coverage}
        for name, data in planes.items():
            header = with_cards(frame.wcs("SIN"), cards)
            save(folder / f"{stem}-{name}-3.fits{'' if name == 'int' else '.gz'}", [image_hdu(data, header)])


def write_irac_mosaic(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as IRAC mosaics, maic with munc and mcov, in MJy/sr."""
    for frame in visit:
        stem = f"SPITZER_I2_{frame.plan.visit:08d}{frame.detector:02d}_0000_5_E{frame.plan.visit:07d}"
        njy = 1e15 * (frame.scale / 3600 * np.pi / 180) ** 2
        areas, lost = frame.areas(), frame.has(*_UNUSABLE)
        brightness = np.where(frame.has("NO_DATA"), np.nan, frame.image(njy) / areas + 0.1)
        stddev = np.where(lost, np.nan, np.sqrt(frame.variance(njy)) / areas)
        planes = {"maic": brightness, "munc": stddev, "mcov": np.where(lost, 0.0, 5.0)}
        cards: dict[str, Number] = {"INSTRUME": "IRAC", "CHNLNUM": 2, "BUNIT": "MJy/sr", "GAIN": 3.7}
        for name, data in planes.items():
            header = with_cards(frame.wcs(), cards)
            save(folder / f"{stem}_{name}.fits", [image_hdu(data.astype(np.float32), header)])


def write_2mass(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as Atlas images in J, with the sky and nothing else."""
    for frame in visit:
        cards: dict[str, Number] = {"ORIGIN": "2MASS", "FILTER": "j", "MAGZP": frame.plan.zero_point - 0.91}
        cards |= {"SKYVAL": 150.0, "ORDATE": "980702", "SCANNO": frame.plan.visit}
        image = np.nan_to_num(frame.image(sky=150.0))
        name = f"ji{frame.plan.visit:03d}{frame.detector:04d}.fits"
        save(folder / name, [image_hdu(image, with_cards(frame.wcs("SIN"), cards))])
