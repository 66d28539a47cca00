"""What the clock and people do to the life of an environment: extend, pin, sleep, wake, warn, try again, expire."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.environments import life, queries, rules
from catalog.environments.events import (
    EnvironmentExpiring,
    EnvironmentExtended,
    EnvironmentPinned,
    EnvironmentUnpinned,
)
from catalog.environments.machine import LEAVING, Event, allows, step
from catalog.environments.models import Desired, Environment, Extension, Phase, Pin, Rest
from catalog.environments.service.generations import dismiss, fall_asleep, give_up_waiting, remove_again
from catalog.environments.service.remaking import remake
from catalog.environments.service.room import NOT_WOKEN, EnvironmentRoom
from catalog.environments.service.rows import (
    EXPIRING,
    clear_condition,
    find,
    life_of,
    schedule,
    set_condition,
    set_expiry,
    settle,
    situation,
    stamp,
    tell,
)
from catalog.environments.service.wishes import duration
from catalog.environments.specs import spec_of, why_unreadable
from catalog.errors import ConflictError, QuotaExceededError
from catalog.gating import PolicyRefusedError, verdict_summary
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

LOOK_AGAIN = timedelta(minutes=1)
"""When the clock looks again where it could not: the target did not answer, or something went wrong."""
GRACE = timedelta(minutes=30)
"""How long an environment lives at least after its pin was taken off."""


class EnvironmentLife(EnvironmentRoom):
    """The life of environments; everything happens in the session's transaction."""

    def extend(self, principal: Principal, environment_id: UUID, by: str, reason: str = "") -> Environment:
        """Let the environment live longer by an ISO 8601 duration, never beyond its hard limit.

        One that fell asleep because nobody used it is woken.
        """
        principal.require("environments:write")
        prolonged = duration(by, "/by")
        environment = self._living(principal, environment_id, "extend")
        hard = environment.hard_expires_at
        later = life.extended(life_of(environment), now(), prolonged)
        if later <= environment.expires_at:
            raise ConflictError(f"The environment may not live beyond {hard.isoformat(timespec='minutes')}.")
        set_expiry(environment, later)
        said = Extension(by=principal.name, at=now(), until=later, reason=reason[:500])
        environment.extension = said.model_dump(mode="json")
        self._session.add(environment)
        data = EnvironmentExtended(**stamp(environment), expires_at=later, reason=reason[:500])
        tell(self._session, environment, data, principal.actor)
        self._audit(principal, environment, "extend", {"until": later.isoformat(), "reason": reason[:500]})
        if environment.phase is Phase.SLEEPING and environment.slept_for is Rest.IDLE:
            # Whoever prolongs what nobody used means to use it; what somebody put to sleep stays asleep.
            self._wake_unless_refused(environment, principal.actor)
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
            if environment.waits_since is not None:
                give_up_waiting(self._session, environment)
            environment.slept_for = Rest.HAND
            schedule(environment)
            self._session.add(environment)
            return environment
        now_is = situation(environment)
        if now_is.pinned and environment.pin is not None:
            raise ConflictError(f"{environment.pin['by']} keeps it: {environment.pin['reason']}. Unpin it first.")
        if not allows(now_is, Event.IDLE):
            raise ConflictError(f"The environment is {environment.phase}; only one that is ready can sleep.")
        spec_of(environment)  # what stops it is made from that
        fall_asleep(self._session, environment, principal.actor, "requested", Rest.HAND)
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
            kept = next((each for each in environment.conditions if each["type"] == NOT_WOKEN), None)
            if kept is not None:
                # Said once, and not asked again with each visit: policies and exceptions have to change first.
                raise ConflictError(kept["message"])
            self._wake_unless_refused(environment, "visitor")
        return environment

    def may_wake_again(self, tenant_id: UUID, environment_id: UUID) -> None:
        """Let the next visit ask again whether the environment may be woken."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        clear_condition(environment, NOT_WOKEN)
        self._session.add(environment)

    def keep_time(self, tenant_id: UUID, environment_id: UUID) -> None:
        """Do what is due to the environment by the clock: one thing, and write when it is looked at next."""
        environment = find(self._session, tenant_id, environment_id)
        sleeps = environment.sleep_after_seconds is not None or life_of(environment).hours is not None
        counts = sleeps or environment.ttl_base is life.TtlBase.LAST_ACTIVITY
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
        idle_at = life.idle_at(life_now, moment)
        idle = idle_at is not None and idle_at <= moment
        warning = life.warning_due(life_now, moment)
        if life_now.ends_at <= moment:
            dismiss(self._session, environment, "system", "expired")
        elif environment.phase is Phase.FAILED and environment.retry_at and environment.retry_at <= moment:
            remake(self._session, environment, "tried again", attempt=environment.attempt)
        elif allows(situation(environment), Event.IDLE) and idle and known and not why_unreadable(environment):
            over = life_now.hours is not None and not life_now.hours.are_open(moment)
            rest = Rest.HOURS if over else Rest.IDLE
            fall_asleep(self._session, environment, "system", "outside its active hours" if over else "idle", rest)
        elif environment.phase is Phase.SLEEPING and life.is_woken_by_hours(life_now, moment):
            self._wake_unless_refused(environment, "system")
            environment.slept_for = Rest.IDLE if environment.slept_for is Rest.HOURS else environment.slept_for
        elif allows(situation(environment), Event.EXPIRING) and warning is not None:
            self._warn(environment, warning, life_now.ends_at - moment)
        schedule(environment)
        if environment.due_at is not None and environment.due_at <= moment:
            environment.due_at = moment + (LOOK_AGAIN if not known else timedelta(0))
        self._session.add(environment)

    def put_off(self, tenant_id: UUID, environment_id: UUID) -> None:
        """Let the clock look at the environment again in a while, because what is due to it could not be done."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if environment.due_at is not None:
            environment.due_at = now() + LOOK_AGAIN
            self._session.add(environment)

    @staticmethod
    def due(session: Session, moment: datetime, limit: int) -> list[queries.Due]:
        """Return environments of all tenants that the clock has to look at; needs a session of the system role."""
        return queries.due(session, moment, limit)

    def _wake(self, environment: Environment, actor: str) -> None:
        if environment.phase is Phase.SLEEPING and environment.waits_since is not None:
            return
        if environment.phase is Phase.SLEEPING:
            self._admit_start(environment)
            # What policies said of a newer commit stays on its page: that one is not what is woken.
            self._ask_policies(environment, actor, is_new=False)
            clear_condition(environment, NOT_WOKEN)
            self._used(environment, now())
            self._wake_up(environment, actor)
        elif environment.desired is not Desired.PRESENT:
            raise ConflictError(f"The environment is {environment.phase}; it cannot be woken.")

    def _admit_start(self, environment: Environment) -> None:
        """Raise where nothing may be started from its blueprint, or what it is made of cannot be read."""
        spec_of(environment)
        if self._is_held(environment):
            raise ConflictError("Its blueprint is in quarantine; nothing new is started from it.")

    def _wake_unless_refused(self, environment: Environment, actor: str) -> None:
        """Bring it back, or say on its page what policies or its blueprint have against that."""
        try:
            with self._session.begin_nested():
                self._wake(environment, actor)
        except (ConflictError, QuotaExceededError, PolicyRefusedError) as error:
            if isinstance(error, PolicyRefusedError):
                error.keep(self._session)
                told = f"It is not woken. {error.detail}"
                set_condition(environment, NOT_WOKEN, "PolicyRefused", told, status=False)
                environment.verdict = verdict_summary(error.verdict)
                self._session.add(environment)
            elif actor == "visitor":
                raise

    def _used(self, environment: Environment, moment: datetime) -> None:
        if environment.last_activity_at is None or moment > environment.last_activity_at:
            environment.last_activity_at = moment
            set_expiry(environment, life.used(life_of(environment), moment))
            self._session.add(environment)

    def _warn(self, environment: Environment, warning: timedelta, left: timedelta) -> None:
        settle(environment, step(situation(environment), Event.EXPIRING))
        environment.warned_seconds = int(warning.total_seconds())
        ends = life_of(environment).ends_at
        keeps = "Extend or pin it to keep it."
        if ends >= environment.hard_expires_at:
            keeps = "It may not live longer; request it again afterwards."
        message = f"It is destroyed on {ends:%Y-%m-%d} at {ends:%H:%M} UTC. {keeps}"
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
    environment.waiting_sha = environment.approved_sha = None
    environment.last_activity_at = None
    environment.pin = None
    environment.extension = None
    environment.backlog = []
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
