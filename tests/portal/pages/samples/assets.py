"""The pages of a version's life: before a step, refused, and who uses the version."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from catalog.assets.life import MEANINGS
from catalog.assets.models import (
    Affected,
    AssetRead,
    AssetVersionRead,
    Dependent,
    UseRead,
    VersionState,
    VersionSummary,
    Visibility,
)
from catalog.assets.usage.models import Measured, MoveRead
from portal.pages.asset_life import VERBS, LifePage
from portal.pages.asset_page import AssetPage
from portal.pages.render import Page

MOMENT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
LONG = "a-very-long-name-that-somebody-chose-without-thinking-of-the-page-it-will-stand-on"
MANY = Affected(
    dependents=[
        Dependent(namespace="acme", name=name, version="2.1.0", needs=">=1,<2", optional=name == LONG[:60], owned=True)
        for name in ("checkout", "storefront", LONG[:60])
    ],
    uses=[
        UseRead(subject=f"environments/{number}", label=label, version="1.4.0", since=MOMENT)
        for number, label in enumerate(("pr-42-hello", "pr-43-hello"))
    ]
    + [UseRead(subject="installs/1", label=LONG, version="1.4.0", since=MOMENT, owner="team-shop", service=LONG[:60])],
    other_tenants=15,
    installs=1,
    environments=2,
    owners=["team-shop"],
    services=[LONG[:60]],
)
NOBODY = Affected(dependents=[], uses=[], other_tenants=0)


def _version(state: VersionState = VersionState.PUBLISHED) -> AssetVersionRead:
    return AssetVersionRead(
        id=UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d"),
        namespace="acme",
        name="preview",
        kind="deployment-blueprint",
        version="1.4.0",
        semver="1.4.0",
        state=state,
        state_reason=None if state is VersionState.PUBLISHED else "Leaks file handles under load.",
        replacement=None if state is VersionState.PUBLISHED else "acme/preview>=2",
        end_of_life=None if state is VersionState.PUBLISHED else MOMENT.date(),
        state_link=None if state is VersionState.PUBLISHED else "https://example.com/why",
        manifest={"metadata": {"summary": "Runs a pull request", "license": "MIT", "displayName": "Preview"}},
        input_schema={},
        input_hints={},
        output_schema={},
        readme="",
        changelog="",
        files=[],
        warnings=[],
        blob_digest="ab" * 32,
        tree_digest="cd" * 32,
        manifest_digest="ef" * 32,
        packed_size=4321,
        published_at=MOMENT,
        published_by="Ada Lovelace",
        owned=True,
    )


def _asset() -> AssetRead:
    return AssetRead(
        namespace="acme",
        name="preview",
        kind="deployment-blueprint",
        visibility=Visibility.SHARED,
        display_name="Preview",
        summary="Runs a pull request",
        license="MIT",
        keywords=[],
        archetypes=["ui"],
        latest_version="1.4.0",
        verified_publisher="example.com",
        updated_at=MOMENT,
        owned=True,
    )


def _life(verb: str, state: VersionState = VersionState.PUBLISHED, affected: Affected = MANY) -> LifePage:
    meaning = MEANINGS[VersionState.YANKED]
    return LifePage(_version(state), verb, affected, meaning.summary, meaning.running.value)


def _shown(tab: str, state: VersionState, affected: Affected, count: int = 130) -> AssetPage:
    versions = [
        VersionSummary(
            version=f"1.{number}.0",
            semver=f"1.{number}.0",
            state=VersionState.PUBLISHED,
            state_reason=None,
            replacement=None,
            published_at=MOMENT,
            blob_digest="ab" * 32,
        )
        for number in range(count, 0, -1)
    ]
    step = MoveRead(before=VersionState.PUBLISHED, after=state, reason="Leaks file handles.", by="Ada", at=MOMENT)
    return AssetPage(
        _asset(),
        _version(state),
        versions,
        tab,
        may_request=True,
        used_by=affected,
        history=[step],
        measured=Measured(active=3, behind=1, attempts=12, successes=11, median_seconds=8.4),
        moves=list(VERBS),
        first=50,
    )


def pages() -> dict[str, Page]:
    """Return the samples by name."""
    refused = LifePage(
        _version(), "deprecate", NOBODY, "M.", "goes on", {"replacement": "x"}, {"reason": "Say why.", "link": "No."}
    )
    return {
        **{f"life-{verb}": _life(verb, VersionState.YANKED if verb == "restore" else VersionState.PUBLISHED)
           for verb in VERBS},
        "life-nobody": _life("yank", affected=NOBODY),
        "life-refused": refused,
        "asset-users": _shown("used-by", VersionState.PUBLISHED, MANY),
        "asset-users-none": _shown("used-by", VersionState.PUBLISHED, NOBODY),
        "asset-many-versions": _shown("versions", VersionState.DEPRECATED, NOBODY),
        "asset-affected": replace(
            _shown("overview", VersionState.PUBLISHED, NOBODY), vulnerabilities=["CVE-2026-1234", LONG[:60]]
        ),
        "asset-not-offered": replace(
            _shown("overview", VersionState.PUBLISHED, NOBODY),
            may_install=True,
            refusal="Your tenant's catalog hides acme/preview. Not for us.",
        ),
        "asset-archived": _shown("overview", VersionState.ARCHIVED, NOBODY),
    }  # fmt: skip
