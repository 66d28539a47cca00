"""Pipeline templates: planned, proposed as a pull request, merged or declined, upgraded without losing an edit."""

from collections.abc import Callable

from catalog.installs.shapes import AskInstall, AskRollback, AskUninstall, AskUpgrade
from tests.workers.installation.conftest import WORKFLOW, Do, Ledger, Repo

PATH = ".github/workflows/build.yml"
Work = Callable[..., list[str]]


def test_an_install_becomes_a_pull_request_and_is_applied_when_that_is_merged(
    publish: Do, repo: Repo, ledger: Ledger, work: Work
) -> None:
    publish()
    asked = AskInstall(asset="acme/pipeline", target={"repository": str(repo.path)}, inputs={"greeting": "ahoy"})
    plan = ledger.ask("plan_install", asked)
    assert plan.state == "ready", plan.problem
    assert [(each["path"], each["status"]) for each in plan.document["changes"]["files"]] == [(PATH, "added")]
    assert "+      - run: echo ahoy" in plan.document["changes"]["files"][0]["diff"]
    assert plan.document["permissions"][0]["name"] == "scm:pull-request"
    assert repo.git("branch", "--list").split() == ["*", "main"]
    install = ledger.apply(plan)
    assert install.state == "waiting", install.failure
    assert (install.desired_revision, install.applied_revision) == (1, None)
    branch = install.proposed["branch"]
    assert repo.read(PATH, branch) == WORKFLOW.replace("[[ inputs.greeting ]]", "ahoy").strip()
    assert not repo.has(PATH)
    repo.merge(branch)
    work(periodic=True)
    settled = ledger.get(install.id)
    assert (settled.state, settled.applied_revision) == ("applied", 1)
    (revision,) = ledger.revisions(install.id)
    assert [each.state for each in revision.outcomes] == ["waiting", "applied"]


def test_a_secret_reaches_no_template_however_deep_it_stands(publish: Do, repo: Repo, ledger: Ledger) -> None:
    registry = '"registry": {"type": "object", "properties": {"user": {"type": "string"}, "token": %s}}'
    shown = "[[ inputs.registry.user ]] [[ inputs.registry.token | default('nothing') ]]"
    publish(
        files={"build.yml.j2": WORKFLOW.replace("[[ inputs.greeting ]]", shown)},
        properties=registry % '{"type": "string", "writeOnly": true}',
    )
    given = {"registry": {"user": "ann", "token": "hunter2"}}
    asked = AskInstall(asset="acme/pipeline", target={"repository": str(repo.path)}, inputs=given)
    plan = ledger.ask("plan_install", asked)
    assert plan.state == "ready", plan.problem
    assert "echo ann nothing" in plan.document["changes"]["files"][0]["diff"]
    assert "hunter2" not in plan.model_dump_json()


def test_an_upgrade_keeps_what_the_user_changed(publish: Do, repo: Repo, ledger: Ledger, work: Work) -> None:
    publish()
    install = ledger.install("acme/pipeline", {"repository": str(repo.path)})
    repo.merge(install.proposed["branch"])
    work(periodic=True)
    edited = repo.read(PATH).replace("run: make\n", "run: make all  # ours\n") + "\n"
    repo.write({PATH: edited})
    publish("1.1.0", {"build.yml.j2": WORKFLOW + "      - run: make package\n"})
    plan = ledger.ask("plan_upgrade", install.id, AskUpgrade())
    assert plan.state == "ready", plan.problem
    assert plan.open_conflicts == []
    after = ledger.apply(plan)
    merged = repo.read(PATH, after.proposed["branch"])
    assert "make all  # ours" in merged
    assert "make package" in merged
    repo.merge(after.proposed["branch"])
    work(periodic=True)
    assert ledger.get(install.id).applied_revision == 2
    back = ledger.apply(ledger.ask("plan_rollback", install.id, AskRollback()))
    restored = repo.read(PATH, back.proposed["branch"])
    assert "make all  # ours" in restored
    assert "make package" not in restored
    repo.merge(back.proposed["branch"])
    work(periodic=True)
    assert ledger.get(install.id).applied_revision == 3
    gone = ledger.ask("plan_removal", install.id, AskUninstall())
    assert gone.open_conflicts == [PATH]
    decided = ledger.ask("plan_removal", install.id, AskUninstall(conflicts={"*": "theirs"}))
    last = ledger.apply(decided)
    repo.merge(last.proposed["branch"])
    work(periodic=True)
    assert ledger.get(install.id).state == "removed"
    assert not repo.has(PATH)
