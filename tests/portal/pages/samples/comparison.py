"""The page that compares two versions: breaking, refused, compatible, and without a difference."""

from datetime import UTC, datetime

from catalog.assets.compatibility.diff import BumpRead, ChangeRead, FileChange, ManifestChange, VersionDiff
from catalog.assets.models import AssetRead, VersionState, VersionSummary, Visibility
from catalog.assets.texts import FileText
from portal.pages.asset_file import AssetFilePage
from portal.pages.comparison import ComparisonPage
from portal.pages.render import Page

MOMENT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
LONG = "a-very-long-name-that-somebody-chose-without-thinking-of-the-page-it-will-stand-on"


def pages() -> dict[str, Page]:
    """Return the samples by name."""
    asset = AssetRead(
        namespace="acme",
        name="preview",
        kind="deployment-blueprint",
        visibility=Visibility.PUBLIC,
        display_name="Web application preview",
        summary="Runs the web process of a pull request",
        license="Apache-2.0",
        keywords=[],
        archetypes=[],
        latest_version="1.5.0",
        updated_at=MOMENT,
        owned=True,
    )
    versions = [
        VersionSummary(
            version=version,
            semver=version,
            state=VersionState.PUBLISHED,
            state_reason=None,
            replacement=None,
            published_at=MOMENT,
            blob_digest="ab" * 32,
        )
        for version in ("1.5.0", "1.4.0")
    ]
    removed = ChangeRead(pointer="/region", what="removed", bump="major", message="It was removed.", proven=True)
    unproven = ChangeRead(pointer=f"/{LONG}", what="pattern", bump="major", message="It may be narrower.", proven=False)
    added = ChangeRead(pointer="/size", what="added", bump="minor", message="It is new, with a default.", proven=True)
    refused = BumpRead(needed="major", made="minor", honest="2.0.0", refused=True)
    diff = VersionDiff(
        before="1.4.0",
        after="1.5.0",
        bump=refused,
        inputs=[removed, unproven, added],
        outputs=[removed],
        asks=[
            ChangeRead(
                pointer="/requires/permissions",
                what="new-permission",
                bump="minor",
                message="It asks for the permission scm:pull-request, and did not before.",
                proven=True,
            )
        ],
        files=[
            FileChange(path="README.md", change="changed", size_before=1200, size_after=1300),
            FileChange(path=f"content/{LONG}.yml", change="added", size_before=None, size_after=40),
        ],
        manifest=[
            ManifestChange(pointer="/metadata/summary", change="changed", before="One", after=LONG),
            ManifestChange(pointer="/requires", change="removed", before={"slipway": ">=1.0"}),
        ],
    )
    patch = BumpRead(needed="none", made="patch", honest="1.4.1", refused=False)
    nothing = {"bump": patch, "inputs": [], "outputs": [], "files": [], "manifest": []}
    honest = {"bump": refused.model_copy(update={"made": "major", "refused": False})}
    return {
        "comparison": ComparisonPage(asset, versions, diff),
        "comparison-breaking": ComparisonPage(asset, versions, diff.model_copy(update=honest)),
        "comparison-compatible": ComparisonPage(
            asset, versions, diff.model_copy(update={**nothing, "inputs": [added]})
        ),
        "asset-file": AssetFilePage(
            asset, f"content/{LONG}.yml", "1.5.0", "", FileText("x", 9, ["jobs:", LONG * 4]), None
        ),
        "asset-file-changed": AssetFilePage(
            asset,
            "README.md",
            "1.5.0",
            "1.4.0",
            FileText("README.md", 30, [*map(str, range(20)), "<b>new</b>"], is_cut=True),
            FileText("README.md", 30, [*map(str, range(20)), f"old {LONG}"]),
        ),
        "asset-file-no-text": AssetFilePage(
            asset, "icon.png", "1.5.0", "1.4.0", FileText("icon.png", 30, problem="It is not text."), None
        ),
        "asset-file-same": AssetFilePage(
            asset, "a", "1.5.0", "1.4.0", FileText("a", 1, ["a"]), FileText("a", 1, ["a"])
        ),
        "asset-file-empty": AssetFilePage(asset, "a", "1.5.0", "", FileText("a", 0), None),
        "comparison-same": ComparisonPage(asset, versions, diff.model_copy(update=nothing)),
    }
