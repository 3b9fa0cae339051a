"""The documentation says what is true: its links lead somewhere, its commands exist."""

from __future__ import annotations

import ast
import fnmatch
import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

import lamella
from lamella.planes import ALIASES, STANDARD_PLANES

from .pages.blocks import PAGES, ROOT, commands, page_blocks, page_name

MIDDLEWARE_PAGES = ("manual.md", "manual-example.md", "pipelines.md")
"""Pages about what needs the extra [lsst]; these tests run with it, too."""


def need_middleware(path: Path) -> None:
    if path.name in MIDDLEWARE_PAGES:
        pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")


def load_from_code() -> ModuleType:
    """Load the Sphinx extension, which needs Sphinx only when Sphinx runs it."""
    spec = importlib.util.spec_from_file_location("from_code", ROOT / "docs" / "_ext" / "from_code.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


from_code = load_from_code()


def blocks(path: Path, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), flags=re.MULTILINE | re.DOTALL)


ANY_PAGE = pytest.mark.parametrize("path", PAGES, ids=page_name)


@ANY_PAGE
def test_examples_import_what_there_is(path: Path) -> None:
    need_middleware(path)
    for block in blocks(path, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                assert missing == [], f"{path.name}: {node.module} has no {missing}"
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "lamella":
                assert hasattr(lamella, node.attr), f"{path.name}: there is no lamella.{node.attr}"


@ANY_PAGE
def test_names_in_the_text_exist(path: Path) -> None:
    """`lamella.x.y` between backticks is a module, or something in one."""
    need_middleware(path)
    for name in sorted(set(re.findall(r"`(lamella(?:\.\w+)+)[`(]", path.read_text()))):
        assert resolves(name), f"{path.name}: there is no {name}"


def resolves(name: str) -> bool:
    parts = name.split(".")
    value = importlib.import_module(parts[0])
    for index, part in enumerate(parts[1:], start=2):
        if not hasattr(value, part):
            try:
                importlib.import_module(".".join(parts[:index]))
            except ImportError:
                return False
        value = getattr(value, part)
    return True


@ANY_PAGE
def test_relative_links_and_pictures_exist(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`]*`", "", text)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    targets += re.findall(r"^```\{image\} (\S+)", path.read_text(), flags=re.MULTILINE)
    for target in targets:
        if "://" not in target:
            file = target.partition("#")[0]
            assert (path.parent / file).exists(), f"{path.name} links to {target}"


def test_every_page_is_in_the_contents() -> None:
    text = (ROOT / "docs" / "index.md").read_text() + (ROOT / "docs" / "api.md").read_text()
    listed = re.findall(r"^([a-z-]+\*?)$", text, flags=re.MULTILINE)
    sources = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*.rst")]
    for name in sorted(source.stem for source in sources if source.stem != "index"):
        assert sum(fnmatch.fnmatch(name, pattern) for pattern in listed) == 1, name
    for name in listed:
        assert name.endswith("*") or any(source.stem == name for source in sources), name


def command_lines() -> Iterator[tuple[str, str]]:
    for path in PAGES:
        for block in page_blocks(path):
            for command in commands(block) if block.language == "console" else ():
                if command.text.startswith("lamella"):
                    yield path.name, command.text.replace("\\\n", " ")
        for inline in re.findall(r"`(lamella [a-z][^`]*)`", path.read_text()):
            yield path.name, inline


@pytest.mark.parametrize(("page", "line"), sorted(set(command_lines())))
def test_commands_have_the_options_that_are_shown(page: str, line: str) -> None:
    """The command line is parsed, and nothing is run."""
    words = shlex.split(line)[1:]
    command: click.Command = from_code.root_command()
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"{page}: there is no command {line!r}"
        command, words = found, words[1:]
    context = click.Context(command, resilient_parsing=True)
    known = {name for one in command.get_params(context) for name in (*one.opts, *one.secondary_opts)}
    for word in words:
        option = word.partition("=")[0]
        assert not word.startswith("-") or option in known, f"{page}: {line!r} has no option {option}"
    if words and "..." not in line:
        parser = click.Context(command, resilient_parsing=True, ignore_unknown_options=False)
        command.parse_args(parser, [word for word in words if word not in ("--config", "options.yaml")])


def test_the_reference_has_every_command_and_option() -> None:
    text = from_code.command_reference()
    names = list(from_code.command_names())
    assert {"coadd", "skymap make", "demo"} <= set(names)
    for name in names:
        assert f"## lamella {name}\n" in text
        part = from_code.describe_command(name)
        for option in from_code.find_command(name).params:
            assert option.param_type_name == "argument" or all(one in part for one in option.opts)


def test_the_tables_of_options_show_defaults_and_units() -> None:
    page = (ROOT / "docs" / "options.md").read_text()
    tables = re.findall(r"^```\{option-table\} (.*)$", page, flags=re.MULTILINE)
    text = {path: from_code.option_table(path) for path in tables}
    coadd = text["lamella.run.patch_config.CoaddConfig"]
    assert "| `assemble.statistic` | `NOISECLIP` |" in coadd
    assert "| `assemble.gaps.max_gap` | `10` | pixel |" in coadd
    assert "| `num_rings` | required |" in text["lamella.sky.rings.RingsConfig"]
    assert all(table.count("\n") > 1 for table in text.values())


def test_the_table_of_mask_planes_has_both_names() -> None:
    table = from_code.mask_planes()
    assert all(f"| `{name}` | {bit} |" in table for bit, name in enumerate(STANDARD_PLANES))
    assert all(f"| `{old}` |" in table for old in ALIASES)


def test_the_table_of_public_names_is_complete() -> None:
    table = from_code.public_names()
    assert all(f"`{name} <" in table for name in lamella.__all__ if name != "__version__")


def test_the_tables_of_formats_have_every_description_and_its_sources() -> None:
    told = from_code.descriptions()
    table, sources = from_code.described_formats(), from_code.sources_of_formats()
    assert len(told) == table.count("\n") - 1 >= 20
    for description in told:
        assert f"| `{description.name}` | " in table
        assert f"### {description.name}\n" in sources
        assert all(f"- *{name}*: {text}\n" in sources for name, text in description.sources.items())
    assert "| inverse variance |" in table
    assert "zero point `MAGZP`" in table


def test_what_lamella_promises_is_held_by_tests_that_are_there() -> None:
    text = (ROOT / "docs" / "promises.md").read_text()
    promises = text.count("\n**") - text.count("*Held by*")
    assert promises == 0
    for held in re.findall(r"\*Held by\* (.*?)\n\n", text, re.DOTALL):
        paths, names = re.findall(r"`(tests/[\w/.]+)`", held), re.findall(r"`(test_\w+)`", held)
        content = "".join((ROOT / path).read_text() for path in paths)
        assert paths, held
        assert [name for name in names if f"def {name}(" not in content] == []
