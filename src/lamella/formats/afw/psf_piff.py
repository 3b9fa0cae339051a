"""PSF models of Piff in an archive, which are Python pickles, and are read only on request."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
from lsst.images.psfs import PiffWrapper

from .afw_archive import Archive, ObjectRecord, SkippedObject
from .persistables import persistable
from .psf import EVERYWHERE, MAX_SIDE

__all__ = ()

_PACKAGES = frozenset({"coord", "galsim", "piff", "treegp"})
_NAMES = {
    "builtins": frozenset({"bytearray", "complex", "frozenset", "list", "object", "range", "set", "slice"}),
    "collections": frozenset({"OrderedDict", "defaultdict", "deque"}),
    "copyreg": frozenset({"_reconstructor"}),
    "_codecs": frozenset({"encode"}),
    "numpy.core.multiarray": frozenset({"_reconstruct", "scalar"}),
    "numpy._core.multiarray": frozenset({"_reconstruct", "scalar"}),
    "numpy.core.numeric": frozenset({"_frombuffer"}),
    "numpy._core.numeric": frozenset({"_frombuffer"}),
}
_NUMPY_TYPES = (np.ndarray, np.dtype, np.generic)


class _PiffUnpickler(pickle.Unpickler):
    """Loads what models of Piff are made of, and nothing else.

    This keeps accidents out; it is no wall against a pickle that was made to
    do harm, since the packages let in can be misused.
    """

    def find_class(self, module: str, name: str) -> Any:
        allowed = module.partition(".")[0] in _PACKAGES or name in _NAMES.get(module, ())
        if allowed and "." not in name:
            return super().find_class(module, name)
        kind = getattr(np, name, None) if module == "numpy" else None
        if isinstance(kind, type) and issubclass(kind, _NUMPY_TYPES):
            return kind
        raise pickle.UnpicklingError(f"a pickle that asks for {module}.{name}")


@persistable("PiffPsf")
def build_piff(record: ObjectRecord, archive: Archive) -> PiffWrapper | SkippedObject:
    """Return a model of Piff when pickles may be loaded; else pass over it with a note."""
    if not archive.trust_pickles:
        archive.note(
            f"{archive.container.path}: PSF models of Piff are Python pickles, and are read only on request."
        )
        return SkippedObject(record.id, record.name, "a Python pickle, which is read only on request")
    data = record.row().array("bytes").astype(np.uint8).tobytes()
    try:
        loaded = _PiffUnpickler(io.BytesIO(data)).load()
    except ImportError as err:
        raise archive.container.missing(
            "no such package installed",
            f"the package {err.name}: pip install 'lamella[piff]'",
            f"object {record.id} ({record.name})",
        ) from err
    if not (isinstance(loaded, tuple) and len(loaded) == 3 and all(type(size) is int for size in loaded[:2])):
        record.fail(found=f"a pickle of a {type(loaded).__name__}", expected="width, height and a model")
    if not hasattr(loaded[2], "draw"):
        record.fail(found=f"a {type(loaded[2]).__name__}", expected="a model of Piff")
    width, height, model = loaded
    if not hasattr(model, "_num"):
        # What models of before Piff 1.4 lack, and later versions look for.
        for component in (model, getattr(model, "model", None), getattr(model, "interp", None)):
            if component:
                component._num = None
        if getattr(model, "model", None) is not None:
            model.model._fit_flux = None
    if width != height or width % 2 == 0 or not 1 <= width <= MAX_SIDE:
        record.fail(found=f"stamps of {width} x {height} pixels", expected="squares with an odd side")
    return PiffWrapper(model, EVERYWHERE, width)
