"""Room: what starts at once, what waits for its turn, who makes room, and who is let in when some becomes free."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlmodel import Session

from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.environments import queries
from catalog.environments.errors import QueueFullError
from catalog.environments.events import EnvironmentWaiting
from catalog.environments.machine import Event, allows
from catalog.environments.models import Environment, Phase, QueuePlace, Rest
from catalog.environments.room import lacking
from catalog.environments.service.generations import (
    demand,
    dismiss,
    fall_asleep,
    give_up_waiting,
    let_in,
    line_up,
    wake,
)
from catalog.environments.service.rows import (
    REFUSED,
    ROOM,
    clear_condition,
    life_of,
    set_condition,
    situation,
    stamp,
    tell,
)
from catalog.environments.specs import why_unreadable
from catalog.errors import QuotaExceededError, SlipwayError
from catalog.gating import GatePoint, PolicyRefusedError, pass_gate, verdict_summary
from catalog.providers.targets import target
from catalog.settings import Settings
from catalog.stacks.service import MultiCloudProvisioningService

UNUSED = timedelta(minutes=15)
"""How long an environment must not have been used before it goes to make room."""
NOT_WOKEN = "Wakeable"
"""The condition that is false while something keeps a sleeping environment from being woken."""
_WITHOUT_ROOM = {Phase.REQUESTED, Phase.REJECTED, Phase.PENDING_APPROVAL, Phase.DESTROYED, Phase.SLEEPING}
FIRST_PLACES = 3
"""Up to which place of the queue people are told that theirs has moved."""


class EnvironmentRoom:
    """Room for environments; everything happens in the session's transaction.

    Who asks for room holds the tenant's lock until the transaction ends, so that no two get the same. It is taken after
    the environment's own row, and whoever lets others in takes only rows that nobody else holds.
    """

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    def place(self, environment: Environment) -> QueuePlace | None:
        """Return where the environment stands in its tenant's queue; None where it does not wait for room."""
        return None if environment.waits_since is None else self.places(environment.tenant_id).get(environment.id)

    def places(self, tenant_id: UUID) -> dict[UUID, QueuePlace]:
        """Return the tenant's queue: where each environment stands that waits for room."""
        found = queries.waiting(self._session, tenant_id)
        return {
            each: QueuePlace(place=place, length=len(found), since=since)
            for place, (each, since) in enumerate(found, 1)
        }

    def admit_waiting(self, tenant_id: UUID) -> int:
        """Let in those that wait for room as long as there is some, oldest first; return how many.

        The first that does not fit keeps all behind it waiting, so that a large one gets its turn as well. One whose
        blueprint is in quarantine keeps its place and keeps nobody, and one that could never fit waits no longer.
        """
        queries.hold_room(self._session, tenant_id)
        admitted = turned_away = 0
        for environment_id, _ in queries.waiting(self._session, tenant_id):
            environment = queries.if_free(self._session, tenant_id, environment_id)
            if environment is None:
                break
            if environment.waits_since is None or self._is_held(environment):
                continue
            if never := lacking(self._settings, environment.size):
                self._turn_away(environment, never)
                turned_away += 1
                continue
            short, unused = self._room_for(environment)
            if short:
                break
            if not self._still_allowed(environment):
                turned_away += 1
                continue
            self._make_room(unused)
            let_in(self._session, environment)
            self._session.flush()
            admitted += 1
        if admitted or turned_away:
            self._tell_places(tenant_id)
        return admitted

    @staticmethod
    def waiting_tenants(session: Session) -> Sequence[UUID]:
        """Return the tenants of which environments wait for room; needs a session of the system role."""
        return queries.waiting_tenants(session)

    def _still_allowed(self, environment: Environment) -> bool:
        """Ask policies once more, which may have changed since it began to wait; one that they refuse waits no longer.

        One that sleeps goes on sleeping, and one of which nothing was made yet is gone; either says why.
        """
        try:
            with self._session.begin_nested():
                self._ask_policies(environment, environment.requested_by, is_new=not environment.touched)
        except PolicyRefusedError as refusal:
            refusal.keep(self._session)
            environment.verdict = verdict_summary(refusal.verdict)
            sleeps = environment.phase is Phase.SLEEPING
            self._end_waiting(environment, f"Policies do not allow it. {refusal.detail}")
            told = f"It is not {'woken' if sleeps else 'made'}. {refusal.detail}"
            set_condition(environment, NOT_WOKEN if sleeps else REFUSED, "PolicyRefused", told, status=False)
            return False
        return True

    def _end_waiting(self, environment: Environment, why: str) -> None:
        """Let one wait no longer: one that sleeps goes on sleeping, one of which nothing was made yet is gone."""
        if environment.phase is Phase.SLEEPING:
            give_up_waiting(self._session, environment)
        else:
            dismiss(self._session, environment, "system", why[:500])
        self._session.add(environment)

    def _ask_policies(self, environment: Environment, actor: str, *, is_new: bool) -> None:
        """Raise ``PolicyRefusedError`` where policies do not allow to bring about what the row says."""
        point = GatePoint.ENVIRONMENT_REQUEST if is_new else GatePoint.ENVIRONMENT_UPDATE
        self._session.add(environment)
        self._session.flush()
        verdict = pass_gate(self._session, environment.tenant_id, point, f"environments/{environment.id}", actor)
        environment.verdict = verdict_summary(verdict)

    def _surely_lacks(self, environment: Environment) -> str:
        """Return why one that is to move would be refused for want of room, as far as that is plain; "" else."""
        if never := lacking(self._settings, environment.size):
            return f"{never} That will never be enough."
        if environment.phase not in _WITHOUT_ROOM:
            return ""
        length = len(queries.waiting(self._session, environment.tenant_id))
        return (
            f"{length} environments wait for room already."
            if length >= max(1, self._settings.environment_queue)
            else ""
        )

    def _turn_away(self, environment: Environment, short: str) -> None:
        """Let one wait no longer that can never be let in: less is allowed now than when it was asked for."""
        self._end_waiting(environment, f"There will never be room for it. {short}")
        told = f"{short} That will never be enough: ask for less, or for a larger quota."
        set_condition(environment, ROOM, "NeverRoom", told, status=False)

    def _bring_about(self, environment: Environment, actor: str, reason: str, *, grows: bool = False) -> None:
        """Have workers bring about what the row says: now, or when there is room for it.

        ``grows`` says that it would take more room than it has. Raises ``QuotaExceededError`` where there could never
        be enough of it, or the queue is full.
        """
        self._check_size(environment)
        if environment.waits_since is None:
            clear_condition(environment, ROOM)
        if environment.waits_since is not None:
            line_up(self._session, environment, actor)
        elif environment.phase not in _WITHOUT_ROOM:
            if grows:
                self._check_growth(environment)
            demand(self._session, environment, actor, reason)
        elif why := self._must_wait(environment):
            self._enqueue(environment, actor, why)
        else:
            demand(self._session, environment, actor, reason)

    def _wake_up(self, environment: Environment, actor: str) -> None:
        """Have workers bring back what sleeps, now or when there is room for it."""
        self._check_size(environment)
        if environment.waits_since is not None:
            return
        clear_condition(environment, ROOM)
        if why := self._must_wait(environment):
            self._enqueue(environment, actor, why)
        else:
            wake(self._session, environment, actor)

    def _must_wait(self, environment: Environment) -> str:
        """Return why an environment cannot start now; "" where it can, and the room is its own."""
        self._session.flush()
        queries.hold_room(self._session, environment.tenant_id)
        if any(each != environment.id for each, _ in queries.waiting(self._session, environment.tenant_id)):
            return "Others have been waiting for longer."
        return self._short_of(environment)

    def _short_of(self, environment: Environment) -> str:
        """Return what there is too little of, once others have made room where the settings say so."""
        short, unused = self._room_for(environment)
        self._make_room(unused)
        return short

    def _make_room(self, unused: Sequence[Environment]) -> None:
        for each in unused:
            fall_asleep(self._session, each, "system", "made room for another one", Rest.ROOM)
        self._session.flush()

    def _room_for(self, environment: Environment) -> tuple[str, Sequence[Environment]]:
        """Return what there is too little of, or "" and who has to make room for that.

        The one unused longest comes before others, and nobody makes room that would not be enough.
        """
        used = queries.sizes_awake(self._session, environment.tenant_id, environment.id)
        short = self._lacks(environment, used)
        if not short or self._settings.environment_eviction != "sleep":
            return short, ()
        chosen: list[Environment] = []
        left = dict(used)
        for unused in self._unused(environment):
            chosen.append(unused)
            left.pop(unused.id, None)
            if not self._lacks(environment, left):
                break
        else:
            return short, ()
        for each in list(chosen):
            again = {**left, each.id: used.get(each.id, {})}
            if not self._lacks(environment, again):
                chosen.remove(each)
                left = again
        return "", chosen

    def _lacks(self, environment: Environment, used: Mapping[UUID, Mapping[str, int]]) -> str:
        return lacking(self._settings, environment.size, used.values())

    def _enqueue(self, environment: Environment, actor: str, why: str) -> None:
        length = len(queries.waiting(self._session, environment.tenant_id))
        if length >= self._settings.environment_queue:
            fix = "Destroy an environment that is no longer needed, or put it to sleep."
            raise QueueFullError(f"{why} {fix}")
        line_up(self._session, environment, actor)
        told = f"{why} It starts as soon as there is room."
        set_condition(environment, ROOM, "NoRoom", told, status=False)
        self._session.add(environment)
        self._session.flush()
        self._tell_place(environment, length + 1, length + 1, why)

    def _check_size(self, environment: Environment) -> None:
        short = lacking(self._settings, environment.size)
        if short:
            raise QuotaExceededError(f"{short} That will never be enough: ask for less, or for a larger quota.")

    def _check_growth(self, environment: Environment) -> None:
        """Raise where one that runs would take more room than there is; it is not stopped to wait for some."""
        queries.hold_room(self._session, environment.tenant_id)
        short = self._short_of(environment)
        if short:
            raise QuotaExceededError(f"{short} What runs stays as it is.")

    def _tell_places(self, tenant_id: UUID) -> None:
        found = queries.waiting(self._session, tenant_id)
        for place, (environment_id, _) in enumerate(found[:FIRST_PLACES], 1):
            environment = queries.if_free(self._session, tenant_id, environment_id)
            if environment is not None:
                self._tell_place(environment, place, len(found), "")

    def _tell_place(self, environment: Environment, place: int, length: int, why: str) -> None:
        data = EnvironmentWaiting(
            **stamp(environment), name=environment.name, place=place, length=length, why=why[:500]
        )
        tell(self._session, environment, data, "system")

    def _is_held(self, environment: Environment) -> bool:
        """Tell whether its blueprint is in quarantine."""
        return AssetService(self._session).is_held(environment.tenant_id, f"environments/{environment.id}")

    def _unused(self, but: Environment) -> list[Environment]:
        """Return what may go to make room, what was used longest ago first, visits included."""
        latest, found = now() - UNUSED, []
        for environment in queries.unused_since(self._session, but.tenant_id, latest):
            visited, known = self._last_visit(environment)
            used = max(life_of(environment).last_activity_at, visited or datetime.min.replace(tzinfo=UTC))
            may_sleep = allows(situation(environment), Event.IDLE) and not why_unreadable(environment)
            if known and environment.id != but.id and used <= latest and may_sleep:
                found.append((used, environment))
        return [environment for _, environment in sorted(found, key=lambda each: each[0])]

    def _last_visit(self, environment: Environment) -> tuple[datetime | None, bool]:
        """Return when somebody last visited, and whether that is known: a target that does not answer knows nothing."""
        if environment.stack_id is None or not environment.visits_count:
            return None, True
        stack = MultiCloudProvisioningService(self._session).get(environment.tenant_id, environment.stack_id)
        try:
            return target(stack.target, self._settings).last_visit(environment.hostname), True
        except SlipwayError:
            return None, False
