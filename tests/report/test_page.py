from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from lamella.errors import OutputError
from lamella.report.page import render_page, write_page
from lamella.report.record import RunRecord, Skipped

VOID = {"meta", "img", "br", "hr", "link", "input"}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium to render the page")


class Reader(HTMLParser):
    """Checks that tags are balanced, and collects attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing at {self.getpos()}"
        assert self.open.pop() == tag, f"</{tag}> closes another element at {self.getpos()}"

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data

    @classmethod
    def text_of(cls, html):
        reader = cls()
        reader.feed(html)
        return reader.text

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def html(run) -> str:
    return render_page(run)


@pytest.fixture(scope="module")
def page(html) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def test_tags_are_balanced(html, page):
    assert page.open == []
    assert html.startswith("<!DOCTYPE html>")
    assert len(page.all("html")) == len(page.all("main")) == len(page.all("h1")) == 1


def test_every_input_and_reason_is_on_the_page(run, page):
    for coadd in run.coadds:
        for row in coadd.inputs:
            assert row["path"] in page.text
            assert str(row["visit"]) in page.text
        for row in coadd.rejected:
            assert row["reason"] in page.text
            assert row["path"] in page.text
        assert f"{coadd.summary.depth:.2f}" in page.text
        for name, meaning in coadd.planes.items():
            assert name in page.text
            assert meaning in page.text
    for item in (*run.skipped, *run.failures):
        assert item.what in page.text
        assert item.reason in page.text
    for text in ("stack.sigma_clip", "MEANCLIP", "lsst-images", "The sky was subtracted", run.command):
        assert text in page.text


def test_artifacts_and_matches_are_told_visit_by_visit(run, hostile):
    rows = [
        {"instrument": "Cam", "visit": visit, "valid": 1000, "removed": 100, "transient": 90, "streak": 20,
         "ghost": 0, "clipped": 0, "untested": 0, "alone": 250, "fraction": 0.1, "warning": ""}
        for visit in (1, 2)
    ]  # fmt: skip
    detectors = [
        {
            "instrument": "Cam",
            "visit": 1,
            "detector": detector,
            "residual": residual,
            "noise_gain": 0.1 * detector,
        }
        for detector, residual in ((3, 0.004), (5, 0.002))
    ]
    unmatched = [{"instrument": "Cam", "visit": 2, "reason": f"{hostile} is too narrow"}]
    first = dataclasses.replace(
        run.coadds[0],
        artifacts=tuple(rows),
        warnings=(Skipped("Cam visit 2", f"lost much {hostile}"),),
        matching={"fwhm": 4.567, "detectors": detectors, "unmatched": unmatched},
    )
    html = render_page(dataclasses.replace(run, coadds=(first, *run.coadds[1:])))
    reader = Reader()
    reader.feed(html)
    text = " ".join(reader.text.split())
    assert reader.open == []
    assert hostile not in html
    for piece in (
        "To be looked at",
        f"Cam visit 2: lost much {hostile}",
        "4.57 px FWHM",
        "Transient",
        "Streak",
    ):
        assert piece in text, piece
    assert "Ghost" not in text  # a kind that nothing is of
    assert "Cam 11,00010 %9.0 %2.0 %25 %" in text  # of visit 1
    assert "Cam 120.40 %× 0.50" in text  # visit 1, two detectors, the worst of each number
    assert f"{hostile} is too narrow" in text
    assert text.count("Artifacts") == 1
    assert "Artifacts" not in Reader.text_of(render_page(run))


def test_weights_are_told_with_their_share(html):
    assert "0.0001800" in html
    assert 'style="--share:100%"' in html
    assert 'style="--share:56%"' in html  # 1.0 of 1.8


def test_hostile_texts_are_escaped(html, hostile, page):
    assert hostile not in html
    assert hostile in page.text
    assert page.all("script") == []
    assert "<b>at all</b>" not in html


def test_nothing_is_asked_of_the_network(html, page):
    assert not re.search(r"(?:https?:)?//[a-z0-9]", re.sub(r"data:image/[a-z]+;base64,[\w+/=]+", "", html))
    assert not page.all("link")
    assert "@import" not in html
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none'")


def test_pictures_have_words_and_sizes(run, page):
    images = page.all("img")
    assert len(images) == 1 + 5 * len(run.coadds)
    assert all(len(image["alt"]) > 20 and int(image["width"]) > 0 for image in images)


def test_tables_have_captions_and_heads(page):
    assert len(page.all("caption")) == len(page.all("table")) >= 10
    assert all("scope" in attributes for attributes in page.all("th"))


def test_links_of_the_summary_lead_to_the_coadds(run, page):
    targets = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = [link["href"] for link in page.all("a") if link["href"].startswith("#")]
    assert links == [f"#coadd-{n}" for n in (1, 2, 3)]
    assert {link.removeprefix("#") for link in links} <= targets


def test_a_link_to_a_file_is_only_ever_a_path(run):
    files = {"Archive": "a b#c.fits", "Trap": "javascript:alert(1)"}
    coadd = dataclasses.replace(run.coadds[0], files=files)
    html = render_page(dataclasses.replace(run, coadds=(coadd,)))
    assert 'href="a%20b%23c.fits"' in html
    assert 'href="javascript:' not in html


def test_the_headline_counts(run, page):
    expected = "3 coadds in 3 bands (g, r, i) on 1 patch from 30 detector images in 1 min 44 s."
    assert expected in page.text
    assert "1 coadd could not be made" in page.text


def test_measured_values_are_told(run, page):
    assert "measuredper mesh125.1 to 5.3" in page.text
    html = render_page(dataclasses.replace(run, origins=()))
    assert "Where values come from" not in html


def test_a_run_without_coadds_has_a_page():
    html = render_page(RunRecord(title="Nothing"))
    assert "There is no coadd." in html
    assert "0 coadds." in html


def test_versions_that_the_run_has_too_are_told_once(run):
    same = tuple(dataclasses.replace(coadd, versions=run.versions) for coadd in run.coadds)
    html = render_page(dataclasses.replace(run, coadds=same))
    assert html.count("<summary>Versions</summary>") == 1
    assert render_page(run).count("<summary>Versions</summary>") == 4


def test_kept_coadds_are_marked(run, html):
    kept = dataclasses.replace(run.coadds[0], kept=True)
    assert "(kept)" in render_page(dataclasses.replace(run, coadds=(kept,)))
    assert "(kept)" not in html


def test_a_page_that_cannot_be_written_is_an_output_error(run, tmp_path):
    with pytest.raises(OutputError):
        write_page(tmp_path / "absent" / "index.html", run)


def chromium(tmp_path: Path, page: Path, *options: str) -> str:
    assert CHROMIUM is not None
    profile = tmp_path / "profile"
    profile.mkdir(exist_ok=True)
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *options, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    return done.stdout


@needs_chromium
def test_chromium_reads_the_page(run, hostile, tmp_path):
    path = tmp_path / "index.html"
    write_page(path, run)
    reader = Reader()
    reader.feed(chromium(tmp_path, path, "--dump-dom"))
    assert "3 coadds in 3 bands" in reader.text
    assert f"Field {hostile}" in reader.text
    assert reader.all("script") == []


@needs_chromium
@pytest.mark.parametrize(("width", "height"), [(1280, 1600), (500, 1400)])
def test_chromium_draws_the_page(run, tmp_path, width, height):
    path, shot = tmp_path / "index.html", tmp_path / "shot.png"
    write_page(path, run)
    chromium(tmp_path, path, f"--screenshot={shot}", f"--window-size={width},{height}")
    with PillowImage.open(shot) as found:
        pixels = np.asarray(found.convert("RGB")).astype(int)
    assert pixels.shape[1] == width
    paper = pixels[2, 2]
    drawn = np.abs(pixels - paper).sum(axis=-1) > 40
    rows = np.flatnonzero(drawn.any(axis=1))
    # Text begins near the top; there are dark pictures, and margins on both sides.
    assert rows[0] < 150
    assert rows[-1] > 0.8 * height
    assert 0.15 < drawn.mean() < 0.9
    assert not drawn[:, : width // 60].any()
    assert not drawn[:, -width // 60 :].any()
