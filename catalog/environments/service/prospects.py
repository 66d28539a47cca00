"""Prospects: the environment that a request would make, so that an engine can look ahead before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlmodel import Session

from catalog.assets.blueprint_spec import parse_spec
from catalog.assets.inputs import without_secrets
from catalog.environments import queries, rules
from catalog.environments.models import Environment, Phase, RequestEnvironment
from catalog.environments.service.credentials import credentials_of
from catalog.environments.service.reports import DeployPlan
from catalog.environments.service.wishes import Wish
from catalog.providers.targets import provider
from catalog.secret_texts import secret_texts
from catalog.settings import Settings
from catalog.stacks.graph import texts_in
from catalog.stacks.models import Stack
from catalog.stacks.service import MultiCloudProvisioningService
from catalog.tenants.secrets import SecretService


@dataclass(frozen=True)
class Prospect:
    """What a worker would be told to bring about, and the stack it would be done to, None where that is new.

    ``secrets`` are the texts among the inputs that nobody may see.
    """

    plan: DeployPlan
    stack: Stack | None
    secrets: frozenset[str]


def prospect(session: Session, settings: Settings, tenant_id: UUID, asked: RequestEnvironment) -> Prospect:
    """Return what asking for an environment would come to; nothing is written.

    The same question about the same world gives the same answer: an environment that is not there yet goes by a
    name that stands for its pull request. Raises what asking would, such as ``InvalidInputError``.
    """
    wish = Wish.resolve(session, settings, tenant_id, asked)
    found = queries.at_pull_request(session, tenant_id, wish.repository, wish.pull_request.number)
    present = found if found is not None and found.phase is not Phase.DESTROYED else None
    name = rules.environment_name(wish.repository, wish.pull_request.number)
    place = provider(wish.target)
    hostname = f"{name}.{place.domain(settings)}" if present is None else present.hostname
    identity, spec = _stand_in(tenant_id, wish) if present is None else present.id, parse_spec({"spec": wish.spec})
    plan = DeployPlan(
        tenant_id=tenant_id,
        environment_id=identity,
        generation=0,
        operation_id=UUID(int=0),
        name=name if present is None else present.name,
        hostname=hostname,
        url=place.address(settings, hostname),
        repository=wish.repository,
        pull_request=wish.pull_request,
        head_sha=wish.head_sha,
        spec=spec,
        inputs=wish.inputs,
        lock=wish.lock,
        target=wish.target,
        credentials=credentials_of(settings, identity, spec),
        secrets=SecretService(session, settings).opened(tenant_id, spec.environment.secrets),
    )
    hidden = _secrets(wish.version.input_schema or {}, wish.inputs)
    return Prospect(plan, _stack(session, present), hidden | plan.hidden)


def standing(session: Session, tenant_id: UUID, repository: str, pull_request: int) -> Stack | None:
    """Return the stack of a pull request's environment, None where there is none."""
    found = queries.at_pull_request(session, tenant_id, repository, pull_request)
    return None if found is None or found.phase is Phase.DESTROYED else _stack(session, found)


def _stack(session: Session, environment: Environment | None) -> Stack | None:
    if environment is None or environment.stack_id is None:
        return None
    return MultiCloudProvisioningService(session).get(environment.tenant_id, environment.stack_id)


def _stand_in(tenant_id: UUID, wish: Wish) -> UUID:
    return uuid5(NAMESPACE_URL, f"slipway:{tenant_id}/{wish.repository}#{wish.pull_request.number}")


def _secrets(schema: Mapping[str, Any], inputs: Mapping[str, Any]) -> frozenset[str]:
    plain = set(texts_in(without_secrets(schema, inputs)))
    return secret_texts(each for each in texts_in(inputs) if each not in plain)
