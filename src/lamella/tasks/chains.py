"""Chained collections: lamella extends those that it made, and no others."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lsst.daf.butler import Butler, CollectionInfo, MissingCollectionError
from lsst.daf.butler.registry import CollectionType  # type: ignore[attr-defined]

from .datasets import BRIGHT_OBJECT_RUN, SKYMAP_RUN

__all__ = ("claim_chain", "extend_command", "extend_own_chain", "is_own_chain", "make_chain")

_MADE_BY = "Made by lamella, which extends it."
"""Documentation of a chain that holds what lamella put there, and what it was given."""


def make_chain(butler: Butler, name: str) -> None:
    """Make an empty chain that says whose it is; one that is there stays as it is."""
    butler.collections.register(name, CollectionType.CHAINED, doc=_MADE_BY)


def claim_chain(butler: Butler, name: str) -> None:
    """Let a chain of an earlier version, which says nothing, say whose it is."""
    butler.registry.setCollectionDocumentation(name, _MADE_BY)


def is_own_chain(butler: Butler, name: str) -> bool:
    """Tell whether lamella may change a chain, because it made it or nobody did yet."""
    try:
        info = butler.collections.get_info(name)
    except MissingCollectionError:
        return True
    return info.doc == _MADE_BY or _is_of_an_earlier_version(info)


def _is_of_an_earlier_version(info: CollectionInfo) -> bool:
    """Tell the chains of version 0.1.0, which say nothing, by what it put into them."""
    runs_of_commands = re.compile(rf"{re.escape(info.name)}/\d{{8}}T\d{{12}}Z")
    if any(runs_of_commands.fullmatch(child) for child in info.children):
        return True
    return tuple(info.children[1:3]) == (SKYMAP_RUN, BRIGHT_OBJECT_RUN)


def extend_own_chain(butler: Butler, name: str, members: Sequence[str]) -> list[str]:
    """Add collections at the end of a chain, if it is lamella's; it is made where there is none.

    Parameters
    ----------
    butler
        The repository.
    name
        The chain.
    members
        The collections; those that it has stay where they are.

    Returns
    -------
    list of str
        The collections that it lacks, because it is not lamella's; see `extend_command`.
    """
    own = is_own_chain(butler, name)
    if own:
        make_chain(butler, name)
    children = butler.collections.get_info(name).children
    missing = [member for member in members if member not in children]
    if own and missing:
        butler.collections.extend_chain(name, missing)
        return []
    return missing


def extend_command(root: str, name: str, members: Sequence[str]) -> str:
    """Return the command with which a person adds collections to a chain."""
    return f"butler collection-chain --mode extend {root} {name} {' '.join(members)}"
