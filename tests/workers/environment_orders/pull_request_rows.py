"""What pull requests mean for their environments, row by row: what was said of one, and what follows from how it is."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from catalog.environments.events import EnvironmentBuildRequested
from catalog.environments.models import Desired, Phase, ScmHook
from catalog.environments.service import obey
from catalog.errors import NotFoundError, UnavailableError
from catalog.providers.scm import Association, PullRequest, PullRequestState
from catalog.scm.commands import parse_command
from tests.workers.environment_orders.doubles import Repository
from tests.workers.environment_orders.life_rows import Scenario
from tests.workers.environment_orders.one import SHOP, One
from tests.workers.environment_orders.slipway import Slipway
from workers.environment_builds import build_only

ROWS: dict[str, Scenario] = {}
ABOUT = {
    "draft": {"drafts": False},
    "label": {"labels": ["preview"]},
    "base": {"bases": ["main"]},
    "path": {"paths": ["src/**"]},
}


def row(name: str) -> Callable[[Scenario], Scenario]:
    """Register a scenario under the row that it plays: what is said, and what follows."""

    def register(scenario: Scenario) -> Scenario:
        ROWS[name] = scenario
        return scenario

    return register


def following(slipway: Slipway, rule: str, **about: object) -> One:
    """Return the environment of a pull request whose blueprint has one of the rules."""
    return One(slipway, **about).request(slipway.blueprint(follow=ABOUT[rule])).work()


@row("converted to a draft, and ready for review: its commits wait, and are deployed")
def _(slipway: Slipway) -> None:
    one = following(slipway, "draft")
    before = one.head
    one.becomes(is_draft=True)
    one.push()
    assert (one.row.phase, one.runs) == (Phase.READY, [before])
    one.becomes(is_draft=False)
    assert (one.row.phase, one.work().runs) == (Phase.UPDATING, [one.head])


@row("a draft that is only built: fetched and planned without an effect, until it is ready, or somebody approves it")
def _(slipway: Slipway) -> None:
    blueprint = slipway.blueprint(follow={"drafts": "build_only"})
    one = One(slipway).request(blueprint).work()
    before = one.head
    one.becomes(is_draft=True)
    one.push()
    for _ in range(2):
        one.watch()
    builds(one)
    assert (one.row.waiting_sha, one.condition["Following"], one.condition["Built"]) == (one.head, "Draft", "Built")
    assert (one.told("build_requested"), one.told("approval_needed"), one.work_all().runs) == (1, 0, [before])
    assert "ready for review" in one.signs.comment
    one.becomes(is_draft=False)
    assert (one.row.waiting_sha, one.work().runs) == (None, [one.head])
    one.becomes(is_draft=True)
    one.push()
    one.ask("approve", one.head)
    assert one.work().runs == [one.head]
    fork = One(slipway, is_fork=True, is_draft=True, author="mallory").request(blueprint).work()
    fork.push()
    assert fork.condition["Following"] == "Draft"
    fork.becomes(is_draft=False)
    assert (fork.condition["Following"], fork.told("approval_needed")) == ("ApprovalNeeded", 1)


@row("labelled and unlabelled: it has an environment while it has its labels")
def _(slipway: Slipway) -> None:
    one = following(slipway, "label", labels=frozenset({"preview", "other"}))
    one.becomes(labels=frozenset({"preview"}))
    assert one.row.phase is Phase.READY
    one.becomes(labels=frozenset())
    assert (one.row.phase, one.work().row.phase) == (Phase.DESTROYING, Phase.DESTROYED)


@row("edited, and goes to another base: a new generation at the same commit; to one that has none: removed")
def _(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    one.becomes(base="release")
    assert (one.row.phase, one.row.generation, one.row.head_sha) == (Phase.UPDATING, 2, one.head)
    other = following(slipway, "base")
    other.becomes(base="release")
    assert (other.row.phase, other.work().row.phase) == (Phase.DESTROYING, Phase.DESTROYED)


@row("edited in nothing that counts, such as its title: nothing")
def _(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    events = len(slipway.events(one.id))
    one.becomes(title="Another title")
    assert (one.row.generation, len(slipway.events(one.id))) == (1, events)


@row("opened again: nothing while it lives; a new life once it is gone, with what it was made of; destroyed stays so")
def _(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    one.reopen()
    assert one.looked_for().row.generation == 1
    one.close()
    assert one.work().looked_for().row.phase is Phase.DESTROYED
    one.reopen()
    assert (one.looked_for().row.incarnation, one.work().runs) == (2, [one.head])
    one.ask("destroy")
    one.work().reopen()
    assert one.looked_for().row.phase is Phase.DESTROYED


@row("opened again while it is still being removed: the wish is kept, and acted on once it is gone")
def _(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    one.close()
    one.reopen()
    assert (one.looked_for().row.phase, one.row.wanted_again) == (Phase.DESTROYING, True)
    assert (one.work().row.incarnation, one.work().runs) == (2, [one.head])


@row("labelled again, or back at a base that has one: a new life")
def _(slipway: Slipway) -> None:
    one = following(slipway, "label", labels=frozenset({"preview"}))
    other = following(slipway, "base")
    one.becomes(labels=frozenset())
    other.becomes(base="release")
    for each in (one, other):
        assert each.work().looked_for().row.phase is Phase.DESTROYED
    one.becomes(labels=frozenset({"preview"}))
    other.becomes(base="main")
    for each in (one, other):
        assert (each.looked_for().row.incarnation, each.work().runs) == (2, [each.head])


@row("pushed, with force or not: a new generation, whatever the ancestry; an approval is void")
def _(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    first = one.head
    second = one.push()
    one.work()
    one.outside.pulls[one.number] = (PullRequestState.OPEN, first)
    one.watch()
    assert (one.row.head_sha, one.row.generation, second != first) == (first, 3, True)
    assert one.work().runs == [first]
    fork = One(slipway, is_fork=True, author="mallory").request().work()
    fork.push()
    fork.ask("approve", fork.head)
    fork.push()
    assert (fork.row.waiting_sha, fork.row.approved_sha) == (fork.head, None)


@row("pushed, and no changed path counts: what runs goes on, and the page says so; compared from the merge base")
def _(slipway: Slipway) -> None:
    one = following(slipway, "path")
    before, compared = one.head, list[tuple[str, str]]()

    def changed(_self: Repository, base: str, head: str) -> tuple[str, ...]:
        compared.append((base, head))
        return ("docs/index.md",)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Repository, "changed_paths", changed)
        one.push()
    assert (one.row.phase, one.runs, one.condition["Following"]) == (Phase.READY, [before], "Path")
    assert compared == [("0" * 40, one.head)], "the whole of the pull request, and not its last commit"
    one.push()
    assert one.row.phase is Phase.READY, "app.py is none of them"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Repository, "changed_paths", lambda *_: ("src/app.py",))
        one.push()
    assert one.work().runs == [one.head]


@row("closed, merged or not: not wanted, also where it only waits; nothing to do is a success")
def _(slipway: Slipway) -> None:
    for is_merged in (True, False):
        waiting, ready = One(slipway).request(), One(slipway).request().work()
        for one in (waiting, ready):
            shown(one, PullRequestState.CLOSED, is_merged=is_merged)
            assert one.row.desired is Desired.ABSENT
        assert waiting.row.phase is Phase.DESTROYED
        assert (waiting.work_all().told("environment.destroyed"), slipway.open_operations(waiting.id)) == (1, [])
        assert (ready.work().row.phase, ready.runs) == (Phase.DESTROYED, [])


@row("a command in a comment: from those who may write, on forks from maintainers alone")
def _(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    for association, may in ((Association.NONE, False), (Association.CONTRIBUTOR, False), (Association.MEMBER, True)):
        answer = says(one, "/preview rebuild", association)
        assert ("is being made again" in answer) is may
    one.work()
    fork = One(slipway, is_fork=True, author="mallory").request().work()
    assert "maintainers" in says(fork, "/preview down", Association.COLLABORATOR)
    assert "is being removed" in says(fork, "/preview down", Association.OWNER)


@row("/preview up, down, extend 24h, rebuild, status: each does what its page does")
def _(slipway: Slipway) -> None:
    one = One(slipway).request(ttl="P1D").work()
    assert "is ready" in says(one, "/preview status", Association.NONE)
    before = one.row.expires_at
    assert "lives until" in says(one, "/preview extend 24h")
    assert one.row.expires_at - before == timedelta(days=1)
    assert (one.row.extension or {})["by"] == "ann"
    assert "made again" in says(one, "/preview rebuild")
    assert one.work().row.generation == 2
    one.ask("sleep")
    one.work()
    assert "waking up" in says(one, "/preview up")
    assert one.work().runs == [one.head]
    says(one, "/preview down")
    assert (one.work().row.phase, one.runs) == (Phase.DESTROYED, [])
    assert "`/preview up` makes it again" in one.signs.comment
    assert "asked for again" in says(one, "/preview up")
    assert (one.work().runs, one.row.incarnation) == ([one.head], 2)
    assert "is up already" in says(one, "/preview up")
    says(one, "/preview down")
    assert "asked for again" in says(one, "/preview up"), "the wish is kept until it is gone"
    assert one.work().work().runs == [one.head]
    one.push()
    one.work(fails=True)
    assert (one.row.phase, "made again" in says(one, "/preview up")) == (Phase.FAILED, True)
    assert one.work().row.phase is Phase.READY


@row("/preview up on a fork: its commit waits for an approval, because the comment names none")
def _(slipway: Slipway) -> None:
    one = One(slipway, is_fork=True, author="mallory").request().work()
    one.ask("destroy")
    one.work()
    one.push(watch=False)
    answer = says(one, "/preview up", Association.OWNER)
    assert (one.head[:12] in answer, "waits for an [approval]" in answer) == (True, True)
    assert (one.row.phase, one.row.waiting_sha, one.work().runs) == (Phase.PENDING_APPROVAL, one.head, [])
    assert "waits for an [approval]" in says(one, "/preview up", Association.OWNER)


@row("/preview up where there was none yet: as what begins by itself in that repository; else a word on what to do")
def _(slipway: Slipway) -> None:
    slipway.automate("by-itself")
    one = One(slipway)
    assert "has no environment yet" in says(one, "/preview status")
    assert "is asked for" in says(one, "/preview up")
    one.id = next(
        each.id
        for each in slipway.do(lambda service: service.page(one.tenant_id, limit=200))
        if each.pull_request == one.number
    )
    assert one.work().runs == [one.head]


@row("a push to the branch it goes to: made again from the same commit, where the blueprint tracks that; else nothing")
def _(slipway: Slipway) -> None:
    other = One(slipway).request().work()
    one = One(slipway).request(slipway.blueprint(follow={"tracksBase": True})).work()
    one.watch()
    assert one.row.generation == 1
    slipway.outside.tip = "7" * 40
    for each in (one, other):
        each.watch()
        each.watch()
    assert (one.row.phase, one.row.generation, one.row.head_sha) == (Phase.UPDATING, 2, one.head)
    assert (other.row.phase, other.row.generation, one.work().row.phase) == (Phase.READY, 1, Phase.READY)
    slipway.outside.tip = "0" * 40


@row("its branch, its repository or the right to see it is gone: removed after two whole listings, never a failed one")
def _(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    with pytest.MonkeyPatch.context() as patched:

        def fails(*_: object) -> None:
            raise UnavailableError("The server does not answer.")

        patched.setattr(Repository, "pull_request", fails)
        for _ in range(3):
            with pytest.raises(UnavailableError):
                one.watch()
    assert (one.row.desired, one.row.absences) == (Desired.PRESENT, 0)
    for expected in (Desired.PRESENT, Desired.ABSENT):
        slipway.do(lambda service: service.follow_listed(one.tenant_id, one.id, []))
        assert one.row.desired is expected
    assert one.work().runs == []


@row("a delivery that is missed, late, double, out of order or forged: the poll decides, from the pull request itself")
def _(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    one.push(watch=False)
    one.watch()
    assert one.work().runs == [one.head], "nobody told of it, and the poll found it"
    generation = one.row.generation
    for action in ("closed", "push", "closed", "reopened", "push"):
        hook = ScmHook(repository=SHOP, action=action, pull_request=one.number, head_sha="d" * 40)
        for _ in range(2):
            slipway.do(lambda service: service.on_hook(slipway.principal, hook))  # noqa: B023  # done at once
    assert (one.row.phase, one.row.generation, one.runs) == (Phase.READY, generation, [one.head])
    with pytest.raises(NotFoundError):
        slipway.do(lambda service: service.get(slipway.principal.tenant_id, slipway.principal.tenant_id))


def builds(one: One) -> None:
    """Let a worker build what is to be built of it."""
    for record in one.slipway.events(one.id):
        if record.type == EnvironmentBuildRequested.event_type():
            build_only(one.slipway.context(record))


def shown(one: One, state: PullRequestState, *, is_merged: bool) -> None:
    """Let a listing show the pull request in some state, as servers do."""
    pull = PullRequest(one.number, state, one.head, f"feature-{one.number}", base="main", is_merged=is_merged)
    one.slipway.do(lambda service: service.follow_listed(one.tenant_id, one.id, [pull]))


def says(one: One, comment: str, association: Association = Association.OWNER) -> str:
    """Let Ann write a comment at the pull request, and return the answer."""
    command = parse_command(comment)
    assert command is not None
    pull = Repository(one.outside, SHOP).pull_request(one.number)
    with one.slipway.database.tenant_session(one.tenant_id) as session:
        return obey(
            session,
            one.slipway.settings,
            one.tenant_id,
            SHOP,
            pull,
            command,
            author="ann",
            association=association,
        )
