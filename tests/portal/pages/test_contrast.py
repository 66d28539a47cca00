"""The colour tokens keep WCAG 2.2 AA in both themes: text 4.5 to 1, borders of controls and icons 3 to 1."""

import re
from pathlib import Path

import pytest

import portal

STYLES = Path(portal.__file__).parent / "assets" / "styles"
TOKEN = re.compile(r"--([a-z-]+):\s*light-dark\((#[0-9a-f]{6}),\s*(#[0-9a-f]{6})\)")
COLOURS = {name: (light, dark) for name, light, dark in TOKEN.findall((STYLES / "tokens.css").read_text())}

GROUNDS = ("canvas", "surface", "raised", "sunken", "hover")
TONES = ("good", "busy", "warn", "bad", "quiet")
TEXT = [
    *((text, ground) for text in ("text", "text-muted") for ground in GROUNDS),
    *(("text-faint", ground) for ground in ("canvas", "surface", "raised", "sunken", "hover")),
    *((text, ground) for text in ("accent", "accent-strong") for ground in (*GROUNDS, "accent-soft")),
    *((tone, f"{tone}-soft") for tone in TONES),
    *((tone, ground) for tone in TONES for ground in ("canvas", "surface", "raised")),
    *(("text", f"{tone}-soft") for tone in TONES),
    *(("text-muted", f"{tone}-soft") for tone in TONES),
    *(("text-faint", f"{tone}-soft") for tone in ("bad", "warn")),
    ("on-accent", "accent"),
    ("on-action", "action"),
    ("on-action", "action-strong"),
    ("on-danger", "danger"),
    ("on-danger", "danger-strong"),
    ("log-text", "log-canvas"),
    ("log-muted", "log-canvas"),
    ("text", "accent-line"),
]
GRAPHICS = [
    *(("line-strong", ground) for ground in ("canvas", "surface")),
    *(("accent", ground) for ground in GROUNDS),
    *(("hull", ground) for ground in ("canvas", "surface")),
]


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    brighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_the_standard_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "ground"), TEXT)
def test_text_can_be_read(front: str, ground: str, theme: int) -> None:
    assert contrast(COLOURS[front][theme], COLOURS[ground][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "ground"), GRAPHICS)
def test_controls_can_be_seen(front: str, ground: str, theme: int) -> None:
    assert contrast(COLOURS[front][theme], COLOURS[ground][theme]) >= 3


def test_colours_stand_in_the_tokens_alone() -> None:
    for path in STYLES.glob("*.css"):
        if path.name != "tokens.css":
            assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?!-)", path.read_text()) == [], path.name


def test_every_token_in_use_exists() -> None:
    defined = set(re.findall(r"(--[a-z0-9-]+):", (STYLES / "tokens.css").read_text()))
    for path in STYLES.glob("*.css"):
        used = set(re.findall(r"var\((--[a-z0-9-]+)", path.read_text()))
        assert used <= defined, path.name
