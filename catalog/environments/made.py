"""What a generation of an environment came up from: written down when it is ready, and kept until it is signed."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ForeignKeyConstraint
from sqlmodel import Field, SQLModel

from catalog.columns import Json
from catalog.environments.models import Environment
from catalog.environments.sources import pinned_sources
from catalog.stacks.models import Stack


class EnvironmentMade(SQLModel, table=True):
    """What one generation came up from, as ``Made`` reads it: it may have moved on, or be gone, once that is signed."""

    __tablename__ = "environments_made"
    __table_args__ = (ForeignKeyConstraint(["environment_id"], ["environments.id"]),)

    tenant_id: UUID
    environment_id: UUID = Field(primary_key=True)
    incarnation: int = Field(primary_key=True)
    generation: int = Field(primary_key=True)
    made: dict[str, Any] = Field(sa_type=Json)


class Made(BaseModel):
    """What one generation came up from. ``inputs`` are without secrets; ``graph`` is what the engine told, as kept."""

    environment: UUID
    name: str
    incarnation: int
    generation: int
    blueprint: str
    lock: list[dict[str, Any]]
    inputs: dict[str, Any]
    repository: str
    pull_request: int
    commit: str
    sources: dict[str, dict[str, str]]
    target: str
    withheld: list[str]
    resources: list[dict[str, Any]]
    graph: dict[str, Any] | None
    url: str
    ready_at: datetime | None


def made_of(environment: Environment, stack: Stack | None) -> Made:
    """Return what the generation came up from that an environment is at now."""
    return Made(
        environment=environment.id,
        name=environment.name,
        incarnation=environment.incarnation,
        generation=environment.generation,
        blueprint=environment.blueprint,
        lock=environment.locked,
        inputs=environment.inputs,
        repository=environment.repository,
        pull_request=environment.pull_request,
        commit=environment.deployed_sha or environment.head_sha,
        sources=pinned_sources(environment.spec),
        target=environment.target,
        withheld=sorted(environment.withheld),
        resources=[] if stack is None else stack.resources,
        graph=None if stack is None else stack.graph,
        url=environment.url or "",
        ready_at=environment.last_deploy_at,
    )
