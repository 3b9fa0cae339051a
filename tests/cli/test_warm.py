"""``lamella warm``."""

from .conftest import lamella_ok


def test_warming_names_what_was_compiled_and_leaves_nothing_behind(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    text = lamella_ok("warm")
    for what in ("NOISECLIP", "lanczos5", "several detectors", "larger pixels", "compare_warp", "writing"):
        assert what in text
    assert not list(tmp_path.iterdir())
