"""Whether warps were made without the values that a coadd leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..planes import plane_names

__all__ = ("plane_notices", "planes_record")

# They say where a pixel is, or that it was left out later: nothing that could enter its neighbours.
_WITHOUT_VALUES = frozenset({"NO_DATA", "DETECTION_EDGE", "SENSOR_EDGE", "CLIPPED"})


def planes_record(made_with: Sequence[Sequence[str] | None], asked: Iterable[str]) -> dict[str, Any]:
    """Return the record of the planes that the warps of a coadd were made without.

    Parameters
    ----------
    made_with
        For each warp the planes whose values were kept out of it (empty for
        none); `None` where that is not on record.
    asked
        Planes whose pixels the coadd leaves out; aliases are accepted.

    Returns
    -------
    dict
        Entry ``warps`` of the settings of a coadd: the different lists of planes, each with the number of
        its warps, and ``notices`` for a user; empty where no warp says anything.
    """
    told = Counter(plane_names(planes) for planes in made_with if planes is not None)
    if not told:
        return {}
    lists = [{"planes": list(planes), "warps": count} for planes, count in sorted(told.items())]
    wanted = plane_names(asked)
    notices = []
    for planes, count in sorted(told.items()):
        # Values under a plane that only the coadd leaves out are already in their neighbours: the kernel of
        # the warp reached over them.
        entered = [name for name in wanted if name not in planes and name not in _WITHOUT_VALUES]
        taken = [name for name in planes if name not in wanted]
        warps = f"{count} warp{'s' if count > 1 else ''} made with bad_mask_planes {_listed(planes)}"
        if entered:
            notices.append(
                f"The coadd leaves out pixels under {_listed(entered)}, whose values entered their "
                f"neighbours in {warps}."
            )
        if taken:
            notices.append(
                f"The coadd does not leave out pixels under {_listed(taken)}, but they have no values of "
                f"their own in {warps}."
            )
    return {"warps": {"bad_mask_planes": lists, "notices": notices}}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def plane_notices(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the notices in the settings of a coadd on the planes of its warps."""
    return tuple(settings.get("warps", {}).get("notices", ()))
