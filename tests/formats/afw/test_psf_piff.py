import pickle
import sys
import types

import numpy as np
import pytest
from lsst.images import Box
from lsst.images.psfs import PiffWrapper, PointSpreadFunction

from lamella.errors import InputError, MissingPartError
from lamella.fits.hdus import Container
from lamella.formats.afw.afw_archive import Archive, SkippedObject
from lamella.formats.afw.psf import EVERYWHERE, within


class Interp:
    """The part of a model that says how it varies."""


class Model:
    """As much of a model of Piff as is needed: a Gaussian."""

    interp_property_names = ()

    def __init__(self, sigma):
        self.sigma = sigma
        self.interp = Interp()

    def draw(self, x, y, *, stamp_size, center):
        reach = np.arange(stamp_size) - stamp_size // 2
        shift = (0.0, 0.0) if center else (x - round(x), y - round(y))
        across, up = (np.exp(-0.5 * ((reach - d) / self.sigma) ** 2) for d in shift)
        return types.SimpleNamespace(array=np.outer(up, across))


class Harm:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture
def piff(monkeypatch):
    """Put a module into the place of Piff."""
    module = types.ModuleType("piff")
    for cls in (Model, Interp):
        setattr(module, cls.__name__, cls)
        monkeypatch.setattr(cls, "__module__", "piff")
    monkeypatch.setitem(sys.modules, "piff", module)


def archive_of(writer, content, *, trust):
    writer.add("PiffPsf", {"bytes": [pickle.dumps(content)]}, module="lsst.meas.extensions.piff.piffPsf")
    return Archive(Container(writer.write()), trust_pickles=trust)


def test_no_pickle_is_loaded_unless_it_is_asked_for(writer, tmp_path):
    harmed = tmp_path / "harmed"
    archive = archive_of(writer, Harm(harmed), trust=False)
    psf = archive.get(1)
    assert isinstance(psf, SkippedObject)
    assert not harmed.exists()
    assert archive.notes == [
        f"{writer.path}: PSF models of Piff are Python pickles, and are read only on request."
    ]
    with pytest.raises(MissingPartError, match=r"object 1 \(PiffPsf\): found a PiffPsf, a Python pickle"):
        archive.get(1, PointSpreadFunction)


def test_a_pickle_that_asks_for_other_things_is_refused(writer, tmp_path):
    harmed = tmp_path / "harmed"
    archive = archive_of(writer, (5, 5, Harm(harmed)), trust=True)
    with pytest.raises(InputError, match=r"object 1 \(PiffPsf\): found a pickle that asks for .*open"):
        archive.get(1)
    assert not harmed.exists()


@pytest.mark.parametrize("name", ["load", "fromfile", "testing"])
def test_of_numpy_only_types_are_loaded(writer, name):
    text = f"cnumpy\n{name}\n.".encode()
    writer.add("PiffPsf", {"bytes": [text]})
    archive = Archive(Container(writer.write()), trust_pickles=True)
    with pytest.raises(InputError, match=rf"asks for numpy\.{name}"):
        archive.get(1)


def test_a_model_is_loaded_on_request(writer, piff):
    archive = archive_of(writer, (11, 11, Model(np.float64(2.0))), trust=True)
    psf = archive.get(1)
    assert isinstance(psf, PiffWrapper)
    assert (psf.bounds, psf.kernel_bbox.shape) == (EVERYWHERE, (11, 11))
    kernel = psf.compute_kernel_image(x=3.0, y=4.0)
    assert kernel.array.sum() == pytest.approx(1.0)
    assert kernel.array[5, 5] / kernel.array[5, 7] == pytest.approx(np.exp(0.5))
    # Later versions of Piff look for what earlier ones did not write.
    assert psf.piff_psf._num is None
    assert psf.piff_psf.interp._num is None
    box = Box.factory[0:10, 0:20]
    assert within(psf, box).bounds == box
    assert within(psf, box).piff_psf is psf.piff_psf


def test_without_piff_its_models_cannot_be_read(writer, piff, monkeypatch):
    archive = archive_of(writer, (11, 11, Model(2.0)), trust=True)
    monkeypatch.setitem(sys.modules, "piff", None)
    with pytest.raises(MissingPartError, match=r"the package piff: pip install 'lamella\[piff\]'"):
        archive.get(1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "a pickle of a list"),
        ((5, 5, 7.0), "a float; expected a model of Piff"),
        ((5.0, 5, None), "a pickle of a tuple"),
        ((5, 7, "model"), "stamps of 5 x 7|a str"),
    ],
)
def test_pickles_of_something_else_are_refused(writer, content, message):
    with pytest.raises(InputError, match=message):
        archive_of(writer, content, trust=True).get(1)


@pytest.mark.parametrize("sizes", [(5, 7), (4, 4), (0, 0), (100_001, 100_001)])
def test_stamps_without_sense_are_refused(writer, piff, sizes):
    with pytest.raises(InputError, match="stamps of"):
        archive_of(writer, (*sizes, Model(2.0)), trust=True).get(1)


def test_a_damaged_pickle_is_refused(writer):
    writer.add("PiffPsf", {"bytes": [pickle.dumps((5, 5, "x"))[:-4]]})
    archive = Archive(Container(writer.write()), trust_pickles=True)
    with pytest.raises(InputError, match=r"object 1 \(PiffPsf\)"):
        archive.get(1)
