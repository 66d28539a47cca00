"""What has its turn later: commits that are deployed one after the other, and what policies refused before."""

from uuid import UUID

from catalog.environments import queries
from catalog.environments.models import Environment, Phase
from catalog.environments.service.explaining import EnvironmentExplanations
from catalog.environments.service.generations import demand
from catalog.environments.service.moving import NOTED, Outcome
from catalog.environments.service.remaking import is_kept_from_it, remake
from catalog.environments.service.room import NOT_WOKEN
from catalog.environments.service.rows import (
    NOT_REMADE,
    PLAN_REFUSED,
    REFUSED,
    clear_condition,
    find,
    refusal_of,
    set_condition,
    takes_next,
)
from catalog.gating import PolicyRefusedError


class EnvironmentTurns(EnvironmentExplanations):
    """Turns of commits; everything happens in the session's transaction."""

    def next_commit(self, tenant_id: UUID, environment_id: UUID) -> None:
        """Move the environment to the commit that has waited longest for its turn, once nothing else is deployed.

        One that policies do not let through gives its turn to the next one. Where there is no room for it, and in
        quarantine, all of them wait: the clock looks again.
        """
        environment = find(self._session, tenant_id, environment_id, lock=True)
        while environment.backlog and takes_next(environment):
            commit, *rest = environment.backlog
            if self._is_held(environment):
                told = (
                    f"Commit {commit[:12]} waits: its blueprint is in quarantine, and nothing new is started from it."
                )
                set_condition(environment, NOTED, "Quarantine", told, status=False)
                break
            if why := self._surely_lacks(environment):
                self._wait_for_room(environment, commit, why)
                return
            clear_condition(environment, NOTED)
            environment.backlog = rest
            if self._move(environment, commit, "system", seen=environment.seen_sha) is not Outcome.REFUSED:
                return
        self._session.add(environment)

    def refused(self, tenant_id: UUID) -> list[UUID]:
        """Return the environments that policies keep from what their pull requests ask for."""
        refused = queries.with_condition(self._session, tenant_id, REFUSED)
        asleep = queries.with_condition(self._session, tenant_id, NOT_WOKEN)
        not_remade = queries.with_condition(self._session, tenant_id, NOT_REMADE)
        return list(dict.fromkeys([*refused, *asleep, *not_remade]))

    def ask_again(self, tenant_id: UUID, environment_id: UUID) -> None:
        """Ask policies again about what they refused: a commit, if it is still the newest, or the engine's plan."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        self.may_wake_again(tenant_id, environment_id)
        if is_kept_from_it(environment):
            # What went missing is found by the next sweep, which asks then.
            clear_condition(environment, NOT_REMADE)
            if environment.phase is Phase.FAILED:
                remake(self._session, environment, "policies changed")
        reason = refusal_of(environment)
        if reason == PLAN_REFUSED and environment.phase is Phase.FAILED:
            self._try_again(environment)
        elif reason is not None:
            # Unseen, so that the pull request is looked at as if it had just moved.
            environment.seen_sha = ""
            self.follow(environment, "system")

    def _try_again(self, environment: Environment) -> None:
        """Have the engine look ahead again, unless policies refuse without that; the worker asks about the plan."""
        try:
            with self._session.begin_nested():
                self._pass_gate(environment, "system", is_new=not environment.observed_generation)
                demand(self._session, environment, "system", "policies changed")
        except PolicyRefusedError as refusal:
            refusal.keep(self._session)
