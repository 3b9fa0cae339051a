from __future__ import annotations

import dataclasses
import pickle
from typing import Any

from lamella.formats.source import FileSource


@dataclasses.dataclass
class CountingRecipe:
    described: int = 0

    def describe(self) -> Any:
        self.described += 1
        return f"description {self.described}"

    def load(self, info: Any) -> Any:
        return f"pixels of {info}"


def test_a_source_is_described_once() -> None:
    source = FileSource(CountingRecipe())
    assert source.info == source.info == "description 1"
    assert source.read() == "pixels of description 1"


def test_a_source_that_was_sent_away_is_described_again() -> None:
    source = FileSource(CountingRecipe())
    assert source.info == "description 1"
    there = pickle.loads(pickle.dumps(source))
    # The recipe went along as it was; its next description is its second.
    assert there.info == "description 2"
    assert "CountingRecipe" in repr(there)
