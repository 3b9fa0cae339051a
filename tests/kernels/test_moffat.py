"""The fit of Moffat profiles, against profiles that are integrated finely, and against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy

from lamella.kernels.moffat import fit_moffat, steepness_of

THREE = np.array([0.5 * part for part in np.polynomial.legendre.leggauss(3)])
START = (0.0, 0.0, math.log(3.5), 0.0, 0.0, 0.0)


def profile(parameters: np.ndarray, half: int, nodes: np.ndarray = THREE) -> np.ndarray:
    """Return a profile of peak 1 over the pixels of a stamp, by its definition."""
    x, y, log_width, bend, along, across = parameters
    power = 1.0 / steepness_of(bend)
    shear = scipy.linalg.expm(np.array([[along, across], [across, -along]]))
    total = np.zeros((2 * half + 1, 2 * half + 1))
    rows, columns = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    for dy, share_y in nodes.T:
        for dx, share_x in nodes.T:
            offset = np.stack([columns + dx - x, rows + dy - y])
            form = np.einsum("iab,ij,jab->ab", offset, shear, offset)
            scale = 4.0 * (2.0 ** (1.0 / power) - 1.0) / math.exp(2.0 * log_width)
            total += share_x * share_y * (1.0 + scale * form) ** -power
    return total


def fitted(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float, float, np.ndarray]:
    parameters, normal = np.array(START), np.empty((6, 6))
    squares, signal = fit_moffat(values, weights, THREE, parameters, normal)
    return parameters, squares, signal, normal


@pytest.mark.parametrize(
    "truth",
    [
        (0.3, -0.4, math.log(3.0), 0.5, 0.1, -0.2),
        (-0.2, 0.1, math.log(1.5), -1.0, 0.0, 0.0),
        (0.0, 0.0, math.log(6.0), 2.0, -0.3, 0.3),
    ],
)
def test_a_profile_without_noise_is_found_again(truth: tuple[float, ...]) -> None:
    values = 500.0 * profile(np.array(truth), 10) + 3.0
    parameters, squares, signal, _ = fitted(values, np.ones_like(values))
    np.testing.assert_allclose(parameters, truth, atol=2e-3)
    assert squares < 0.01
    shape = profile(np.array(truth), 10)
    assert signal == pytest.approx(500.0 * math.sqrt(np.sum(shape**2)), rel=1e-3)


def test_it_is_the_least_squares_solution_and_its_covariance() -> None:
    rng = np.random.default_rng(3)
    weights = rng.uniform(0.05, 0.15, (19, 19))
    weights[4, 5] = 0.0
    values = 800.0 * profile(np.array([0.2, 0.3, 1.1, 0.4, 0.1, 0.0]), 9) + rng.normal(size=(19, 19)) / 0.1

    def left(parameters: np.ndarray) -> np.ndarray:
        shape = parameters[6] * profile(parameters[:6], 9) + parameters[7]
        return ((values - shape) * weights).ravel()

    best = scipy.optimize.least_squares(left, [*START, 700.0, 0.0], x_scale="jac")
    parameters, squares, _, normal = fitted(values, weights)
    errors = np.sqrt(np.diag(np.linalg.inv(best.jac.T @ best.jac)))[:6]
    assert np.abs((parameters - best.x[:6]) / errors).max() < 0.1
    assert squares == pytest.approx(2.0 * best.cost, abs=0.02)
    np.testing.assert_allclose(np.sqrt(np.diag(np.linalg.inv(normal))), errors, rtol=0.05)


def test_a_gaussian_holds_its_exponent_at_the_bound_and_the_others_are_free() -> None:
    rows, columns = np.mgrid[-9:10, -9:10]
    values = 1e4 * np.exp(-0.5 * ((columns - 0.3) ** 2 + rows**2) / 1.8**2)
    parameters, _, _, normal = fitted(values, np.full(values.shape, 0.1))
    assert steepness_of(parameters[3]) == pytest.approx(0.02, abs=5e-4)
    assert parameters[0] == pytest.approx(0.3, abs=0.01)
    assert (normal[3] == 0.0).all()
    assert (np.diag(normal)[[0, 1, 2, 4, 5]] > 0.0).all()


def test_of_nothing_there_is_no_profile() -> None:
    parameters, _, signal, _ = fitted(np.zeros((9, 9)), np.ones((9, 9)))
    assert np.isfinite(parameters).all()
    assert signal == 0.0
