"""Catalogs of stars of exposures with known scales and offsets."""

from __future__ import annotations

import dataclasses

import numpy as np

from lamella.coadd.star_matches import StarCatalog

PIXEL = 0.5


@dataclasses.dataclass(frozen=True)
class Night:
    """Exposures of one field."""

    scales: tuple[float, ...] = (1.0, 1.3, 0.8, 1.1)
    """Units of the first exposure per unit of each."""
    offsets: tuple[tuple[float, float], ...] = ((0.0, 0.0),) * 4
    """East and north, arcseconds."""
    stars: int = 20
    snr: float = 100.0
    scatter: float = 0.0
    """Relative scatter of fluxes beyond the errors."""
    shared: float = 0.0
    """Relative error that all fluxes of an exposure share."""
    ra: float = 150.0
    dec: float = 2.2
    seed: int = 0

    def catalogs(self) -> list[StarCatalog]:
        rng = np.random.default_rng(self.seed)
        east, north = rng.uniform(-100.0, 100.0, (2, self.stars))
        flux = 1e4 * rng.pareto(1.5, self.stars) + 1e4
        return [self._exposure(index, rng, (east, north), flux) for index in range(len(self.scales))]

    def _exposure(
        self, index: int, rng: np.random.Generator, places: tuple[np.ndarray, np.ndarray], flux: np.ndarray
    ) -> StarCatalog:
        seen = np.sort(rng.permutation(self.stars)[: max(3, self.stars - 2)])
        error = 0.02 * PIXEL
        east, north = (
            axis[seen] + shift + error * rng.normal(size=len(seen))
            for axis, shift in zip(places, self.offsets[index], strict=True)
        )
        noise = np.full(len(seen), flux.min() / self.snr / self.scales[index])
        factor = 1.0 + self.scatter * rng.normal(size=len(seen)) + self.shared * rng.normal()
        return StarCatalog(
            name=f"visit {index}",
            visit=f"{index}",
            ra=(self.ra + east / 3600.0 / np.cos(np.radians(self.dec))) % 360.0,
            dec=self.dec + north / 3600.0,
            position_error=np.full(len(seen), error),
            flux=flux[seen] * factor / self.scales[index] + noise * rng.normal(size=len(seen)),
            flux_error=noise,
            pixel=PIXEL,
            shared_error=self.shared,
        )
