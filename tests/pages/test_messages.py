"""The page of messages has those that lamella gives, word by word."""

from __future__ import annotations

import ast
import re

import pytest

from .blocks import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
MESSAGES = re.findall(r"^### `([^`]+)`$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def texts_of_the_source() -> list[str]:
    """Return all texts of the package; those with values in them in pieces."""
    texts = []
    for path in sorted((ROOT / "src" / "lamella").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        described = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        literals = [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in described]
        texts += [node.value for node in literals if isinstance(node.value, str)]
    return texts


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return texts_of_the_source()


@pytest.mark.parametrize("message", MESSAGES)
def test_the_message_is_one_of_lamella(message: str, texts: list[str]) -> None:
    """Errors put what was found and what was expected into one sentence."""
    for piece in re.split(r"^found |; expected ", message):
        assert any(piece in text for text in texts), f"no text has {piece!r}"


def test_there_are_messages_of_all_kinds() -> None:
    assert len(MESSAGES) >= 20
    assert len(set(MESSAGES)) == len(MESSAGES)


def test_every_message_says_what_to_do() -> None:
    parts = re.split(r"^### .*$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert all(len(re.sub(r"```.*?```", "", part, flags=re.DOTALL).split()) > 12 for part in parts)


def test_every_term_is_explained_once() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(
        r"^([A-Za-z][\w -]*)$", page.split("```{glossary}")[1].split("```")[0], flags=re.MULTILINE
    )
    assert {
        "tract",
        "patch",
        "warp",
        "visit",
        "detector",
        "plane",
        "nJy",
        "sky map",
        "coadd",
        "PSF-matched",
    } <= set(terms)
    assert len(set(terms)) == len(terms)
