"""Texts that are damaged, or meant to do harm, come through the one door as one typed error."""

from __future__ import annotations

import ast
import json
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import lamella
from lamella.config import load_options
from lamella.errors import UnreadableFileError
from lamella.texts import (
    MAX_DEPTH,
    MAX_DIGITS,
    StrictLoader,
    hdu_of,
    parse_json,
    parse_toml,
    parse_whole,
    parse_yaml,
    read_bytes,
    read_text,
    require_modest_yaml,
)

ROOT = Path(lamella.__file__).parent
PARSERS = {"json": parse_json, "toml": parse_toml, "yaml": parse_yaml}
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))

SCALARS = st.none() | st.booleans() | st.integers(-(10**19), 10**19) | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(VALUES)
def test_what_json_wrote_is_read(value: Any) -> None:
    assert parse_json(json.dumps(value), "a.json", "values") == value


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.integers(-(10**19), 10**19)))
def test_what_yaml_wrote_is_read(value: Any) -> None:
    assert parse_yaml(yaml.safe_dump(value), "a.yaml", "values") == value


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("json", "[" * 10_000 + "]" * 10_000, f"more than {MAX_DEPTH} deep"),
        ("json", "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), f"more than {MAX_DEPTH} deep"),
        ("json", '{"a": 1, "b": 2, "a": 3}', "the name 'a' twice"),
        ("json", "9" * 6000, f"more than {MAX_DIGITS} digits"),
        ("json", "-" + "9" * (MAX_DIGITS + 1), f"more than {MAX_DIGITS} digits"),
        ("json", '["\\ud800"]', "half a character"),
        ("json", '{"\\udfff": 1}', "half a character"),
        ("json", "[" + "[]," * 1_000_000 + "1]", "more than 1000000 lists"),
        ("json", "{", "broken JSON"),
        ("toml", "a = " + "[" * 10_000, f"more than {MAX_DEPTH} deep"),
        ("toml", "a" + ".a" * 5_000 + " = 1", "dots"),
        ("toml", "a" + ".a" * 200 + " = 1", f"more than {MAX_DEPTH} deep"),
        ("toml", "a = " + "9" * 6000, f"more than {MAX_DIGITS} digits"),
        ("toml", "a = " + "9" * 25, f"more than {MAX_DIGITS} digits"),
        ("toml", "a = 1\na = 2", "broken TOML"),
        ("toml", "a = 2020-02-30", "broken TOML"),
        ("yaml", "[" * 100_000, f"more than {MAX_DEPTH} deep"),
        ("yaml", "- " * 100_000, f"more than {MAX_DEPTH} deep"),
        ("yaml", "a: 1\nb: 2\na: 3", "the name 'a' twice"),
        ("yaml", "x: {1: a, 0x1: b}", "the name 1 twice"),
        ("yaml", BOMB, "more than 200000 values"),
        ("yaml", "&a [*a]", "alias"),
        ("yaml", "a: 2020-02-30", "day is out of range"),
        ("yaml", "a: " + "9" * 6000, f"more than {MAX_DIGITS} digits"),
        ("yaml", "a: 0x" + "f" * 50, f"more than {MAX_DIGITS} digits"),
        ("yaml", "!!float ''", "broken YAML"),
        ("yaml", "!!bool maybe", "broken YAML"),
        ("yaml", "!!timestamp then", "broken YAML"),
        ("yaml", "!!python/object/apply:os.getcwd []", "constructor"),
        ("yaml", "? [a]\n: 1", "unhashable"),
        ("yaml", "a: " + "b" * (1 << 20), "characters"),
    ],
)
def test_harm_is_refused(kind: str, text: str, found: str) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        PARSERS[kind](text, f"a.{kind}", "a file of options")
    assert caught.value.path == f"a.{kind}"
    assert found in caught.value.found
    assert len(str(caught.value)) < 500


def test_aliases_and_merged_names_are_read() -> None:
    text = "x: &x {a: 1, b: 2}\ny: {<<: *x, a: 3}\nz: [*x, *x]"
    both = {"a": 1, "b": 2}
    assert parse_yaml(text, "a.yaml", "values") == {"x": both, "y": {"a": 3, "b": 2}, "z": [both, both]}


def test_values_at_the_limits_are_read() -> None:
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert json.dumps(parse_json(deep, "a.json", "values")) == deep
    assert parse_json("9" * MAX_DIGITS, "a.json", "values") == 10**MAX_DIGITS - 1
    with pytest.raises(UnreadableFileError, match="more than 200000 values"):
        require_modest_yaml(BOMB, "a.yaml", "values")
    require_modest_yaml("a: !unknown {b: c}", "a.yaml", "values")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(path.parent)  # the path of a socket is short
        server.bind(path.name)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (a_pipe, "a pipe"),
        (a_socket, "a socket"),
        (Path.mkdir, "a folder"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (lambda path: path.symlink_to(path), "symbolic links"),
        (lambda path: None, "No such file"),
    ],
)
def test_what_is_no_file_is_never_opened(
    make: Callable[[Path], Any], found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "options.yaml"
    make(path)
    for read in (read_text, read_bytes, lamella.load_skymap):
        arguments = () if read is lamella.load_skymap else ("a thing",)
        with pytest.raises(UnreadableFileError, match=found):
            read(path, *arguments)
    with pytest.raises(UnreadableFileError, match=found):
        load_options(path)


def test_a_byte_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.reg"
    path.write_bytes(b"wcs; fk5\n\xff")
    with pytest.raises(UnreadableFileError, match=r"byte 9: found byte 0xff, which is no UTF-8"):
        read_text(path, "regions")
    path.write_bytes("one\r\ntwo\rthrée".encode())
    assert read_text(path, "regions") == "one\ntwo\nthrée"
    with pytest.raises(UnreadableFileError, match="more than 4 bytes"):
        read_text(path, "regions", limit=4)


def test_tags_can_be_added() -> None:
    class Loader(StrictLoader):
        pass

    Loader.add_constructor("!twice", lambda loader, node: 2 * loader.construct_scalar(node))
    assert parse_yaml("a: !twice b", "a.yaml", "values", loader=Loader) == {"a": "bb"}


# Everybody goes through the door.

DOORS = {"texts.py"}
OWN = {
    "kernels/_cache.py": "compiled kernels, which lamella wrote",
    "kernels/_sources.py": "the modules of lamella",
    "tasks/manual/script.py": "a program that a user runs",
    "tasks/cmdline/persistence.py": "the records of installed packages",
    "tasks/leftovers.py": "configurations in a repository, of which bytes are searched",
    "tasks/bright_objects.py": "a copy in a repository is compared",
    "tasks/backgrounds.py": "a copy in a repository is compared",
    "run/contents.py": "what was written is compared",
    "run/semaphores.py": "what the system tells of a process",
    "cli/show_formats.py": "a description that lamella brings is printed",
}
"""What reads bytes that are no text of others."""
FORBIDDEN = {
    ("json", "load"),
    ("json", "loads"),
    ("yaml", "load"),
    ("yaml", "safe_load"),
    ("yaml", "full_load"),
    ("tomllib", "load"),
    ("tomllib", "loads"),
}


def readers_beside_the_door(path: Path) -> list[str]:
    """Return where a module parses, or reads, a text by itself."""
    name = path.relative_to(ROOT).as_posix()
    lines = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        reads = node.func.attr in ("read_text", "read_bytes", "fromtextfile") and name not in OWN
        if (owner, node.func.attr) in FORBIDDEN or (reads and owner not in ("texts",)):
            lines.append(f"{name}:{node.lineno}")
    return lines


def test_everybody_reads_texts_through_the_door() -> None:
    paths = [path for path in sorted(ROOT.rglob("*.py")) if path.relative_to(ROOT).as_posix() not in DOORS]
    found = [line for path in paths for line in readers_beside_the_door(path)]
    assert found == []
    assert all((ROOT / name).exists() for name in OWN)


@pytest.mark.parametrize(
    "line", ["json.loads(text)", "yaml.safe_load(text)", "tomllib.load(file)", "Path(p).read_text()"]
)
def test_the_law_can_be_broken(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    path = tmp_path / "module.py"
    path.write_text(line)
    assert readers_beside_the_door(path) == ["module.py:1"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("1" * 20, int("1" * 20)), ("1" * 21, None), ("9" * 6000, None)]
    + [(text, None) for text in ("", "²", "٣", "-1", "+1", "-+2", "1.0", "1_0", " 1", "one")],
)
def test_one_parser_of_whole_numbers(text: str, number: int | None) -> None:
    assert parse_whole(text) == number
    assert hdu_of(text) == (text if number is None else number)


def test_nobody_parses_whole_numbers_otherwise() -> None:
    root = Path(lamella.__file__).parent
    counts = {
        str(path.relative_to(root)): len(re.findall(r"\.is(?:digit|numeric|decimal)\(", path.read_text()))
        for path in root.rglob("*.py")
    }
    # Names of HDUs and planes are told from numbers.
    assert {path for path, count in counts.items() if count} == {
        "texts.py",
        "formats/row_expand.py",
        "formats/plain/planes.py",
        "formats/described/values.py",
    }
