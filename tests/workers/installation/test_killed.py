"""Workers killed by SIGKILL while they install: at whatever step, one revision and one pull request come of it."""

import subprocess
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from catalog.db import Database
from catalog.installs.service import InstallService
from catalog.installs.shapes import AskInstall, AskUpgrade, InstallRead
from catalog.providers.scm import PullRequestChange, PullRequestState, Repository, open_repository
from catalog.settings import Settings
from catalog.tenancy import Principal
from tests.workers.installation.conftest import WORKFLOW, Do, Ledger, Repo
from tests.workers.lives import Lives, forked

LOCAL = "catalog.providers.scm.local_git_repository:LocalRepository"
BOUND = "SELECT count(*) FROM policy_bindings"
LATER = WORKFLOW + "      - run: make package\n"


@pytest.fixture(scope="module")
def parent() -> Iterator["subprocess.Popen[str]"]:
    """What workers that install are forked from."""
    with forked("workers.installation") as process:
        yield process


@pytest.fixture
def killed(parent: "subprocess.Popen[str]", settings: Settings, database: Database) -> Lives:
    """Lives of workers that install."""
    return Lives(parent, settings, database)


@pytest.fixture
def scm(repo: Repo, settings: Settings) -> Repository:
    """The repository as its server has it."""
    return open_repository(str(repo.path), settings)


def wanted(ledger: Ledger, asset: str, target: dict[str, str]) -> Callable[[], InstallRead]:
    """Ask for an install in one go, and return what reads it."""
    with ledger.database.tenant_session(ledger.who.tenant_id) as session:
        asked = AskInstall.model_validate({"asset": asset, "target": target})
        plan = InstallService(session, ledger.settings).plan_install(ledger.who, asked, auto=True)
        install_id = plan.install_id
    assert install_id is not None
    return lambda: ledger.get(install_id)


def upgraded(ledger: Ledger, install: InstallRead) -> None:
    """Ask for an upgrade in one go."""
    with ledger.database.tenant_session(ledger.who.tenant_id) as session:
        InstallService(session, ledger.settings).plan_upgrade(ledger.who, install.id, AskUpgrade(), auto=True)


def told(ledger: Ledger, family: str = "install.") -> dict[str, int]:
    """Count what was told of installs."""
    query = text("SELECT type, count(*) FROM events WHERE type LIKE :family GROUP BY type ORDER BY type")
    with ledger.database.tenant_session(ledger.who.tenant_id) as session:
        rows = session.connection().execute(query, {"family": f"dev.slipway.{family}%"})
        return {kind.removeprefix("dev.slipway.").removesuffix(".v1"): count for kind, count in rows}


def test_killed_before_any_commit_it_becomes_one_pull_request(
    publish: Do, repo: Repo, ledger: Ledger, killed: Lives, scm: Repository
) -> None:
    publish()
    read = wanted(ledger, "acme/pipeline", {"repository": str(repo.path)})
    assert killed.settle() > 4
    waiting = read()
    assert (waiting.state, waiting.desired_revision) == ("waiting", 1), waiting.failure
    once = told(ledger)
    assert set(once.values()) == {1}, once
    assert [each.number for each in scm.pull_requests()] == [waiting.proposed["pull_request"]]
    assert repo.git("rev-list", "--count", f"main..{waiting.proposed['branch']}") == "1"
    assert repo.git("for-each-ref", "refs/heads/slipway", "--format=x") == "x"
    repo.merge(waiting.proposed["branch"])
    killed.settle(periodic=True)
    done = read()
    assert (done.state, done.applied_revision) == ("applied", 1)
    (revision,) = ledger.revisions(done.id)
    assert [each.state for each in revision.outcomes] == ["waiting", "applied"]


def test_killed_after_any_step_at_the_server(
    publish: Do, repo: Repo, ledger: Ledger, killed: Lives, scm: Repository
) -> None:
    publish()
    read = wanted(ledger, "acme/pipeline", {"repository": str(repo.path)})
    for step in ("create_branch", "commit_files", "open_pull_request"):
        assert killed.live(after=f"{LOCAL}.{step}")
        assert len(scm.pull_requests()) == (step == "open_pull_request")
        assert read().proposed == {}, "it was done, and nobody wrote that down"
    assert not killed.live()
    waiting = read()
    assert waiting.state == "waiting", waiting.failure
    assert [each.number for each in scm.pull_requests()] == [waiting.proposed["pull_request"]] == [1]
    assert repo.git("rev-list", "--count", f"main..{waiting.proposed['branch']}") == "1"


@pytest.mark.parametrize("decision", ["closed", "merged"])
def test_a_pull_request_that_nobody_wrote_down_and_somebody_decided_about(
    decision: str, publish: Do, repo: Repo, ledger: Ledger, killed: Lives, scm: Repository
) -> None:
    publish()
    read = wanted(ledger, "acme/pipeline", {"repository": str(repo.path)})
    assert killed.live(after=f"{LOCAL}.open_pull_request")
    (opened,) = scm.pull_requests()
    if decision == "merged":
        repo.merge(opened.branch)
    scm.change_pull_request(opened.number, PullRequestChange(state=PullRequestState.CLOSED))
    assert not killed.live()
    assert not killed.live(periodic=True)
    settled = read()
    assert scm.pull_requests() == []
    assert repo.git("for-each-ref", "refs/pull", "--format=x") == "x", "there is no second one"
    if decision == "merged":
        assert (settled.state, settled.applied_revision) == ("applied", 1), settled.failure
    else:
        assert (settled.state, settled.failure and settled.failure.code) == ("declined", "declined")


@pytest.mark.parametrize("decision", ["none", "closed", "merged"])
def test_the_next_revision_in_the_same_pull_request(
    decision: str, publish: Do, repo: Repo, ledger: Ledger, killed: Lives, scm: Repository
) -> None:
    publish()
    first = ledger.install("acme/pipeline", {"repository": str(repo.path)})
    publish("1.1.0", {"build.yml.j2": LATER})
    upgraded(ledger, first)
    assert killed.live(after=f"{LOCAL}.change_pull_request")
    (opened,) = scm.pull_requests()
    assert opened.head_sha != first.proposed["commit"]
    assert ledger.get(first.id).state == "applying"
    if decision == "merged":
        repo.merge(opened.branch)
    if decision != "none":
        scm.change_pull_request(opened.number, PullRequestChange(state=PullRequestState.CLOSED))
    assert not killed.live()
    assert repo.git("for-each-ref", "refs/pull", "--format=x") == "x", "there is no second one"
    assert ledger.get(first.id).proposed.get("commit") == opened.head_sha
    assert not killed.live(periodic=True)
    settled = ledger.get(first.id)
    expected = {"none": ("waiting", None), "closed": ("declined", None), "merged": ("applied", 2)}
    assert (settled.state, settled.applied_revision) == expected[decision], settled.failure


def test_killed_before_any_commit_a_binding_is_made_once(
    publish_policy: Do, ledger: Ledger, killed: Lives, acme: Principal
) -> None:
    publish_policy(acme, "rules", "deny contains v if { false; v := {} }")
    read = wanted(ledger, "acme/rules", {"level": "advisory"})
    assert killed.settle() > 4
    done = read()
    assert (done.state, done.applied_revision) == ("applied", 1), done.failure
    once = told(ledger)
    assert set(once.values()) == {1}, once
    with ledger.database.tenant_session(acme.tenant_id) as session:
        assert session.connection().execute(text(BOUND)).scalar_one() == 1
