"""Layouts of observatories, and of what their pipelines and astropy write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .frame import Frame, Number, image_hdu, packed_hdu, primary_hdu, save, with_cards

__all__ = (
    "write_ccddata",
    "write_dragons",
    "write_lco",
    "write_megacam",
    "write_noirlab",
    "write_vista",
    "write_wfcam",
)


def write_lco(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as BANZAI reduces it: SCI in electrons, CAT, BPM and ERR, packed; one camera per file."""
    from astropy.io import fits

    values = {"BAD": 1, "SATURATED": 2, "COSMIC_RAY": 8, "NO_DATA": 4}
    for frame in visit:
        camera = f"fa{frame.detector + 10:02d}"
        cards: dict[str, Number] = {"BUNIT": "electron", "ORIGIN": "LCOGT", "INSTRUME": camera}
        cards |= {"FILTER": "rp", "EXPTIME": frame.seconds, "DATE-OBS": frame.date, "WCSERR": 0}
        cards |= {"L1ZP": frame.rate_zero_point, "L1FWHM": frame.plan.psf_fwhm, "GAIN": 1.0}
        stddev = np.nan_to_num(np.sqrt(frame.variance()), posinf=1e6)
        catalogue = fits.BinTableHDU.from_columns([fits.Column("x", "D", array=[1.0])], name="CAT")
        hdus = [primary_hdu({})]
        hdus += [packed_hdu(np.nan_to_num(frame.image(sky=250.0)), with_cards(frame.wcs(), cards), "SCI")]
        hdus += [catalogue, packed_hdu(frame.flags(values, "u1"), None, "BPM")]
        hdus += [packed_hdu(stddev, None, "ERR", lossless=True)]
        save(folder / f"cpt1m010-{camera}-20251121-{frame.plan.visit:04d}-e91.fits.fz", hdus)


def write_vista(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as a VISTA pawprint in J with its confidence map: packed integers, ZPN."""
    first, airmass, extinction = visit[0], 1.3, 0.05
    primary: dict[str, Number] = {"INSTRUME": "VIRCAM", "ESO INS FILT1 NAME": "J", "REQTIME": first.seconds}
    primary |= {"ESO TEL AIRM START": airmass, "ESO TEL AIRM END": airmass, "DATE-OBS": first.date}
    images, confidences = [primary_hdu(primary)], [primary_hdu(primary)]
    for frame in visit:
        # Magnitudes of Vega; those of AB are larger by 0.916 in J.
        vega = frame.rate_zero_point + extinction * (airmass - 1) - 0.916
        cards: dict[str, Number] = {"EXPTIME": frame.seconds, "MAGZPT": vega, "EXTINCT": extinction}
        cards |= {"SEEING": frame.fwhm, "ESO DET CHIP NO": frame.detector + 1, "DATE-OBS": frame.date}
        header, name = with_cards(frame.wcs("ZPN"), cards), f"DET1.CHIP{frame.detector + 1}"
        image = np.rint(np.nan_to_num(frame.image(sky=2000.0))).astype(np.int32)
        confidence = np.where(frame.has("NO_DATA", "BAD", "COSMIC_RAY"), 0, 100).astype(np.int16)
        images.append(packed_hdu(image, header, name))
        confidences.append(packed_hdu(confidence, header, name))
    stem = f"v20251121_{first.plan.visit:05d}_st"
    save(folder / f"{stem}.fit", images)
    save(folder / f"{stem}_conf.fit", confidences)


def write_wfcam(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as a WFCAM stack in K with its confidence map: packed integers, ZPN, no EXTNAME."""
    first = visit[0]
    primary: dict[str, Number] = {"INSTRUME": "WFCAM", "FILTER": "K", "EXP_TIME": first.seconds}
    primary |= {"NEXP": 1, "AMSTART": 1.1, "AMEND": 1.1, "DATE-OBS": first.date}
    images, confidences = [primary_hdu(primary)], [primary_hdu(primary)]
    for frame in visit:
        cards: dict[str, Number] = {"CAMNUM": frame.detector + 1, "SEEING": frame.fwhm, "EXTINCT": 0.05}
        cards |= {"MAGZPT": frame.rate_zero_point - 1.9}
        header = with_cards(frame.wcs("ZPN"), cards)
        image = np.rint(np.nan_to_num(frame.image(sky=2000.0))).astype(np.int32)
        confidence = np.where(frame.has("NO_DATA", "BAD", "COSMIC_RAY"), 0, 100).astype(np.int16)
        images.append(packed_hdu(image, header))
        confidences.append(packed_hdu(confidence, header))
    stem = f"w20251121_{first.plan.visit:05d}_st"
    save(folder / f"{stem}.fit", images)
    save(folder / f"{stem}_conf.fit", confidences)


def write_megacam(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as Elixir detrends it: unsigned 16-bit integers with the sky, packed, 0 where masked."""
    first = visit[0]
    primary: dict[str, Number] = {"DETECTOR": "MegaCam", "INSTRUME": "MegaPrime", "FILTER": "r.MP9601"}
    primary |= {"EXPNUM": first.plan.visit, "EXPTIME": first.seconds, "AIRMASS": 1.4}
    primary |= {"DATE-OBS": first.date[:10], "UTC-OBS": first.date[11:22]}
    hdus = [primary_hdu(primary)]
    for frame in visit:
        cards: dict[str, Number] = {"FILTER": "r.MP9601", "EXPTIME": frame.seconds, "GAIN": frame.gain}
        cards["AIRMASS"] = 1.4
        cards |= {"PHOT_K": -0.1, "PHOT_C": frame.rate_zero_point + 0.1 * (1.4 - 1), "SATURATE": 65535}
        image = np.clip(np.rint(np.nan_to_num(frame.image(sky=1000.0))), 1, 65535).astype(np.uint16)
        image[frame.has("NO_DATA", "BAD", "COSMIC_RAY")] = 0
        hdus.append(packed_hdu(image, with_cards(frame.wcs(), cards), f"ccd{frame.detector:02d}"))
    save(folder / f"{first.plan.visit:07d}p.fits.fz", hdus)


def write_noirlab(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as the Community Pipeline does for Mosaic-3: ooi, oow and ood, packed; TPV."""
    first = visit[0]
    primary: dict[str, Number] = {"INSTRUME": "Mosaic3", "PROCTYPE": "InstCal", "PRODTYPE": "image"}
    primary |= {"FILTER": "zd DECam k1038", "EXPTIME": first.seconds, "MJD-OBS": first.begin}
    primary |= {"MAGZERO": first.plan.zero_point, "EXPNUM": first.plan.visit, "WCSCAL": "Successful"}
    files: dict[str, list[Any]] = {letter: [primary_hdu(primary)] for letter in "iwd"}
    for frame in visit:
        header = with_cards(frame.wcs("TPV"), {"FWHM": frame.fwhm, "CCDNUM": frame.detector + 1})
        codes = np.zeros(frame.pixels.mask.shape, np.int32)
        # Of the reasons of a pixel, one is told.
        for plane, code in {"BAD": 1, "NO_DATA": 1, "COSMIC_RAY": 5, "SATURATED": 3}.items():
            codes[frame.has(plane)] = code
        codes[::9][codes[::9] == 0] = 7
        planes = {"i": np.nan_to_num(frame.image(sky=500.0)), "w": frame.weight(), "d": codes}
        for letter, data in planes.items():
            files[letter].append(packed_hdu(data, header, f"CCD{frame.detector + 1}"))
    for letter, hdus in files.items():
        save(folder / f"k4m_251121_{first.plan.visit:06d}_oo{letter}_zd_v1.fits.fz", hdus)


def write_ccddata(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as astropy writes CCDData: image, MASK and UNCERT, a standard deviation."""
    for frame in visit:
        cards: dict[str, Number] = {"BUNIT": "adu", "FILTER": "R", "EXPTIME": frame.seconds}
        cards |= {"DATE-OBS": frame.date, "INSTRUME": f"CCD{frame.detector}"}
        bad = frame.has("BAD", "NO_DATA", "COSMIC_RAY", "SATURATED")
        kind = with_cards(None, {"UTYPE": "StdDevUncertainty"})
        hdus = [image_hdu(frame.image(sky=60.0), with_cards(frame.wcs(), cards))]
        hdus += [image_hdu(bad.astype(np.uint8), None, "MASK")]
        hdus += [image_hdu(np.sqrt(frame.variance()), kind, "UNCERT")]
        save(folder / f"obj_{frame.plan.visit}_{frame.detector}_red.fits", hdus)


def write_dragons(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as DRAGONS does: SCI, VAR and DQ, in electrons with the sky; one detector per file."""
    values = {"BAD": 1, "SATURATED": 4, "COSMIC_RAY": 8, "NO_DATA": 16}
    for frame in visit:
        primary: dict[str, Number] = {"INSTRUME": "GMOS-N", "FILTER1": "open1-6", "FILTER2": "r_G0303"}
        primary |= {"EXPTIME": frame.seconds, "DATE-OBS": frame.date[:10], "TIME-OBS": frame.date[11:]}
        science = with_cards(frame.wcs(), {"BUNIT": "electron"})
        hdus = [primary_hdu(primary), image_hdu(frame.image(sky=300.0), science, "SCI", 1)]
        hdus += [image_hdu(frame.variance(), None, "VAR", 1)]
        hdus += [image_hdu(frame.flags(values, "u2"), None, "DQ", 1)]
        number = 10 * frame.plan.visit + frame.detector
        save(folder / f"N20251121S{number:04d}_image.fits", hdus)
