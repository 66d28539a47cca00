"""Namespaces, assets and their versions, and the shapes in which they leave the process."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic import Field as Shape
from sqlalchemy import Column, Computed, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlmodel import Field, SQLModel

from catalog.assets.findings import storable
from catalog.clock import now
from catalog.columns import Json, Timestamp, one_of

DEPENDENCIES = "coalesce(manifest -> 'dependencies', '[]'::jsonb)"


class Visibility(StrEnum):
    """Who may see an asset: its own tenant, the tenants it is shared with, or every tenant."""

    PRIVATE = "private"
    SHARED = "shared"
    PUBLIC = "public"


class Trust(StrEnum):
    """What is known of an asset's publisher: maintained with Slipway itself, proved to be who it says, or neither."""

    CURATED = "curated"
    VERIFIED = "verified"
    UNVERIFIED = "unverified"


class VersionState(StrEnum):
    """Where a version is in its life; the states after publishing live here and never in the archive.

    What each means, and which follows which, is in `catalog.assets.life`.
    """

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    PUBLISHED = "published"
    DEPRECATED = "deprecated"
    YANKED = "yanked"
    REVOKED = "revoked"
    QUARANTINED = "quarantined"
    ARCHIVED = "archived"


class Namespace(SQLModel, table=True):
    """A publisher's name, unique everywhere; its ``skeleton`` is that of ``lookalikes.skeleton``."""

    __tablename__ = "namespaces"
    __table_args__ = (UniqueConstraint("tenant_id", "name"), UniqueConstraint("skeleton"))

    name: str = Field(max_length=63, primary_key=True)
    skeleton: str = Field(max_length=64)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    review_required: bool = False
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


_LISTED = "latest_version IS NOT NULL"


class Asset(SQLModel, table=True):
    """What a publisher offers under one name; the texts are those of the latest version.

    ``latest_version`` is the version that stands for the asset, None where none may be chosen; such an asset is in
    no list, but its page and its versions stay reachable. ``verified_publisher`` is the domain or repository that the
    publisher has shown to be its own; ``trust`` follows from it. ``terms`` are what a search finds it by. The database
    writes both, the terms under the scopes of those who may see the asset.
    """

    __tablename__ = "assets"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "namespace", "name"),
        # With the tenant, so that an asset can only be in a namespace of its own tenant.
        ForeignKeyConstraint(["tenant_id", "namespace"], ["namespaces.tenant_id", "namespaces.name"]),
        Index("ix_assets_namespace_name", "namespace", "name"),
        Index("ix_assets_terms", "terms", postgresql_using="gin"),
        Index("ix_assets_public", "name", "namespace", postgresql_where=text(f"visibility = 'public' AND {_LISTED}")),
        Index(
            "ix_assets_newest",
            text("updated_at DESC"),
            "name",
            "namespace",
            postgresql_where=text(f"visibility = 'public' AND {_LISTED}"),
        ),
        Index(
            "ix_assets_own",
            "tenant_id",
            "name",
            "namespace",
            postgresql_where=text(f"visibility <> 'public' AND {_LISTED}"),
        ),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    namespace: str = Field(max_length=63)
    name: str = Field(max_length=63)
    kind: str = Field(max_length=63)
    visibility: Visibility = Field(default=Visibility.PRIVATE, sa_type=one_of(Visibility))
    display_name: str
    summary: str
    license: str
    keywords: list[str] = Field(default_factory=list, sa_type=Json)
    archetypes: list[str] = Field(default_factory=list, sa_type=Json)
    clouds: list[str] = Field(default_factory=list, sa_type=Json)
    trust: Trust = Field(default=Trust.UNVERIFIED, sa_type=one_of(Trust))
    latest_version: str | None = None
    verified_publisher: str | None = None
    latest_state: VersionState | None = Field(default=None, sa_type=one_of(VersionState))
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    updated_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    terms: str | None = Field(default=None, sa_column=Column(TSVECTOR))


class AssetVersion(SQLModel, table=True):
    """One published version; ``version`` is canonical (PEP 440), the five numbers order it.

    The author is who uploaded it, the submitter who asked for its review: neither may be the one to approve it.
    ``wanted_visibility`` is what the asset gets when the version is published, None for what it has.

    Digests are SHA-256 in hexadecimal, ``packed_size`` is in bytes, ``files`` is ``META/files.json``, and
    ``warnings`` are what the check found without refusing. ``dependencies`` repeats those of the manifest, so that
    resolving reads no manifest.
    """

    __tablename__ = "asset_versions"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "asset_id", "version"),
        ForeignKeyConstraint(["tenant_id", "asset_id"], ["assets.tenant_id", "assets.id"], ondelete="CASCADE"),
        Index("ix_asset_versions_order", "asset_id", "major", "minor", "patch", "stage", "stage_number"),
        Index("ix_asset_versions_blob_digest", "blob_digest"),
        Index("ix_asset_versions_end_of_life", "end_of_life", postgresql_where=text("state = 'deprecated'")),
        Index("ix_asset_versions_namespace_name", "namespace", "name"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    asset_id: UUID
    namespace: str = Field(max_length=63)
    name: str = Field(max_length=63)
    kind: str = Field(max_length=63)
    version: str = Field(max_length=64)
    semver: str = Field(max_length=64)
    major: int
    minor: int
    patch: int
    stage: int
    stage_number: int
    state: VersionState = Field(default=VersionState.DRAFT, sa_type=one_of(VersionState))
    state_reason: str | None = None
    replacement: str | None = None
    end_of_life: date | None = None
    state_link: str | None = None
    state_changed_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    manifest: dict[str, Any] = Field(sa_type=Json)
    dependencies: list[dict[str, Any]] | None = Field(
        default=None, sa_column=Column(JSONB(none_as_null=True), Computed(DEPENDENCIES, persisted=True))
    )
    input_schema: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    input_hints: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    output_schema: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    readme: str = ""
    changelog: str = ""
    files: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    warnings: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    blob_digest: str = Field(max_length=64)
    tree_digest: str = Field(max_length=64)
    manifest_digest: str = Field(max_length=64)
    packed_size: int
    published_at: datetime | None = Field(default=None, sa_type=Timestamp)
    published_by: str = ""
    published_from: dict[str, Any] | None = Field(default=None, sa_type=Json)
    author_actor: str = ""
    author_member_id: UUID | None = None
    submitter_member_id: UUID | None = None
    wanted_visibility: Visibility | None = Field(default=None, sa_type=one_of(Visibility))


class VersionArtifact(SQLModel, table=True):
    """A file that the checks derived from a version; its bytes are in the blob store, ``size`` is theirs."""

    __tablename__ = "version_artifacts"
    __table_args__ = (
        UniqueConstraint("tenant_id", "version_id", "name"),
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["asset_versions.tenant_id", "asset_versions.id"], ondelete="CASCADE"
        ),
        Index("ix_version_artifacts_version_id", "version_id"),
        Index("ix_version_artifacts_blob_digest", "blob_digest"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    version_id: UUID
    name: str = Field(max_length=100)
    media_type: str = Field(max_length=100)
    blob_digest: str = Field(max_length=64)
    size: int


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class AssetRead(_Read):
    """An asset in a list; ``owned`` says whether it belongs to the caller's tenant.

    ``installs`` and ``success_percent`` are the steps of what is measured across tenants, as in `Totals`; they are
    there where a search found the asset and enough tenants make them up.
    """

    namespace: str
    name: str
    kind: str
    visibility: Visibility
    display_name: str
    summary: str
    license: str
    keywords: list[str]
    archetypes: list[str]
    latest_version: str | None
    verified_publisher: str | None = None
    updated_at: datetime
    owned: bool
    clouds: list[str] = []
    trust: Trust = Trust.UNVERIFIED
    latest_state: VersionState | None = None
    installs: int | None = None
    success_percent: int | None = None


class VersionSummary(_Read):
    """One line of an asset's list of versions."""

    version: str
    semver: str
    state: VersionState
    state_reason: str | None
    replacement: str | None
    end_of_life: date | None = None
    state_link: str | None = None
    published_at: datetime | None
    blob_digest: str


class Dependent(_Read):
    """A version that builds on another; only those that the caller may see are ever named."""

    namespace: str
    name: str
    version: str
    needs: str
    optional: bool
    owned: bool


class UseRead(_Read):
    """Something of the caller's own tenant that runs a version; ``owner`` and ``service`` are "" where unknown."""

    subject: str
    label: str
    version: str
    since: datetime
    owner: str = ""
    service: str = ""


class Affected(_Read):
    """Who feels a change of a version: what builds on it, what of the caller's runs it, and how many tenants beside.

    ``other_tenants`` is 0 below five and a multiple of five otherwise, so that it never tells of a single one; only
    the publisher gets it, others get 0. ``uses`` names the latest; ``installs`` and ``environments`` count all of them,
    ``owners`` and ``services`` are those of the uses that are named.
    """

    dependents: list[Dependent]
    uses: list[UseRead]
    other_tenants: int
    installs: int = 0
    environments: int = 0
    owners: list[str] = Field(default_factory=list)
    services: list[str] = Field(default_factory=list)


class AssetVersionRead(_Read):
    """A version with everything that its page, a form or a program needs; ``owned`` as in `AssetRead`.

    ``affected`` is there after a change of its state: who uses it, and is told.
    """

    id: UUID
    namespace: str
    name: str
    kind: str
    version: str
    semver: str
    state: VersionState
    state_reason: str | None
    replacement: str | None
    end_of_life: date | None = None
    state_link: str | None = None
    manifest: dict[str, Any]
    input_schema: dict[str, Any]
    input_hints: dict[str, Any]
    output_schema: dict[str, Any]
    readme: str
    changelog: str
    files: list[dict[str, Any]]
    warnings: list[dict[str, Any]]
    blob_digest: str
    tree_digest: str
    manifest_digest: str
    packed_size: int
    published_at: datetime | None
    published_by: str
    published_from: dict[str, Any] | None = None
    owned: bool
    affected: Affected | None = None


class ArtifactRead(_Read):
    """A derived file as others read it: ``size`` in bytes, ``blob_digest`` the SHA-256 of its bytes."""

    name: str
    media_type: str
    blob_digest: str
    size: int


Text = Annotated[str, AfterValidator(storable)]
Sort = Literal["relevance", "newest", "name", "installs"]
"""The order of a search: how well it fits, what changed last, the name, or what runs most (by anonymous steps)."""


class SearchQuery(BaseModel):
    """What is searched for: words (each may be the beginning of one), filters, and where the page begins."""

    q: Text = Field(default="", max_length=200)
    kind: Text | None = None
    namespace: Text | None = None
    archetype: Text | None = None
    cloud: Text | None = None
    license: Text | None = None
    trust: Text | None = None
    state: Text | None = None
    installed: Text | None = None
    sort: Sort = "relevance"
    limit: int = Field(default=20, ge=1, le=100)
    cursor: Text | None = None


class FacetCount(_Read):
    """How many assets a filter value would leave, with the other filters as they are."""

    value: str
    count: int
    selected: bool


class SearchHint(_Read):
    """What would help where nothing was found: without ``remove`` there are ``count`` assets."""

    remove: str
    value: str
    count: int


class SearchResult(_Read):
    """One page of assets, the counts of each filter, hints where there is nothing, and names like the words."""

    items: list[AssetRead]
    total: int
    facets: dict[str, list[FacetCount]]
    hints: list[SearchHint]
    next_cursor: str | None
    suggestions: list[str] = []


class ChangeVersionState(BaseModel):
    """Why a version changes its state, and what to use instead where there is something (``namespace/name>=2``).

    ``end_of_life`` is the day from which a deprecated version counts as archived; ``link`` leads to more about it.
    """

    reason: Text = Field(min_length=1, max_length=1000)
    replacement: Text | None = Field(default=None, max_length=200)
    end_of_life: date | None = None
    link: Text | None = Shape(default=None, max_length=500, pattern=r"^https?://[^\s]+$")
