"""What goes wrong around a pull request: each with a clear message, and nothing of anybody's overwritten."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from catalog.assets.pipeline_checks import Example, Target, render_example
from catalog.db import Database
from catalog.installs.errors import ConflictsUnresolvedError, UpgradeRefusedError
from catalog.installs.models import Install
from catalog.installs.service import InstallService
from catalog.installs.shapes import ApplyPlan, AskInstall, AskUpgrade, InstallRead
from catalog.providers.scm import (
    FolderEntry,
    NewCommit,
    NewPullRequest,
    PullRequestChange,
    PullRequestState,
    open_repository,
)
from tests.workers.installation.conftest import WORKFLOW, Do, Ledger, Repo
from workers.installers import InstallRefusedError
from workers.installers.rendering import check_path

PATH = ".github/workflows/build.yml"
Work = Callable[..., list[str]]


def installed(publish: Do, repo: Repo, ledger: Ledger, work: Work, **more: Any) -> InstallRead:
    """Return an install whose pull request was merged."""
    publish(**more)
    install = ledger.install("acme/pipeline", {"repository": str(repo.path)})
    repo.merge(install.proposed["branch"])
    work(periodic=True)
    return ledger.get(install.id)


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a//b", ".git/config", "a/.GIT/hooks/x", "", "a\\b"])
def test_a_template_that_renders_outside_its_folder_is_refused(path: str) -> None:
    with pytest.raises(InstallRefusedError, match="Nothing was done"):
        check_path(path)


def test_a_target_that_leads_outside_is_found_where_it_is_rendered() -> None:
    target = Target("github-actions", "content/github", "../elsewhere")
    _, findings = render_example({"content/github/x.yml": b"a: 1"}, [target], Example("", {}, None), {})
    assert [each.rule for each in findings] == ["render-path"]


def test_a_link_in_the_repository_is_never_written_through(publish: Do, repo: Repo, ledger: Ledger) -> None:
    blob = repo.git("hash-object", "-w", "--stdin", sent="/etc")
    tree = repo.git("mktree", sent=f"120000 blob {blob}\t.github\n")
    repo.git("update-ref", "refs/heads/main", repo.git("commit-tree", tree, "-m", "Link"))
    publish()
    plan = ledger.ask("plan_install", AskInstall(asset="acme/pipeline", target={"repository": str(repo.path)}))
    assert plan.state == "failed"
    assert plan.problem is not None
    assert ".github is no folder" in plan.problem.message


def test_a_branch_that_is_not_there_is_said_in_the_plan(publish: Do, repo: Repo, ledger: Ledger) -> None:
    publish()
    missing = ledger.ask(
        "plan_install", AskInstall(asset="acme/pipeline", target={"repository": str(repo.path), "branch": "nowhere"})
    )
    assert missing.problem is not None
    assert "has no branch nowhere" in missing.problem.message


def test_a_repository_without_rights_is_said_in_the_plan(
    publish: Do, repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    asked = AskInstall(asset="acme/pipeline", target={"repository": str(repo.path)})
    plan = ledger.ask("plan_install", asked)
    # Whoever runs the tests may be root, to whom the modes of files say nothing.
    may = os.access
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK and may(path, mode))
    refused = ledger.ask("plan_install", asked.model_copy(update={"name": "another"}))
    assert refused.state == "failed"
    assert refused.problem is not None
    assert f"Slipway may not write into {repo.path}" in refused.problem.message
    assert "Let the account it runs under write there" in refused.problem.message
    late = ledger.apply(plan)  # the right was lost after the plan was made
    assert (late.state, late.applied_revision) == ("failed", None)
    assert late.failure is not None
    assert "may not write into" in late.failure.message
    assert repo.git("branch", "--list").split() == ["*", "main"]


def test_both_changed_the_same_lines(publish: Do, repo: Repo, ledger: Ledger, work: Work) -> None:
    install = installed(publish, repo, ledger, work)
    ours = repo.read(PATH).replace("run: make test", "run: make test-quick") + "\n"
    repo.write({PATH: ours})
    publish("1.1.0", {"build.yml.j2": WORKFLOW.replace("run: make test", "run: make test-all")})
    plan = ledger.ask("plan_upgrade", install.id, AskUpgrade())
    assert plan.open_conflicts == [PATH]
    diff = plan.document["changes"]["files"][0]["diff"]
    assert "<<<<<<< yours" in diff
    assert ">>>>>>> acme/pipeline-1.1.0" in diff
    with pytest.raises(ConflictsUnresolvedError):
        ledger.apply(plan)
    assert repo.read(PATH) + "\n" == ours
    mine = ledger.ask("plan_upgrade", install.id, AskUpgrade(conflicts={PATH: "mine"}))
    assert mine.document["changes"]["files"][0]["status"] == "kept"
    kept = ledger.apply(mine)
    assert (kept.state, kept.applied_revision) == ("applied", 2)  # nothing to propose: yours is there already
    assert repo.read(PATH) + "\n" == ours


def test_a_file_that_was_moved_is_followed(publish: Do, repo: Repo, ledger: Ledger, work: Work) -> None:
    install = installed(publish, repo, ledger, work)
    moved = ".github/workflows/ci.yml"
    repo.write({PATH: None, moved: repo.read(PATH) + "\n"})
    publish("1.1.0", {"build.yml.j2": WORKFLOW + "      - run: make package\n"})
    plan = ledger.ask("plan_upgrade", install.id, AskUpgrade())
    assert [(each["path"], each["status"]) for each in plan.document["changes"]["files"]] == [(moved, "changed")]


def test_closed_by_hand_and_upgraded_again(publish: Do, repo: Repo, ledger: Ledger, work: Work) -> None:
    install = installed(publish, repo, ledger, work)
    publish("1.1.0", {"build.yml.j2": WORKFLOW + "      - run: make package\n"})
    waiting = ledger.apply(ledger.ask("plan_upgrade", install.id, AskUpgrade()))
    assert waiting.state == "waiting"
    repo.git("update-ref", "-d", f"refs/heads/{waiting.proposed['branch']}")
    work(periodic=True)
    declined = ledger.get(install.id)
    assert (declined.state, declined.applied_revision, declined.desired_revision) == ("applied", 1, 1)
    assert declined.failure is not None
    assert declined.failure.code == "declined"
    again = ledger.apply(ledger.ask("plan_upgrade", install.id, AskUpgrade()))
    assert (again.state, again.desired_revision) == ("waiting", 3)


def test_a_branch_that_was_force_pushed_is_left_alone(publish: Do, repo: Repo, ledger: Ledger, work: Work) -> None:
    install = installed(publish, repo, ledger, work)
    publish("1.1.0", {"build.yml.j2": WORKFLOW + "      - run: make package\n"})
    waiting = ledger.apply(ledger.ask("plan_upgrade", install.id, AskUpgrade()))
    branch = waiting.proposed["branch"]
    theirs = repo.write({"notes.txt": "mine\n"}, branch, force=True)
    work(periodic=True)
    seen = ledger.get(install.id)
    assert seen.state == "waiting"
    assert seen.failure is not None
    assert seen.failure.code == "branch_taken"
    publish("1.2.0", {"build.yml.j2": WORKFLOW + "      - run: make everything\n"})
    later = ledger.apply(ledger.ask("plan_upgrade", install.id, AskUpgrade()))
    assert later.proposed["branch"] != branch
    assert repo.git("rev-parse", branch) == theirs
    assert [each.state for each in ledger.revisions(install.id)] == ["waiting", "superseded", "applied"]


def test_a_squashed_pull_request_counts_as_merged(publish: Do, repo: Repo, ledger: Ledger, work: Work) -> None:
    publish()
    install = ledger.install("acme/pipeline", {"repository": str(repo.path)})
    branch = install.proposed["branch"]
    repo.write({PATH: repo.read(PATH, branch) + "\n"})
    repo.git("update-ref", "-d", f"refs/heads/{branch}")
    work(periodic=True)
    assert ledger.get(install.id).state == "applied"


def test_a_plan_from_yesterday_is_made_again_where_a_file_moved(
    publish: Do, repo: Repo, ledger: Ledger, work: Work, database: Database
) -> None:
    install = installed(publish, repo, ledger, work)
    publish("1.1.0", {"build.yml.j2": WORKFLOW + "      - run: make package\n"})
    plan = ledger.ask("plan_upgrade", install.id, AskUpgrade())
    with database.tenant_session(ledger.who.tenant_id) as session:
        row = InstallService(session, ledger.settings)._plan(ledger.who.tenant_id, plan.id)  # noqa: SLF001  # only time is changed
        row.created_at -= timedelta(days=1)
        session.add(row)
    repo.write({"unrelated.txt": "x\n"})
    repo.write({PATH: repo.read(PATH).replace("run: make\n", "run: make all\n") + "\n"})
    moved = ledger.apply(plan)
    assert moved.failure is not None
    assert moved.failure.code == "plan_moved"
    assert moved.applied_revision == moved.desired_revision == 1
    assert repo.git("for-each-ref", "refs/heads/slipway", "--format=x").count("x") == 1  # the first one, merged


def test_an_upgrade_that_cannot_be_reached_names_the_way(publish: Do, repo: Repo, ledger: Ledger, work: Work) -> None:
    install = installed(publish, repo, ledger, work)
    publish("1.5.0", upgrades='upgrades: {from: ">=1.0"}')
    publish("2.0.0", upgrades='upgrades: {from: ">=1.5"}')
    with pytest.raises(UpgradeRefusedError, match=r"Upgrade to 1\.5\.0 first"):
        ledger.ask("plan_upgrade", install.id, AskUpgrade(version="2.0.0"))
    assert ledger.ask("plan_upgrade", install.id, AskUpgrade()).document["version"] == "1.5.0"


def test_an_input_that_is_gone_is_explained(publish: Do, repo: Repo, ledger: Ledger, work: Work) -> None:
    publish(properties='"greeting": {"type": "string"}, "old": {"type": "string"}')
    install = ledger.install("acme/pipeline", {"repository": str(repo.path)}, inputs={"greeting": "hi", "old": "x"})
    repo.merge(install.proposed["branch"])
    work(periodic=True)
    schema = '"greeting": {"type": "string"}}, "additionalProperties": false, "$defs": {'
    publish("2.0.0", properties=schema)
    with pytest.raises(UpgradeRefusedError) as refused:
        ledger.ask("plan_upgrade", install.id, AskUpgrade())
    assert [each.pointer for each in refused.value.errors] == ["/inputs/old"]
    plan = ledger.ask("plan_upgrade", install.id, AskUpgrade(inputs={"old": None}))
    assert plan.state == "ready", plan.problem
    assert any(each["pointer"] == "/old" for each in plan.document["input_changes"])


@pytest.mark.parametrize("done", ["nothing", "branch", "commit", "pull request"])
def test_killed_while_it_proposes_it_resumes(
    done: str,
    publish: Do,
    repo: Repo,
    ledger: Ledger,
    database: Database,
    run_until: Callable[[Install, int], bool],
) -> None:
    publish()
    plan = ledger.ask("plan_install", AskInstall(asset="acme/pipeline", target={"repository": str(repo.path)}))
    with database.tenant_session(ledger.who.tenant_id) as session:
        asked = ApplyPlan(plan=plan.id, digest=plan.digest or "")
        install = InstallService(session, ledger.settings).apply(ledger.who, asked)
    assert run_until(install, 2)  # up to the revision that is written down
    (revision,) = ledger.revisions(install.id)
    branch = f"slipway/{install.name}-{revision.id.hex[:8]}"
    opened, head = open_repository(str(repo.path), ledger.settings), repo.git("rev-parse", "main")
    if done != "nothing":
        opened.create_branch(branch, head)
    if done in {"commit", "pull request"}:
        text = WORKFLOW.replace("[[ inputs.greeting ]]", "hello").encode()
        opened.commit_files(NewCommit(branch, head, "Add acme/pipeline 1.0.0", {PATH: FolderEntry(text)}))
    if done == "pull request":
        assert run_until(install, 1)  # begun again, told that it applies; killed before it is concluded
        ledger.work()
    ledger.work()
    settled = ledger.get(install.id)
    assert settled.state == "waiting", settled.failure
    assert settled.proposed["branch"] == branch
    assert repo.git("rev-list", "--count", f"main..{branch}") == "1"
    assert len(opened.pull_requests()) == 1


def test_a_branch_with_something_else_is_left_alone(
    publish: Do, repo: Repo, ledger: Ledger, database: Database, run_until: Callable[[Install, int], bool]
) -> None:
    publish()
    plan = ledger.ask("plan_install", AskInstall(asset="acme/pipeline", target={"repository": str(repo.path)}))
    with database.tenant_session(ledger.who.tenant_id) as session:
        asked = ApplyPlan(plan=plan.id, digest=plan.digest or "")
        install = InstallService(session, ledger.settings).apply(ledger.who, asked)
    assert run_until(install, 2)
    (revision,) = ledger.revisions(install.id)
    branch = f"slipway/{install.name}-{revision.id.hex[:8]}"
    open_repository(str(repo.path), ledger.settings).create_branch(branch, repo.git("rev-parse", "main"))
    theirs = repo.write({"mine.txt": "mine\n"}, branch)
    ledger.work()
    failed = ledger.get(install.id)
    assert failed.failure is not None
    assert failed.failure.code == "branch_taken"
    assert repo.git("rev-parse", branch) == theirs


@pytest.mark.parametrize("decision", ["closed", "merged"])
def test_somebody_elses_pull_request_from_that_branch_is_no_decision(
    decision: str, publish: Do, repo: Repo, ledger: Ledger, begun: Do
) -> None:
    publish()
    asked = AskInstall(asset="acme/pipeline", target={"repository": str(repo.path)})
    install_id, branch = begun(ledger, ledger.ask("plan_install", asked))
    server = open_repository(str(repo.path), ledger.settings)
    server.create_branch(branch, repo.git("rev-parse", "main"))
    repo.write({"mine.txt": "mine\n"}, branch)
    theirs = server.open_pull_request(NewPullRequest("Mine", "", branch, "main"))
    if decision == "merged":
        repo.merge(branch)
    server.change_pull_request(theirs.number, PullRequestChange(state=PullRequestState.CLOSED))
    ledger.work()
    failed = ledger.get(install_id)
    assert (failed.state, failed.applied_revision) == ("failed", None)
    assert (failed.failure and failed.failure.code) == "branch_taken"
    again = ledger.apply(ledger.ask("plan_upgrade", install_id, AskUpgrade()))
    assert (again.state, again.proposed["branch"] != branch) == ("waiting", True), again.failure
