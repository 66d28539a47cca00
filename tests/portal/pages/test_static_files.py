"""The front-end build: content-hashed names, a manifest, fonts reached from the styles, nothing left behind."""

from pathlib import Path

import pytest

from portal.build_static import ROOT, SOURCES, BuildError, build, installed_as_locked
from portal.pages.static_files import StaticFiles, StaticFilesMissingError


def test_build_is_repeatable_and_clean(tmp_path: Path) -> None:
    (tmp_path / "htmx.000000000000.js").write_text("stale")
    first = build(SOURCES, ROOT / "node_modules", tmp_path)
    assert build(SOURCES, ROOT / "node_modules", tmp_path) == first
    assert {path.name for path in tmp_path.iterdir()} == {
        *first.values(),
        "manifest.json",
        "icons.json",
        "licences.txt",
    }
    assert set(first) >= {"htmx.js", "sse.js", "slipway.js", "slipway.css", "favicon.svg", "plex-sans.woff2"}


def test_styles_refer_to_files_that_exist(tmp_path: Path) -> None:
    manifest = build(SOURCES, ROOT / "node_modules", tmp_path)
    text = (tmp_path / manifest["slipway.css"]).read_text()
    assert "static:" not in text
    for part in text.split('url("')[1:]:
        assert (tmp_path / part.partition('"')[0]).is_file()


def test_static_files_are_addressed_by_content(tmp_path: Path) -> None:
    manifest = build(SOURCES, ROOT / "node_modules", tmp_path)
    static = StaticFiles.load(tmp_path)
    assert static.url("htmx.js") == f"/static/{manifest['htmx.js']}"
    icon = static.icon("rocket", "spin")
    assert icon.startswith('<svg class="icon spin" viewBox="0 0 24 24" aria-hidden="true"')
    assert "<path" in icon


def test_what_is_missing_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(StaticFilesMissingError, match=r"python -m portal\.build_static"):
        StaticFiles.load(tmp_path)
    with pytest.raises(BuildError, match="npm ci"):
        build(SOURCES, tmp_path, tmp_path / "out")
    assert not installed_as_locked(tmp_path)


def test_the_pages_speak_htmx_2() -> None:
    assert '"version": "2.0.11"' in (ROOT / "node_modules/htmx.org/package.json").read_text()
