"""The form of an install over HTTP, as a browser without JavaScript sends it: what it asks for, keeps and hides."""

import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from sqlalchemy import text

from catalog.assets import component_schemas
from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.artifacts import Artifact, Derived
from catalog.assets.check import check_archive
from catalog.assets.service import AssetService
from catalog.assets.skeletons import skeleton
from catalog.assets.wheel import build_wheel
from catalog.db import Database
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from workers import installation
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

Browser = TestClient[Litestar]
Send = Callable[..., Any]
SECRET = "hunter2-and-much-more"
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "plan": {"enum": ["free", "pro"], "default": "free", "title": "Plan"},
        "token": {"type": "string", "writeOnly": True, "minLength": 8, "title": "Token"},
        "service": {"type": "string", "title": "Service"},
        "mood": {"type": "string", "title": "Mood"},
        "nickname": {"type": "string", "title": "Nickname"},
        "internal": {"type": "string", "title": "Internal"},
    },
    "allOf": [
        {
            "if": {"properties": {"plan": {"const": "pro"}}, "required": ["plan"]},
            "then": {
                "properties": {"seats": {"type": "integer", "minimum": 2, "title": "Seats"}},
                "required": ["seats"],
            },
        }
    ],
}
HINTS = {
    "nickname": {"review": "mask"},
    "internal": {"review": "hide"},
    "service": {"optionsFrom": {"source": "services"}, "step": "Delivery", "order": 9},
    "mood": {"visibleWhen": {"plan": "pro"}},
}
MANIFEST = """apiVersion: slipway/v1
kind: component-package
metadata: {namespace: acme, name: things, version: 1.0.0, displayName: Things, summary: Things, license: Apache-2.0}
spec: {runtime: python, wheel: content/dist/*.whl}
"""
COMPONENTS = {
    "resources": {
        "things:index:Shelf": {
            "inputProperties": {"size": {"type": "string"}, "token": {"type": "string", "secret": True}},
            "requiredInputs": ["size"],
        },
        "things:index:Box": {"inputProperties": {"colour": {"type": "string"}}, "requiredInputs": ["colour"]},
    }
}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Return settings with a master key, so that secrets can be kept, and a place for a repository."""
    key = SecretStr("a master key of forty-three characters, or so")
    return settings.model_copy(update={"master_key": key, "local_repository_roots": (tmp_path.parent,)})


@pytest.fixture
def repository(tmp_path: Path) -> str:
    """Return the path of a repository with one commit."""
    git, place = shutil.which("git"), tmp_path / "hello"
    assert git is not None
    place.mkdir()
    name = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    for command in (["init", "-q", "-b", "main"], [*name, "commit", "-q", "--allow-empty", "-m", "Begin"]):
        subprocess.run([git, *command], cwd=place, check=True)
    return str(place)


@pytest.fixture
def publish(database: Database, acme: Principal, settings: Settings) -> Callable[..., None]:
    """Return what publishes a package of ``acme`` as its checks would have left it."""

    def published(files: dict[str, bytes], derived: Derived = Derived()) -> None:  # noqa: B008  # it never changes
        archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
        checked = check_archive(archive)
        assert checked.package is not None, checked.findings
        blobs = open_blobs(settings)
        blobs.write(io.BytesIO(archive))
        with database.tenant_session(acme.tenant_id) as session:
            service = AssetService(session)
            service.claim_namespace(acme, "acme")
            version = service.publish(acme, checked.package, derived=derived)
            service.keep_artifacts(version, derived.artifacts, blobs)

    return published


def template(version: str, schema: dict[str, Any]) -> dict[str, bytes]:
    """Return the files of a version of ``acme/pipe`` that takes what the schema says."""
    files = dict(skeleton("pipeline-template", "acme", "pipe"))
    for path in ("asset.yaml", "CHANGELOG.md"):
        files[path] = files[path].replace(b"0.1.0", version.encode())
    workflow = files["content/github/test.yml.j2"].replace(b"[[ inputs.python_version ]]", b"3.12")
    said = {"inputs.schema.json": json.dumps(schema).encode(), "inputs.ui.json": json.dumps(HINTS).encode()}
    return {**files, "content/github/test.yml.j2": workflow, **said}


@pytest.fixture
def work(settings: Settings) -> Iterator[Callable[[], list[str]]]:
    """Return what lets a worker do everything that is due."""
    app = App(settings, registry([installation.WORKER]))
    yield lambda: drain(app)
    app.close()


@pytest.fixture
def form(browser: Browser, publish: Callable[..., None], repository: str) -> Send:
    """Return what sends the form of the template ``acme/pipe``, changed as is said."""
    publish(template("0.1.0", SCHEMA))

    def send(**fields: str) -> Any:
        shown = {"inputs/plan": "free", "inputs/token": "", "inputs/service": ""}
        asked = {"asset": "acme/pipe", "version": "0.1.0", "repository": repository, "name": "my-pipe", **shown}
        return browser.post("/installs/plan", data={**asked, **fields}, follow_redirects=False)

    return send


@pytest.fixture
def things(browser: Browser, publish: Callable[..., None]) -> Send:
    """Return what sends the form of the component package ``acme/things``, which has two components."""
    name, wheel = build_wheel("things", "1.0.0", {"things/__init__.py": b""}, requires=())
    schema = json.dumps(COMPONENTS).encode()
    artifact = Artifact(component_schemas.ARTIFACT, "application/json", schema)
    files = {"asset.yaml": MANIFEST.encode(), "README.md": b"# Things\n", "LICENSE": b"Apache-2.0\n"}
    files |= {"CHANGELOG.md": b"# Changes\n\n## 1.0.0\n\n- It began.\n", f"content/dist/{name}": wheel}
    inputs = component_schemas.joined(component_schemas.input_schemas(COMPONENTS))
    publish(files, Derived((artifact,), inputs))

    def send(**fields: str) -> Any:
        asked = {"asset": "acme/things", "version": "1.0.0"}
        return browser.post("/installs/plan", data={**asked, **fields}, follow_redirects=False)

    return send


def kept_in(page: Any) -> str:
    found = re.search(r'name="~kept" value="([^"]*)"', page.text)
    assert found is not None
    return found[1]


def test_it_asks_for_what_the_answers_open_and_keeps_what_was_typed(form: Send) -> None:
    closed = form(do="refresh", **{"inputs/plan": "free"})
    assert closed.status_code == 200
    assert 'name="inputs/seats"' not in closed.text
    opened = form(do="refresh", **{"inputs/plan": "pro", "inputs/service": "shop"})
    assert re.search(r'name="inputs/seats"[^>]* required', opened.text)
    assert 'name="inputs/service" value="shop"' in opened.text
    assert 'name="repository" value="/' in opened.text
    assert 'name="name" value="my-pipe"' in opened.text
    assert "field-error" not in opened.text
    shut = form(do="refresh", **{"inputs/plan": "free", "inputs/seats": "7"})
    again = form(do="refresh", **{"inputs/plan": "pro", "~kept": kept_in(shut)})
    assert 'name="inputs/seats" value="7"' in again.text


def test_bad_input_names_the_field_and_loses_nothing(form: Send) -> None:
    typed = {"inputs/seats": "1", "owner": "team-a", "name": "my-pipe", "repository": "/none"}
    page = form(**{"inputs/plan": "pro", "inputs/token": SECRET, **typed})
    assert page.status_code == 422
    assert 'href="#field-inputs-seats"' in page.text
    assert "This must be at least 2." in page.text
    assert 'href="#field-repository"' in page.text, "everything that is wrong is told at once"
    for name, value in typed.items():
        assert f'name="{name}" value="{value}"' in page.text
    assert SECRET not in page.text
    assert "Kept from before" in page.text


def test_a_hint_shows_an_input_only_under_its_condition(form: Send) -> None:
    assert 'name="inputs/mood"' not in form(do="refresh", **{"inputs/plan": "free"}).text
    assert 'name="inputs/mood"' in form(do="refresh", **{"inputs/plan": "pro"}).text


def test_services_that_there_are_are_offered(form: Send, api: Browser, rival: Principal, client_of: Send) -> None:
    for client, name in ((api, "shop"), (client_of(rival), "secret-shop")):
        body = {
            "service": name,
            "version": "1.0.0",
            "commit": "a" * 40,
            "repository": f"https://git.example.com/{name}",
        }
        made = client.post("/api/v1/releases", json=body)
        assert made.status_code == 201, made.text
    page = form(do="refresh").text
    assert re.search(r'<datalist id="field-inputs-service-list"><option value="shop"></option></datalist>', page)
    assert "secret-shop" not in page
    assert re.search(r'<h3 class="field-step">Delivery</h3>\s*<div class="field">\s*<label[^>]*>Service', page)


def test_a_secret_is_sealed_and_stands_nowhere_else(
    form: Send, browser: Browser, database: Database, acme: Principal
) -> None:
    page = form(do="refresh", **{"inputs/token": SECRET})
    assert SECRET not in page.text
    planned = form(**{"inputs/token": "", "~kept": kept_in(page)})
    assert planned.status_code == 303, planned.text
    shown = browser.get(planned.headers["location"])
    assert shown.status_code == 200
    assert SECRET not in shown.text
    with database.tenant_session(acme.tenant_id) as session:
        tables = (
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            " AND has_table_privilege(oid, 'SELECT') ORDER BY relname"
        )
        names = session.connection().execute(text(tables)).scalars().all()
        assert {"events", "install_plans", "operations"} <= set(names)
        for name in names:
            count = f"SELECT count(*) FROM {name} AS whole WHERE whole::text LIKE :it"  # noqa: S608  # from the catalog
            found = session.connection().execute(text(count), {"it": f"%{SECRET}%"}).scalar_one()
            assert found == 0, name
        kept = session.connection().execute(text("SELECT count(*) FROM install_secrets")).scalar_one()
    assert kept == 1


def test_inputs_are_looked_at_as_hints_say_and_an_upgrade_asks_for_what_is_new(
    form: Send, browser: Browser, publish: Callable[..., None], work: Callable[[], list[str]]
) -> None:
    given = {"inputs/plan": "free", "inputs/token": SECRET, "inputs/nickname": "Bunny", "inputs/internal": "x-42"}
    planned = form(**given)
    assert planned.status_code == 303, planned.text
    work()
    shown = browser.get(planned.headers["location"]).text
    inputs = shown[shown.index('aria-label="Inputs"') :].partition("</section>")[0]
    facts = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", inputs)
    kept = '<span class="muted">{}</span>'.format
    assert dict(facts) == {"Plan": "free", "Token": kept("secret"), "Nickname": kept("not shown here")}
    assert {"Bunny", "x-42", SECRET} & set(re.findall(r"[\w-]+", shown)) == set()

    digest = re.search(r'name="digest" value="([^"]+)"', shown)
    assert digest is not None
    apply = browser.post(f"{planned.headers['location']}/apply", data={"digest": digest[1]}, follow_redirects=False)
    place = apply.headers["location"].partition("?")[0]
    work()
    more = {**SCHEMA["properties"], "region": {"type": "string", "title": "Region"}}
    publish(template("0.2.0", {**SCHEMA, "properties": more, "required": ["region"]}))
    page = browser.get(f"{place}/upgrade").text
    front, _, folded = page.partition("Inputs that stay as they are")
    asked = [set(re.findall(r'name="inputs/([a-z]+)"', part)) for part in (front, folded)]
    assert asked == [{"region"}, {"plan", "token", "nickname", "internal", "service"}]
    assert 'value="Bunny"' in folded
    assert "Kept from before" in folded
    assert SECRET not in page
    refused = browser.post(f"{place}/upgrade", data={"version": "0.2.0", **given, "inputs/token": ""})
    assert (refused.status_code, 'href="#field-inputs-region"' in refused.text) == (422, True)

    open_ = {**SCHEMA["properties"], "token": {"type": "string", "title": "Token"}}
    publish(template("0.3.0", {**SCHEMA, "properties": open_}))
    page = browser.get(f"{place}/upgrade").text
    front = page.partition("Inputs that stay as they are")[0]
    assert re.search(r'name="inputs/token"(?![^>]*value="[^"])', front), "what would be shown from now on is asked anew"
    assert {"[secret]", "$secret", SECRET} & {each for each in ("[secret]", "$secret", SECRET) if each in page} == set()


def test_an_upgrade_forgets_a_secret_where_it_is_told_to_and_empties_groups(
    browser: Browser, publish: Callable[..., None], work: Callable[[], list[str]], repository: str
) -> None:
    text_, secret = {"type": "string"}, {"type": "string", "writeOnly": True}
    group = {"type": "object", "properties": {"user": text_, "host": text_, "password": secret}}
    properties = {"token": secret, "login": group, "bare": {"type": "object", "properties": {"key": secret}}}
    schema = {"$schema": SCHEMA["$schema"], "type": "object", "properties": properties}
    publish({**template("0.1.0", schema), "inputs.ui.json": b"{}"})
    first = {"inputs/login/user": "ann", "inputs/login/host": "db", "inputs/login/password": SECRET}
    given = {**first, "inputs/token": SECRET, "inputs/bare/key": SECRET}
    asked = {"asset": "acme/pipe", "version": "0.1.0", "repository": repository, "name": "my-pipe", **given}
    planned = browser.post("/installs/plan", data=asked, follow_redirects=False)
    assert planned.status_code == 303, planned.text

    def apply(plan: str) -> str:
        work()
        digest = re.search(r'name="digest" value="([^"]+)"', browser.get(plan).text)
        assert digest is not None
        moved = browser.post(f"{plan}/apply", data={"digest": digest[1]}, follow_redirects=False)
        work()
        return str(moved.headers["location"].partition("?")[0])

    place = apply(planned.headers["location"])
    page = browser.get(f"{place}/upgrade").text
    assert set(re.findall(r'name="([^"]+)/~forget"', page)) == {
        "inputs/token",
        "inputs/login/password",
        "inputs/bare/key",
    }
    empty = dict.fromkeys(given, "")
    changed = {**empty, "version": "0.1.0", "inputs/login/user": "bob", "inputs/token/~forget": "true"}
    again = browser.post(f"{place}/upgrade", data={**changed, "do": "refresh"})
    assert re.search(r'name="inputs/token/~forget" value="true" checked', again.text)
    moved = browser.post(f"{place}/upgrade", data=changed, follow_redirects=False)
    assert moved.status_code == 303, moved.text
    apply(moved.headers["location"])
    (revision, *_) = browser.get(f"/api/v1{place}/revisions").json()["items"]
    kept = revision["content"]["given"]
    assert set(kept["login"].pop("password")) == set(kept["bare"].pop("key")) == {"$secret"}
    assert kept == {"login": {"user": "bob"}, "bare": {}}


def test_a_pin_asks_for_nothing_and_a_stack_for_the_inputs_of_its_component(things: Send, browser: Browser) -> None:
    page = browser.get("/installs/new?asset=acme/things").text
    assert "A pin takes no inputs" in page
    assert "inputs/" not in page
    page = things(do="refresh", **{"as": "stack"}).text
    assert "Choose a component first." in page, page[page.index("<main") :]
    assert re.findall(r'<option value="([A-Z][a-z]+)"', page) == ["Box", "Shelf"]
    page = things(do="refresh", **{"as": "stack", "component": "Shelf", "stack": "mine"}).text
    assert re.search(r'name="inputs/Shelf/size"[^>]* required', page)
    assert "inputs/Box" not in page
    assert 'name="stack" value="mine"' in page
    typed = things(do="refresh", **{"as": "stack", "component": "Shelf", "inputs/Shelf/size": "large"})
    assert 'name="inputs/Shelf/size" value="large"' in typed.text
    other = things(do="refresh", **{"as": "stack", "component": "Box", "inputs/Shelf/size": "large"})
    assert "inputs/Shelf" not in other.text
    back = things(do="refresh", **{"as": "stack", "component": "Shelf", "~kept": kept_in(other)})
    assert 'name="inputs/Shelf/size" value="large"' in back.text


def test_a_stack_says_what_it_lacks_and_a_pin_is_planned_at_once(things: Send) -> None:
    refused = things(**{"as": "stack"})
    assert refused.status_code == 422
    assert "Give the stack a name." in refused.text
    assert "Choose one of the package&#39;s components." in refused.text
    wrong = things(**{"as": "stack", "stack": "mine", "component": "Shelf", "inputs/Shelf/token": SECRET})
    assert wrong.status_code == 422
    assert 'href="#field-inputs-Shelf-size"' in wrong.text
    assert SECRET not in wrong.text
    assert things(**{"as": "stack", "stack": "mine", "component": "Box", "inputs/Box/colour": "red"}).status_code == 303
    assert things(**{"as": "pin", "stack": "other"}).status_code == 303
