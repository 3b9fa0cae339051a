"""The base of configurations: frozen, checked, and readable from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamella.config import Config, load_options, option
from lamella.errors import ConfigError, UnreadableFileError


class Inner(Config):
    size: int = option(3, "A size.", unit="pixel", gt=0)


class Outer(Config):
    name: str = option("a", "A name.")
    inner: Inner = option(Inner(), "A part.")


def test_defaults_replace_and_plain_values() -> None:
    config = Outer()
    changed = config.replace(inner=Inner(size=5))
    assert config.inner.size == 3
    assert changed.to_dict() == {"name": "a", "inner": {"size": 5}}
    assert Outer(**changed.to_dict()) == changed
    assert Inner.units() == {"size": "pixel"}


def test_a_config_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Outer().name = "b"  # type: ignore[misc]


def test_a_bad_value_names_the_option_the_value_and_the_limit() -> None:
    with pytest.raises(ConfigError, match=r"Inner\.size: .*greater than 0 \(found -1\)") as caught:
        Inner(size=-1)
    assert caught.value.option == "size"
    assert caught.value.found == -1


def test_a_bad_value_of_a_part_is_named_once_with_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        Outer(inner={"size": -1})
    assert str(caught.value) == "Outer.inner.size: Input should be greater than 0 (found -1)."


def test_an_unknown_option_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"Outer\.nam: no such option; there are: name, inner"):
        Outer(nam="x")


@pytest.mark.parametrize(("name", "text"), [("a.yaml", "inner: {size: 7}\n"), ("a.toml", "inner.size = 7\n")])
def test_options_from_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert Outer(**load_options(tmp_path / name)).inner.size == 7


@pytest.mark.parametrize(("name", "text"), [("a.yaml", "a: ["), ("a.toml", "a = ="), ("b.yaml", None)])
def test_files_that_cannot_be_read_are_named(tmp_path: Path, name: str, text: str | None) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UnreadableFileError, match=name):
        load_options(tmp_path / name)


def test_a_file_of_options_is_a_mapping_and_never_code(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("- 1\n- 2\n")
    with pytest.raises(ConfigError, match="found a list"):
        load_options(path)
    path.write_text("a: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(UnreadableFileError):
        load_options(path)


@pytest.mark.parametrize(
    ("config", "name", "told", "meant"),
    [
        ("AssembleConfig", "statistic", "median", "MEDIAN"),
        ("StackControl", "statistic", "MeanClip", "MEANCLIP"),
        ("WarpControl", "kernel", "Lanczos5", "lanczos5"),
        ("PatchConfig", "warp_type", "PSF-matched", "psf_matched"),
        ("AssembleConfig", "correct_variance", "PSF", "psf"),
    ],
)
def test_choices_are_taken_in_any_case(config: str, name: str, told: str, meant: str) -> None:
    import lamella

    kind = getattr(lamella, config)
    assert getattr(kind(**{name: told}), name) == meant
    assert kind(**{name: told}) == kind(**{name: meant})


@pytest.mark.parametrize("method", ["None", "AUTO", "Compare-Warp", "safe-clip"])
def test_choices_within_options_are_taken_in_any_case(method: str) -> None:
    import lamella

    meant = method.lower().replace("-", "_")
    found = lamella.AssembleConfig(reject={"method": method})
    assert found == lamella.AssembleConfig(reject={"method": meant})
    assert (found.statistic == "MEAN") == (meant in ("compare_warp", "safe_clip"))
