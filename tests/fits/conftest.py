"""Files of surveys and of afw, as the rooms above write them."""

from ..formats.afw.conftest import afw_files, writer
from ..formats.conftest import decam, tan_cards

__all__ = ("afw_files", "decam", "tan_cards", "writer")
