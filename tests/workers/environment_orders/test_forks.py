"""Commits of forks wait for an approval of exactly that commit, and what will happen can be asked beforehand."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from catalog.environments.models import EnvironmentRead, Phase, RequestEnvironment
from catalog.environments.service import read, signs_of
from catalog.errors import ConflictError, InvalidInputError
from catalog.providers.scm import Association, PullRequestState
from catalog.secrets import SecretBox
from catalog.tenants.models import SetSecret
from catalog.tenants.secrets import SecretService
from tests.workers.environment_orders.slipway import Slipway
from workers.environment_builds import build_only

FIRST, SECOND, THIRD = "1" * 40, "2" * 40, "3" * 40


@pytest.fixture
def forked(slipway: Slipway) -> UUID:
    """Somebody asked for the environment of a fork's pull request, at its first commit."""
    slipway.outside.about[1] = {"is_fork": True, "author": "mallory"}
    push(slipway, FIRST)
    made = request(slipway, head_sha=FIRST)
    slipway.work(made)
    assert look(slipway, made).deployed_sha == FIRST
    return made


def request(slipway: Slipway, **more: Any) -> UUID:
    wanted = {"blueprint": "acme/preview", **more}
    asked = RequestEnvironment(repository="/srv/shop", pull_request=1, **wanted)
    made: UUID = slipway.do(lambda service: service.request(slipway.principal, asked).id)
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


def test_a_request_that_names_no_commit_approves_none(slipway: Slipway) -> None:
    slipway.outside.about[1] = {"is_fork": True, "author": "mallory"}
    push(slipway, FIRST)
    made = request(slipway)
    slipway.work(made)
    held = look(slipway, made)
    assert (held.phase, held.waiting_sha, held.approved_sha) == (Phase.PENDING_APPROVAL, FIRST, None)
    assert slipway.outside.of(made) == {}
    # Asked for again, nothing is approved either, and somebody's approval is of the commit that waits.
    push(slipway, SECOND)
    assert request(slipway) == made
    assert (look(slipway, made).phase, look(slipway, made).waiting_sha) == (Phase.PENDING_APPROVAL, SECOND)
    approve(slipway, made, SECOND)
    slipway.work(made)
    assert look(slipway, made).deployed_sha == SECOND
    assert sum("approval_needed" in each.type for each in slipway.events(made)) == 2


def test_making_it_again_approves_nothing(slipway: Slipway) -> None:
    slipway.outside.about[1] = {"is_fork": True, "author": "mallory"}
    push(slipway, FIRST)
    made = request(slipway)
    with pytest.raises(ConflictError, match="nothing of it was made yet"):
        slipway.do(lambda service: service.rebuild(slipway.principal, made))
    slipway.work(made)
    held = look(slipway, made)
    assert (held.phase, held.waiting_sha, held.approved_sha) == (Phase.PENDING_APPROVAL, FIRST, None)
    assert slipway.outside.of(made) == {}


def test_nothing_that_is_gone_is_approved(slipway: Slipway) -> None:
    slipway.outside.about[1] = {"is_fork": True, "author": "mallory"}
    push(slipway, FIRST)
    made = request(slipway)
    slipway.do(lambda service: service.destroy(slipway.principal, made))
    with pytest.raises(ConflictError, match="No commit waits"):
        approve(slipway, made, FIRST)
    gone = look(slipway, made)
    assert (gone.phase, gone.waiting_sha, gone.approved_sha) == (Phase.DESTROYED, None, None)


def test_what_waits_in_its_next_life_has_the_address_of_where_it_goes(
    slipway: Slipway, forked: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    slipway.do(lambda service: service.destroy(slipway.principal, forked))
    slipway.work(forked)
    assert look(slipway, forked).phase is Phase.DESTROYED
    moved = {"targets": ("local", "kubernetes"), "kubernetes_domain": "cluster.example"}
    monkeypatch.setattr(slipway, "settings", slipway.settings.model_copy(update=moved))
    assert request(slipway, target="kubernetes") == forked
    row = slipway.do(lambda service: service.get(slipway.principal.tenant_id, forked))
    assert (row.phase, row.target, row.waiting_sha) == (Phase.PENDING_APPROVAL, "kubernetes", FIRST)
    assert row.hostname.endswith(".cluster.example")


def test_a_commit_of_a_fork_is_named_in_full(slipway: Slipway) -> None:
    slipway.outside.about[1] = {"is_fork": True, "author": "mallory"}
    push(slipway, FIRST)
    with pytest.raises(InvalidInputError, match="whole id") as refused:
        request(slipway, head_sha=FIRST[:12])
    assert refused.value.errors[0].pointer == "/head_sha"
    made = request(slipway, head_sha=FIRST)
    slipway.work(made)
    assert look(slipway, made).deployed_sha == FIRST


def test_what_runs_moves_to_no_commit_that_nobody_named(slipway: Slipway, forked: UUID) -> None:
    assert request(slipway) == forked, "the commit that was approved may be asked for again"
    push(slipway, SECOND)
    with pytest.raises(InvalidInputError, match="whole id"):
        request(slipway)
    assert look(slipway, forked).head_sha == FIRST
    assert request(slipway, head_sha=SECOND) == forked
    slipway.work(forked)
    assert (look(slipway, forked).deployed_sha, look(slipway, forked).approved_sha) == (SECOND, SECOND)


def secretive(slipway: Slipway, forks: str, made: UUID) -> None:
    """Let the environment's blueprint take a secret, and say what it does with forks."""
    follow, component = f'{{"forks": "{forks}"}}', '{"TOKEN": "${inputs.token}", "GREETING": "${inputs.greeting}"}'
    statement = """
        UPDATE environments SET inputs = CAST(:shown AS jsonb), sealed_inputs = :sealed,
        spec = jsonb_set(spec || jsonb_build_object('follow', CAST(:follow AS jsonb)),
                         '{environment,components,web,env}', CAST(:env AS jsonb)) WHERE id = :id
    """
    purpose, whole = f"environments/{made}/inputs", {"token": "tell-nobody", "greeting": "hello"}
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        values = {
            "shown": '{"token": "[secret]", "greeting": "hello"}',
            "sealed": SecretBox(slipway.settings).seal(purpose, whole),
            "follow": follow,
            "env": component,
            "id": made,
        }
        session.execute(text(statement), values)


def test_stripped_commits_run_without_secrets_and_say_which(slipway: Slipway, forked: UUID) -> None:
    secretive(slipway, "strip", forked)
    asked: list[str] = []
    slipway.outside.before_apply = lambda request: asked.append(str(request.program))
    push(slipway, SECOND)
    assert explained(slipway) == ("move", "commit")
    watch(slipway, forked)
    found = look(slipway, forked)
    assert (found.deployed_sha, found.withheld) == (SECOND, ["token", "web: TOKEN"])
    assert "tell-nobody" not in asked[0]
    assert "hello" in asked[0]
    row = slipway.do(lambda service: service.get(slipway.principal.tenant_id, forked))
    assert "runs without: `token`, `web: TOKEN`" in signs_of(row, slipway.settings).comment
    slipway.outside.about[1] = {"is_fork": True, "author": "ann", "association": Association.MEMBER}
    push(slipway, THIRD)
    watch(slipway, forked)
    assert ("tell-nobody" in asked[1], look(slipway, forked).withheld) == (True, [])


def stripping(slipway: Slipway, concurrency: str = "replace") -> str:
    """Publish a blueprint that gives a secret to all but commits of forks."""
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        told = SetSecret(value=SecretStr("tell-nobody"))
        SecretService(session, slipway.settings).set(slipway.principal, "API_KEY", told)
    web = {"type": "process", "source": "${source.revision}", "procfile": "web", "env": {"KEY": "${secrets.API_KEY}"}}
    outputs = {"url": "${web.url}", "revision": "${source.revision}"}
    follow = {"forks": "strip", "concurrency": concurrency}
    return slipway.blueprint(follow=follow, environment={"components": {"web": web}, "outputs": outputs})


def test_a_commit_that_is_named_is_stripped_by_what_it_is_itself(slipway: Slipway, forked: UUID) -> None:
    push(slipway, SECOND)
    watch(slipway, forked)
    approve(slipway, forked, SECOND)
    slipway.work(forked)
    # What the pull request is at was approved, and what is asked for is another commit.
    assert request(slipway, blueprint=stripping(slipway), head_sha=THIRD) == forked
    assert (look(slipway, forked).head_sha, look(slipway, forked).withheld) == (THIRD, ["secrets.API_KEY", "web: KEY"])


def test_a_commit_that_waits_for_its_turn_is_stripped_once_its_author_is_trusted_no_more(slipway: Slipway) -> None:
    slipway.outside.about[1] = {"is_fork": True, "author": "ann", "association": Association.MEMBER}
    push(slipway, FIRST)
    made = request(slipway, blueprint=stripping(slipway, "queue"))
    assert look(slipway, made).withheld == []
    slipway.outside.about[1] = {"is_fork": True, "author": "ann", "association": Association.CONTRIBUTOR}
    push(slipway, SECOND)
    slipway.do(lambda service: service.watch(slipway.principal.tenant_id, made))
    slipway.work(made)
    slipway.do(lambda service: service.next_commit(slipway.principal.tenant_id, made))
    slipway.work(made)
    assert (look(slipway, made).deployed_sha, look(slipway, made).withheld) == (SECOND, ["secrets.API_KEY", "web: KEY"])


def test_a_stripped_commit_beside_other_repositories_waits_for_an_approval(slipway: Slipway, forked: UUID) -> None:
    secretive(slipway, "strip", forked)
    others = '{"lib": {"repository": "/srv/lib", "ref": "", "commit": "' + "4" * 40 + '"}}'
    statement = "UPDATE environments SET spec = jsonb_set(spec, '{environment,repositories}', CAST(:others AS jsonb))"
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        session.execute(text(statement), {"others": others})
    push(slipway, SECOND)
    decision = slipway.do(lambda service: service.explain(slipway.principal, "/srv/shop", 1)).decision
    assert (decision.act, "other repositories" in decision.why) == ("hold", True)
    watch(slipway, forked)
    held = look(slipway, forked)
    assert (held.deployed_sha, held.waiting_sha) == (FIRST, SECOND)


def test_a_commit_that_is_only_built_neither_runs_nor_sees_secrets(slipway: Slipway, forked: UUID) -> None:
    secretive(slipway, "build_only", forked)
    push(slipway, SECOND)
    assert explained(slipway) == ("build", "fork")
    for _ in range(2):
        watch(slipway, forked)
    (event,) = [each for each in slipway.events(forked) if "build_requested" in each.type]
    build_only(slipway.context(event))
    (request,) = slipway.outside.previews
    assert "tell-nobody" not in str(request.program)
    assert SECOND in str(request.program)
    found = look(slipway, forked)
    assert (found.deployed_sha, found.waiting_sha) == (FIRST, SECOND)
    assert [(each.type, each.reason) for each in found.conditions if each.type == "Built"] == [("Built", "Built")]
    approve(slipway, forked, SECOND)
    slipway.work(forked)
    assert (look(slipway, forked).deployed_sha, look(slipway, forked).withheld) == (SECOND, [])


def test_a_build_in_vain_says_why(slipway: Slipway, forked: UUID) -> None:
    secretive(slipway, "build_only", forked)
    push(slipway, SECOND)
    watch(slipway, forked)
    (event,) = [each for each in slipway.events(forked) if "build_requested" in each.type]
    slipway.outside.fails = True
    build_only(slipway.context(event))
    (condition,) = [each for each in look(slipway, forked).conditions if each.type == "Built"]
    assert (condition.status, "does not start" in condition.message) == (False, True)


def test_a_pull_request_without_environment_is_explained(slipway: Slipway) -> None:
    push(slipway, FIRST)
    assert explained(slipway) == ("keep", "requested")


def test_what_is_held_before_its_removal_began_leaves_nothing_to_do(slipway: Slipway) -> None:
    slipway.outside.about[1] = {"is_fork": True, "author": "mallory"}
    push(slipway, FIRST)
    made = request(slipway, head_sha=FIRST)
    slipway.do(lambda service: service.destroy(slipway.principal, made))
    push(slipway, SECOND)
    assert request(slipway) == made
    assert look(slipway, made).phase is Phase.PENDING_APPROVAL
    while slipway.pending(made):
        slipway.work(made)
    assert slipway.open_operations(made) == []
    approve(slipway, made, SECOND)
    slipway.work(made)
    assert look(slipway, made).deployed_sha == SECOND
