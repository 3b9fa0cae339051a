"""Measure the numbers of ``docs/accuracy.md``.

Usage: ``python docs/measure_accuracy.py [DATA]``, from the root of the project;
DATA is a folder with the test exposures ``decam`` and ``sdss``.  The recipes and
the limits that must hold are those of ``tests/acceptance``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import sep

sys.path.insert(0, str(Path(__file__).parents[1]))

from astropy.coordinates import SkyCoord

from benchmarks.simulated.stack import StackConfig, simulate_stack
from lamella import assemble, open_exposures, read_product
from lamella.data.coadd import PatchCoadd
from lamella.psf.measure import adaptive_moments
from lamella.testing.config import SurveyConfig
from lamella.testing.photometry import measure_stars
from lamella.testing.survey import Survey
from tests.acceptance import test_decam as decam
from tests.acceptance import test_sdss as sdss
from tests.acceptance import test_simulated_truth as truth
from tests.acceptance.conftest import run_command

NOISELESS = SurveyConfig(
    bands=("r",), visits_per_band=5, stars=160, noise=False, rotation=8.0, dither=4.0,
    star_magnitudes=(17.0, 21.0), saturation=1e12, detector_shape=(400, 420), chip_gap=8,
    bad_columns=0, dead_columns=0, **truth.CLEAN,
)  # fmt: skip
NOISY = SurveyConfig(
    bands=("r",), visits_per_band=6, stars=200, galaxies=0, rotation=8.0, dither=4.0, chip_gap=8,
    star_magnitudes=(17.0, 19.5), bright_stars=0, saturation=1e6, detector_shape=(400, 420), gain=1e3,
)  # fmt: skip
NO_ARTIFACTS = {"cosmic_rays": 0, "satellites": 0, "asteroids": 0}
SEEDS = (1, 2, 3, 4)


def scatter(values: np.ndarray) -> float:
    """Standard deviation of the bulk of some values."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def median_and_error(values: np.ndarray) -> str:
    """Describe a sample."""
    error = 1.25 * scatter(values) / np.sqrt(values.size)
    return f"median {np.median(values):+.2e} +- {error:.1e}, scatter {scatter(values):.1e}, n = {values.size}"


def flux_ratios(config: SurveyConfig, statistic: str, visits: int) -> tuple[np.ndarray, np.ndarray]:
    """Measured over true flux less 1 of isolated stars, and the same in units of the stated error."""
    survey = Survey(config)
    coadd = assemble(truth.make_warps(survey, "r"), truth.MEAN.replace(statistic=statistic))
    stars = truth.find_stars(survey, coadd, visits, "r")
    found = measure_stars(coadd.image, stars.x, stars.y, coadd.psf, variance=coadd.variance)
    good = np.isfinite(found.flux)
    return (found.flux / stars.flux - 1)[good], ((found.flux - stars.flux) / found.flux_error)[good]


def moments() -> tuple[np.ndarray, np.ndarray]:
    """Second moments of stars over those of the PSF of the coadd, and centroid offsets in pixels."""
    ratios, offsets = [], []
    for seed in SEEDS:
        survey = Survey(NOISELESS.replace(seed=seed))
        warps = truth.make_warps(survey, "r")
        coadd = assemble(warps, truth.MEAN)
        stars = truth.find_stars(survey, coadd, len(warps), "r")
        for x, y in zip(stars.x, stars.y, strict=True):
            box = coadd.psf.compute_stellar_bbox(x=x, y=y)
            if not coadd.bbox.contains(box) or not np.isfinite(coadd.image[box].array).all():
                continue
            star = adaptive_moments(coadd.image[box])
            model = adaptive_moments(coadd.psf.compute_stellar_image(x=x, y=y))
            ratios += [star.xx / model.xx, star.yy / model.yy]
            offsets.append(np.hypot(star.x - x, star.y - y))
    return np.array(ratios), np.array(offsets)


def pulls_of_stars(survey: Survey, coadd: PatchCoadd) -> np.ndarray:
    """Measured less true fluxes of isolated stars, over the stated errors."""
    stars = truth.find_stars(survey, coadd, NOISY.visits_per_band, "r")
    found = measure_stars(coadd.image, stars.x, stars.y, coadd.psf, variance=coadd.variance)
    pulls = (found.flux - stars.flux) / found.flux_error
    return pulls[np.isfinite(pulls)]


def pulls_of_blank_sky(survey: Survey, coadd: PatchCoadd) -> np.ndarray:
    """Fluxes in the PSF where there is no star, over the stated errors."""
    table, box = survey.truth.stars, coadd.bbox
    stars = coadd.sky_projection.sky_to_pixel(SkyCoord(table["ra"], table["dec"], unit="deg"))
    rows = np.arange(box.y.start + 20, box.y.stop - 20, 14)
    columns = np.arange(box.x.start + 20, box.x.stop - 20, 14)
    y, x = (part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))
    apart = np.hypot(x[:, None] - stars.x, y[:, None] - stars.y).min(axis=1)
    full = coadd.exposure_count.array[y - box.y.start, x - box.x.start] == NOISY.visits_per_band
    chosen = (apart > 20) & full
    found = measure_stars(coadd.image, x[chosen], y[chosen], coadd.psf, variance=coadd.variance)
    pulls = found.flux / found.flux_error
    return pulls[np.isfinite(pulls)]


def corrected_errors() -> None:
    """Scatter of fluxes over their stated errors, as propagated and as corrected."""
    clean = NOISY.replace(**NO_ARTIFACTS, star_magnitudes=(21.0, 24.0), stars=260)
    sky: dict[str, list[np.ndarray]] = {"none": [], "pixel": [], "psf": []}
    stars: dict[str, list[np.ndarray]] = {"none": [], "pixel": [], "psf": []}
    for seed in SEEDS:
        survey = Survey(clean.replace(seed=seed))
        warps = truth.make_warps(survey, "r")
        for kind in sky:
            coadd = assemble(warps, truth.MEAN.replace(correct_variance=kind))
            sky[kind].append(pulls_of_blank_sky(survey, coadd))
            stars[kind].append(pulls_of_stars(survey, coadd))
        print(f"variance, seed {seed}: pixel {coadd.noise.pixel:.3f}, psf {coadd.noise.psf:.3f}")
    for kind in sky:
        for name, parts in (("blank sky", sky[kind]), ("stars", stars[kind])):
            pull = np.concatenate(parts)
            error = 1 / np.sqrt(2 * pull.size)
            print(f"chi, {kind}, {name}: {np.sqrt(np.mean(pull**2)):.3f} +- {error:.3f}, n = {pull.size}")


def simulated() -> None:
    """Simulated exposures against their truth."""
    for statistic in ("MEAN", "NOISECLIP"):
        ratios = [flux_ratios(NOISELESS.replace(seed=seed), statistic, 5)[0] for seed in SEEDS]
        print(f"flux, noiseless, {statistic}: {median_and_error(np.concatenate(ratios))}")
    clean = NOISY.replace(**NO_ARTIFACTS)
    for sky, config, statistic in (
        ("noise alone, MEAN", clean, "MEAN"),
        ("noise alone, NOISECLIP", clean, "NOISECLIP"),
        ("noise and artifacts, NOISECLIP", NOISY, "NOISECLIP"),
    ):
        for stars in ((17.0, 19.5), (20.5, 22.5)):
            chosen = config.replace(star_magnitudes=stars)
            both = [flux_ratios(chosen.replace(seed=seed), statistic, 6) for seed in SEEDS]
            ratio, pull = (np.concatenate(part) for part in zip(*both, strict=True))
            print(f"flux, {sky}, r = {stars}: {median_and_error(ratio)}, ", end="")
            print(f"scatter {scatter(pull):.2f} of the stated error, beyond 5: {np.mean(abs(pull) > 5):.2f}")
    corrected_errors()
    ratios, offsets = moments()
    print(
        f"second moments, star / PSF: median {np.median(ratios):.4f}, range {ratios.min():.4f} to "
        f"{ratios.max():.4f}, n = {ratios.size}; centroids: median offset {np.median(offsets):.4f} px"
    )
    for n in (3, 10, 30):
        stack = simulate_stack(StackConfig(n=n, shape=(500, 500), masked=0.02))
        coadd = assemble(truth.warps_of(stack), truth.MEAN)
        full = stack.count == n
        pull = ((coadd.image.array - stack.truth) / np.sqrt(coadd.variance.array))[full]
        wrong = int((coadd.exposure_count.array != stack.count).sum())
        error = 1 / np.sqrt(2 * pull.size)
        print(f"pull, n = {n}: rms {pull.std():.4f} +- {error:.4f}, wrong counts {wrong}")


def decam_numbers(data: Path, folder: Path) -> None:
    """Noise, and the flux of a star, in coadds of DECam exposures."""
    run_command("coadd", str(data / "decam"), "-o", str(folder), "--keep-warps", "-q")
    for band in "grz":
        coadd = decam.read_coadd(folder, band)
        values = coadd.image.array[coadd.exposure_count.array == decam.VISITS[band]]
        for _ in range(5):
            values = values[np.abs(values - np.median(values)) < 3 * scatter(values)]
        noise = scatter(values) / decam.NJY_PER_NANOMAGGIE
        x, y = decam.star_position(coadd)
        weight = {row["visit"]: row["weight"] for row in coadd.inputs}
        epochs = {w.visit: decam.aperture_flux(w, x, y) for w in decam.read_warps(folder, band)}
        seen = {visit: flux for visit, flux in epochs.items() if np.isfinite(flux)}
        mean = np.average(list(seen.values()), weights=[weight[visit] for visit in seen])
        ratio = decam.aperture_flux(coadd, x, y) / mean - 1
        fluxes = ", ".join(f"{flux / decam.NJY_PER_NANOMAGGIE:.1f}" for flux in seen.values())
        print(f"DECam {band}: noise {noise:.4f} nanomaggies (expected {decam.NOISE[band]}), ", end="")
        print(f"star {100 * ratio:+.2f} % of its epochs ({fluxes} nanomaggies)")


def sdss_numbers(data: Path, folder: Path) -> None:
    """Fluxes and positions of stars in coadds of SDSS frames, against a catalogue."""
    run_command("coadd", str(data / "sdss"), "-o", str(folder), "-q")
    catalogue = sdss.read_catalogue(data / "sdss" / "detected-sources_ri.txt.gz")
    for band in "ri":
        coadd = read_product(folder / f"coadd-{band}-0-0,0.fits")
        sources = [s for s in open_exposures([data / "sdss"]).sources if s.info.band == band]
        njy = {source.info.id.visit: source.read().to_njy for source in sources}
        stars = sdss.match(catalogue, coadd, njy, band)
        pixel = coadd.sky_projection.sky_to_pixel(stars.sky)
        image = np.where(np.isfinite(coadd.image.array), coadd.image.array, 0).astype(np.float32)
        x, y = pixel.x - coadd.bbox.x.start, pixel.y - coadd.bbox.y.start
        flux, _, _ = sep.sum_circle(image, x, y, sdss.APERTURE, subpix=0)
        x, y, _ = sep.winpos(image, x, y, np.full(x.size, 1.2))
        found = coadd.sky_projection.pixel_to_sky(x=x + coadd.bbox.x.start, y=y + coadd.bbox.y.start)
        apart = found.separation(stars.sky).mas
        print(f"SDSS {band}: flux {median_and_error(flux / stars.flux - 1)}; ", end="")
        print(f"positions: median separation {np.median(apart):.1f} mas")


def main() -> None:
    """Print all numbers."""
    simulated()
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as folder:
            decam_numbers(Path(sys.argv[1]), Path(folder) / "decam")
            sdss_numbers(Path(sys.argv[1]), Path(folder) / "sdss")


if __name__ == "__main__":
    main()
