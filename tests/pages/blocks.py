"""Blocks of the pages: programs, commands, and what is only shown."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = (
    "ELSEWHERE",
    "MIDDLEWARE",
    "NOTEBOOKS",
    "PAGES",
    "ROOT",
    "RUN",
    "SHOWN",
    "Block",
    "Command",
    "commands",
    "page_blocks",
    "page_name",
)

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])

MIDDLEWARE = ("docs/manual.md", "docs/pipelines.md")
"""Pages that need the extra [lsst]."""
ELSEWHERE = {"docs/manual-example.md": "tests/tasks/test_manual_example.py"}
"""Pages of which every block is run by tests of their own."""

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
"""Notebooks, whose cells are blocks."""

RUN = ("python", "console")
"""Languages of what is run."""
SHOWN = ("text", "yaml", "toml", "json", "dockerfile", "sh", "ini", "bibtex")
"""Languages of what is read only."""

_FENCE = re.compile(
    r"^(?P<fence>```+|:::+)(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=fence)[ ]*$", re.MULTILINE | re.DOTALL
)
_MARK = re.compile(r"<!-- (?P<word>not run|file|output|fails)(?:: (?P<value>[^>]*?))? -->\s*\Z")


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    A comment before it says more: ``<!-- not run: REASON -->``, ``<!-- file: NAME -->`` (readers are told to
    save it under that name), ``<!-- output -->`` (the block before printed it), ``<!-- fails -->`` (its last
    command ends with an error).
    """

    page: str
    line: int
    """Line of its first line, from 1."""
    language: str
    text: str
    mark: str = ""
    """The word of the comment."""
    value: str = ""
    """What stands behind the word."""

    @property
    def is_run(self) -> bool:
        """Whether a reader can paste it."""
        return self.language in RUN and self.mark != "not run"


@dataclasses.dataclass(frozen=True)
class Command:
    """A command of a console block, with the output that is shown below it."""

    text: str
    output: str = ""


def page_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def page_blocks(path: Path) -> list[Block]:
    """Return the blocks of code of a page, without the directives of Sphinx."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        return list(_cells(page_name(path), text))
    return list(_blocks(page_name(path), text))


def _cells(page: str, text: str) -> Iterator[Block]:
    for number, cell in enumerate(json.loads(text)["cells"]):
        if cell["cell_type"] == "code":
            yield Block(f"{page}[{number}]", 1, "python", "".join(cell["source"]))


def _blocks(page: str, text: str) -> Iterator[Block]:
    for fence in _FENCE.finditer(text):
        info = fence["info"].strip()
        if fence["fence"].startswith(":") or info.startswith("{"):
            continue
        mark = _MARK.search(text[: fence.start()])
        word, value = (mark["word"], (mark["value"] or "").strip()) if mark else ("", "")
        line = text.count("\n", 0, fence.start()) + 2
        yield Block(page, line, info, fence["text"], word, value)


def commands(block: Block) -> list[Command]:
    """Return the commands of a console block: lines after ``$``, and those that a backslash joins to them."""
    lines: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            lines.append(Command(line.removeprefix("$ ")))
        elif lines and lines[-1].text.endswith("\\") and not lines[-1].output:
            lines[-1] = Command(f"{lines[-1].text}\n{line}")
        elif lines:
            lines[-1] = Command(lines[-1].text, f"{lines[-1].output}{line}\n")
    return lines
