"""Layouts of surveys of the ground."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .frame import Frame, Number, image_hdu, packed_hdu, primary_hdu, save, with_cards

if TYPE_CHECKING:
    from astropy.io.fits import Header

__all__ = (
    "write_blackgem",
    "write_des",
    "write_ps1",
    "write_ps1_stack",
    "write_sdss",
    "write_skymapper",
    "write_ztf",
)

_NANOMAGGY = 3631.0  # nJy


def write_ztf(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as ZTF sciimg with mskimg and the image of the PSF at the centre; TPV, with the sky."""
    values = {"BAD": 1 << 4, "SATURATED": 1 << 8, "COSMIC_RAY": 1, "NO_DATA": 1 << 10, "DETECTED": 1 << 1}
    for frame in visit:
        ccd, quadrant = 1 + frame.detector // 4, 1 + frame.detector % 4
        stem = f"ztf_2020{frame.plan.visit:010d}_000472_zr_c{ccd:02d}_o_q{quadrant}"
        cards: dict[str, Number] = {"INSTRUME": "ZTF/MOSAIC", "FILTER": "ZTF_r", "FILTERID": 2}
        cards |= {"FIELDID": 472, "CCDID": ccd, "QID": quadrant, "RCID": 4 * (ccd - 1) + quadrant - 1}
        cards |= {"EXPTIME": frame.seconds, "OBSMJD": frame.begin, "MAGZP": frame.plan.zero_point}
        cards |= {"GAIN": frame.gain, "READNOI": 4.0, "SATURATE": 12000.0, "SEEING": frame.fwhm}
        header = with_cards(frame.wcs("TPV"), cards)
        image = np.nan_to_num(frame.image(sky=frame.sky_for(4.0)))
        save(folder / f"{stem}_sciimg.fits", [image_hdu(image, header)])
        save(folder / f"{stem}_mskimg.fits", [image_hdu(frame.flags(values, "i2"), header)])
        save(folder / f"{stem}_sciimgdaopsfcent.fits", [image_hdu(frame.stamp(25))])


def write_ps1(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as Pan-STARRS1 warps: packed image, .mask and .wt (a variance); PC001001 cards."""
    values = {"BAD": 0x1, "SATURATED": 0x20, "COSMIC_RAY": 0x100, "NO_DATA": 0x8, "DETECTED": 0x1000}
    for frame in visit:
        stem = f"rings.v3.skycell.1250.{frame.detector:03d}.wrp.r.61000_{frame.plan.visit:05d}"
        cards = {"FPA.ZP": frame.rate_zero_point, "EXPTIME": frame.seconds, "MJD-OBS": frame.begin}
        header = with_cards(_skycell(frame), cards)
        variance = np.nan_to_num(frame.variance(), posinf=np.nan)
        for suffix, data in {"": frame.image(), ".wt": variance, ".mask": frame.flags(values, "u2")}.items():
            save(folder / f"{stem}{suffix}.fits", [primary_hdu({}), packed_hdu(data, header)])


def _skycell(frame: Frame) -> Header:
    header = frame.wcs()
    for i, j in np.ndindex(2, 2):
        header[f"PC{i + 1:03d}{j + 1:03d}"] = header.pop(f"CD{i + 1}_{j + 1}") / (frame.scale / 3600)
    header.remove("RADESYS")
    cards: dict[str, Number] = {"CDELT1": frame.scale / 3600, "CDELT2": frame.scale / 3600}
    cards |= {"PSCAMERA": "GPC1", "PSFORMAT": "SKYCELL", "FPA.FILTERID": "r.00000"}
    return with_cards(header, cards)


def write_ps1_stack(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as Pan-STARRS1 stacks: asinh of the pixels at zero point 25, with .mask, .wt and .num."""
    values = {"BAD": 0x1, "SATURATED": 0x20, "COSMIC_RAY": 0x100, "NO_DATA": 0x8}
    for frame in visit:
        stem = f"rings.v3.skycell.{frame.plan.visit:04d}.{frame.detector:03d}.stk.r.unconv"
        seconds = 10 ** (0.4 * (frame.plan.zero_point - 25))
        cards: dict[str, Number] = {"FPA.ZP": 25.0, "EXPTIME": seconds, "MJD-OBS": frame.begin}
        softening, offset = 200.0, 7.0
        cards |= {"BSOFTEN": softening, "BOFFSET": offset}
        header = with_cards(_skycell(frame), cards)
        # Magnitudes per e-fold, as Lupton, Gunn and Szalay (1999, AJ 118, 1406) have them.
        image = 2.5 * np.log10(np.e) * np.arcsinh((frame.image() - offset) / (2 * softening))
        variance = 2.5 * np.log10(np.e) * np.arcsinh(np.nan_to_num(frame.variance(), posinf=np.nan) / 20.0)
        flags = frame.flags(values, "u2")
        planes = {"": image, ".wt": variance, ".mask": flags, ".num": flags}
        for suffix, data in planes.items():
            own = header if suffix != ".wt" else with_cards(header, {"BSOFTEN": 10.0, "BOFFSET": 0.0})
            data = data.astype(np.float32) if suffix in ("", ".wt") else data
            save(folder / f"{stem}{suffix}.fits", [primary_hdu({}), packed_hdu(data, own)])


def write_sdss(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as SDSS frames: nanomaggies without sky, calibration, sky and astrometry behind them."""
    from astropy.io import fits

    for frame in visit:
        cards: dict[str, Number] = {"FILTER": "r", "CAMCOL": frame.detector + 1, "RUN": frame.plan.visit}
        cards |= {"BUNIT": "nanomaggy", "EXPTIME": frame.seconds, "ORIGIN": "SDSS", "TELESCOP": "2.5m"}
        cards["TAI"] = frame.plan.mjd * 86400 + frame.seconds / 2
        image = np.nan_to_num(frame.image(_NANOMAGGY))
        # Ten significant binary digits.
        digits = 2.0 ** (np.floor(np.log2(np.maximum(np.abs(image), 1e-30))) - 9)
        image = (np.round(image / digits) * digits).astype(np.float32)
        vector = np.full(image.shape[1], frame.plan.to_njy / _NANOMAGGY, np.float32)
        sky = fits.BinTableHDU.from_columns([fits.Column("ALLSKY", "4E", array=np.ones((1, 4)))])
        name = f"frame-r-{frame.plan.visit:06d}-{frame.detector + 1}-0120.fits.bz2"
        header = with_cards(frame.wcs(), cards)
        header.remove("RADESYS")
        save(folder / name, [image_hdu(image, header), image_hdu(vector), sky])


def write_des(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as DES immasked CCDs: SCI, MSK and WGT, packed, with a segmentation beside them."""
    values = {"BAD": 1, "SATURATED": 2, "COSMIC_RAY": 16, "NO_DATA": 1, "DETECTION_EDGE": 512}
    for frame in visit:
        stem = f"D{frame.plan.visit:08d}_r_c{frame.detector + 1:02d}_r5500p01"
        cards: dict[str, Number] = {"INSTRUME": "DECam", "FILTER": "r DECam SDSS c0002 6415.0 1480.0"}
        cards |= {"BAND": "r", "EXPNUM": frame.plan.visit, "CCDNUM": frame.detector + 1}
        cards |= {"EXPTIME": frame.seconds, "MJD-OBS": frame.begin, "SKYSBFIL": "sky_template.fits"}
        header = with_cards(frame.wcs("TPV"), cards)
        hdus = [primary_hdu({}), packed_hdu(np.nan_to_num(frame.image()), header, "SCI")]
        hdus += [packed_hdu(frame.flags(values, "i2"), header, "MSK")]
        hdus += [packed_hdu(frame.weight(), header, "WGT")]
        save(folder / f"{stem}_immasked.fits.fz", hdus)
        save(folder / f"{stem}_segmap.fits.fz", [primary_hdu({}), hdus[2]])


def write_skymapper(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as SkyMapper images: 16-bit integers with the sky, TPV; no noise and no mask."""
    for frame in visit:
        cards: dict[str, Number] = {"FILTER": "r", "EXPTIME": frame.seconds, "DATE-OBS": frame.date}
        cards |= {"ZPAPPROX": frame.plan.zero_point, "ZPTERR": 0.01, "QAFWHM": frame.plan.psf_fwhm}
        image = np.rint(np.nan_to_num(frame.image(sky=100.0))).astype(np.int16)
        name = f"skymapper_r_{frame.plan.visit:014d}-{frame.detector + 1}.fits"
        save(folder / name, [image_hdu(image, with_cards(frame.wcs("TPV"), cards))])


def write_blackgem(visit: Sequence[Frame], folder: Path) -> None:
    """Write a visit as images of MeerLICHT and BlackGEM, a telescope per detector: electrons, with masks."""
    values = {"BAD": 1, "SATURATED": 4, "COSMIC_RAY": 2, "NO_DATA": 1, "DETECTION_EDGE": 32}
    for frame in visit:
        telescope = ("ML1", "BG2", "BG3", "BG4")[frame.detector]
        stem = f"{telescope}_20251121_{frame.plan.visit:06d}"
        electrons = frame.plan.to_njy / frame.gain
        airmass, extinction = 1.2, 0.1
        zero_point = frame.rate_zero_point + 2.5 * float(np.log10(frame.gain)) + airmass * extinction
        cards: dict[str, Number] = {"FILTER": "r", "EXPTIME": frame.seconds, "MJD-OBS": frame.begin}
        cards |= {"BUNIT": "e-", "GAIN": 1.0, "RDNOISE": 4.0, "PC-ZP": zero_point, "PC-EXTCO": extinction}
        cards |= {"AIRMASSC": airmass, "PSF-SEE": frame.plan.psf_fwhm, "TELESCOP": telescope}
        header = with_cards(frame.wcs(), cards)
        image = np.nan_to_num(frame.image(electrons, frame.gain * frame.sky_for(4.0)))
        save(folder / f"{stem}_red.fits.fz", [primary_hdu({}), packed_hdu(image, header)])
        flags = frame.flags(values, "u1")
        save(folder / f"{stem}_mask.fits.fz", [primary_hdu({}), packed_hdu(flags, header)])
