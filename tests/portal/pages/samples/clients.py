"""The page of standard clients, and the pages of assets that other people's clients use."""

from datetime import UTC, datetime
from uuid import UUID

from catalog.assets.models import AssetRead, AssetVersionRead, VersionState, Visibility
from portal.pages.asset_page import AssetPage
from portal.pages.clients import ClientsPage
from portal.pages.render import Page
from portal.pages.using import uses

MOMENT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
URL = "http://127.0.0.1:8000"


def pages() -> dict[str, Page]:
    """Return the samples by name."""
    long = "a-tenant-with-a-name-as-long-as-a-name-can-be-which-is-63-signs"
    return {
        "clients": ClientsPage("demo", URL, may_make_tokens=True),
        "clients-long": ClientsPage(long, "https://slipway.internal.example.com", may_make_tokens=False),
        "asset-component": _asset("component-package", "content/dist/acme_network-1.4.0-py3-none-any.whl"),
        "asset-policies": _asset("policy-bundle", "content/baseline.rego"),
    }


def _asset(kind: str, path: str) -> AssetPage:
    asset = AssetRead(
        namespace="acme",
        name="network",
        kind=kind,
        visibility=Visibility.PUBLIC,
        display_name="Network",
        summary="What every team needs",
        license="Apache-2.0",
        keywords=["network"],
        archetypes=["library"],
        latest_version="1.4.0",
        updated_at=MOMENT,
        owned=True,
    )
    version = AssetVersionRead(
        id=UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d"),
        namespace="acme",
        name="network",
        kind=kind,
        version="1.4.0",
        semver="1.4.0",
        state=VersionState.PUBLISHED,
        state_reason=None,
        replacement=None,
        manifest={"metadata": {"summary": asset.summary, "license": asset.license}},
        input_schema={},
        input_hints={},
        output_schema={},
        readme="# Network\n\nUse it.",
        changelog="",
        files=[{"path": path, "size": 20_480, "sha256": "9" * 64, "mode": "0644"}],
        warnings=[],
        blob_digest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        tree_digest="9" * 64,
        manifest_digest="8" * 64,
        packed_size=20_480,
        published_at=MOMENT,
        published_by="ci",
        owned=True,
    )
    ways = uses(version, URL, "demo", is_latest=True)
    return AssetPage(asset, version, [], "overview", may_request=True, uses=ways)
