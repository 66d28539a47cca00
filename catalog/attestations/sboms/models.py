"""Bills of materials and the packages in them, as they are kept and as they are answered."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Identity, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Json, Timestamp, one_of


class SbomFormat(StrEnum):
    """In which of the two formats a document is written."""

    CYCLONEDX = "cyclonedx"
    SPDX = "spdx"


PREDICATE_TYPES = {
    SbomFormat.CYCLONEDX: "https://cyclonedx.org/bom",
    SbomFormat.SPDX: "https://spdx.dev/Document",
}


class MakingState(StrEnum):
    """How the making of bills of materials came out; ``not_possible`` says that something of this machine is missing.

    ``unsupported`` says that Slipway holds nothing that it could look into, ``failed`` that the content made every
    generator fail.
    """

    MADE = "made"
    NOT_POSSIBLE = "not_possible"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


class Sbom(SQLModel, table=True):
    """One bill of materials that is evidence, read once; ``document_digest`` finds its exact bytes in the blob store.

    ``packages`` counts what the index holds of it, ``components`` what it lists: the rest carries no package URL, or
    lies beyond what is indexed of one document. ``asset_id`` is its attestation's, and decides who sees it.
    """

    __tablename__ = "sboms"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "attestation_id"),
        ForeignKeyConstraint(
            ["tenant_id", "attestation_id"], ["attestations.tenant_id", "attestations.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "asset_id"], ["assets.tenant_id", "assets.id"], ondelete="CASCADE"),
        Index("ix_sboms_tenant_id_indexed_at", "tenant_id", "indexed_at"),
        Index("ix_sboms_attestation_id", "attestation_id"),
        Index("ix_sboms_asset_id", "asset_id"),
        Index("ix_sboms_document_digest", "document_digest"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    attestation_id: UUID
    asset_id: UUID | None = None
    document_digest: str = Field(max_length=64)
    size: int
    format: SbomFormat = Field(sa_type=one_of(SbomFormat))
    spec_version: str = Field(default="", max_length=32)
    serial: str = Field(default="", max_length=500)
    about: str = Field(default="", max_length=500)
    made_by: str = Field(default="", max_length=500)
    components: int = 0
    packages: int = 0
    is_complete: bool = True
    indexed_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class SbomPackage(SQLModel, table=True):
    """One package of a bill of materials: ``package`` is its package URL without version, qualifiers and subpath.

    ``version`` is "" where the document names none, ``purl`` is the URL as it was written, ``licenses`` are SPDX
    expressions or names.
    """

    __tablename__ = "sbom_packages"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "sbom_id"], ["sboms.tenant_id", "sboms.id"], ondelete="CASCADE"),
        Index("ix_sbom_packages_package_version", "package", "version"),
        Index("ix_sbom_packages_sbom_id_id", "sbom_id", "id"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    tenant_id: UUID
    sbom_id: UUID
    asset_id: UUID | None = None
    package: str = Field(max_length=500)
    version: str = Field(default="", max_length=200)
    purl: str = Field(max_length=1000)
    licenses: list[str] = Field(default_factory=list, sa_type=Json)


class SbomMaking(SQLModel, table=True):
    """What came of the wish for bills of materials of one thing; ``documents`` are their digests by format.

    ``thing`` reads ``asset-versions/ID``, ``releases/ID`` or ``environments/ID``, and ``digest`` is that of the
    artifact that the documents are about (SHA-256 in hexadecimal, or the id of a commit). ``subjects`` are name,
    algorithm and digest of everything that the signed statements will be about.
    """

    __tablename__ = "sbom_makings"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "thing", "digest"),
        ForeignKeyConstraint(["tenant_id", "asset_id"], ["assets.tenant_id", "assets.id"], ondelete="CASCADE"),
        Index("ix_sbom_makings_asset_id", "asset_id"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    asset_id: UUID | None = None
    thing: str = Field(max_length=100)
    label: str = Field(max_length=300)
    digest: str = Field(max_length=64)
    state: MakingState = Field(sa_type=one_of(MakingState))
    detail: str = Field(default="", max_length=1000)
    generator: str = Field(default="", max_length=200)
    documents: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    subjects: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    made_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class RegistryKind(StrEnum):
    """What a registry elsewhere holds."""

    OCI = "oci"
    NPM = "npm"


class ArtifactRegistry(SQLModel, table=True):
    """A registry elsewhere that the tenant's artifacts may be fetched from, and the sealed credential for it.

    ``may_push`` lets signed bills of materials be attached to images there.
    """

    __tablename__ = "artifact_registries"
    __table_args__ = (UniqueConstraint("tenant_id", "kind", "host"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    kind: RegistryKind = Field(sa_type=one_of(RegistryKind))
    host: str = Field(max_length=255)
    username: str = Field(default="", max_length=200)
    sealed_secret: str = ""
    may_push: bool = False
    problem: str = Field(default="", max_length=500)
    used_at: datetime | None = Field(default=None, sa_type=Timestamp)
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
