"""What an environment shows at its pull request: one comment, and one deployment under one environment name."""

from dataclasses import dataclass

from catalog.clock import now
from catalog.environments.machine import NOT_BEGUN
from catalog.environments.models import Environment, Extension, Phase, QueuePlace
from catalog.environments.rules import follows
from catalog.environments.service.moving import what_waits
from catalog.environments.service.returning import may_come_back
from catalog.environments.service.rows import (
    EXPIRING,
    REFUSED,
    RETURNED,
    address_of,
    life_of,
    refusal_of,
    situation,
)
from catalog.environments.specs import why_unreadable
from catalog.providers.scm import Deployment, DeploymentState
from catalog.settings import Settings

_STATES = {
    Phase.REQUESTED: DeploymentState.QUEUED,
    Phase.REJECTED: DeploymentState.FAILURE,
    Phase.PENDING_APPROVAL: DeploymentState.QUEUED,
    Phase.QUEUED: DeploymentState.QUEUED,
    Phase.PROVISIONING: DeploymentState.IN_PROGRESS,
    Phase.UPDATING: DeploymentState.IN_PROGRESS,
    Phase.UNKNOWN: DeploymentState.IN_PROGRESS,
    Phase.READY: DeploymentState.SUCCESS,
    Phase.SLEEPING: DeploymentState.SUCCESS,
    Phase.WAKING: DeploymentState.IN_PROGRESS,
    Phase.FAILED: DeploymentState.FAILURE,
    Phase.DESTROYING: DeploymentState.INACTIVE,
    Phase.VERIFYING_GONE: DeploymentState.INACTIVE,
    Phase.DESTROY_FAILED: DeploymentState.INACTIVE,
}
_WORDS = {
    Phase.REQUESTED: "is asked for",
    Phase.REJECTED: "is not allowed",
    Phase.PENDING_APPROVAL: "waits for an approval of this commit",
    Phase.QUEUED: "waits for its turn",
    Phase.PROVISIONING: "is being made",
    Phase.UPDATING: "is being updated",
    Phase.UNKNOWN: "is being looked at after an interruption",
    Phase.READY: "is ready",
    Phase.SLEEPING: "sleeps until it is asked for",
    Phase.WAKING: "is waking up",
    Phase.FAILED: "could not be made",
    Phase.DESTROYING: "is being removed",
    Phase.VERIFYING_GONE: "is being removed",
    Phase.DESTROY_FAILED: "could not be removed yet, and is tried again",
    Phase.DESTROYED: "is gone; nothing of it is left",
}

_AT_LIMIT = "It is removed soon, and may not live longer; `/preview up` makes it again afterwards."


@dataclass(frozen=True)
class Signs:
    """What is to be seen of an environment; no ``deployment``: it and the environment's name are to vanish."""

    name: str
    comment: str
    deployment: Deployment | None


def signs_of(environment: Environment, settings: Settings, queue: QueuePlace | None = None) -> Signs:
    """Return what is to be seen of an environment as it is now; ``queue`` is its place where it waits for room."""
    number = environment.pull_request
    name = f"preview/pr-{number}"
    page = f"{settings.base_url}/environments/{environment.id}"
    state = _STATES.get(environment.phase)
    # What was approved, and waits for room, waits for no approval any more.
    waits = environment.phase is Phase.PENDING_APPROVAL and environment.waiting_sha is None
    words = _WORDS[Phase.QUEUED if waits else environment.phase]
    deployment = None
    if state is not None:
        sha = environment.deployed_sha if environment.phase is Phase.READY else environment.head_sha
        url = address_of(environment, settings) if environment.phase is Phase.READY else ""
        said = f"The environment {words}."
        deployment = Deployment(name, sha or environment.head_sha, state, url, said, page, number)
    return Signs(name, _comment(environment, words, page, queue), deployment)


def _comment(environment: Environment, words: str, page: str, queue: QueuePlace | None) -> str:
    lines = [f"**Preview environment** `{environment.name}` {words}.", ""]
    if environment.phase is Phase.READY and environment.url:
        lines += [f"**{environment.url}**", ""]
    if environment.phase is not Phase.DESTROYED:
        lines += _waits(environment, page, queue)
        lines += ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in _facts(environment)), ""]
    if environment.phase is Phase.FAILED and environment.failure:
        # In a block of code, so that nobody is mentioned and nothing is rendered.
        told = str(environment.failure.get("message", "")).replace("`", "'")[:1000]
        lines += ["````", told, "````", ""]
    lines.append(f"[What happens]({page})")
    if environment.phase is Phase.DESTROYED:
        lines += ["", *_returns(environment)]
    else:
        lines += ["", f"Commands: {_commands(environment)}"]
    return "\n".join(lines)


def _waits(environment: Environment, page: str, queue: QueuePlace | None) -> list[str]:
    """Return what is waited for, and what happens soon."""
    lines = []
    if queue is not None:
        lines += [f"It waits for room: place {queue.place} of {queue.length}, as of {now():%H:%M} UTC.", ""]
    if environment.backlog:
        lines += [f"Commits that wait for their turn: {len(environment.backlog)}.", ""]
    if any(each["type"] == EXPIRING for each in environment.conditions):
        at_limit = life_of(environment).ends_at >= environment.hard_expires_at
        lines += [_AT_LIMIT if at_limit else "It is removed soon; `/preview extend 24h` keeps it longer.", ""]
    if environment.withheld:
        names = ", ".join(_plain(each) for each in environment.withheld)
        lines += [f"It comes from a fork and runs without: {names}.", ""]
    if refusal_of(environment) is not None:
        told = next(each["message"] for each in environment.conditions if each["type"] == REFUSED)
        lines += [_plain(told), ""]
    if environment.waiting_sha:
        lines += [what_waits(environment, page), ""]
    return lines


def _commands(environment: Environment) -> str:
    """Return the commands that are obeyed as the environment is, and do something."""
    leaves = not follows(situation(environment))
    startable = environment.phase not in NOT_BEGUN and not why_unreadable(environment)
    offered = {
        "up": leaves or (environment.phase in {Phase.SLEEPING, Phase.FAILED} and startable),
        "down": not leaves,
        "extend 24h": not leaves and environment.expires_at < environment.hard_expires_at,
        "rebuild": not leaves and startable,
        "status": True,
    }
    first, *others = [name for name, is_obeyed in offered.items() if is_obeyed]
    return ", ".join([f"`/preview {first}`", *(f"`{name}`" for name in others)])


def _returns(environment: Environment) -> list[str]:
    """Return how one that is gone is made again."""
    lines = [_plain(each["message"]) for each in environment.conditions if each["type"] == RETURNED]
    returns = may_come_back(environment) and not lines
    by_itself = "It comes back with its pull request within 30 days. " if returns else ""
    return [*lines, *([""] if lines else []), f"{by_itself}`/preview up` makes it again."]


def _facts(environment: Environment) -> list[tuple[str, str]]:
    facts = [
        ("Commit", f"`{environment.head_sha[:12]}`"),
        ("Blueprint", f"`{environment.blueprint}` {environment.blueprint_version}"),
        ("Lives until", life_of(environment).ends_at.strftime("%Y-%m-%d %H:%M UTC")),
    ]
    if environment.pin and life_of(environment).is_pinned(now()):
        facts.append(("Kept by", _plain(f"{environment.pin['by']}: {environment.pin['reason']}")))
    if environment.extension:
        said = Extension.model_validate(environment.extension)
        facts.append(("Extended", _plain(f"by {said.by}, until {said.until:%Y-%m-%d %H:%M} UTC")))
    return facts


def _plain(text: str) -> str:
    """Return somebody's words as code in a cell of a table, so that nobody is mentioned and nothing is rendered."""
    return "`" + text.replace("`", "'").replace("|", "/").replace("\n", " ")[:200] + "`"
