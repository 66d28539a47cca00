"""The shapes in which a resolution is answered and kept: the lock, its reasons, and the causes of a refusal."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class Why(BaseModel):
    """One reason for a locked version: who needs it (None: the request itself) and with which constraint."""

    model_config = ConfigDict(frozen=True)

    by: str | None = Field(default=None, examples=["acme/shop"])
    version: str | None = Field(default=None, examples=["2.1.0"])
    constraint: str = Field(default="", examples=[">=1.2,<2"])
    alias: str | None = None
    optional: bool = False

    @property
    def text(self) -> str:
        """Return the reason as a half-sentence."""
        wanted = self.constraint or "any version"
        return f"{self.by} {self.version} needs {wanted}" if self.by else f"asked for: {wanted}"


class LockEntry(BaseModel):
    """One version that is used, with the digest of its bytes; dependencies stand before what needs them."""

    model_config = ConfigDict(frozen=True)

    asset: str = Field(examples=["acme/network"])
    kind: str = Field(examples=["component-package"])
    version: str = Field(examples=["1.4.0"])
    digest: str = Field(examples=["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    state: str = Field(default="published", examples=["published"])
    why: list[Why]

    def as_json(self) -> dict[str, Any]:
        """Return the entry as it is kept in rows."""
        return self.model_dump(mode="json")


class Understood(BaseModel):
    """One requirement as it was given and as it was understood: the canonical constraint, "" for every version."""

    model_config = ConfigDict(frozen=True)

    given: str = Field(examples=["acme/network ^1.2"])
    asset: str = Field(examples=["acme/network"])
    constraint: str = Field(examples=[">=1.2,<2"])


class LockedVersion(BaseModel):
    """One version in use; an entry of a lock fits, and all but these two of its fields are left aside."""

    asset: str = Field(max_length=127, pattern=r"^[a-z0-9-]+/[a-z0-9-]+$", examples=["acme/network"])
    version: str = Field(max_length=64, examples=["1.4.0"])


class ResolveAssets(BaseModel):
    """What to resolve.

    ``requirements`` are references such as ``acme/network ^1.2`` in any spelling of constraints. ``lock`` is what is
    in use: it stays but for the assets in ``upgrade``, and never becomes lower unless a requirement excludes the
    present version. ``optional`` names assets whose optional dependencies are wanted. In both, ``*`` means all.
    """

    model_config = ConfigDict(extra="forbid")

    requirements: list[Annotated[str, Field(max_length=300)]] = Field(
        min_length=1, max_length=200, examples=[["acme/network ^1.2", "acme/shop"]]
    )
    lock: list[LockedVersion] = Field(default_factory=list, max_length=2000)
    upgrade: list[Annotated[str, Field(max_length=127)]] = Field(default_factory=list, max_length=2000)
    optional: list[Annotated[str, Field(max_length=127)]] = Field(default_factory=list, max_length=2000)


class Resolution(BaseModel):
    """What everything that was asked for resolves to; ``warnings`` are sentences about versions best not used."""

    model_config = ConfigDict(frozen=True)

    requirements: list[Understood]
    lock: list[LockEntry]
    warnings: list[str]


class Cause(BaseModel):
    """One requirement that has a part in a refusal; ``chain`` says how the request leads to ``by``, itself included."""

    model_config = ConfigDict(frozen=True)

    asset: str
    constraint: str
    by: str | None = None
    version: str | None = None
    chain: list[str] = Field(default_factory=list)
