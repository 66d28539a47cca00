"""Commands in comments on pull requests, carried out for those who may give them."""

from dataclasses import replace
from uuid import UUID

from sqlmodel import Session

from catalog.environments import queries
from catalog.environments.machine import LEAVING
from catalog.environments.models import Environment, Phase
from catalog.environments.service.automation import EnvironmentAutomation
from catalog.environments.service.moving import what_waits
from catalog.environments.service.requests import EphemeralEnvironmentService
from catalog.environments.service.wishes import asked_again
from catalog.providers.scm import Association, PullRequest
from catalog.scm.commands import Command, Verb, may_command
from catalog.settings import Settings
from catalog.tenancy import Principal, system_principal


def obey(  # noqa: PLR0913, PLR0911  (who asks what of which pull request in whose tenant; a sentence for each)
    session: Session,
    settings: Settings,
    tenant_id: UUID,
    repository: str,
    pull_request: PullRequest,
    command: Command,
    *,
    author: str,
    association: Association,
) -> str:
    """Do what a comment asks and return the answer, as one sentence; refusals of the service are raised.

    Who may is decided here and now, by how the provider says the author stands to the repository.
    """
    if not may_command(command, association, is_fork=pull_request.is_fork):
        whose = "its maintainers" if pull_request.is_fork else "those with a part in the repository"
        return f"`/preview {command.verb}` is for {whose}."
    principal = replace(system_principal(tenant_id), actor=f"scm:{author}", name=author)
    environment = queries.by_pull_request(session, tenant_id, repository, pull_request.number)
    service, automation = EphemeralEnvironmentService(session, settings), EnvironmentAutomation(session, settings)
    if environment is None:
        up = command.verb is Verb.UP
        begun = automation.ask_for(principal, repository, pull_request.number) if up else None
        none = "This pull request has no environment yet. Request it once, so that its blueprint is known."
        return none if begun is None else _asked(service, begun, settings)
    if command.verb is Verb.DOWN:
        service.destroy(principal, environment.id)
        return f"`{environment.name}` is being removed."
    if command.verb is Verb.EXTEND and command.by is not None:
        minutes = int(command.by.total_seconds() // 60)
        later = service.extend(principal, environment.id, f"PT{minutes}M").expires_at
        return f"`{environment.name}` lives until {later:%Y-%m-%d %H:%M} UTC."
    if command.verb is Verb.REBUILD:
        service.rebuild(principal, environment.id)
        return f"`{environment.name}` is being made again."
    if command.verb is Verb.UP:
        return _up(service, automation, principal, environment, settings)
    return _standing(service, environment)


def _standing(service: EphemeralEnvironmentService, environment: Environment) -> str:
    place = service.place(environment)
    waits = "" if place is None else f" and waits for room: place {place.place} of {place.length}"
    return f"`{environment.name}` is {environment.phase.value.replace('_', ' ')}{waits}."


def _up(
    service: EphemeralEnvironmentService,
    automation: EnvironmentAutomation,
    principal: Principal,
    environment: Environment,
    settings: Settings,
) -> str:
    if environment.phase is Phase.SLEEPING:
        woken = service.wake(principal, environment.id)
        return _standing(service, woken) if woken.waits_since else f"`{environment.name}` is waking up."
    if environment.waiting_sha is not None:
        return _waits(environment, settings)
    if environment.phase is Phase.FAILED:
        service.rebuild(principal, environment.id)
        return f"`{environment.name}` is being made again."
    if environment.phase is Phase.READY:
        return f"`{environment.name}` is up already."
    if environment.phase is not Phase.DESTROYED and environment.phase not in LEAVING:
        return _standing(service, environment)
    asked = asked_again(environment, settings)
    again = service.request(principal, asked, automation=automation.target_of(environment))
    return _asked(service, again, settings, " again")


def _waits(environment: Environment, settings: Settings) -> str:
    return what_waits(environment, f"{settings.base_url}/environments/{environment.id}")


def _asked(service: EphemeralEnvironmentService, environment: Environment, settings: Settings, again: str = "") -> str:
    if environment.waiting_sha is not None:
        return _waits(environment, settings)
    if environment.waits_since is not None:
        return _standing(service, environment)
    return f"`{environment.name}` is asked for{again}."
