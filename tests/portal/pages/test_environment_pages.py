"""What begins by itself, and secrets, as a browser without JavaScript meets them."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from sqlalchemy import text

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.db import Database
from catalog.environments.service import EnvironmentAutomation
from catalog.errors import InvalidInputError
from catalog.providers.scm.local_git import demo_repositories
from catalog.secrets import SecretBox
from catalog.settings import Settings, inherited_environment
from catalog.tenancy import Principal
from portal.cli.sample_repository import ensure_sample_repository

Browser = TestClient[Litestar]
AUTOMATIONS = "/environments/automations"
VALUE = "the value of the secret"
CANARY = Path(__file__).parents[3] / "blueprints" / "strategies" / "canary"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let secrets be sealed, and offer two targets."""
    return settings.model_copy(update={"master_key": SecretStr("0" * 43), "targets": ("local", "docker")})


@pytest.fixture
def repository(settings: Settings) -> Path:
    return ensure_sample_repository(demo_repositories(settings), inherited_environment()["PATH"])[0]


@pytest.fixture
def published(browser: Browser, archive: bytes) -> Browser:
    sent = {"archive": ("acme-preview-0.1.0.slipway.tar.gz", archive, "application/gzip")}
    assert browser.post("/uploads", files=sent, data={"visibility": ""}).status_code == 201
    return browser


def begin(browser: Browser, repository: Path, /, **fields: str) -> Any:
    form = {
        "blueprint": "acme/preview",
        "version": "",
        "repository": str(repository),
        "labels": "preview, web",
        "ttl": "P1D",
        "inputs/greeting": "Ahoy",
        "inputs/health_path": "/up",
    }
    return browser.post(AUTOMATIONS, data={**form, **fields}, follow_redirects=False)


def test_what_begins_by_itself_is_asked_for_with_the_inputs_of_its_blueprint(
    published: Browser, repository: Path
) -> None:
    assert "acme/preview" in published.get(f"{AUTOMATIONS}/new").text
    form = published.get(f"{AUTOMATIONS}/new?blueprint=acme/preview&repository={repository}").text
    assert f'value="{repository}"' in form
    assert 'name="inputs/greeting"' in form
    assert '<option value="docker">Docker</option>' in form
    assert begin(published, repository, target="docker").headers["location"] == AUTOMATIONS
    page = published.get(AUTOMATIONS).text
    for shown in (str(repository), "<code>preview</code>", "Ahoy", "/up", "1 day", "<code>docker</code>"):
        assert shown in page
    (found,) = published.get("/api/v1/environments/automations").json()["items"]
    assert (found["labels"], found["ttl"]) == (["preview", "web"], "P1D")
    assert found["inputs"] == {"greeting": "Ahoy", "health_path": "/up"}
    again = published.get(f"{AUTOMATIONS}/new?from={found['id']}").text
    assert 'value="preview, web"' in again
    assert 'value="Ahoy"' in again
    assert '<option value="docker" selected>' in again
    assert ("readonly" in again, "readonly" in form) == (True, False), (
        "another repository is none of this one's changes"
    )
    refused = begin(published, repository, replaces="yes", version="not a version").text
    assert ("Change what begins by itself" in refused, "readonly" in refused) == (True, True)
    assert begin(published, repository, **{"inputs/greeting": "Hi", "labels": ""}).status_code == 303
    (found,) = published.get("/api/v1/environments/automations").json()["items"]
    assert (found["labels"], found["inputs"]["greeting"]) == ([], "Hi")
    assert published.post(f"{AUTOMATIONS}/{found['id']}/end", follow_redirects=False).status_code == 303
    assert "Nothing begins by itself" in published.get(AUTOMATIONS).text


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"repository": "/nowhere"}, 'href="#field-repository"'),
        ({"repository": ""}, "Name the repository"),
        ({"version": "not a version"}, 'href="#field-version"'),
        ({"version": "^9"}, 'href="#field-version"'),
        ({"target": "moon"}, 'href="#field-target"'),
        ({"inputs/health_path": "up"}, 'href="#field-inputs-health-path"'),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_lost(
    published: Browser, repository: Path, wrong: dict[str, str], told: str
) -> None:
    answer = begin(published, repository, **wrong)
    assert answer.status_code == 422
    assert told in answer.text
    assert 'value="Ahoy"' in answer.text
    assert 'value="preview, web"' in answer.text
    assert published.get("/api/v1/environments/automations").json()["items"] == []


def publish(browser: Browser, version: str, hints: object = None, **properties: object) -> None:
    """Publish a version of the blueprint with these inputs in addition, and hints for the form."""
    files = dict(skeleton("deployment-blueprint", "acme", "preview"))
    files |= {} if hints is None else {"inputs.ui.json": json.dumps(hints).encode()}
    schema = json.loads(files["inputs.schema.json"])
    schema["properties"] |= properties
    files["inputs.schema.json"] = json.dumps(schema).encode()
    files["asset.yaml"] = files["asset.yaml"].replace(b"0.1.0", version.encode())
    packed = build_archive({path: PackageFile(data) for path, data in files.items()}).data
    sent = {"archive": (f"acme-preview-{version}.slipway.tar.gz", packed, "application/gzip")}
    answer = browser.post("/uploads", files=sent, data={"visibility": ""})
    assert answer.status_code == 201, answer.text


SECRET = {"type": "string", "writeOnly": True}


def test_a_secret_input_that_is_left_empty_stays_as_it_is(
    browser: Browser, repository: Path, settings: Settings, database: Database, acme: Principal
) -> None:
    publish(browser, "0.1.0", token=SECRET)
    for fields in ({"inputs/token": VALUE}, {"replaces": "yes", "inputs/token": "", "inputs/greeting": "Hi"}):
        assert begin(browser, repository, **fields).status_code == 303
    row, opened = stored(database, acme, settings)
    assert (row["greeting"], row["token"]) == ("Hi", "[secret]")
    assert (opened["greeting"], opened["token"]) == ("Hi", VALUE)
    # A form that is filled in from nothing has said of no secret that it stays.
    assert begin(browser, repository, **{"inputs/token": ""}).status_code == 303
    assert "token" not in stored(database, acme, settings)[1]


def stored(database: Database, acme: Principal, settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the inputs of the only automation as they are shown, and as they are."""
    with database.tenant_session(acme.tenant_id) as session:
        row = session.execute(text("SELECT id, inputs, sealed_inputs FROM environment_automations")).one()
    return row.inputs, SecretBox(settings).open(f"environment_automations/{row.id}/inputs", row.sealed_inputs)


FORGET = re.compile(r'name="([^"]+)/~forget" value="true"( checked)?')


def test_an_optional_secret_is_taken_away_by_its_form(
    browser: Browser, repository: Path, settings: Settings, database: Database, acme: Principal
) -> None:
    key = {"type": "object", "properties": {"private": SECRET, "name": {"type": "string"}}}
    publish(browser, "0.1.0", token=SECRET, key=key)
    given = {"inputs/token": VALUE, "inputs/key/private": VALUE, "inputs/key/name": "main"}
    assert begin(browser, repository, **given).status_code == 303
    (found,) = browser.get("/api/v1/environments/automations").json()["items"]
    shown = FORGET.findall(browser.get(f"{AUTOMATIONS}/new?from={found['id']}").text)
    assert sorted(shown) == [("inputs/key/private", ""), ("inputs/token", "")]

    ticked = {"replaces": "yes", "inputs/key/name": "main", "inputs/key/private/~forget": "true"}
    refused = begin(browser, repository, **ticked, **{"inputs/health_path": "up"})
    assert refused.status_code == 422
    assert sorted(FORGET.findall(refused.text)) == [("inputs/key/private", " checked"), ("inputs/token", "")]
    assert begin(browser, repository, **ticked).status_code == 303
    row, opened = stored(database, acme, settings)
    assert (row["key"], row["token"]) == ({"name": "main"}, "[secret]")
    assert (opened["key"], opened["token"]) == ({"name": "main"}, VALUE)

    # What is written goes before the tick, and what is gone can be given again.
    anew = {"replaces": "yes", "inputs/token": f"{VALUE} now", "inputs/token/~forget": "true"}
    assert begin(browser, repository, **anew).status_code == 303
    assert stored(database, acme, settings)[1]["token"] == f"{VALUE} now"


def environment_of(
    database: Database, acme: Principal, settings: Settings, number: int = 42
) -> tuple[UUID, dict[str, Any]]:
    """Return the environment of a pull request, and its inputs as they are."""
    with database.tenant_session(acme.tenant_id) as session:
        rows = session.execute(text("SELECT id, pull_request, sealed_inputs FROM environments")).all()
    (row,) = (each for each in rows if each.pull_request == number)
    return row.id, SecretBox(settings).open(f"environments/{row.id}/inputs", row.sealed_inputs)


def test_secrets_of_an_environment_stay_with_it_when_it_is_changed(
    browser: Browser, repository: Path, settings: Settings, database: Database, acme: Principal
) -> None:
    publish(browser, "0.1.0", token=SECRET, pin=SECRET, note={"type": "string"})

    def send(**fields: str) -> Any:
        form = {"blueprint": "acme/preview", "repository": str(repository), "pull_request": "42", **fields}
        return browser.post("/environments", data=form, follow_redirects=False)

    begun = send(**{"inputs/token": VALUE, "inputs/pin": "1234567", "inputs/note": "one"})
    assert begun.status_code == 303, begun.text
    environment, given = environment_of(database, acme, settings)
    assert (given["token"], given["pin"]) == (VALUE, "1234567")

    page = browser.get(f"/environments/new?from={environment}").text
    assert f'name="from" value="{environment}"' in page
    assert page.count("Kept from before") == 2
    assert VALUE not in page
    same = {"from": str(environment), "inputs/note": "two", "inputs/token": "", "inputs/pin": ""}
    assert send(**same, **{"inputs/pin/~forget": "true"}).status_code == 303
    _, given = environment_of(database, acme, settings)
    assert (given["note"], given["token"], "pin" in given) == ("two", VALUE, False)

    # Another pull request's code gets none of it by silence, and the form says so before it is sent again.
    other = browser.get(f"/environments/new?from={environment}&pull_request=7").text
    assert ("Kept from before" in other, 'name="from"' in other) == (False, False)
    refused = send(**same, branch="main", pull_request="7")
    assert refused.status_code == 422
    assert "This stays with pull request 42" in refused.text
    assert 'name="from"' not in refused.text
    without = {name: value for name, value in same.items() if name != "from"}
    assert send(**without, branch="main", pull_request="7").status_code == 303
    _, given = environment_of(database, acme, settings, 7)
    assert (given["note"], "token" in given) == ("two", False)

    # A form that is filled in from nothing has said of no secret that it stays.
    assert send(**{"inputs/note": "three"}).status_code == 303
    assert "token" not in environment_of(database, acme, settings)[1]


def test_what_was_given_as_a_secret_is_shown_by_no_later_version(
    browser: Browser, repository: Path, settings: Settings, database: Database, acme: Principal
) -> None:
    publish(browser, "0.1.0", token=SECRET, key={"type": "object", "properties": {"private": SECRET}})
    secret = {"inputs/token": VALUE, "inputs/key/private": VALUE}
    assert begin(browser, repository, labels="", **secret).status_code == 303
    publish(browser, "0.2.0", token={"type": "string"}, key={"type": "string"})

    # The newest version counts each time, and nobody has looked at this one yet.
    (found,) = browser.get("/api/v1/environments/automations").json()["items"]
    with database.tenant_session(acme.tenant_id) as session:
        automation = EnvironmentAutomation(session, settings)
        with pytest.raises(InvalidInputError, match=r"0\.2\.0 no longer keeps secret: key\.private, token"):
            automation.ask_for(acme, found["repository"], 42)
    form = browser.get(f"{AUTOMATIONS}/new?from={found['id']}").text
    assert "[secret]" not in form, "it is no value, and would be sent back as one"
    change = {"replaces": "yes", "inputs/greeting": "Hi", "inputs/key": "open"}
    assert begin(browser, repository, **change).status_code == 303
    (kept,) = browser.get("/api/v1/environments/automations").json()["items"]
    assert kept["inputs"] == {"greeting": "Hi", "health_path": "/up", "key": "open"}
    assert VALUE not in form + browser.get(AUTOMATIONS).text


def test_pages_show_inputs_as_hints_want_them_looked_at(browser: Browser, repository: Path) -> None:
    login = {"type": "object", "title": "Login", "properties": {"host": {"type": "string"}, "password": SECRET}}
    publish(browser, "0.1.0", {"greeting": {"review": "mask"}, "health_path": {"review": "hide"}}, login=login)
    given = {"inputs/greeting": "Ahoy", "inputs/health_path": "/is-it-up"}
    given |= {"inputs/login/host": "db.internal", "inputs/login/password": VALUE}
    assert begin(browser, repository, **given).status_code == 303
    asked = {"blueprint": "acme/preview", "repository": str(repository), "pull_request": "42"}
    made = browser.post("/environments", data={**asked, **given}, follow_redirects=False)
    assert made.status_code == 303, made.text
    for address in (AUTOMATIONS, made.headers["location"]):
        page = unescape(browser.get(address).text)
        shown = page[page.index("<dt>Login") :].partition("</dl>")[0]
        assert "not shown here" in shown.partition("<dt>Greeting")[2].partition("</dd>")[0]
        assert [each for each in ("db.internal", "[secret]") if each not in shown] == []
        assert [each for each in ("Ahoy", "/is-it-up", VALUE) if each in page] == []


def test_an_unknown_blueprint_or_automation_is_no_surprise(published: Browser, repository: Path) -> None:
    answer = begin(published, repository, blueprint="acme/none")
    assert (answer.status_code, "Choose a blueprint" in answer.text) == (422, True)
    unknown = "00000000-0000-4000-8000-000000000000"
    assert published.get(f"{AUTOMATIONS}/new?from={unknown}").status_code == 404


def test_a_blueprint_that_makes_no_environments_is_no_choice(browser: Browser, repository: Path) -> None:
    files = {str(each.relative_to(CANARY)): each.read_bytes() for each in CANARY.rglob("*") if each.is_file()}
    files["asset.yaml"] = files["asset.yaml"].replace(b"namespace: slipway", b"namespace: acme")
    packed = build_archive({path: PackageFile(data) for path, data in files.items()}).data
    sent = {"archive": ("acme-canary-1.0.0.slipway.tar.gz", packed, "application/gzip")}
    assert browser.post("/uploads", files=sent, data={"visibility": ""}).status_code == 201
    asked = {"blueprint": "acme/canary", "repository": str(repository), "pull_request": "42"}
    for address in ("/environments", AUTOMATIONS):
        answers = [browser.get(f"{address}/new?blueprint=acme/canary"), browser.post(address, data=asked)]
        assert [each.status_code for each in answers] == [200, 422]
        for each in answers:
            assert "not what an environment is made of" in each.text
            assert "Choose a blueprint" in each.text


def test_secrets_are_set_replaced_and_removed_and_never_shown(
    browser: Browser, anyone: Browser, database: Database, acme: Principal, rival: Principal
) -> None:
    assert "No secrets yet" in browser.get("/secrets").text
    sent = {"name": "TOKEN", "value": VALUE, "blueprints": "slipway/preview-*, other/*"}
    assert browser.post("/secrets", data=sent, follow_redirects=False).headers["location"] == "/secrets"
    pages = [browser.get("/secrets").text, browser.get("/secrets?name=TOKEN").text]
    assert "slipway/preview-*" in pages[0]
    assert 'value="slipway/preview-*, other/*"' in pages[1]
    assert "Replace a value" in pages[1]
    assert browser.post("/secrets", data={**sent, "value": f"{VALUE} now"}, follow_redirects=False).status_code == 303
    refused = browser.post("/secrets", data={**sent, "name": "1st"})
    empty = browser.post("/secrets", data={**sent, "value": ""})
    assert (refused.status_code, empty.status_code) == (422, 422)
    assert 'href="#field-name"' in refused.text
    assert "Give it a value" in empty.text
    assert VALUE not in "".join([*pages, refused.text, empty.text, browser.get("/secrets").text])
    with database.tenant_session(acme.tenant_id) as session:
        told = session.execute(text("SELECT string_agg(data::text, '') FROM events")).scalar_one()
        sealed = session.execute(text("SELECT sealed FROM tenant_secrets")).scalars().all()
    assert '"TOKEN"' in told
    assert VALUE not in told
    assert len(sealed) == 1
    with database.tenant_session(rival.tenant_id) as session:
        assert session.execute(text("SELECT count(*) FROM tenant_secrets")).scalar_one() == 0
    assert anyone.get("/secrets", headers={"Accept": "text/html"}, follow_redirects=False).status_code == 303
    assert browser.post("/secrets/TOKEN/remove", follow_redirects=False).status_code == 303
    assert browser.post("/secrets/TOKEN/remove", follow_redirects=False).status_code == 404
    assert "No secrets yet" in browser.get("/secrets").text


def test_a_tenant_chooses_where_environments_go(browser: Browser) -> None:
    page = browser.get("/environments/target").text
    for shown in ("This machine", "Docker", "New environments go to", "Decides"):
        assert shown in page
    chosen = browser.post("/environments/target", data={"target": "docker"}, follow_redirects=False)
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/environments/target")
    assert browser.get("/api/v1/environments/target").json()["placement"]["by"] == "tenant"
    assert "Choose one of the targets." in browser.post("/environments/target", data={}).text
    refused = browser.post("/environments/target", data={"target": "moon"})
    assert refused.status_code == 422
    assert "There is no target moon here; there is local, docker." in refused.text
    assert browser.get("/api/v1/environments/target").json()["target"] == "docker"
    browser.post("/environments/target", data={"target": ""})
    assert browser.get("/api/v1/environments/target").json()["target"] is None
