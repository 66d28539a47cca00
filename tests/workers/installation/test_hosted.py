"""Pull requests of installs at a server: proposed with the tenant's rights, moved on, merged, closed, forced."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr

from catalog.db import Database
from catalog.errors import InvalidInputError
from catalog.events import outbox
from catalog.installs.models import Install
from catalog.installs.service import InstallService
from catalog.installs.shapes import ApplyPlan, AskInstall, AskUninstall, AskUpgrade
from catalog.providers.scm import NewPullRequest
from catalog.scm.events import ScmHookReceived
from catalog.scm.models import ConnectScm
from catalog.scm.service import ScmService
from catalog.settings import Settings
from catalog.tenancy import Principal
from tests.catalog.providers.scm.worlds import GitHubAppWorld, GitHubWorld
from tests.workers.installation.conftest import WORKFLOW, Do, Killed, Ledger, Repo
from workers import installation, scm_watch
from workers.main import App
from workers.runtime.registry import registry

PATH = ".github/workflows/build.yml"
LATER = WORKFLOW + "      - run: make package\n"
Work = Callable[..., list[str]]


BOTH = pytest.mark.parametrize("world", [GitHubWorld, GitHubAppWorld], ids=["token", "app"], indirect=True)
"""Rights are where a token and a GitHub App differ; what both do alike is tried with one of them."""


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GitHubWorld]:
    opened: GitHubWorld = getattr(request, "param", GitHubAppWorld)(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def settings(settings: Settings, world: GitHubWorld) -> Settings:
    """Settings under which tenants may connect to the server, which is asked whenever the clock says so."""
    mine = {
        "scm_servers": (world.fake.url,),
        "scm_write_pause_seconds": 0.0,
        "master_key": SecretStr("for tests"),
        "pull_request_poll_seconds": 60.0,
    }
    return settings.model_copy(update=mine)


@pytest.fixture
def app(settings: Settings) -> Iterator[App]:
    """Make the inside of a worker process that brings installs about and looks at repositories."""
    made = App(settings, registry([installation.WORKER, scm_watch.WORKER]))
    yield made
    made.close()


@pytest.fixture
def connected(database: Database, settings: Settings, acme: Principal, world: GitHubWorld) -> str:
    """Connect the tenant to the server, and return the address of a repository there."""
    asked = ConnectScm(name="github", base_url=world.fake.url, credentials=world.credentials())
    with database.tenant_session(acme.tenant_id) as session:
        ScmService(session, settings).connect(acme, asked)
    return f"{world.fake.url}/acme/hello"


@pytest.fixture
def repo(world: GitHubWorld) -> Repo:
    """What a user does in the repository at the server."""
    return Repo(world.origin)


def pulls(world: GitHubWorld) -> list[tuple[str, str]]:
    """State and title of every pull request, by number."""
    return [(each["state"], each["title"]) for _, each in sorted(world.fake.state.pulls.items())]


def looked(work: Work) -> None:
    """Let the clock start whatever it starts, and what follows from it."""
    work(periodic=True)
    work()


@BOTH
def test_it_is_proposed_merged_and_applied(
    publish: Do, connected: str, world: GitHubWorld, ledger: Ledger, work: Work, repo: Repo
) -> None:
    publish()
    plan = ledger.ask("plan_install", AskInstall(asset="acme/pipeline", target={"repository": f"{connected}.git/"}))
    assert plan.state == "ready", plan.problem
    assert [(each["path"], each["status"]) for each in plan.document["changes"]["files"]] == [(PATH, "added")]
    assert plan.document["target"]["repository"] == connected
    install = ledger.apply(plan)
    assert install.state == "waiting", install.failure
    assert pulls(world) == [("open", "Add acme/pipeline 1.0.0")]
    shown = world.fake.state.pulls[1]
    assert f"/installs/{install.id}" in shown["body"]
    assert repo.read(PATH, shown["head"]) == WORKFLOW.replace("[[ inputs.greeting ]]", "hello").strip()
    looked(work)
    assert ledger.get(install.id).state == "waiting"
    world.fake.state.merge(1)
    looked(work)
    settled = ledger.get(install.id)
    assert (settled.state, settled.applied_revision) == ("applied", 1)
    gone = ledger.apply(ledger.ask("plan_removal", install.id, AskUninstall()))
    world.fake.state.merge(2, squash=True)
    looked(work)
    assert ledger.get(gone.id).state == "removed"
    assert not repo.has(PATH)


def test_the_next_plan_goes_into_the_same_pull_request_with_what_happened_meanwhile(
    publish: Do, connected: str, world: GitHubWorld, ledger: Ledger, work: Work, repo: Repo
) -> None:
    publish()
    install = ledger.install("acme/pipeline", {"repository": connected})
    before = install.proposed["commit"]
    main = repo.write({"docs.md": "other docs\n", "new.txt": "new\n"})
    publish("1.1.0", {"build.yml.j2": LATER})
    after = ledger.apply(ledger.ask("plan_upgrade", install.id, AskUpgrade()))
    assert after.state == "waiting", after.failure
    assert pulls(world) == [("open", "Upgrade acme/pipeline to 1.1.0")]
    branch = after.proposed["branch"]
    assert branch == install.proposed["branch"]
    assert repo.git("rev-parse", f"{branch}^1", f"{branch}^2").split() == [before, main]
    assert "make package" in repo.read(PATH, branch)
    assert repo.git("diff", "--name-only", f"main...{branch}").split() == [PATH]
    again = ledger.apply(ledger.ask("plan_upgrade", install.id, AskUpgrade(inputs={"greeting": "ahoy"})))
    assert repo.git("rev-list", "--parents", "-n", "1", branch).split()[1:] == [after.proposed["commit"]]
    world.fake.state.merge(1)
    looked(work)
    assert (ledger.get(again.id).applied_revision, len(pulls(world))) == (3, 1)
    assert "echo ahoy" in repo.read(PATH)
    assert repo.read("docs.md") == "other docs"


@pytest.mark.parametrize("squash", [True, False], ids=["squashed", "merged"])
def test_what_somebody_changed_before_the_merge_is_told(
    squash: bool,  # noqa: FBT001  # a parameter of the test
    publish: Do,
    connected: str,
    world: GitHubWorld,
    ledger: Ledger,
    work: Work,
    repo: Repo,
) -> None:
    publish()
    install = ledger.install("acme/pipeline", {"repository": connected})
    repo.write({PATH: "name: ours\n"}, install.proposed["branch"])
    world.fake.state.merge(1, squash=squash)  # which removes the branch
    looked(work)
    settled = ledger.get(install.id)
    assert (settled.state, settled.outputs["by_hand"]) == ("applied", {PATH: "changed"}), settled.failure
    assert (settled.failure and settled.failure.code) == "changed_by_hand"


def test_closed_by_hand_is_declined_and_another_one_can_follow(
    publish: Do, connected: str, world: GitHubWorld, ledger: Ledger, work: Work
) -> None:
    publish()
    install = ledger.install("acme/pipeline", {"repository": connected})
    world.fake.state.pulls[1]["state"] = "closed"
    looked(work)
    declined = ledger.get(install.id)
    assert (declined.state, declined.desired_revision) == ("declined", None)
    assert declined.failure is not None
    assert declined.failure.message == "Pull request 1 was closed without being merged."
    assert "Plan again" in str(declined.failure.hint)
    with pytest.raises(InvalidInputError, match="Install it again"):
        ledger.ask("plan_upgrade", install.id, AskUpgrade())


def test_a_forced_branch_is_theirs_and_loses_nothing(
    publish: Do, connected: str, world: GitHubWorld, ledger: Ledger, work: Work, repo: Repo
) -> None:
    publish()
    install = ledger.install("acme/pipeline", {"repository": connected})
    theirs = repo.write({"notes.txt": "mine\n"}, install.proposed["branch"], force=True)
    looked(work)
    seen = ledger.get(install.id)
    assert (seen.state, seen.failure and seen.failure.code) == ("waiting", "branch_taken")
    publish("1.1.0", {"build.yml.j2": LATER})
    after = ledger.apply(ledger.ask("plan_upgrade", install.id, AskUpgrade()))
    assert after.proposed["branch"] != install.proposed["branch"]
    assert [state for state, _ in pulls(world)] == ["open", "open"]
    assert repo.git("rev-parse", install.proposed["branch"]) == theirs
    (said,) = world.comments(1)
    assert "Pull request 2 proposes it now" in said
    assert "left as it is" in said
    world.fake.state.merge(2)
    looked(work)
    assert ledger.get(install.id).applied_revision == 2


def test_what_keeps_the_one_before_from_being_told_ends_nothing(
    publish: Do, connected: str, world: GitHubWorld, ledger: Ledger, repo: Repo
) -> None:
    publish()
    install = ledger.install("acme/pipeline", {"repository": connected})
    repo.write({"notes.txt": "mine\n"}, install.proposed["branch"], force=True)
    publish("1.1.0", {"build.yml.j2": LATER})
    plan = ledger.ask("plan_upgrade", install.id, AskUpgrade())
    world.fake.refused = {"/comments": "issues=write"}
    after = ledger.apply(plan)
    assert (after.state, after.proposed["pull_request"]) == ("waiting", 2), after.failure
    assert "issues=write" in after.proposed["not_closed"]


def test_a_push_under_an_open_pull_request_is_heard_of_without_the_clock(
    publish: Do, connected: str, world: GitHubWorld, ledger: Ledger, work: Work, database: Database
) -> None:
    publish()
    install = ledger.install("acme/pipeline", {"repository": connected})
    looked(work)
    with database.tenant_session(ledger.who.tenant_id) as session:
        (connection,) = ScmService(session, ledger.settings).all(ledger.who.tenant_id)
        (followed,) = connection.repositories
    assert followed.address == connected
    world.fake.state.merge(1)
    hastened(database, ledger, connection.id, followed.id)
    work()
    assert ledger.get(install.id).state == "applied"


def hastened(database: Database, ledger: Ledger, connection: UUID, repository: UUID) -> None:
    """Tell as a genuine hook does that something happened in a repository."""
    subject = f"scm/repositories/{repository}"
    with database.tenant_session(ledger.who.tenant_id) as session:
        outbox.append(
            session,
            ScmHookReceived(repository_id=repository, action="closed"),
            tenant_id=ledger.who.tenant_id,
            subject=subject,
            actor=f"scm/{connection}",
        )


@BOTH
def test_a_right_that_is_missing_is_named_before_anything_is_done(
    publish: Do, connected: str, world: GitHubWorld, ledger: Ledger
) -> None:
    publish()
    state = world.fake.state
    granted = dict(state.permissions)
    state.user_permissions |= {"push": False}
    for name in ("contents", "pull_requests", "workflows"):
        state.permissions = {each: level for each, level in granted.items() if each != name}
        plan = ledger.ask("plan_install", AskInstall(asset="acme/pipeline", target={"repository": connected}))
        assert plan.state == "failed"
        assert plan.problem is not None
        assert plan.problem.code == "install_refused"
        named = f"{name}: write" if isinstance(world, GitHubAppWorld) else "the right 'push'"
        assert named in plan.problem.message
    assert pulls(world) == []


def test_a_right_that_is_lost_between_plan_and_change_fails_with_its_name(
    publish: Do, connected: str, world: GitHubWorld, ledger: Ledger, repo: Repo
) -> None:
    publish()
    plan = ledger.ask("plan_install", AskInstall(asset="acme/pipeline", target={"repository": connected}))
    world.fake.refused = {"/git/trees": "contents=write"}
    failed = ledger.apply(plan)
    assert (failed.state, failed.failure and failed.failure.code) == ("failed", "repository_rights_missing")
    assert failed.failure is not None
    assert "contents=write" in failed.failure.message
    assert not repo.has(PATH)
    world.fake.refused = {}
    again = ledger.apply(ledger.ask("plan_upgrade", failed.id, AskUpgrade()))
    assert again.state == "waiting", again.failure


def test_credentials_that_were_revoked_end_it_at_once(
    publish: Do, connected: str, world: GitHubWorld, ledger: Ledger
) -> None:
    publish()
    plan = ledger.ask("plan_install", AskInstall(asset="acme/pipeline", target={"repository": connected}))
    world.fake.next_refusals = [(401, {}, "Bad credentials")] * 20
    failed = ledger.apply(plan)
    assert (failed.state, failed.failure and failed.failure.code) == ("failed", "repository_credentials_refused")


@pytest.mark.parametrize(
    "refusal",
    [
        (403, {"Retry-After": "1"}, "You have exceeded a secondary rate limit"),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, "API rate limit exceeded"),
    ],
    ids=["secondary", "primary"],
)
def test_a_limit_puts_off_and_ends_nothing(
    refusal: tuple[int, dict[str, str], str], publish: Do, connected: str, world: GitHubWorld, ledger: Ledger
) -> None:
    publish()
    world.fake.next_refusals = [refusal]
    plan = ledger.ask("plan_install", AskInstall(asset="acme/pipeline", target={"repository": connected}))
    assert plan.state == "ready", plan.problem
    world.fake.next_refusals = [refusal]
    install = ledger.apply(plan)
    assert install.state == "waiting", install.failure
    assert pulls(world) == [("open", "Add acme/pipeline 1.0.0")]


def test_a_repository_without_a_connection_says_how_to_make_one(
    publish: Do, world: GitHubWorld, ledger: Ledger
) -> None:
    publish()
    for address in (f"{world.fake.url}/acme/hello", "https://github.com/acme/hello"):
        with pytest.raises(InvalidInputError) as refused:
            ledger.ask("plan_install", AskInstall(asset="acme/pipeline", target={"repository": address}))
        assert [each.pointer for each in refused.value.errors] == ["/target/repository"]
    assert "slipway scm connect" in refused.value.detail
    assert world.fake.requests == []


def test_a_killed_worker_leaves_one_commit_in_the_same_pull_request(
    publish: Do,
    connected: str,
    ledger: Ledger,
    repo: Repo,
    run_until: Callable[[Install, int], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish()
    first = ledger.install("acme/pipeline", {"repository": connected})
    branch = first.proposed["branch"]
    repo.write({"new.txt": "new\n"})
    publish("1.1.0", {"build.yml.j2": LATER})
    plan = ledger.ask("plan_upgrade", first.id, AskUpgrade())
    with ledger.database.tenant_session(ledger.who.tenant_id) as session:
        asked = ApplyPlan(plan=plan.id, digest=plan.digest or "")
        install = InstallService(session, ledger.settings).apply(ledger.who, asked)

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("workers.installers.pull_request.close_previous", die)
        assert run_until(install, 99)  # it has proposed, and dies before it says so
    written = repo.git("rev-parse", branch)
    assert written != first.proposed["commit"]
    ledger.work()
    settled = ledger.get(install.id)
    assert (settled.state, settled.proposed["branch"]) == ("waiting", branch)
    assert settled.proposed["commit"] == repo.git("rev-parse", branch) == written
    assert settled.proposed["pull_request"] == 1


@pytest.mark.parametrize("decision", ["closed", "merged", "squashed", "taken over"])
def test_a_decision_counts_for_a_pull_request_that_proposes_the_revision(
    decision: str, publish: Do, connected: str, world: GitHubWorld, ledger: Ledger, repo: Repo, begun: Do
) -> None:
    publish()
    asked = AskInstall(asset="acme/pipeline", target={"repository": connected})
    install_id, branch = begun(ledger, ledger.ask("plan_install", asked))
    own = decision in {"squashed", "taken over"}
    repo.git("branch", branch, "main")
    wanted = {PATH: WORKFLOW.replace("[[ inputs.greeting ]]", "hello")}
    repo.write(wanted if own else {PATH: "name: theirs\n"}, branch)
    if decision == "taken over":
        repo.write({"notes.txt": "mine\n"}, branch)
    assert world.open().open_pull_request(NewPullRequest("Mine", "", branch, "main")).number == 1
    if decision == "closed":
        world.fake.state.pulls[1]["state"] = "closed"
    else:
        world.fake.state.merge(1, squash=decision == "squashed")
    ledger.work()
    ledger.work(periodic=True)
    settled = ledger.get(install_id)
    if own:
        assert (settled.state, settled.applied_revision) == ("applied", 1), settled.failure
    else:
        assert (settled.state, settled.failure and settled.failure.code) == ("failed", "branch_taken")
    assert len(pulls(world)) == 1
