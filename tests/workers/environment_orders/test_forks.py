"""Commits of forks wait for an approval of exactly that commit, and what will happen can be asked beforehand."""

from uuid import UUID

import pytest

from catalog.environments.models import EnvironmentRead, Phase, RequestEnvironment
from catalog.environments.service import read
from catalog.errors import ConflictError
from catalog.providers.scm import PullRequestState
from tests.workers.environment_orders.slipway import Slipway

FIRST, SECOND, THIRD = "1" * 40, "2" * 40, "3" * 40


@pytest.fixture
def forked(slipway: Slipway) -> UUID:
    """Somebody asked for the environment of a fork's pull request, at its first commit."""
    slipway.outside.about[1] = {"is_fork": True, "author": "mallory"}
    push(slipway, FIRST)
    asked = RequestEnvironment(repository="/srv/shop", pull_request=1, blueprint="acme/preview")
    made: UUID = slipway.do(lambda service: service.request(slipway.principal, asked).id)
    slipway.work(made)
    assert look(slipway, made).deployed_sha == FIRST
    return made


def look(slipway: Slipway, environment_id: UUID) -> EnvironmentRead:
    found: EnvironmentRead = slipway.do(lambda service: read(service.get(slipway.principal.tenant_id, environment_id)))
    return found


def push(slipway: Slipway, sha: str) -> None:
    slipway.outside.pulls[1] = (PullRequestState.OPEN, sha)


def watch(slipway: Slipway, environment_id: UUID) -> None:
    slipway.do(lambda service: service.watch(slipway.principal.tenant_id, environment_id))
    slipway.work(environment_id)


def approve(slipway: Slipway, environment_id: UUID, sha: str) -> None:
    slipway.do(lambda service: service.approve(slipway.principal, environment_id, sha))


def explained(slipway: Slipway) -> tuple[str, str]:
    decision = slipway.do(lambda service: service.explain(slipway.principal, "/srv/shop", 1)).decision
    return str(decision.act), decision.rule


def test_a_commit_of_a_fork_runs_only_once_it_was_approved(slipway: Slipway, forked: UUID) -> None:
    push(slipway, SECOND)
    assert explained(slipway) == ("hold", "fork")
    for _ in range(3):
        watch(slipway, forked)
    held = look(slipway, forked)
    assert (held.phase, held.deployed_sha, held.waiting_sha) == (Phase.READY, FIRST, SECOND)
    assert sum("approval_needed" in each.type for each in slipway.events(forked)) == 1
    with pytest.raises(ConflictError, match="waits"):
        approve(slipway, forked, THIRD)
    approve(slipway, forked, SECOND)
    slipway.work(forked)
    moved = look(slipway, forked)
    assert (moved.deployed_sha, moved.waiting_sha, moved.conditions[-1].type) == (SECOND, None, "Serving")
    assert explained(slipway) == ("keep", "unchanged")


def test_an_approval_never_survives_another_commit(slipway: Slipway, forked: UUID) -> None:
    push(slipway, SECOND)
    watch(slipway, forked)
    push(slipway, THIRD)
    with pytest.raises(ConflictError, match="pushed"):
        approve(slipway, forked, SECOND)
    watch(slipway, forked)
    assert look(slipway, forked).waiting_sha == THIRD
    push(slipway, SECOND)
    watch(slipway, forked)
    assert (look(slipway, forked).waiting_sha, look(slipway, forked).deployed_sha) == (SECOND, FIRST)


def test_a_pull_request_without_environment_is_explained(slipway: Slipway) -> None:
    push(slipway, FIRST)
    assert explained(slipway) == ("keep", "requested")
