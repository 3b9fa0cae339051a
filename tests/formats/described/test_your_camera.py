"""The page about a camera of one's own: what it says is done with files as it has them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from lamella.cli.main import main
from lamella.formats.recognise import open_exposures
from lamella.testing.exposure import SimulatedExposure
from lamella.testing.layouts.frame import Frame

from .acam import write_night

PAGE = Path(__file__).parents[3] / "docs" / "your-camera.md"


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[SimulatedExposure]]:
    """Return a folder with the night and the description that the page has."""
    folder = tmp_path_factory.mktemp("camera")
    (folder / "night1").mkdir()
    toml = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (folder / "acam.toml").write_text("\n".join(toml), encoding="utf-8")
    return folder, write_night(folder / "night1")


def said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """Run a command, and return what it printed, less its layout."""
    with pytest.raises(SystemExit):
        main([str(word) for word in words])
    printed = capsys.readouterr()
    return " ".join((printed.out + printed.err).split())


def test_the_description_of_the_page_reads_the_night(
    camera: tuple[Path, list[SimulatedExposure]],
) -> None:
    folder, exposures = camera
    inputs = open_exposures([folder / "night1"], format=str(folder / "acam.toml"))
    assert inputs.problems == ()
    assert [(s.info.id.instrument, s.info.id.visit, s.info.band) for s in inputs] == [
        ("ACAM", 41, "r"),
        ("ACAM", 42, "r"),
    ]
    for source, simulated in zip(inputs, exposures, strict=True):
        exposure, truth = source.read(), Frame.of(simulated)
        assert exposure.to_njy == pytest.approx(simulated.plan.to_njy, rel=1e-3)
        assert source.info.psf_fwhm == pytest.approx(simulated.plan.psf_fwhm, rel=0.01)
        bad = exposure.pixels.mask.array[..., 0] & exposure.pixels.mask.schema.bit("BAD").mask
        np.testing.assert_array_equal(bad != 0, truth.has("BAD", "COSMIC_RAY", "NO_DATA"))
        noise = np.sqrt(np.median(exposure.pixels.variance.array)) * exposure.to_njy
        assert noise == pytest.approx(simulated.plan.sky_noise, rel=0.05)


def test_the_commands_say_what_the_page_shows(
    camera: tuple[Path, list[SimulatedExposure]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, _ = camera
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "120")
    shown = PAGE.read_text(encoding="utf-8")
    plain = said(capsys, "describe", "night1", "-o", "night1.csv")
    checked = said(capsys, "formats", "--check", "acam.toml", "night1/acam0041.fits")
    for printed, heading in ((plain, "## 1."), (checked, "## 3.")):
        table = shown[shown.index(heading) :].split("```text\n")[1].split("```")[0]
        for line in table.splitlines()[2:]:
            assert " ".join(re.split(r"\s{2,}", line.strip())[:3]) in printed
    for right, wrong, told in (
        ("gain =", "gian =", "the unknown word 'gian'"),
        ("FWHMPIX", "FWMPIX", "FWMPIX: found no such keyword"),
    ):
        text = (folder / "acam.toml").read_text(encoding="utf-8").replace(right, wrong)
        (folder / "faulty.toml").write_text(text, encoding="utf-8")
        printed = said(capsys, "formats", "--check", "faulty.toml", "night1/acam0041.fits")
        assert told in printed
        assert told in shown
