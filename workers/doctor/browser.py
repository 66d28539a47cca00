"""The browser that drives the journey tests."""

import shutil

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium_program() -> str | None:
    """Return the path of an installed Chromium, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)
