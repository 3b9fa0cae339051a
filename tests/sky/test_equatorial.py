import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from lamella.errors import ConfigError
from lamella.sky.registry import make_skymap


def test_tracts_share_right_ascension_evenly():
    skymap = make_skymap("equatorial")
    assert skymap.centers.ra.deg.tolist() == [45.0, 135.0, 225.0, 315.0]
    ra, dec = np.meshgrid(np.linspace(0.5, 359.5, 60), [-1.2, -0.3, 0.0, 1.2])
    coords = SkyCoord(ra, dec, unit="deg")
    found = skymap.find_tracts(coords)
    assert np.array_equal(found, (ra // 90).astype(int))
    for tract in skymap:
        assert np.array_equal(tract.inner_contains(coords), found == tract.id)


def test_reference_point_is_on_the_equator():
    skymap = make_skymap("equatorial", {"num_tracts": 6, "dec_range": (2.0, 6.0), "pixel_scale": 10.0})
    tract = skymap[2]
    assert tract.fits_wcs.wcs.crval.tolist() == [150.0, 0.0]
    assert tract.fits_wcs.wcs.ctype[0] == "RA---CEA"
    assert tract.center.dec.deg == 4.0
    # 60 degrees and one of overlap, and 4 degrees and one, in pixels of 10 arcseconds; patches of 4000.
    assert tract.n_patches == (6, 1)
    assert tract.contains(SkyCoord([119.6, 180.4, 150], [2, 6, 6.4], unit="deg")).all()


def test_positions_away_from_the_band_are_in_no_tract():
    skymap = make_skymap("equatorial", {"pixel_scale": 10.0, "patches": {"inner": (100, 100)}})
    coord = SkyCoord(100, 5, unit="deg")
    assert skymap.find_tract(coord).id == 1
    assert not skymap[1].contains(coord)
    assert not skymap[1].inner_contains(coord)


def test_tracts_meet_at_right_ascension_0():
    skymap = make_skymap("equatorial")
    coords = SkyCoord([359.9, 0.1], [0.0, 0.0], unit="deg")
    assert skymap.find_tracts(coords).tolist() == [3, 0]
    assert skymap[0].contains(coords).all()
    assert skymap[3].contains(coords).all()


@pytest.mark.parametrize(
    "options", [{"num_tracts": 2}, {"dec_range": (1.0, -1.0)}, {"dec_range": (-90.0, 0.0)}]
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError):
        make_skymap("equatorial", options)
