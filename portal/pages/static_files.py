"""The built front-end files: content-hashed addresses and inline icons."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

STATIC_ROOT = "/static"
DEFAULT_DIRECTORY = Path(__file__).resolve().parent.parent / "static"


class StaticFilesMissingError(Exception):
    """The front-end files were not built; the message says how to build them."""


@dataclass(frozen=True)
class StaticFiles:
    """What ``python -m portal.build_static`` wrote: the manifest of names and the inner markup of icons."""

    manifest: Mapping[str, str]
    icons: Mapping[str, str]

    @classmethod
    def load(cls, directory: Path = DEFAULT_DIRECTORY) -> "StaticFiles":
        """Read manifest and icons; raise ``StaticFilesMissingError`` where they were never built."""
        try:
            manifest = json.loads((directory / "manifest.json").read_text())
            icons = json.loads((directory / "icons.json").read_text())
        except FileNotFoundError as error:
            message = f"The front-end files are not in {directory}. Build them with: python -m portal.build_static"
            raise StaticFilesMissingError(message) from error
        return cls(manifest, icons)

    def url(self, name: str) -> str:
        """Return the address of the file ``name``; it changes with the content, so it may be cached for ever."""
        return f"{STATIC_ROOT}/{self.manifest[name]}"

    def icon(self, name: str, css_class: str = "") -> Markup:
        """Return the icon ``name`` as inline SVG, hidden from screen readers because text always stands beside it."""
        classes = f"icon {css_class}".strip()
        # Both parts come from the product's own build, never from a request.
        return Markup('<svg class="{}" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{}</svg>').format(
            classes,
            Markup(self.icons[name]),  # noqa: S704  # lucide's own markup, taken over at build time
        )
