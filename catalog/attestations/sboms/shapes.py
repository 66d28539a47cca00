"""The shapes in which bills of materials and their packages are asked for and answered."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from catalog.attestations.sboms.models import MakingState, RegistryKind, SbomFormat


class AskForSboms(BaseModel):
    """Of what bills of materials are wanted: ``namespace/name@version``, ``releases/ID`` or ``environments/ID``."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    subject: str = Field(min_length=1, max_length=300, examples=["acme/web@1.0.0"])


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class SbomRead(_Read):
    """A bill of materials: what it is about, who made and signed it, and how much of it the index holds.

    ``about`` is the name that the document gives its root, ``subjects`` are the digests that the signed statement
    is about. ``packages`` of its ``components`` can be searched for; the others carry no package URL, or lie beyond
    the number that is indexed of one document (then ``is_complete`` is false).
    """

    id: UUID
    attestation_id: UUID
    format: SbomFormat
    spec_version: str
    serial: str
    about: str
    made_by: str
    components: int
    packages: int
    is_complete: bool
    document_digest: str
    size: int
    signer: str
    subjects: list[str] = Field(examples=[["sha256:" + "9f" * 32]])
    indexed_at: datetime
    owned: bool


class PackageRead(_Read):
    """One package of a bill of materials; ``version`` is "" where the document names none."""

    package: str = Field(examples=["pkg:pypi/requests"])
    version: str = Field(examples=["2.31.0"])
    purl: str = Field(examples=["pkg:pypi/requests@2.31.0"])
    licenses: list[str] = Field(examples=[["Apache-2.0"]])


class Place(_Read):
    """Where a package runs or lies: an environment, a release or a version of an asset.

    ``certain`` is false where the document names no version, or one that cannot be compared, and a version was asked
    for. ``through`` names the part that brings the package, "" where it is the thing itself.
    """

    kind: Literal["environment", "release", "rollout", "asset"]
    id: UUID
    label: str = Field(examples=["web 1.4.0"])
    version: str = Field(examples=["2.31.0"])
    certain: bool
    through: str = Field(default="", examples=["slipway/preview-web@1.0.0"])
    digest: str
    sboms: list[UUID]


class VersionCount(_Read):
    """How many bills of materials name a version of a package, and whether it is one of those asked for."""

    version: str
    sboms: int
    holds: bool | None


class Whereabouts(_Read):
    """Where a package runs. ``is_cut`` says that there are more places of a kind than were asked for."""

    package: str = Field(examples=["pkg:pypi/requests"])
    asked: str = Field(examples=[">=2,<2.32"])
    versions: list[VersionCount]
    environments: list[Place]
    releases: list[Place]
    assets: list[Place]
    is_cut: bool


class MakingRead(_Read):
    """What came of the wish for bills of materials of one thing, and why there are none where there are none."""

    thing: str
    label: str
    digest: str
    state: MakingState
    detail: str
    generator: str
    made_at: datetime


class AddRegistry(BaseModel):
    """A registry elsewhere: ``host`` with a port where it has one; without ``secret`` it is asked as nobody.

    A ``secret`` is a password or token. ``may_push`` lets signed bills of materials be attached to images there.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    kind: RegistryKind = RegistryKind.OCI
    host: str = Field(pattern=r"^[A-Za-z0-9.-]{1,240}(:[0-9]{1,5})?$", examples=["registry.example.com"])
    username: str = Field(default="", max_length=200, pattern=r"^[^:\x00-\x1f]*$")
    secret: SecretStr | None = Field(default=None, max_length=10_000)
    may_push: bool = False


class RegistryRead(_Read):
    """A registry as others read it, without its credential; ``problem`` is what it last refused."""

    id: UUID
    kind: RegistryKind
    host: str
    username: str
    has_secret: bool
    may_push: bool
    problem: str
    used_at: datetime | None
    created_by: str
    created_at: datetime
