"""Layouts of space telescopes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .frame import Frame, Number, image_hdu, primary_hdu, save, with_cards

__all__ = ("write_acs", "write_euclid", "write_irac", "write_jwst", "write_wfc3", "write_wise")

_LIGHT = 2.99792458e18  # angstrom per second
_AB = 3631e-23  # erg / (s cm2 Hz) of magnitude 0


def write_acs(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as ACS flc: SCI, ERR and DQ of two chips, in electrons."""
    values = {"BAD": 4, "SATURATED": 256, "COSMIC_RAY": 4096, "NO_DATA": 2}
    _write_hst(visit, folder / f"j94f{visit[0].plan.visit:04d}q_flc.fits", "ACS", values)


def write_wfc3(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as WFC3/IR flt: SCI, ERR and DQ, in electrons per second."""
    values = {"BAD": 4, "SATURATED": 256, "COSMIC_RAY": 8192, "NO_DATA": 2}
    _write_hst(visit, folder / f"ibfu{visit[0].plan.visit:04d}q_flt.fits", "WFC3", values)


def _write_hst(visit: Sequence[Frame], path: Path, instrument: str, values: dict[str, int]) -> None:
    rate = instrument == "WFC3"
    first, wavelength = visit[0], 5921.0
    filters = {"FILTER": "F160W"} if rate else {"FILTER1": "F606W", "FILTER2": "CLEAR2L"}
    primary: dict[str, Number] = {
        "TELESCOP": "HST",
        "INSTRUME": instrument,
        "EXPTIME": first.seconds,
        **filters,
    }
    primary |= {"EXPSTART": first.begin, "EXPEND": first.begin + first.seconds / 86400}
    primary |= {"ROOTNAME": path.name[:9], "DATE-OBS": first.date[:10], "TIME-OBS": first.date[11:19]}
    # The flux density of one electron per second, per wavelength.
    flux = _AB * 10 ** (-0.4 * first.rate_zero_point) * _LIGHT / wavelength**2
    divisor = first.seconds if rate else 1.0
    hdus: list[Any] = [primary_hdu(primary)]
    for version, frame in enumerate(visit, start=1):
        unit: dict[str, Number] = {
            "BUNIT": "ELECTRONS/S" if rate else "ELECTRONS",
            "CCDCHIP": len(visit) - version + 1,
        }
        science = with_cards(frame.wcs(), unit | {"PHOTFLAM": flux, "PHOTPLAM": wavelength})
        stddev = np.where(frame.has("NO_DATA"), 0.0, np.sqrt(frame.variance()) / divisor)
        # What has no measurement is filled.
        image = np.nan_to_num(frame.image(sky=40.0) / divisor)
        hdus.append(image_hdu(image.astype(np.float32), science, "SCI", version))
        hdus.append(image_hdu(stddev.astype(np.float32), None, "ERR", version))
        hdus.append(image_hdu(frame.flags(values, "i2"), None, "DQ", version))
    save(path, hdus)


def write_jwst(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as NIRCam cal files, one per detector: SCI in MJy/sr, ERR, DQ of 32 bits, AREA."""
    # What is bad has DO_NOT_USE beside the reason; what jumped or is warm stays in use.
    values = {"BAD": 2048 + 1, "SATURATED": 2 + 1, "COSMIC_RAY": 4 + 1, "NO_DATA": 512 + 1}
    for frame in visit:
        number = frame.detector + 1
        name = f"jw01234001001_02101_{frame.plan.visit:05d}_nrca{number}_cal.fits"
        solid_angle = (frame.scale / 3600 * np.pi / 180) ** 2
        njy = 1e15 * solid_angle
        primary: dict[str, Number] = {
            "TELESCOP": "JWST",
            "INSTRUME": "NIRCAM",
            "DETECTOR": f"NRCA{number}",
            "FILTER": "F150W",
        }
        primary |= {"PUPIL": "CLEAR", "EXP_TYPE": "NRC_IMAGE", "XPOSURE": frame.seconds}
        primary |= {"EXPMID": frame.plan.mjd, "DATE-OBS": frame.date[:10], "TIME-OBS": frame.date[11:]}
        science = with_cards(frame.wcs(), {"BUNIT": "MJy/sr", "PIXAR_SR": solid_angle})
        stddev = np.sqrt(frame.variance(njy))
        stddev[frame.has("NO_DATA")] = np.nan
        flags = frame.flags(values, "u4")
        flags[:, ::7] |= 4096  # warm
        area = np.linspace(0.97, 1.03, stddev.shape[1], dtype=np.float32)
        stddev /= area
        hdus = [
            primary_hdu(primary),
            image_hdu(frame.image(njy) / area + np.float32(0.3), science, "SCI", 1),
            image_hdu(stddev, None, "ERR", 1),
            image_hdu(flags, None, "DQ", 1),
            image_hdu(np.ones_like(stddev) * area, None, "AREA", 1),
            image_hdu(0.5 * stddev**2, None, "VAR_POISSON", 1),
            image_hdu(0.5 * stddev**2, None, "VAR_RNOISE", 1),
        ]
        save(folder / name, hdus)


def write_wise(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as WISE level-1b frames in W1: int, and unc and msk in files of their own."""
    values = {"BAD": 1 << 2, "SATURATED": 1 << 12, "COSMIC_RAY": 1 << 28, "NO_DATA": 1 << 9}
    for frame in visit:
        stem = f"{frame.plan.visit:05d}a{frame.detector:03d}-w1"
        cards: dict[str, Number] = {
            "BAND": 1,
            "MAGZP": frame.plan.zero_point - 2.699,
            "DATE_OBS": frame.date,
            "BUNIT": "DN",
        }
        header = with_cards(frame.wcs("SIN"), cards)
        stddev = np.sqrt(frame.variance())
        stddev[frame.has("NO_DATA")] = np.nan
        save(folder / f"{stem}-int-1b.fits", [image_hdu(frame.image(sky=20.0), header)])
        save(folder / f"{stem}-unc-1b.fits.gz", [image_hdu(stddev, header)])
        save(folder / f"{stem}-msk-1b.fits.gz", [image_hdu(frame.flags(values, "i4"), header)])


def write_irac(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as IRAC cbcd files with cbunc and bimsk, in MJy/sr."""
    values = {"BAD": 1 << 11, "SATURATED": 1 << 13, "COSMIC_RAY": 1 << 9, "NO_DATA": 1 << 14}
    for frame in visit:
        stem = f"SPITZER_I1_{frame.plan.visit:08d}_{frame.detector:04d}_0000_1"
        njy = 1e15 * (frame.scale / 3600 * np.pi / 180) ** 2
        cards: dict[str, Number] = {
            "INSTRUME": "IRAC",
            "CHNLNUM": 1,
            "EXPTIME": frame.seconds,
            "BUNIT": "MJy/sr",
        }
        header = with_cards(frame.wcs(), cards)
        areas = frame.areas().astype(np.float32)
        stddev = np.sqrt(frame.variance(njy)) / areas
        stddev[frame.has("NO_DATA")] = np.nan
        brightness = frame.image(njy) / areas + np.float32(0.1)
        save(folder / f"{stem}_cbcd.fits", [image_hdu(brightness, header)])
        save(folder / f"{stem}_cbunc.fits", [image_hdu(stddev, header)])
        save(folder / f"{stem}_bimsk.fits", [image_hdu(frame.flags(values, "i2"), header)])


def write_euclid(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as a VIS frame: SCI, RMS and FLG of each quadrant, in ADU."""
    values = {"BAD": 0x3, "SATURATED": 0x8, "COSMIC_RAY": 0x10, "NO_DATA": 0x400001, "DETECTED": 0x1000000}
    first = visit[0]
    primary: dict[str, Number] = {
        "TELESCOP": "Euclid",
        "INSTRUME": "VIS",
        "OBS_ID": first.plan.visit,
        "DITHOBS": 1,
    }
    primary |= {"EXPNUM": 1, "EXPTIME": first.seconds, "DATE-OBS": first.date}
    hdus: list[Any] = [primary_hdu(primary)]
    for frame in visit:
        name = f"{1 + frame.detector // 4}-1.{'EFGH'[frame.detector % 4]}"
        cards: dict[str, Number] = {"MAGZEROP": f"{frame.rate_zero_point:.6f}", "GAIN": 3.48, "BUNIT": "ADU"}
        stddev = np.where(frame.has("NO_DATA"), 0.0, np.sqrt(frame.variance())).astype(np.float32)
        hdus.append(image_hdu(frame.image(sky=30.0), with_cards(frame.wcs(), cards), f"{name}.SCI"))
        hdus.append(image_hdu(stddev, None, f"{name}.RMS"))
        hdus.append(image_hdu(frame.flags(values, "i4"), None, f"{name}.FLG"))
    time = "20240319T120000.000000Z"
    save(folder / f"EUC_VIS_SWL-DET-{first.plan.visit:06d}-01-1-0000000__{time}.fits", hdus)
    save(folder / f"EUC_VIS_SWL-BKG-{first.plan.visit:06d}-01-1-0000000__{time}.fits", [hdus[1]])
