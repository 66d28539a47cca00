"""Environments as rows: their situation in and out, their conditions, and how others read them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.assets.blueprint_spec import ActiveHours
from catalog.clock import now
from catalog.environments import queries
from catalog.environments.hours import Hours
from catalog.environments.life import Life, due_at, idle_at
from catalog.environments.machine import LEAVING, NOT_BEGUN, RESTING, Situation
from catalog.environments.models import (
    Condition,
    Desired,
    Environment,
    EnvironmentRead,
    Extension,
    Phase,
    Pin,
    QueuePlace,
    Removal,
    Rest,
)
from catalog.environments.specs import part_of, secret_names, why_unreadable
from catalog.errors import NotFoundError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.gating import VerdictSummary
from catalog.operations.models import Problem, Step
from catalog.providers.targets import provider
from catalog.scm.service import is_local
from catalog.settings import Settings
from catalog.stacks.models import StackResource

NOT_REMADE = "Restorable"
"""The condition that is false while policies keep what failed or went missing from being made again."""
REFUSED = "Allowed"
"""The condition that is false while policies do not let an environment follow its pull request."""
PLAN_REFUSED = "PlanRefused"
"""Its reason where policies refused what the engine would have done."""
RETURNED = "Returned"
"""The condition that is false while an environment that ended with its pull request cannot come back with it."""
ROOM = "Room"
"""The condition that is false while an environment waits for room."""
STUCK = timedelta(hours=7)
"""After how long without any progress a removal is asked for once more; longer than the longest wait between tries."""
LATE = timedelta(minutes=10)
"""How long after it should have been tried again a removal is asked for once more."""
NEXT_COMMIT = timedelta(minutes=1)
"""When the clock looks at commits that wait for their turn, where nothing else made them go on."""
OFFERED = "TargetOffered"
"""The condition that is false while the target is no longer offered at which an environment runs and stays."""
SIGNS_LATE = timedelta(minutes=5)
"""When signs that are still not as the environment is are shown again, whatever came of the event that told of it."""
SPECIFIED = "Specified"
"""The condition that is false while what an environment is made of cannot be read; found whenever one is read."""
EXPIRING = "Expiring"
"""The condition that says that an environment ends soon."""

DEPLOY_STEPS = (
    Step(name="source", title="Fetch the commit"),
    Step(name="prepare", title="Prepare the stack"),
    Step(name="apply", title="Start the application and wait until it is healthy"),
    Step(name="publish", title="Publish the address"),
)
SLEEP_STEPS = (
    Step(name="prepare", title="Wait for work in progress"),
    Step(name="stop", title="Stop the application; its address stays and wakes it"),
)
REST_STEPS = (
    Step(name="prepare", title="Wait for work in progress"),
    Step(name="stop", title="Stop the application; somebody has to wake it"),
)
"""Those of a target whose addresses cannot wake what sleeps behind them."""
DESTROY_STEPS = (
    Step(name="prepare", title="Wait for work in progress"),
    Step(name="destroy", title="Stop the application and remove its files and route"),
    Step(name="verify", title="Verify that nothing is left"),
)


def find(session: Session, tenant_id: UUID, environment_id: UUID, *, lock: bool = False) -> Environment:
    """Return the environment; raise ``NotFoundError`` where the tenant has none of that id."""
    found = queries.by_id(session, tenant_id, environment_id, lock=lock)
    if found is None:
        raise NotFoundError(f"There is no environment {environment_id}.")
    return found


def address_of(environment: Environment, settings: Settings) -> str:
    """Return the public address of an environment, "" where its target tells it only once something runs there."""
    return provider(environment.target).address(settings, environment.hostname) or environment.url or ""


def situation(environment: Environment) -> Situation:
    """Return the part of the row that the state machine is about."""
    return Situation(
        phase=environment.phase,
        desired=environment.desired,
        incarnation=environment.incarnation,
        generation=environment.generation,
        observed_generation=environment.observed_generation,
        touched=environment.touched,
        wanted_again=environment.wanted_again,
        pinned=life_of(environment).is_pinned(now()),
    )


def settle(environment: Environment, after: Situation) -> None:
    """Write a situation back into the row."""
    environment.phase = after.phase
    environment.desired = after.desired
    environment.incarnation = after.incarnation
    environment.generation = after.generation
    environment.observed_generation = after.observed_generation
    environment.touched = after.touched
    environment.wanted_again = after.wanted_again


def life_of(environment: Environment) -> Life:
    """Return what the clock has to know of the environment."""
    known = (environment.last_activity_at, environment.last_deploy_at, environment.lived_since)
    return Life(
        ttl=timedelta(seconds=environment.ttl_seconds),
        base=environment.ttl_base,
        lived_since=environment.lived_since,
        expires_at=environment.expires_at,
        hard_expires_at=environment.hard_expires_at,
        last_activity_at=max(each for each in known if each is not None),
        warned=_seconds(environment.warned_seconds),
        sleep_after=_seconds(environment.sleep_after_seconds),
        pinned_until=Pin.model_validate(environment.pin).until if environment.pin else None,
        retry_at=environment.retry_at,
        hours=hours_of(environment.spec) if provider(environment.target).wakes else None,
        sleeps_for_hours=environment.slept_for is Rest.HOURS,
    )


def hours_of(spec: Mapping[str, Any]) -> Hours | None:
    """Return the active hours of a blueprint's spec; None where it says none, or all hours of all days.

    Hours that cannot be read, as another version wrote them, are none: they keep nothing from being removed.
    """
    found = part_of(spec, "active")
    if found is None:
        return None
    try:
        hours = Hours.of(ActiveHours.model_validate_json(json.dumps(found), strict=True))
    except ValueError:
        return None
    return None if hours.never_close() else hours


def set_expiry(environment: Environment, moment: datetime) -> None:
    """Let the environment expire at ``moment``; whoever was warned of an earlier end is warned of the new one."""
    if moment != environment.expires_at:
        environment.expires_at = moment
        environment.warned_seconds = None
        clear_condition(environment, EXPIRING)
    schedule(environment)


def schedule(environment: Environment) -> None:
    """Write when the clock has to look at the environment next; needed after each change of its phase or its life."""
    phase = environment.phase
    if phase is Phase.DESTROYED:
        environment.due_at = None
        return
    if phase in LEAVING or environment.desired is Desired.ABSENT:
        environment.due_at = _asked_again_at(environment)
        return
    environment.due_at = due_at(
        life_of(environment),
        now(),
        rests=phase in RESTING,
        ready=phase is Phase.READY,
        failed=phase is Phase.FAILED,
        asleep=phase is Phase.SLEEPING and environment.waits_since is None,
    )
    if environment.backlog and takes_next(environment):
        environment.due_at = min(environment.due_at, now() + NEXT_COMMIT)


def _asked_again_at(environment: Environment) -> datetime:
    """Return when a removal is asked for once more unless it gets on."""
    next_try = Removal.model_validate(environment.removal).next_try_at if environment.removal else None
    if environment.phase is Phase.DESTROY_FAILED and next_try is not None:
        return max(next_try, now()) + LATE
    return now() + STUCK


def takes_next(environment: Environment) -> bool:
    """Tell whether nothing is deployed, and nothing waits for room, so that the next commit of a queue has its turn."""
    rests = environment.phase in RESTING or (environment.phase in NOT_BEGUN and environment.waiting_sha is None)
    return rests and environment.desired is Desired.PRESENT and environment.waits_since is None


def tell(session: Session, environment: Environment, data: EventData, actor: str) -> None:
    """Append an event about the environment, of which its signs at the pull request are to tell soon."""
    subject = f"environments/{environment.id}"
    outbox.append(session, data, tenant_id=environment.tenant_id, subject=subject, actor=actor)
    if not is_local(environment.repository):
        environment.signs_due_at = now() + SIGNS_LATE
        session.add(environment)


def signs_due_now(environment: Environment) -> datetime | None:
    """Return when what changed without an event is to be seen at the pull request; None where nothing is shown."""
    return environment.signs_due_at if is_local(environment.repository) else now()


def stamp(environment: Environment) -> dict[str, Any]:
    """Return what every event of the environment says."""
    return {
        "environment_id": environment.id,
        "incarnation": environment.incarnation,
        "generation": environment.generation,
    }


def set_condition(environment: Environment, kind: str, reason: str, message: str, *, status: bool) -> None:
    """Set one condition; it keeps its time while its status and reason stay the same."""
    others = [each for each in environment.conditions if each["type"] != kind]
    before = next((each for each in environment.conditions if each["type"] == kind), None)
    same = before is not None and before["status"] == status and before["reason"] == reason
    at = before["at"] if before is not None and same else now().isoformat()
    condition = {"type": kind, "status": status, "reason": reason, "message": message, "at": at}
    environment.conditions = [*others, condition]


def refusal_of(environment: Environment) -> str | None:
    """Return the reason for which policies keep the environment from what is asked for; None where they do not."""
    return next((str(each["reason"]) for each in environment.conditions if each["type"] == REFUSED), None)


def clear_condition(environment: Environment, kind: str) -> None:
    """Take one condition away."""
    environment.conditions = [each for each in environment.conditions if each["type"] != kind]


def read(
    environment: Environment, resources: Sequence[StackResource] = (), queue: QueuePlace | None = None
) -> EnvironmentRead:
    """Return the environment as others read it: with the resources of its stack, and its place where it waits."""
    life, moment = life_of(environment), now()
    values = {name: getattr(environment, name) for name in EnvironmentRead.model_fields if name not in _DERIVED}
    asleep = environment.phase is Phase.SLEEPING and life.sleeps_for_hours
    return EnvironmentRead(
        **values,
        conditions=_conditions(environment),
        resources=list(resources),
        failure=Problem.model_validate(environment.failure) if environment.failure else None,
        verdict=VerdictSummary.model_validate(environment.verdict),
        removal=Removal.model_validate(environment.removal) if environment.removal else None,
        pin=Pin.model_validate(environment.pin) if environment.pin and life.is_pinned(moment) else None,
        extension=Extension.model_validate(environment.extension) if environment.extension else None,
        queue=queue,
        ends_at=life.ends_at,
        sleeps_at=_sleeps_at(life, moment) if environment.phase is Phase.READY else None,
        wakes_at=life.hours.next_change(moment) if asleep and life.hours and not life.hours.are_open(moment) else None,
        secrets=sorted(secret_names(environment.spec)),
    )


def _conditions(environment: Environment) -> list[Condition]:
    """Return what is worth knowing of it, and, as long as it is there, why what it is made of cannot be read."""
    said = [Condition.model_validate(each) for each in environment.conditions]
    if environment.phase is not Phase.DESTROYED and (why := why_unreadable(environment)):
        at = environment.last_deploy_at or environment.lived_since
        said.append(Condition(type=SPECIFIED, status=False, reason="SpecUnreadable", message=why, at=at))
    return said


def _sleeps_at(life: Life, moment: datetime) -> datetime | None:
    """Return when it falls asleep unless it is used: after so long, or soon after its active hours."""
    idle = idle_at(life, moment)
    if life.hours is None or not life.hours.are_open(moment) or life.is_pinned(moment):
        return idle
    over = life.hours.next_change(moment)
    return over if idle is None else min(idle, over)


def is_listed(environment: Environment) -> bool:
    """Tell whether listings of its repository show its pull request: of a branch on this machine, named, none does."""
    return environment.branch is None or not is_local(environment.repository)


def is_wanted(environment: Environment) -> bool:
    """Tell whether the environment shall be there."""
    return environment.desired is Desired.PRESENT or environment.wanted_again


def _seconds(number: int | None) -> timedelta | None:
    return None if number is None else timedelta(seconds=number)


_DERIVED = {
    "conditions",
    "resources",
    "failure",
    "verdict",
    "removal",
    "pin",
    "extension",
    "queue",
    "ends_at",
    "sleeps_at",
    "wakes_at",
    "secrets",
}
