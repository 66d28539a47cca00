"""What several curated assets have in common: written once under ``blueprints/shared``, copied into each of them.

An asset is complete in itself, so what it shares with others lies in it as a copy. ``make golden`` copies again.
"""

import re
from collections.abc import Iterator
from pathlib import Path

BLUEPRINTS = Path(__file__).parents[2] / "blueprints"
SHARED = BLUEPRINTS / "shared"
_EVERYTHING = ("release", "attestations", "packages", "resources")
_REGO = {
    "baseline": _EVERYTHING,
    "hipaa": _EVERYTHING,
    "iso_27001": _EVERYTHING,
    "nist_ssdf": _EVERYTHING,
    "pci_dss_4": _EVERYTHING,
    "slsa": ("release", "attestations"),
    "soc2": _EVERYTHING,
}


_DELIVERY = (
    *("github/slipway-deliver.yml", "azure/slipway/deliver.yml"),
    *("azure/slipway/bill.yml", "azure/slipway/attest.py"),
)
_PREVIEW = ("github/slipway-preview.yml", "azure/slipway/preview.yml")
_TESTS = ("github/slipway-test.yml.j2", "azure/slipway/test.yml.j2")
_PIPELINES = {
    "gateway": _DELIVERY + _PREVIEW,
    "library": _DELIVERY + _TESTS,
    "microservice": _DELIVERY + _PREVIEW + _TESTS,
    "ui": _DELIVERY + _PREVIEW,
    "worker": _DELIVERY + _PREVIEW + _TESTS,
}


def copies() -> Iterator[tuple[Path, str]]:
    """Yield each file that is a copy, and the text that it must have."""
    for pipeline, names in _PIPELINES.items():
        for name in names:
            text = (SHARED / "pipelines" / name).read_text("utf-8")
            yield BLUEPRINTS / "pipelines" / pipeline / "content" / name, text
    for component in ("data", "network", "observability"):
        text = (SHARED / "components" / "labels.py").read_text("utf-8")
        module = f"slipway_component_{component}"
        yield BLUEPRINTS / "components" / component / "content" / "src" / module / "labels.py", text
    for bundle, topics in _REGO.items():
        folder = BLUEPRINTS / "policies" / bundle
        for topic in topics:
            yield folder / "content" / bundle / "evidence" / f"{topic}.rego", _rego(f"{topic}.rego", bundle)
            yield folder / "tests" / "evidence" / f"{topic}_test.rego", _rego(f"{topic}_test.rego", bundle)
        yield folder / "tests" / "evidence" / "sound_test.rego", _rego("sound_test.rego", bundle)


def _rego(name: str, root: str) -> str:
    """Return a shared Rego file moved under the bundle's own root, because roots of bundles must not overlap."""
    text = (SHARED / "rego" / name).read_text("utf-8")
    return re.sub(r"^(package |import data\.)evidence", rf"\1{root}.evidence", text, flags=re.MULTILINE)


def write() -> None:
    """Copy everything again."""
    for path, text in copies():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
