import pytest

from benchmarks.simulated.epochs import EpochsConfig, simulate_epochs

CONFIG = EpochsConfig(
    visits=4, side=224, stars=90, bright_stars=1, galaxies=40, injection={"satellites": 1.0, "ghosts": 0.5}
)


@pytest.fixture(scope="package")
def epochs():
    return simulate_epochs(CONFIG, 12)
