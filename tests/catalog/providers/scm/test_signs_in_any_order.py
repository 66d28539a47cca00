"""One comment and one deployment at a pull request, whatever is shown in which order and whichever answer is lost."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import SlipwayError
from catalog.providers.scm import Deployment, DeploymentState, NewPullRequest, Repository
from tests.catalog.providers.scm.worlds import GitHubWorld

PLACE, MARKER = "preview/pr-1", "environment"
Answer = tuple[int, dict[str, str], bytes]
AWAY: Answer = (502, {}, json.dumps({"message": "Bad gateway"}).encode())


class Lossy:
    """What stands between Slipway and its provider: it loses one request on its way there, or one answer back."""

    def __init__(self, answer: Callable[..., Answer]) -> None:
        self._answer = answer
        self.lost: int | None = None
        self.is_done = False

    def __call__(self, *asked: Any) -> Answer:
        if self.lost is None:
            return self._answer(*asked)
        self.lost -= 1
        if self.lost >= 0:
            return self._answer(*asked)
        self.lost = None
        if self.is_done:
            self._answer(*asked)
        return AWAY


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GitHubWorld, Lossy, int]]:
    world = GitHubWorld(tmp_path_factory.mktemp("github"))
    number = world.open().open_pull_request(NewPullRequest("A title", "A body", "feature", "main")).number
    lossy = Lossy(world.fake.answer)
    vars(world.fake)["answer"] = lossy
    yield world, lossy, number
    world.close()


def show(repository: Repository, number: int, commit: str, state: DeploymentState | None) -> None:
    """Show an environment, or that it is gone, as the job does."""
    repository.set_comment(number, MARKER, f"It is {state}.")
    if state is None:
        repository.remove_deployment(PLACE, number)
    else:
        repository.set_deployment(Deployment(PLACE, commit, state, pull_request=number))


STATES = st.sampled_from([None, DeploymentState.QUEUED, DeploymentState.IN_PROGRESS, DeploymentState.SUCCESS])
STEPS = st.tuples(STATES, st.sampled_from(["main", "feature"]), st.none() | st.integers(0, 9), st.booleans())


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=1, max_size=5), last=STATES)
def test_one_comment_and_at_most_one_deployment_live(
    place: tuple[GitHubWorld, Lossy, int], steps: list[tuple[Any, str, int | None, bool]], last: Any
) -> None:
    world, lossy, number = place
    heads = {name: world.open().resolve(name) for name in ("main", "feature")}
    for state, branch, lost, is_done in steps:
        lossy.lost, lossy.is_done = lost, is_done
        try:
            show(world.open(), number, heads[branch], state)
        except SlipwayError:
            assert lossy.lost is None, "nothing but what was lost goes wrong"
        lossy.lost = None
    show(world.open(), number, heads["feature"], last)
    assert sum("It is" in each for each in world.comments(number)) == 1
    assert world.deployments() == ({} if last is None else {PLACE: last.value})
