"""Connections to providers, the repositories that are followed through them, and deliveries that were seen."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Shape
from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Json, Timestamp


class ScmConnection(SQLModel, table=True):
    """A tenant's credentials at one server. Credentials and the secrets of its hooks are sealed; see ``SecretBox``.

    ``hook_key`` is the part of the hook's address that names the connection; it is no secret. ``problem`` says what
    was wrong when the provider was last asked, None where nothing was.
    """

    __tablename__ = "scm_connections"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        UniqueConstraint("tenant_id", "id", name="uq_scm_connections_tenant_id_id"),
        Index("ix_scm_connections_hook_key", "hook_key", unique=True),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID
    name: str = Field(max_length=63)
    provider: str = Field(max_length=63)
    base_url: str
    sealed_credentials: str
    sealed_hook_secrets: str
    hook_key: str
    problem: str | None = None
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    used_at: datetime | None = Field(default=None, sa_type=Timestamp)


class ScmRepository(SQLModel, table=True):
    """A repository that is followed: ``pulls`` is what was open when it was last listed, by number.

    It is listed again at ``poll_at``; a hook sets that to now and does nothing else.
    """

    __tablename__ = "scm_repositories"
    __table_args__ = (
        UniqueConstraint("tenant_id", "address"),
        ForeignKeyConstraint(
            ["tenant_id", "connection_id"],
            ["scm_connections.tenant_id", "scm_connections.id"],
            name="fk_scm_repositories_connection",
            ondelete="CASCADE",
        ),
        Index("ix_scm_repositories_poll_at", "poll_at"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID
    connection_id: UUID
    address: str
    pulls: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    conditions: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    polled_at: datetime | None = Field(default=None, sa_type=Timestamp)
    poll_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class ScmDelivery(SQLModel, table=True):
    """A delivery that was taken; the same one again changes nothing. Kept for a week."""

    __tablename__ = "scm_deliveries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "connection_id"],
            ["scm_connections.tenant_id", "scm_connections.id"],
            name="fk_scm_deliveries_connection",
            ondelete="CASCADE",
        ),
        Index("ix_scm_deliveries_received_at", "received_at"),
    )

    tenant_id: UUID = Field(primary_key=True)
    connection_id: UUID = Field(primary_key=True)
    delivery: str = Field(primary_key=True, max_length=200)
    received_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class ScmCommand(SQLModel, table=True):
    """A command of a comment that was obeyed, with the answer to it, "" until there is one; kept for a month.

    The same comment may be told of more than once: by a hook of the repository and one of an App, or by a job that is
    carried out again. ``is_replied`` says that the answer was written at the pull request.
    """

    __tablename__ = "scm_commands"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        Index("ix_scm_commands_obeyed_at", "tenant_id", "obeyed_at"),
    )

    tenant_id: UUID = Field(primary_key=True)
    repository: str = Field(primary_key=True)
    pull_request: int = Field(primary_key=True)
    comment_id: str = Field(primary_key=True, max_length=200)
    answer: str = ""
    is_replied: bool = False
    obeyed_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class ConnectScm(BaseModel):
    """What a connection is made with.

    ``credentials`` for GitHub: ``token``, or ``app_id``, ``installation_id`` and ``private_key`` (PEM); for Azure
    DevOps: ``token``, or ``directory_id``, ``client_id`` and ``client_secret`` of a service principal. They are kept
    sealed and never shown again. ``base_url`` is "" for the provider's public server; that of Azure DevOps may go on
    with the name of one organisation, for which the connection is then.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: str = Shape(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$", examples=["github"])
    provider: str = Shape(default="github", max_length=63, examples=["github", "azure_devops"])
    base_url: str = Shape(default="", max_length=300)
    credentials: dict[str, str] = Shape(repr=False, max_length=10, examples=[{"token": "github_pat_example"}])


class FollowRepository(BaseModel):
    """The repository to follow through a connection."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    address: str = Shape(min_length=1, max_length=1000, examples=["https://github.com/acme/hello"])


class ScmCondition(BaseModel):
    """A right that is there or missing, or whether a repository could be listed; ``message`` says what to do."""

    type: str
    status: bool
    message: str = ""


class ScmRepositoryRead(BaseModel):
    """A repository that is followed, with how many pull requests are open there."""

    id: UUID
    address: str
    open_pull_requests: int
    conditions: list[ScmCondition]
    polled_at: datetime | None


class ScmConnectionRead(BaseModel):
    """A connection as others read it: no secret is in it. ``hook_url`` is where the provider sends its hooks."""

    id: UUID
    name: str
    provider: str
    base_url: str
    hook_url: str
    problem: str | None
    repositories: list[ScmRepositoryRead]
    created_by: str
    created_at: datetime
    used_at: datetime | None


class ScmConnectionMade(ScmConnectionRead):
    """A connection with the secret for its hooks, which is told this once.

    After a rotation the secret before stays good as well, until the next one.
    """

    hook_secret: str


class HookReceived(BaseModel):
    """What became of a delivery: how many repositories are looked at because of it."""

    delivery: str
    repositories: int
