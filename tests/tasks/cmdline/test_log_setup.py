from __future__ import annotations

import logging
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.tasks.cmdline.log_setup import LogSettings, label, parse_level, python_level, set_up_log


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("trace", ("", 5)),
        ("DEBUG", ("", 10)),
        ("Warn", ("", 30)),
        ("warning", ("", 30)),
        ("fatal", ("", 50)),
        ("assembleCoadd.scaleZeroPoint=error", ("assembleCoadd.scaleZeroPoint", 40)),
        (".=info", (".", 20)),
    ],
)
def test_levels(text: str, found: tuple[str, int]) -> None:
    assert parse_level(text) == found


@pytest.mark.parametrize("text", ["loud", "10", "a=", "", "ing"])
def test_wrong_levels(text: str) -> None:
    with pytest.raises(ValueError, match="not a log level; there are: trace, debug"):
        parse_level(text)


def test_levels_of_the_manuals_time() -> None:
    assert [python_level(level) for level in (5000, 10000, 20000, 10, 20)] == [5, 10, 20, 10, 20]


def test_short_form_and_levels(capsys: Any) -> None:
    set_up_log(LogSettings((("toy", logging.ERROR),)))
    logging.getLogger("lamella.other").info("seen")
    logging.getLogger("lamella.other").debug("not seen")
    logging.getLogger("lamella.toy").warning("not seen")
    logging.getLogger("somebody.else").info("not seen")
    assert capsys.readouterr().err == "lamella.other INFO: seen\n"
    logging.getLogger("lamella.toy").setLevel(logging.NOTSET)
    logging.getLogger("toy").setLevel(logging.NOTSET)


def test_level_of_everything(capsys: Any) -> None:
    set_up_log(LogSettings((("", logging.DEBUG),)))
    logging.getLogger("lamella.other").debug("seen")
    logging.getLogger("somebody.else").debug("not seen")
    assert capsys.readouterr().err == "lamella.other DEBUG: seen\n"


def test_one_handler_however_often(capsys: Any) -> None:
    for _ in range(3):
        set_up_log(LogSettings())
    logging.getLogger("lamella").info("once")
    assert capsys.readouterr().err == "lamella INFO: once\n"


def test_long_form_has_label_and_place(capsys: Any) -> None:
    set_up_log(LogSettings(long=True))
    with label("{'patch': '5,4'}"):
        logging.getLogger("lamella.toy").info("inside")
    logging.getLogger("lamella.toy").info("outside")
    first, second = capsys.readouterr().err.splitlines()
    assert "lamella.toy ({'patch': '5,4'})(test_log_setup.py:" in first
    assert first.endswith("- inside")
    assert "lamella.toy ()(" in second
