"""One asset in one of its versions, as its page shows it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlencode

from markupsafe import Markup

from catalog.assets.component_schemas import Reference
from catalog.assets.installation import Installation, installation
from catalog.assets.kinds import kinds
from catalog.assets.life import SELECTABLE
from catalog.assets.models import Affected, AssetRead, AssetVersionRead, VersionSummary
from catalog.assets.usage.models import Measured, MoveRead, Totals
from catalog.attestations.shapes import Assessment
from catalog.overlays.fitting import Fitted
from portal.pages.asset_file import file_href
from portal.pages.asset_inputs import InputRow, input_rows
from portal.pages.dependency_tree import DependencyTree
from portal.pages.markdown import render_markdown
from portal.pages.narrowed_form import rule_of, words_of
from portal.pages.reference import KIND as WITH_REFERENCE
from portal.pages.render import Page
from portal.pages.sboms import Materials
from portal.pages.source import Source, source_of
from portal.pages.using import Use

VERSIONS_AT_ONCE = 50
TABS = {
    "overview": "Overview",
    "inputs": "Inputs",
    "reference": "Reference",
    "versions": "Versions",
    "changelog": "Changelog",
    "dependencies": "Dependencies",
    "used-by": "Used by",
    "files": "Files",
    "security": "Security",
}


@dataclass(frozen=True)
class AssetPage(Page):
    """One asset in one of its versions; ``tab`` is a key of ``TABS``."""

    template: ClassVar[str] = "assets/show.html"
    fragments: ClassVar[Mapping[str, str]] = {f"asset-{tab}": f"assets/_{tab}.html" for tab in TABS}

    asset: AssetRead
    version: AssetVersionRead
    versions: Sequence[VersionSummary]
    tab: str
    may_request: bool
    tree: DependencyTree = field(default_factory=DependencyTree)
    may_install: bool = False
    reference: Reference | None = None
    uses: Sequence[Use] = ()
    evidence: Assessment | None = None
    materials: Materials | None = None
    used_by: Affected | None = None
    history: Sequence[MoveRead] = ()
    measured: Measured | None = None
    moves: Sequence[str] = ()
    first: int = 0
    count: int = 0
    older: Sequence[VersionSummary] = ()
    may_share: bool = False
    may_curate: bool = False
    totals: Totals | None = None
    feed_href: str = ""
    fitted: Fitted | None = None
    refusal: str = ""
    may_narrow: bool = False
    vulnerabilities: Sequence[str] = ()

    @property
    def total(self) -> int:
        """Return how many versions there are; ``versions`` are the newest, ``older`` those of a later page.

        Each has one more than is shown, where there is one, so that the last can be compared with it.
        """
        return max(self.count, len(self.versions))

    @property
    def shown_versions(self) -> Sequence[VersionSummary]:
        """Return the versions of this page of the list."""
        return self.older[:VERSIONS_AT_ONCE] or self.versions[self.first : self.first + VERSIONS_AT_ONCE]

    @property
    def newer_href(self) -> str:
        """Return the address of the page of newer versions, "" on the first."""
        return self._versions_href(max(self.first - VERSIONS_AT_ONCE, 0)) if self.first else ""

    @property
    def older_href(self) -> str:
        """Return the address of the page of older versions, "" on the last."""
        following = self.first + VERSIONS_AT_ONCE
        return self._versions_href(following) if following < self.total else ""

    def _versions_href(self, first: int) -> str:
        query = urlencode({"version": self.version.version, "tab": "versions", "first": first})
        return f"/assets/{self.path}?{query}"

    @property
    def replacement_href(self) -> str:
        """Return the address of the asset that replaces this version, "" where there is none."""
        reference = self.version.replacement or ""
        return "/assets/" + re.split(r"[<>=!~@\s]", reference, maxsplit=1)[0] if reference else ""

    @property
    def path(self) -> str:
        """Return ``namespace/name``."""
        return f"{self.asset.namespace}/{self.asset.name}"

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Return the manifest's metadata."""
        metadata: Mapping[str, Any] = self.version.manifest["metadata"]
        return metadata

    @property
    def is_latest(self) -> bool:
        """Tell whether this version stands for the asset."""
        return self.version.version == self.asset.latest_version

    @property
    def is_blueprint(self) -> bool:
        """Tell whether an environment can be made from this version."""
        return self.version.kind == "deployment-blueprint" and "environment" in self.version.manifest.get("spec", {})

    @property
    def is_usable(self) -> bool:
        """Tell whether this version may be chosen for something new, as its state and the tenant's catalog say."""
        return self.version.state in SELECTABLE and not self.refusal

    def href(self, tab: str, version: str = "") -> str:
        """Return the address of a tab, for this version unless it stands for the asset."""
        wanted = version or self.version.version
        parts = {} if wanted == self.asset.latest_version else {"version": wanted}
        parts |= {} if tab == "overview" else {"tab": tab}
        return f"/assets/{self.path}" + (f"?{urlencode(parts)}" if parts else "")

    def file_href(self, path: str) -> str:
        """Return the address of a file of this version."""
        return file_href(self.path, self.version.version, path)

    @property
    def request_href(self) -> str:
        """Return the address of the form that asks for an environment with this version."""
        parts = {"blueprint": self.path} | ({} if self.is_latest else {"version": self.version.version})
        return f"/environments/new?{urlencode(parts)}"

    @property
    def installation(self) -> Installation:
        """Return what installing this version does, and what it asks for."""
        kind = kinds().get(self.version.kind)
        effects = kind.install(self.version.manifest) if kind and "spec" in self.version.manifest else ()
        return installation(effects, self.version.manifest)

    def artifact_href(self, name: str) -> str:
        """Return the address of a file that was derived from this version."""
        return f"/api/v1/assets/{self.path}/versions/{self.version.version}/artifacts/{name}"

    @property
    def tabs(self) -> list[tuple[str, str, str, int | None]]:
        """Return key, name, address and count of each tab that has something to show."""
        counts: dict[str, int | None] = {
            "inputs": len(self.inputs),
            "versions": self.total,
            "dependencies": len(self.dependencies),
            "files": len(self.version.files),
        }
        return [
            (key, name, self.href(key), counts.get(key))
            for key, name in TABS.items()
            if (key != "changelog" or self.version.changelog or self.changes)
            and (key != "reference" or self.version.kind == WITH_REFERENCE)
        ]

    @property
    def readme(self) -> Markup:
        """Return the readme as safe HTML."""
        return render_markdown(self.version.readme, self.asset.display_name)

    @property
    def changelog(self) -> Markup:
        """Return the changelog as safe HTML."""
        return render_markdown(self.version.changelog, "Changelog")

    @property
    def changes(self) -> Sequence[Mapping[str, str]]:
        """Return the manifest's structured changes of this version."""
        return list(self.metadata.get("changes", ()))

    @property
    def dependencies(self) -> Sequence[Mapping[str, Any]]:
        """Return the assets that this version builds on."""
        return list(self.version.manifest.get("dependencies", ()))

    @property
    def requirements(self) -> Mapping[str, Any]:
        """Return what must be there before this version can be used."""
        requires: Mapping[str, Any] = self.version.manifest.get("requires", {})
        return requires

    @property
    def publisher(self) -> str:
        """Say who published the version: by name to its own tenant, else as the service tells others."""
        return self.version.published_by or "its publisher"

    @property
    def source(self) -> Source | None:
        """Return where the version was published from, as an issuer or this Slipway itself has found; None if unknown.

        It never comes from the archive, so a publisher cannot claim it.
        """
        return source_of(self.version.published_from)

    def comparison_href(self, version: str) -> str:
        """Return the address that compares a version with the one before it in the list, "" for the oldest."""
        names = [each.version for each in self.older or self.versions]
        place = names.index(version)
        if place + 1 == len(names):
            return ""
        return f"/assets/{self.path}/compare?{urlencode({'from': names[place + 1], 'to': version})}"

    @property
    def total_size(self) -> int:
        """Return the size of the unpacked files in bytes."""
        return sum(int(entry.get("size", 0)) for entry in self.version.files)

    @property
    def inputs(self) -> list[InputRow]:
        """Return the rows of the inputs' reference table."""
        declared = self.version.manifest.get("inputs") or {}
        immutable = set(declared.get("immutable", ()))
        schema = self.version.input_schema
        if self.fitted is not None and self.fitted.rules and not self.fitted.misfits:
            schema = dict(self.fitted.schema)
        return list(input_rows(schema, immutable, self.version.input_hints)) if self.version.input_schema else []

    def narrowed(self, row: InputRow) -> str:
        """Say what the tenant makes of an input, and why; "" where the publisher alone decides."""
        pointer = "/" + row.name.replace("~", "~0").replace("/", "~1").replace(".", "/")
        rule = rule_of(self.fitted.rules, pointer) if self.fitted is not None and not self.fitted.misfits else None
        return "" if rule is None else f"{'Hidden. ' if rule.hidden else ''}{words_of(rule)}"
