"""What begins by itself and where environments go, as it is stored, asked for and answered."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, field_validator
from pydantic import Field as Shape
from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Json, Timestamp


class Automation(SQLModel, table=True):
    """What a tenant wants of the pull requests of one repository.

    ``attempts`` says of each pull request that was taken up at which commit, and what was against it: one is taken up
    once as long as it is open and meets the conditions, so that what somebody destroyed stays destroyed.
    """

    __tablename__ = "environment_automations"
    __table_args__ = (
        UniqueConstraint("tenant_id", "repository"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID
    repository: str
    blueprint: str
    inputs: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    sealed_inputs: str
    labels: list[str] = Field(default_factory=list, sa_type=Json)
    ttl: str | None = None
    target: str | None = None
    attempts: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class TargetChoice(SQLModel, table=True):
    """Where a tenant's environments go unless somebody says otherwise; ``target`` is None once that was taken back."""

    __tablename__ = "environment_target_choices"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),)

    tenant_id: UUID = Field(primary_key=True)
    target: str | None = None
    chosen_by: str
    chosen_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class AutomateEnvironments(BaseModel):
    """What pull requests of a repository get by themselves: those that have every one of ``labels``, or all.

    ``blueprint``, ``inputs`` and ``ttl`` are as in a request for an environment; so is ``target``, but that what is
    there already stays where it runs.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    repository: str = Shape(min_length=1, max_length=1000, examples=["/home/ann/hello"])
    blueprint: str = Shape(min_length=3, max_length=300, examples=["slipway/preview-web"])
    inputs: dict[str, Any] = Shape(default_factory=dict)
    labels: list[str] = Shape(default_factory=list, max_length=20, examples=[["preview"]])
    ttl: str | None = Shape(default=None, examples=["P1D"])
    target: str | None = Shape(default=None, max_length=30, examples=["local"])

    @field_validator("target", mode="before")
    @classmethod
    def _empty_is_absent(cls, value: object) -> object:
        return None if value == "" else value


class Attempt(BaseModel):
    """What became of a pull request: the commit it was taken up at, and what was against it, empty where nothing."""

    pull_request: int
    head_sha: str
    problem: str = ""


class AutomationRead(BaseModel):
    """An automation as others read it; secret inputs are left out."""

    id: UUID
    repository: str
    blueprint: str
    inputs: dict[str, Any]
    labels: list[str]
    ttl: str | None
    target: str | None = None
    attempts: list[Attempt]
    created_by: str
    created_at: datetime
