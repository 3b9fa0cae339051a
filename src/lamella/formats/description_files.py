"""Where descriptions of formats lie: those that are shipped, and those of the user."""

from __future__ import annotations

from pathlib import Path

__all__ = ("SHIPPED", "description_names", "description_paths", "user_folder")

SHIPPED = Path(__file__).parent / "described" / "surveys"
"""Folder of the descriptions that come with lamella."""


def user_folder() -> Path:
    """Return the folder of the user's own descriptions, in the configuration folder of the platform."""
    import click

    return Path(click.get_app_dir("lamella")) / "formats"


def description_paths(folder: Path) -> tuple[Path, ...]:
    """Return the descriptions in a folder, sorted by name; none where there is no such folder."""
    return tuple(sorted(folder.glob("*.toml"))) if folder.is_dir() else ()


def description_names() -> tuple[str, ...]:
    """Return the names of all descriptions, those of the user first, without reading them."""
    paths = (*description_paths(user_folder()), *description_paths(SHIPPED))
    return tuple(dict.fromkeys(path.stem.lower() for path in paths))
