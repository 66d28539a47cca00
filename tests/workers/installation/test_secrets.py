"""Secrets of installs: given once, kept sealed, and found nowhere else, whatever is made of them or goes wrong."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from catalog.errors import InvalidInputError
from catalog.installs.errors import UpgradeRefusedError
from catalog.installs.shapes import AskInstall, AskRollback, AskUninstall, AskUpgrade
from tests.workers.installation.conftest import WORKFLOW, Do, Ledger, Repo

SECRET, ANOTHER = "hunter2-and-much-more", "correct-horse-battery"
TOKEN = '{"type": "string", "writeOnly": true, "minLength": 8, "pattern": "^[a-z0-9-]+$"}'
SCHEMA = (
    f'"token": {TOKEN}, "greeting": {{"type": "string", "default": "hi"}}, '
    f'"registry": {{"type": "object", "properties": {{"name": {{"type": "string"}}, "key": {TOKEN}}}}}'
)
SHOWS = WORKFLOW.replace(
    "[[ inputs.greeting ]]", "[[ inputs.token | default('-') ]] [[ inputs.registry | default('-') ]]"
)
Work = Callable[..., list[str]]


def exposed(ledger: Ledger, repo: Repo, *secrets: str) -> list[str]:
    """Return where a secret stands: in tables, in files of the data directory, or in anything of the repository."""
    found: list[str] = []
    with ledger.database.tenant_session(ledger.who.tenant_id) as session:
        tables = (
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            " AND has_table_privilege(oid, 'SELECT') ORDER BY relname"
        )
        patterns = {"them": [f"%{each}%" for each in secrets]}
        for name in session.connection().execute(text(tables)).scalars().all():
            count = text(f"SELECT count(*) FROM {name} AS whole WHERE whole::text LIKE ANY(:them)")  # noqa: S608  # from the catalog
            found += [name] * session.connection().execute(count, patterns).scalar_one()
    sealed = [each.encode() for each in secrets]
    paths = [each for each in sorted(ledger.settings.data_dir.rglob("*")) if each.is_file()]
    found += [str(path) for path in paths if any(each in path.read_bytes() for each in sealed)]
    said = repo.git("log", "--all", "-p", "--format=%B")  # pull requests and comments are refs as well
    return [*found, *(each for each in secrets if each in said)]


def test_a_secret_stands_nowhere_whatever_is_made_of_it(
    publish: Do, repo: Repo, ledger: Ledger, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    publish(files={"build.yml.j2": SHOWS}, properties=SCHEMA)
    given = {"token": SECRET, "registry": {"name": "r", "key": ANOTHER}}
    install = ledger.install("acme/pipeline", {"repository": str(repo.path)}, inputs=given)
    repo.merge(install.proposed["branch"])
    work(periodic=True)
    publish("1.1.0", {"build.yml.j2": SHOWS + "      - run: make package\n"}, properties=SCHEMA)
    changed: list[dict[str, Any]] = [
        {},
        {"token": "another-one-of-them"},
        {"registry": {"key": "a-third-one-of-them"}},
    ]
    for change in changed:
        plan = ledger.ask("plan_upgrade", install.id, AskUpgrade(inputs=change))
        assert plan.state == "ready", plan.problem
        ledger.apply(plan)
    changes = {each["pointer"]: each for each in plan.document["input_changes"]}
    assert changes["/registry"]["after"] == {"name": "r", "key": "[secret]"}
    for verb, asked in (("plan_rollback", AskRollback(revision=3)), ("plan_removal", AskUninstall())):
        assert ledger.ask(verb, install.id, asked).state == "ready"
    secrets = (SECRET, ANOTHER, "another-one-of-them", "a-third-one-of-them")
    assert exposed(ledger, repo, *secrets) == []
    shown = json.dumps([each.model_dump(mode="json") for each in ledger.revisions(install.id)])
    assert [each for each in secrets if each in caplog.text or each in shown] == []


@pytest.mark.parametrize("wrong", ["Sh0rt!", "NOT-as-the-pattern-wants-it", 1234567890123, ["in-a-list-it-is-wrong"]])
def test_a_secret_that_is_refused_is_not_repeated(wrong: Any, publish: Do, repo: Repo, ledger: Ledger) -> None:
    publish(properties=SCHEMA)
    places: list[dict[str, Any]] = [{"token": wrong}, {"registry": {"key": wrong}}]
    for given in places:
        asked = AskInstall(asset="acme/pipeline", target={"repository": str(repo.path)}, inputs=given)
        with pytest.raises(InvalidInputError) as refused:
            ledger.ask("plan_install", asked)
        told = f"{refused.value.detail} {[(each.pointer, each.detail) for each in refused.value.errors]}"
        assert str(wrong).strip("[]'") not in told
        assert refused.value.errors[0].pointer in {"/inputs/token", "/inputs/registry/key"}


@pytest.mark.parametrize(("name", "given"), [("token", {"token": SECRET}), ("registry", {"registry": {"key": SECRET}})])
def test_a_version_that_would_show_what_was_secret_is_refused(
    name: str, given: dict[str, Any], publish: Do, repo: Repo, ledger: Ledger, work: Work
) -> None:
    publish(properties=SCHEMA)
    install = ledger.install("acme/pipeline", {"repository": str(repo.path)}, inputs=given)
    repo.merge(install.proposed["branch"])
    work(periodic=True)
    publish("2.0.0", {"build.yml.j2": SHOWS}, properties=SCHEMA.replace('"writeOnly": true, ', ""))
    with pytest.raises(UpgradeRefusedError) as refused:
        ledger.ask("plan_upgrade", install.id, AskUpgrade())
    (error,) = refused.value.errors
    assert error.pointer == ("/inputs/token" if name == "token" else "/inputs/registry/key")
    assert "would show it" in error.detail
    assert exposed(ledger, repo, SECRET) == []
    plan = ledger.ask("plan_upgrade", install.id, AskUpgrade(inputs={name: None}))
    assert plan.state == "ready", plan.problem
    assert exposed(ledger, repo, SECRET) == []


def test_what_becomes_secret_is_not_shown_where_it_changes(publish: Do, repo: Repo, ledger: Ledger, work: Work) -> None:
    plain = SCHEMA.replace('"writeOnly": true, ', "")
    publish(properties=plain)
    install = ledger.install("acme/pipeline", {"repository": str(repo.path)}, inputs={"token": SECRET})
    repo.merge(install.proposed["branch"])
    work(periodic=True)
    publish("2.0.0", properties=SCHEMA)
    plan = ledger.ask("plan_upgrade", install.id, AskUpgrade())
    assert plan.state == "ready", plan.problem
    (change,) = [each for each in plan.document["input_changes"] if each["what"] == "value"]
    assert (change["pointer"], change["before"], change["after"]) == ("/token", "[secret]", "[secret]")
    assert SECRET not in plan.model_dump_json()
    after = ledger.apply(plan)
    assert SECRET not in json.dumps(ledger.revisions(after.id)[0].model_dump(mode="json"))


def test_what_becomes_secret_as_a_whole_is_sealed_with_the_secret_inside(
    publish: Do, repo: Repo, ledger: Ledger, work: Work
) -> None:
    publish(properties=SCHEMA)
    given = {"registry": {"name": "r", "key": SECRET}}
    install = ledger.install("acme/pipeline", {"repository": str(repo.path)}, inputs=given)
    repo.merge(install.proposed["branch"])
    work(periodic=True)
    publish("2.0.0", properties=SCHEMA.replace('"registry": {', '"registry": {"writeOnly": true, '))
    for asked in (AskUpgrade(inputs={"registry": {"name": ANOTHER}}), AskUpgrade(inputs={"greeting": "ho"})):
        plan = ledger.ask("plan_upgrade", install.id, asked)
        assert plan.state == "ready", plan.problem
        after = ledger.apply(plan)
        assert set(ledger.revisions(after.id)[0].content["inputs"]["registry"]) == {"$secret"}
    assert exposed(ledger, repo, SECRET, ANOTHER) == []
    refused = AskUpgrade(inputs={"registry": {"name": "r", "key": "NO"}})
    with pytest.raises(InvalidInputError):
        ledger.ask("plan_upgrade", install.id, refused)
