"""Pull requests of installs at Azure DevOps: proposed, completed, abandoned, and put off where it wants a pause."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from catalog.db import Database
from catalog.installs.shapes import AskInstall, AskUpgrade
from catalog.providers.scm import NewPullRequest
from catalog.scm.models import ConnectScm
from catalog.scm.service import ScmService
from catalog.settings import Settings
from catalog.tenancy import Principal
from tests.catalog.providers.scm.worlds import AzureDevOpsWorld
from tests.workers.installation.conftest import WORKFLOW, Do, Ledger, Repo

PATH = ".github/workflows/build.yml"
Work = Callable[..., list[str]]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AzureDevOpsWorld]:
    opened = AzureDevOpsWorld(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def settings(settings: Settings, world: AzureDevOpsWorld) -> Settings:
    """Settings under which tenants may connect to the server."""
    mine = {
        "scm_servers": (world.fake.url,),
        "scm_write_pause_seconds": 0.0,
        "master_key": SecretStr("for tests"),
        "pull_request_poll_seconds": 60.0,
    }
    return settings.model_copy(update=mine)


@pytest.fixture
def connected(database: Database, settings: Settings, acme: Principal, world: AzureDevOpsWorld) -> str:
    """Connect the tenant to the organisation, and return the address of a repository there."""
    place = f"{world.fake.url}/Acme"
    asked = ConnectScm(name="azure", provider="azure_devops", base_url=place, credentials=world.credentials())
    with database.tenant_session(acme.tenant_id) as session:
        ScmService(session, settings).connect(acme, asked)
    return f"{place}/Hello/_git/Hello"


def test_it_is_proposed_completed_upgraded_and_abandoned(
    publish: Do, connected: str, world: AzureDevOpsWorld, ledger: Ledger, work: Work
) -> None:
    repo, pulls = Repo(world.origin), world.fake.state.pulls
    publish()
    # It wants a pause before it answers: the plan is made afterwards, and so is what it asks for.
    world.fake.next_answers = [(429, {"Retry-After": "1"}, "TF400733: too many requests")]
    plan = ledger.ask("plan_install", AskInstall(asset="acme/pipeline", target={"repository": connected}))
    assert plan.state == "ready", plan.problem
    world.fake.next_answers = [(429, {"Retry-After": "1"}, "TF400733: too many requests")]
    install = ledger.apply(plan)
    assert install.state == "waiting", install.failure
    (number,) = pulls
    assert (install.proposed["pull_request"], pulls[number]["title"]) == (number, "Add acme/pipeline 1.0.0")
    branch = install.proposed["branch"]
    assert repo.read(PATH, branch) == WORKFLOW.replace("[[ inputs.greeting ]]", "hello").strip()

    repo.merge(branch)
    pulls[number]["status"] = "completed"
    work(periodic=True)
    assert (ledger.get(install.id).state, ledger.get(install.id).applied_revision) == ("applied", 1)

    publish("1.1.0", {"build.yml.j2": WORKFLOW + "      - run: make package\n"})
    upgraded = ledger.apply(ledger.ask("plan_upgrade", install.id, AskUpgrade()))
    assert upgraded.state == "waiting", upgraded.failure
    pulls[upgraded.proposed["pull_request"]]["status"] = "abandoned"
    work(periodic=True)
    declined = ledger.get(install.id)
    assert (declined.state, declined.applied_revision, declined.desired_revision) == ("applied", 1, 1)
    assert (declined.failure and declined.failure.code) == "declined"
    assert "make package" not in repo.read(PATH)


@pytest.mark.parametrize("decision", ["abandoned", "completed"])
def test_somebody_elses_pull_request_from_that_branch_is_no_decision(
    decision: str, publish: Do, connected: str, world: AzureDevOpsWorld, ledger: Ledger, begun: Do
) -> None:
    repo, pulls = Repo(world.origin), world.fake.state.pulls
    publish()
    asked = AskInstall(asset="acme/pipeline", target={"repository": connected})
    install_id, branch = begun(ledger, ledger.ask("plan_install", asked))
    repo.git("branch", branch, "main")
    repo.write({PATH: "name: theirs\n"}, branch)
    number = world.open().open_pull_request(NewPullRequest("Mine", "", branch, "main")).number
    pulls[number]["status"] = decision
    if decision == "completed":
        repo.merge(branch)
    ledger.work()
    failed = ledger.get(install_id)
    assert (failed.state, failed.applied_revision) == ("failed", None)
    assert (failed.failure and failed.failure.code) == "branch_taken"
