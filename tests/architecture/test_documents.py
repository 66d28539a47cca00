"""What the documents promise to list is listed, and what they name exists."""

import re
from pathlib import Path

from catalog.discovery import modules
from catalog.events.registry import load_events
from catalog.settings import Settings
from workers.runtime.registry import discover_workers

ROOT = Path(__file__).resolve().parents[2]


def read(name: str) -> str:
    return (ROOT / name).read_text()


def test_every_setting_is_documented() -> None:
    text = read("docs/settings.md")
    names = [str(field.validation_alias or f"SLIPWAY_{name.upper()}") for name, field in Settings.model_fields.items()]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_event_is_documented() -> None:
    text = read("docs/events.md")
    names = {f"{each.event_name}" for each in load_events().values() if each.__module__.startswith("catalog.")}
    assert sorted(name for name in names if f"`{name}`" not in text) == []


def test_every_job_belongs_to_an_area() -> None:
    # The jobs of agents are called after the one family that has no area of its own.
    areas = {path.name for path in (ROOT / "catalog").iterdir() if path.is_dir()} | {"agents"}
    names = list(discover_workers().jobs)
    assert names
    assert [name for name in names if name.partition(".")[0] not in areas] == []


def test_every_entry_point_loads() -> None:
    for group in (
        "workers",
        "agents",
        "events",
        "asset_kinds",
        "upload_checks",
        "sbom_generators",
        "providers.scm",
        "providers.blobs",
        "providers.routers",
        "providers.identities",
        "providers.metrics",
        "providers.targets",
        "targets",
    ):
        assert list(modules(f"slipway.{group}")), group


def test_the_code_map_names_what_exists() -> None:
    text = read("ARCHITECTURE.md")
    paths = re.findall(r"`((?:portal|catalog|workers|blueprints|migrations|tests|docs)/[\w./]*)`", text)
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_links_between_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [
        (document, link)
        for document in documents
        for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text())
    ]
    assert links
    broken = [f"{document.name}: {link}" for document, link in links if not (document.parent / link).exists()]
    assert broken == []


def test_the_changelog_has_an_unreleased_section() -> None:
    assert "## Unreleased" in read("CHANGELOG.md")


def test_every_decision_has_a_number_of_its_own() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [int(each.name.partition("-")[0]) for each in decisions]
    assert len(set(numbers)) == len(numbers) > 10
    for number, each in zip(numbers, decisions, strict=True):
        assert each.read_text(encoding="utf-8").startswith(f"# {number}. "), each.name
