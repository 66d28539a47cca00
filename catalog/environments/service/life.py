"""What the clock and people do to the life of an environment: extend, pin, sleep, wake, warn, try again, expire."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlmodel import Session

from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.environments import life, queries, rules
from catalog.environments.events import (
    EnvironmentExpiring,
    EnvironmentExtended,
    EnvironmentPinned,
    EnvironmentUnpinned,
)
from catalog.environments.machine import LEAVING, Event, allows
from catalog.environments.models import Desired, Environment, Phase, Pin
from catalog.environments.service.generations import demand, dismiss, fall_asleep, remove_again, wake
from catalog.environments.service.rows import (
    EXPIRING,
    clear_condition,
    find,
    life_of,
    schedule,
    set_condition,
    set_expiry,
    situation,
    stamp,
    tell,
)
from catalog.environments.service.wishes import duration
from catalog.errors import ConflictError, QuotaExceededError, SlipwayError
from catalog.gating import GatePoint, pass_gate, verdict_summary
from catalog.providers.targets import target
from catalog.settings import Settings
from catalog.stacks.service import MultiCloudProvisioningService
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

LOOK_AGAIN = timedelta(minutes=1)
"""When visits are asked for again where the target did not answer."""
UNUSED = timedelta(minutes=15)
"""How long an environment must not have been used before it is put to sleep to make room."""
GRACE = timedelta(minutes=30)
"""How long an environment lives at least after its pin was taken off."""


class EnvironmentLife:
    """The life of environments; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    def extend(self, principal: Principal, environment_id: UUID, by: str, reason: str = "") -> Environment:
        """Let the environment live longer by an ISO 8601 duration, never beyond its hard limit."""
        principal.require("environments:write")
        prolonged = duration(by, "/by")
        environment = self._living(principal, environment_id, "extend")
        hard = environment.hard_expires_at
        later = life.extended(life_of(environment), now(), prolonged)
        if later <= environment.expires_at:
            raise ConflictError(f"The environment may not live beyond {hard.isoformat(timespec='minutes')}.")
        set_expiry(environment, later)
        self._session.add(environment)
        data = EnvironmentExtended(**stamp(environment), expires_at=later, reason=reason[:500])
        tell(self._session, environment, data, principal.actor)
        self._audit(principal, environment, "extend", {"until": later.isoformat(), "reason": reason[:500]})
        return environment

    def pin(self, principal: Principal, environment_id: UUID, by: str, reason: str) -> Environment:
        """Keep the environment as it is for an ISO 8601 duration: until then it neither sleeps nor expires.

        It still follows its pull request, ends with it, and ends at its hard limit. A newer pin replaces an older one.
        """
        principal.require("environments:write")
        kept = duration(by, "/by")
        environment = self._living(principal, environment_id, "pin")
        until = min(now() + kept, environment.hard_expires_at)
        environment.pin = Pin(by=principal.name, reason=reason, until=until).model_dump(mode="json")
        environment.warned_seconds = None
        clear_condition(environment, EXPIRING)
        schedule(environment)
        self._session.add(environment)
        data = EnvironmentPinned(**stamp(environment), reason=reason, until=until)
        tell(self._session, environment, data, principal.actor)
        self._audit(principal, environment, "pin", {"until": until.isoformat(), "reason": reason})
        return environment

    def unpin(self, principal: Principal, environment_id: UUID) -> Environment:
        """Let the environment sleep and expire again, not before half an hour has passed; repeating changes nothing."""
        principal.require("environments:write")
        environment = find(self._session, principal.tenant_id, environment_id, lock=True)
        if environment.pin is None:
            return environment
        environment.pin = None
        soonest = min(now() + GRACE, environment.hard_expires_at)
        set_expiry(environment, max(environment.expires_at, soonest))
        self._session.add(environment)
        tell(self._session, environment, EnvironmentUnpinned(**stamp(environment)), principal.actor)
        self._audit(principal, environment, "unpin", {})
        return environment

    def sleep(self, principal: Principal, environment_id: UUID) -> Environment:
        """Stop what runs of the environment until somebody wakes it; one that sleeps already stays as it is."""
        principal.require("environments:write")
        environment = self._living(principal, environment_id, "put to sleep")
        if environment.phase is Phase.SLEEPING:
            return environment
        now_is = situation(environment)
        if now_is.pinned and environment.pin is not None:
            raise ConflictError(f"{environment.pin['by']} keeps it: {environment.pin['reason']}. Unpin it first.")
        if not allows(now_is, Event.IDLE):
            raise ConflictError(f"The environment is {environment.phase}; only one that is ready can sleep.")
        fall_asleep(self._session, environment, principal.actor, "requested")
        return environment

    def wake(self, principal: Principal, environment_id: UUID) -> Environment:
        """Bring a sleeping environment back; one that is awake, or waking, stays as it is."""
        principal.require("environments:write")
        environment = self._living(principal, environment_id, "wake")
        self._wake(environment, principal.actor)
        return environment

    def wake_for_visitor(self, tenant_id: UUID, environment_id: UUID) -> Environment:
        """Bring a sleeping environment back because somebody visits its address."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if environment.phase is Phase.SLEEPING:
            self._wake(environment, "visitor")
        return environment

    def keep_time(self, tenant_id: UUID, environment_id: UUID) -> None:
        """Do what is due to the environment by the clock: one thing, and write when it is looked at next."""
        environment = find(self._session, tenant_id, environment_id)
        counts = environment.sleep_after_seconds is not None or environment.ttl_base is life.TtlBase.LAST_ACTIVITY
        visited, known = self._last_visit(environment) if counts else (None, True)
        environment = find(self._session, tenant_id, environment_id, lock=True)
        moment = now()
        if environment.due_at is None or environment.due_at > moment:
            return
        if environment.desired is Desired.ABSENT or environment.phase in LEAVING:
            remove_again(self._session, environment)
            return
        if visited is not None and environment.visits_count:
            self._used(environment, visited)
        life_now = life_of(environment)
        idle = life_now.sleep_after is not None and life_now.last_activity_at + life_now.sleep_after <= moment
        warning = life.warning_due(life_now, moment)
        if life_now.ends_at <= moment:
            dismiss(self._session, environment, "system", "expired")
        elif environment.phase is Phase.FAILED and environment.retry_at and environment.retry_at <= moment:
            demand(self._session, environment, "system", "tried again", attempt=environment.attempt)
        elif allows(situation(environment), Event.IDLE) and idle and known:
            fall_asleep(self._session, environment, "system", "idle")
        elif allows(situation(environment), Event.EXPIRING) and warning is not None:
            self._warn(environment, warning, life_now.ends_at - moment)
        schedule(environment)
        if environment.due_at is not None and environment.due_at <= moment:
            environment.due_at = moment + (LOOK_AGAIN if not known else timedelta(0))
        self._session.add(environment)

    @staticmethod
    def due(session: Session, moment: datetime, limit: int) -> list[queries.Due]:
        """Return environments of all tenants that the clock has to look at; needs a session of the system role."""
        return queries.due(session, moment, limit)

    def _make_room(self, tenant_id: UUID) -> None:
        """Let one more environment run, or raise ``QuotaExceededError``; those that sleep do not count.

        Where the settings say so, the one that was used longest ago is put to sleep for it: never one that is pinned,
        nor one that was used a moment ago, or of which that is not known. Destroying is admitted always and asks for no
        room.
        """
        quota = self._settings.environment_quota
        if queries.count_awake(self._session, tenant_id) < quota:
            return
        if self._settings.environment_eviction == "sleep":
            unused = self._unused(tenant_id)
            if unused is not None:
                fall_asleep(self._session, unused, "system", "made room for another one")
                return
        raise QuotaExceededError(
            f"All {quota} environments are in use. Destroy one that is no longer needed, or put it to sleep."
        )

    def _unused(self, tenant_id: UUID) -> Environment | None:
        """Return what was used longest ago of all that may be put to sleep to make room, visits included."""
        latest, found = now() - UNUSED, []
        for environment in queries.unused_since(self._session, tenant_id, latest):
            visited, known = self._last_visit(environment)
            used = max(life_of(environment).last_activity_at, visited or datetime.min.replace(tzinfo=UTC))
            if known and used <= latest and allows(situation(environment), Event.IDLE):
                found.append((used, environment))
        return min(found, key=lambda each: each[0])[1] if found else None

    def _wake(self, environment: Environment, actor: str) -> None:
        if environment.phase is Phase.SLEEPING:
            self._admit_start(environment)
            # What policies said of a newer commit stays on its page: that one is not what is woken.
            self._ask_policies(environment, actor, is_new=False)
            self._used(environment, now())
            wake(self._session, environment, actor)
        elif environment.desired is not Desired.PRESENT:
            raise ConflictError(f"The environment is {environment.phase}; it cannot be woken.")

    def _admit_start(self, environment: Environment) -> None:
        """Raise where nothing may be started from its blueprint, or, as it sleeps, where there is no room for it."""
        if AssetService(self._session).is_held(environment.tenant_id, f"environments/{environment.id}"):
            raise ConflictError("Its blueprint is in quarantine; nothing new is started from it.")
        if environment.phase is Phase.SLEEPING:
            self._make_room(environment.tenant_id)

    def _ask_policies(self, environment: Environment, actor: str, *, is_new: bool) -> None:
        """Raise ``PolicyRefusedError`` where policies do not allow to bring about what the row says."""
        point = GatePoint.ENVIRONMENT_REQUEST if is_new else GatePoint.ENVIRONMENT_UPDATE
        self._session.add(environment)
        self._session.flush()
        verdict = pass_gate(self._session, environment.tenant_id, point, f"environments/{environment.id}", actor)
        environment.verdict = verdict_summary(verdict)

    def _used(self, environment: Environment, moment: datetime) -> None:
        if environment.last_activity_at is None or moment > environment.last_activity_at:
            environment.last_activity_at = moment
            set_expiry(environment, life.used(life_of(environment), moment))
            self._session.add(environment)

    def _last_visit(self, environment: Environment) -> tuple[datetime | None, bool]:
        """Return when somebody last visited, and whether that is known: a target that does not answer knows nothing."""
        if environment.stack_id is None or not environment.visits_count:
            return None, True
        stack = MultiCloudProvisioningService(self._session).get(environment.tenant_id, environment.stack_id)
        try:
            return target(stack.target, self._settings).last_visit(environment.hostname), True
        except SlipwayError:
            return None, False

    def _warn(self, environment: Environment, warning: timedelta, left: timedelta) -> None:
        environment.warned_seconds = int(warning.total_seconds())
        ends = life_of(environment).ends_at
        message = f"It is destroyed on {ends:%Y-%m-%d} at {ends:%H:%M} UTC. Extend or pin it to keep it."
        set_condition(environment, EXPIRING, f"Within{environment.warned_seconds}Seconds", message, status=True)
        data = EnvironmentExpiring(
            **stamp(environment), name=environment.name, expires_at=ends, seconds_left=int(left.total_seconds())
        )
        tell(self._session, environment, data, "system")

    def _living(self, principal: Principal, environment_id: UUID, verb: str) -> Environment:
        environment = find(self._session, principal.tenant_id, environment_id, lock=True)
        if environment.phase is Phase.DESTROYED or environment.phase in LEAVING:
            raise ConflictError(f"The environment is {environment.phase}; there is nothing to {verb}.")
        return environment

    def _audit(self, principal: Principal, environment: Environment, what: str, detail: dict[str, str]) -> None:
        subject = f"environments/{environment.id}"
        TenantService(self._session).audit(
            principal.tenant_id, principal.actor, f"environment.{what}", subject, {"name": environment.name, **detail}
        )


def begin_life(environment: Environment, maximum: timedelta) -> None:
    """Start a life: the hard limit counts from here, and what belonged to the life before is forgotten."""
    moment = now()
    environment.lived_since = moment
    environment.hard_expires_at = moment + maximum
    environment.last_activity_at = None
    environment.pin = None
    environment.warned_seconds = None


def prolong(environment: Environment, ttl: timedelta) -> None:
    """Let the environment live as long as a request says, counted from where its blueprint counts."""
    environment.ttl_seconds = int(ttl.total_seconds())
    moment, hard = now(), environment.hard_expires_at
    set_expiry(environment, life.asked(environment.ttl_base, environment.lived_since, moment, ttl, hard))


def retry_after(environment: Environment) -> datetime | None:
    """Return when what failed for a passing reason is tried again; None: not by itself any more."""
    wait = rules.retry(environment.attempt)
    return None if wait is None else now() + wait
