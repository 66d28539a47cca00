"""Pull requests that people change before they merge them: what was merged is told, kept, and merged onto later."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from catalog.installs.shapes import AskRollback, AskUpgrade, InstallRead
from tests.workers.installation.conftest import WORKFLOW, Do, Ledger, Repo

BUILD, OTHER, THIRD = (f".github/workflows/{name}.yml" for name in ("build", "other", "third"))
LATER = WORKFLOW + "      - run: make package\n"
Work = Callable[..., list[str]]


def proposed(publish: Do, repo: Repo, ledger: Ledger) -> InstallRead:
    """Return an install of three files whose pull request waits."""
    publish(files={f"{name}.yml.j2": WORKFLOW for name in ("build", "other", "third")})
    return ledger.install("acme/pipeline", {"repository": str(repo.path)})


def told(ledger: Ledger) -> list[list[str]]:
    """Return what each event says that a revision is there says of files that were changed by hand."""
    said = "SELECT data -> 'by_hand' FROM events WHERE type LIKE '%install.ready%' ORDER BY sequence"
    with ledger.database.tenant_session(ledger.who.tenant_id) as session:
        return [each[0] for each in session.connection().execute(text(said))]


def test_what_was_merged_is_told_and_stays_through_the_next_upgrade(
    publish: Do, repo: Repo, ledger: Ledger, work: Work
) -> None:
    install = proposed(publish, repo, ledger)
    branch = install.proposed["branch"]
    edited = repo.read(BUILD, branch).replace("run: make\n", "run: make all  # ours\n") + "\n"
    repo.write({BUILD: edited, OTHER: None, "notes.txt": "ours\n"}, branch)
    work(periodic=True)
    assert ledger.get(install.id).failure.code == "branch_taken"  # type: ignore[union-attr]
    repo.merge(branch)
    work(periodic=True)
    settled = ledger.get(install.id)
    assert (settled.state, settled.applied_revision) == ("applied", 1)
    assert settled.outputs["by_hand"] == {BUILD: "changed", OTHER: "left"}
    assert settled.failure is not None
    assert settled.failure.code == "changed_by_hand"
    assert f"{BUILD} was changed, {OTHER} was not taken over" in settled.failure.message
    assert told(ledger) == [[BUILD, OTHER]]
    work(periodic=True)
    assert len(ledger.revisions(install.id)[0].outcomes) == 2, "it is told once"

    publish("1.1.0", {"build.yml.j2": LATER, "other.yml.j2": WORKFLOW, "third.yml.j2": LATER})
    plan = ledger.ask("plan_upgrade", install.id, AskUpgrade())
    assert plan.open_conflicts == [], "what they removed is not brought back, and what they changed is merged"
    assert {each["path"] for each in plan.document["changes"]["files"]} == {BUILD, THIRD}
    after = ledger.apply(plan)
    merged = repo.read(BUILD, after.proposed["branch"])
    assert ("make all  # ours" in merged, "make package" in merged) == (True, True)
    repo.merge(after.proposed["branch"])
    work(periodic=True)
    clean = ledger.get(install.id)
    assert (clean.applied_revision, clean.failure, clean.outputs.get("by_hand")) == (2, None, None)
    assert told(ledger)[1:] == [[]]
    back = ledger.ask("plan_rollback", install.id, AskRollback())
    assert back.open_conflicts == []
    assert repo.read(BUILD, ledger.apply(back).proposed["branch"]) == edited.strip()


@pytest.mark.parametrize("left", ["something", "nothing"])
def test_what_was_taken_back_before_the_merge_was_not_applied(
    left: str, publish: Do, repo: Repo, ledger: Ledger, work: Work
) -> None:
    install = proposed(publish, repo, ledger)
    repo.merge(install.proposed["branch"])
    work(periodic=True)
    before = {path: f"{repo.read(path)}\n" for path in (BUILD, OTHER, THIRD)}
    publish("1.1.0", {f"{name}.yml.j2": LATER for name in ("build", "other", "third")})
    after = ledger.apply(ledger.ask("plan_upgrade", install.id, AskUpgrade()))
    branch = after.proposed["branch"]
    kept = {BUILD: f"{repo.read(BUILD, branch)}\n"} if left == "something" else {}
    repo.write({**before, **kept}, branch)
    repo.merge(branch)
    work(periodic=True)
    settled = ledger.get(install.id)
    if left == "something":
        assert (settled.state, settled.applied_revision) == ("applied", 2)
        assert settled.outputs["by_hand"] == {OTHER: "left", THIRD: "left"}
        publish("1.2.0", {"build.yml.j2": LATER, "other.yml.j2": LATER, "third.yml.j2": WORKFLOW})
        plan = ledger.ask("plan_upgrade", install.id, AskUpgrade())
        assert plan.open_conflicts == []
        assert plan.document["changes"]["files"] == [], "what they took back stays taken back"
    else:
        assert (settled.state, settled.desired_revision, settled.applied_revision) == ("applied", 1, 1)
        assert settled.failure is not None
        assert (settled.failure.code, "nothing of what was planned" in settled.failure.message) == ("declined", True)
        again = ledger.ask("plan_upgrade", install.id, AskUpgrade())
        assert again.document["version"] == "1.1.0"


def test_a_decision_left_to_git_s_marks_is_taken_in_the_pull_request(
    publish: Do, repo: Repo, ledger: Ledger, work: Work
) -> None:
    install = proposed(publish, repo, ledger)
    repo.merge(install.proposed["branch"])
    work(periodic=True)
    repo.write({BUILD: repo.read(BUILD).replace("run: make\n", "run: make ours\n") + "\n"})
    changed = WORKFLOW.replace("run: make\n", "run: make theirs\n")
    publish("1.1.0", {"build.yml.j2": changed, "other.yml.j2": WORKFLOW, "third.yml.j2": WORKFLOW})
    plan = ledger.ask("plan_upgrade", install.id, AskUpgrade(conflicts={"*": "markers"}))
    after = ledger.apply(plan)
    branch = after.proposed["branch"]
    assert "<<<<<<<" in repo.read(BUILD, branch)
    decided = WORKFLOW.replace("run: make\n", "run: make both\n").replace("[[ inputs.greeting ]]", "hello")
    repo.write({BUILD: decided}, branch)
    repo.merge(branch)
    work(periodic=True)
    settled = ledger.get(after.id)
    assert (settled.applied_revision, settled.outputs["by_hand"]) == (2, {BUILD: "changed"})
    publish("1.2.0", {"build.yml.j2": changed, "other.yml.j2": LATER, "third.yml.j2": WORKFLOW})
    following = ledger.ask("plan_upgrade", install.id, AskUpgrade())
    assert (following.open_conflicts, [e["path"] for e in following.document["changes"]["files"]]) == ([], [OTHER])


def test_a_submodule_in_the_place_of_a_file_is_a_change_as_well(
    publish: Do, repo: Repo, ledger: Ledger, work: Work
) -> None:
    install = proposed(publish, repo, ledger)
    branch = install.proposed["branch"]
    repo.git("read-tree", branch)
    repo.git("update-index", "--cacheinfo", f"160000,{repo.git('rev-parse', 'main')},{BUILD}")
    commit = repo.git("commit-tree", repo.git("write-tree"), "-p", branch, "-m", "Change")
    repo.git("update-ref", f"refs/heads/{branch}", commit)
    repo.merge(branch)
    work(periodic=True)
    assert ledger.get(install.id).outputs["by_hand"] == {BUILD: "changed"}
