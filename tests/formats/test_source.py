from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import MissingPartError, UnreadableFileError
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


@dataclasses.dataclass
class DamagedRecipe:
    path: Path
    error: Exception
    damaged: str = "load"

    def describe(self) -> Any:
        if self.damaged == "describe":
            raise self.error
        return "description"

    def load(self, info: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("damaged", ["describe", "load"])
@pytest.mark.parametrize("error", [ValueError("broken"), KeyError("X"), OSError(5, "I/O error")])
def test_whatever_damaged_bytes_lead_to_is_an_error_with_the_file(error: Exception, damaged: str) -> None:
    source = FileSource(DamagedRecipe(Path("a.fits"), error, damaged))
    with pytest.raises(UnreadableFileError, match=r"^a\.fits: found .*(broken|'X'|I/O error)") as caught:
        source.read()
    assert caught.value.__cause__ is error


def test_errors_that_name_their_file_stay_as_they_are() -> None:
    error = MissingPartError("b.fits", where="HDU 3", found="no such HDU", expected="it")
    with pytest.raises(MissingPartError) as caught:
        FileSource(DamagedRecipe(Path("a.fits"), error)).read()
    assert caught.value is error
