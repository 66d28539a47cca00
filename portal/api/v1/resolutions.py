"""Resolving dependencies, and constraints in whichever spelling they are written."""

from typing import Annotated

from litestar import get, post
from litestar.params import JSONBody, QueryParameter
from pydantic import BaseModel, Field

from catalog.assets.constraints import translate
from catalog.assets.resolver import Resolution, ResolveAssets
from catalog.assets.service import AssetService
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession

TAGS = ["assets"]
READ = [requires("assets:read")]


class ConstraintRead(BaseModel):
    """A constraint as it was written and what it means: PEP 440 clauses, "" for every version."""

    text: str = Field(examples=["^1.2"])
    canonical: str = Field(examples=[">=1.2,<2"])
    spelling: str = Field(examples=["npm"], description="Whose spelling it is: pep440, npm, terraform, maven or any.")


@post(
    "/assets/resolve",
    operation_id="resolve_assets",
    summary="Resolve requirements to a lock",
    tags=TAGS,
    guards=READ,
    status_code=200,
    responses=problems(401, 403, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def resolve_assets(data: JSONBody[ResolveAssets], session: OpenSession, principal: Caller) -> Resolution:
    """Return one version of everything that is needed, dependencies first, each with its digest and reasons.

    It is all or nothing. A refusal says in its `detail` which requirements exclude each other, and in `causes` the
    same as data. Nothing is changed.
    """
    return AssetService(session).resolve_all(principal.tenant_id, data)


@get(
    "/assets/constraint",
    operation_id="translate_constraint",
    summary="Translate a constraint",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 422)},
    sync_to_thread=False,
)
def translate_constraint(
    text: Annotated[str, QueryParameter(max_length=200, description="A constraint, such as ^1.2, ~> 1.2 or 1.x.")],
) -> ConstraintRead:
    """Return what a constraint in any known spelling means, in the one spelling under which it is kept."""
    found = translate(text)
    return ConstraintRead(text=text, canonical=found.canonical, spelling=found.spelling)
