"""One pull request and its environment, as people, providers, workers and the clock see it."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from catalog.clock import now
from catalog.environments.models import Environment, EnvironmentRead, RequestEnvironment
from catalog.environments.service import EphemeralEnvironmentService, Signs, signs_of
from catalog.providers.scm import PullRequestState
from tests.workers.environment_orders.doubles import Repository, ignore
from tests.workers.environment_orders.slipway import Slipway
from workers.pull_request_listings import bring_back_listed

SHOP = "/srv/shop"
_CLOCKS = (
    "expires_at",
    "hard_expires_at",
    "lived_since",
    "last_activity_at",
    "last_deploy_at",
    "due_at",
    "retry_at",
)


class One:
    """A pull request that is open, and what can happen to it and to its environment."""

    def __init__(self, slipway: Slipway, **about: Any) -> None:
        slipway.number += 1
        self.slipway = slipway
        self.outside = slipway.outside
        self.tenant_id = slipway.principal.tenant_id
        self.number = slipway.number
        self.commits = 0
        self.id = UUID(int=0)
        self.outside.about[self.number] = {"base": "main", **about}
        self.outside.branches[self.number] = f"feature-{self.number}"
        self.push(watch=False)

    # What people and providers do.

    @property
    def head(self) -> str:
        """The commit that the pull request is at."""
        return self.outside.pulls[self.number][1]

    def push(self, *, watch: bool = True) -> str:
        """Push another commit, and return it."""
        self.commits += 1
        sha = f"{self.number:08x}{self.commits:032x}"
        self.outside.pulls[self.number] = (PullRequestState.OPEN, sha)
        return self._seen(sha, watch=watch)

    def close(self) -> None:
        """Close it; a local repository shows it no longer, which counts once it was not found twice."""
        self.outside.pulls[self.number] = (PullRequestState.CLOSED, self.head)
        self.watch()
        self.watch()

    def reopen(self) -> None:
        """Open it again, at the commit that it was at."""
        self.outside.pulls[self.number] = (PullRequestState.OPEN, self.head)
        self.watch()

    def looked_for(self) -> "One":
        """Look at what ended with its pull request and may come back with it, as the poll does."""
        if self.outside.pulls[self.number][0] is PullRequestState.OPEN:
            pull = Repository(self.outside, SHOP).pull_request(self.number, self.outside.branches[self.number])
            bring_back_listed(self.slipway.context(), self.tenant_id, SHOP, [pull])
        return self

    def becomes(self, *, watch: bool = True, **about: Any) -> None:
        """Let something else be true of the pull request: a draft, a label, another base."""
        self.outside.about[self.number] = {**self.outside.about[self.number], **about}
        self._seen("", watch=watch)

    def request(self, blueprint: str = "", **more: Any) -> "One":
        """Ask for its environment; of a fork, for the commit that it is at."""
        if self.outside.about[self.number].get("is_fork"):
            more = {"head_sha": self.head, **more}
        wanted = blueprint or self.slipway.blueprint()
        asked = RequestEnvironment(repository=SHOP, pull_request=self.number, blueprint=wanted, **more)
        self.id = self.slipway.do(lambda service: service.request(self.slipway.principal, asked).id)
        return self

    def ask(self, verb: str, *arguments: Any, **more: Any) -> None:
        """Ask something else of the service by the name of its method."""
        self.slipway.do(lambda service: getattr(service, verb)(self.slipway.principal, self.id, *arguments, **more))

    def system(self, verb: str) -> None:
        """Let the system do something about it by the name of the service's method."""
        self.slipway.do(lambda service: getattr(service, verb)(self.tenant_id, self.id))

    def watch(self) -> None:
        """Look at the pull request, as the poll does."""
        self.system("watch")

    # What workers and the clock do.

    def work(self, *, fails: bool = False, meanwhile: Callable[[], object] | None = None) -> "One":
        """Carry out the oldest thing that is asked of workers."""
        self.outside.fails = fails
        self.outside.meanwhile = [] if meanwhile is None else [meanwhile]
        self.slipway.work(self.id)
        self.outside.fails, self.outside.meanwhile = False, []
        return self

    def work_all(self) -> "One":
        """Carry out everything that is asked of workers."""
        while self.slipway.pending(self.id):
            self.slipway.work(self.id)
        return self

    def dies(self, steps: int) -> None:
        """Let a worker begin, and die after so many steps; its lease runs out."""
        self.outside.steps_left = steps
        self.slipway.work(self.id)
        self.outside.steps_left = None
        self.lease_runs_out()

    def dies_while_applying(self) -> None:
        """Let a worker begin, and die in the middle of what the engine does."""
        self.outside.before_apply = lambda _request: setattr(self.outside, "steps_left", 1)
        self.slipway.work(self.id)
        self.outside.before_apply, self.outside.steps_left = ignore, None
        self.lease_runs_out()

    def lease_runs_out(self) -> None:
        """Let nobody hold the stack any more."""
        self._execute("UPDATE stacks SET lease_until = now() - interval '1 second'")

    def time_passes(self, span: timedelta) -> None:
        """Move everything that the environment remembers of the clock into the past, and let the clock look at it."""
        moved = ", ".join(f"{name} = {name} - :span" for name in _CLOCKS)
        self._execute(f"UPDATE environments SET {moved} WHERE id = :id", span=span)  # noqa: S608  # names from above
        self._execute("UPDATE environments SET due_at = now() WHERE id = :id AND due_at IS NOT NULL")
        self.system("keep_time")

    def leaks_since(self, span: timedelta) -> None:
        """Let it have resisted its removal for so long."""
        since = json.dumps((now() - span).isoformat())
        statement = """
            UPDATE environments SET conditions = (
                SELECT jsonb_agg(CASE WHEN each ->> 'type' = 'Leaked'
                    THEN jsonb_set(each, '{at}', CAST(:since AS jsonb)) ELSE each END)
                FROM jsonb_array_elements(conditions) AS each) WHERE id = :id
        """
        self._execute(statement, since=since)

    # What is to be seen.

    @property
    def row(self) -> Environment:
        """The environment as it is stored."""
        found: Environment = self.slipway.do(lambda service: service.get(self.tenant_id, self.id))
        return found

    @property
    def read(self) -> EnvironmentRead:
        """The environment as others read it."""
        found: EnvironmentRead = self.slipway.do(lambda service: service.read(service.get(self.tenant_id, self.id)))
        return found

    @property
    def signs(self) -> Signs:
        """What stands at the pull request."""

        def look(service: EphemeralEnvironmentService) -> Signs:
            environment = service.get(self.tenant_id, self.id)
            return signs_of(environment, self.slipway.settings, service.place(environment))

        found: Signs = self.slipway.do(look)
        return found

    @property
    def condition(self) -> dict[str, str]:
        """The reasons of the conditions, by their types."""
        return {each["type"]: each["reason"] for each in self.row.conditions}

    @property
    def runs(self) -> list[str]:
        """The commits that run."""
        return sorted(self.outside.of(self.id).values())

    def told(self, word: str) -> int:
        """Return how many events have a word in their type."""
        return sum(word in each.type for each in self.slipway.events(self.id))

    def _seen(self, sha: str, *, watch: bool) -> str:
        if watch:
            self.watch()
        return sha

    def _execute(self, statement: str, **values: Any) -> None:
        with self.slipway.database.tenant_session(self.tenant_id) as session:
            session.execute(text(statement), {"id": self.id, **values} if ":id" in statement else values)
