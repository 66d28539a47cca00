"""The pages as a browser without JavaScript meets them: every action is a form, every refusal is shown in it."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.db import Database
from catalog.environments.models import Environment, Phase
from catalog.events.outbox import append
from catalog.providers.scm.local_git import demo_repositories
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.events import TokenCreated

Browser = TestClient[Litestar]
HTMX = {"HX-Request": "true"}
GIT = {"PATH": "/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def archive_of(name: str = "preview", **replacements: str) -> bytes:
    changed = {path.replace("__", "."): text.encode() for path, text in replacements.items()}
    files = {**skeleton("deployment-blueprint", "acme", name), **changed}
    return build_archive({path: PackageFile(content) for path, content in files.items()}).data


def publish(browser: Browser, data: bytes, visibility: str = "") -> Any:
    files = {"archive": ("acme-preview-0.1.0.slipway.tar.gz", data, "application/gzip")}
    return browser.post("/uploads", files=files, data={"visibility": visibility})


@pytest.fixture
def published(browser: Browser) -> Browser:
    assert publish(browser, archive_of()).status_code == 201
    return browser


@pytest.fixture
def repository(settings: Settings) -> Path:
    folder = demo_repositories(settings) / "hello"
    folder.mkdir(parents=True)
    (folder / "Procfile").write_text("web: python3 -m http.server $PORT\n")
    name = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        [*name, "commit", "--quiet", "-m", "Begin"],
        ["update-ref", "refs/pull/42/head", "HEAD"],
    ):
        git = shutil.which("git")
        assert git is not None
        subprocess.run([git, *command], cwd=folder, env=GIT, check=True)
    return folder


def ask(browser: Browser, repository: Path, **fields: str) -> Any:
    form = {
        "blueprint": "acme/preview",
        "version": "",
        "repository": str(repository),
        "pull_request": "42",
        "branch": "",
        "head_sha": "",
        "ttl": "P1D",
        "inputs/greeting": "Ahoy",
        "inputs/health_path": "/",
    }
    return browser.post("/environments", data={**form, **fields}, follow_redirects=False)


PAGES = ("/assets", "/environments", "/environments/new", "/uploads/new", "/tenants/tokens", "/operations/dead-letters")


@pytest.mark.parametrize("path", PAGES)
def test_pages_ask_strangers_to_sign_in(anyone: Browser, path: str) -> None:
    answer = anyone.get(path, headers={"Accept": "text/html"}, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=")


@pytest.mark.parametrize("path", PAGES)
def test_a_fresh_tenant_has_useful_pages(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 200
    assert "<h1>" in answer.text


def test_the_start_page_leads_to_the_marketplace(browser: Browser) -> None:
    answer = browser.get("/")
    assert answer.url.path == "/assets"
    assert "The marketplace is empty" in answer.text


def test_an_archive_is_published_from_the_form(browser: Browser) -> None:
    answer = publish(browser, archive_of())
    assert answer.status_code == 201
    assert "is published" in answer.text
    assert 'href="/environments/new?blueprint=acme/preview"' in answer.text
    again = publish(browser, archive_of())
    assert again.status_code == 200
    assert "was published already" in again.text
    assert "Preview" in browser.get("/assets").text


def test_a_bad_archive_is_told_everything_at_once(browser: Browser) -> None:
    manifest = skeleton("deployment-blueprint", "acme", "preview")["asset.yaml"].decode()
    broken = manifest.replace("license:", "licence:").replace("version: 0.1.0", "version: v1")
    answer = publish(browser, archive_of(asset__yaml=broken))
    assert answer.status_code == 422
    assert "Nothing was published" in answer.text
    assert "licence" in answer.text
    assert answer.text.count('class="finding finding-error"') >= 2
    assert "The marketplace is empty" in browser.get("/assets").text


def test_other_bytes_of_a_version_are_refused(published: Browser) -> None:
    answer = publish(published, archive_of(README__md="# Other\n"))
    assert answer.status_code == 409
    assert 'class="alert alert-bad"' in answer.text


def test_an_upload_without_a_file_says_so(browser: Browser) -> None:
    answer = browser.post("/uploads", files={"archive": ("", b"", "application/octet-stream")})
    assert answer.status_code == 422
    assert "Choose the archive first" in answer.text


def test_search_filters_and_fragments(published: Browser) -> None:
    publish(published, archive_of("other"))
    found = published.get("/assets", params={"q": "oth"})
    assert "acme/other" in found.text
    assert "acme/preview" not in found.text
    fragment = published.get("/assets?kind=deployment-blueprint", headers={**HTMX, "HX-Target": "asset-results"})
    assert fragment.text.strip().startswith('<div class="split split-start" id="asset-results"')
    nothing = published.get("/assets", params={"q": "oth", "kind": "policy-bundle"})
    assert "Nothing fits all of this" in nothing.text
    assert "Without kind" in nothing.text


@pytest.mark.parametrize("tab", ["overview", "inputs", "versions", "changelog", "dependencies", "files", "security"])
def test_the_parts_of_an_assets_page(published: Browser, tab: str) -> None:
    answer = published.get("/assets/acme/preview", params={"tab": tab})
    assert answer.status_code == 200
    assert f'id="asset-{tab}"' in answer.text


def test_a_version_that_was_yanked_says_why(published: Browser) -> None:
    publish(published, archive_of("new"))
    reason = {"reason": "It loses data.", "replacement": "acme/new"}
    moved = published.post("/api/v1/assets/acme/preview/versions/0.1.0/yank", json=reason)
    assert moved.status_code == 200
    page = published.get("/assets/acme/preview").text
    assert "It loses data." in page
    assert 'href="/assets/acme/new"' in page


@pytest.mark.parametrize("rest", ["none", "preview?version=9.9.9", "preview?tab=x"])
def test_what_does_not_exist_is_a_page_too(published: Browser, rest: str) -> None:
    path = f"/assets/acme/{rest}"
    answer = published.get(path)
    assert answer.status_code == 404
    assert "<h1>" in answer.text
    assert published.get(path, headers={**HTMX, "HX-Target": "x"}).headers["hx-retarget"] == "#page-alert"


def test_the_form_comes_from_the_blueprints_schema(published: Browser) -> None:
    choice = published.get("/environments/new?repository=/srv/x").text
    assert 'href="/environments/new?blueprint=acme%2Fpreview&amp;repository=%2Fsrv%2Fx"' in choice
    form = published.get("/environments/new?blueprint=acme/preview&repository=/srv/x").text
    assert 'value="Hello from a preview environment"' in form
    assert 'value="/srv/x"' in form
    assert "There is no asset acme/none" in published.get("/environments/new?blueprint=acme/none").text


def test_an_environment_is_requested_followed_prolonged_and_destroyed(published: Browser, repository: Path) -> None:
    asked = ask(published, repository)
    assert asked.status_code == 303
    address = asked.headers["location"]
    page = published.get(address)
    assert page.status_code == 200
    assert "The environment is requested" in page.text
    assert "Queued" in page.text
    assert re.search(r"<dt>May use</dt><dd>\d+ MB of memory, \d+ processes", page.text)
    assert f'sse-connect="{address}/stream"' in page.text
    assert '<noscript><meta http-equiv="refresh"' in page.text
    assert "hello-pr-42" in published.get("/environments").text
    assert "Nothing in this state" in published.get("/environments?state=ready").text

    again = published.get(f"/environments/new?from={address.rpartition('/')[2]}").text
    assert 'value="Ahoy"' in again
    assert 'value="42"' in again

    prolonged = published.post(f"{address}/extend", data={"by": "P1D"}, follow_redirects=False)
    assert (prolonged.status_code, prolonged.headers["location"]) == (303, address)
    for _ in range(4):
        limit = published.post(f"{address}/extend", data={"by": "P7D"}, follow_redirects=False)
    assert limit.status_code == 409
    assert "may not live beyond" in limit.text

    assert "<h1>Destroy hello-pr-42?</h1>" in published.get(f"{address}/destroy").text
    gone = published.post(f"{address}/destroy", follow_redirects=False)
    assert gone.status_code == 303
    assert "Request it again" in published.get(address).text


def test_everything_wrong_with_a_request_is_shown_in_the_form(published: Browser, repository: Path) -> None:
    answer = ask(published, repository, pull_request="many", head_sha="XYZ", **{"inputs/health_path": "health"})
    assert answer.status_code == 422
    assert "Give the number of the pull request" in answer.text
    assert "Give a commit id" in answer.text
    assert 'value="Ahoy"' in answer.text
    assert 'href="#field-pull-request"' in answer.text

    inputs = ask(published, repository, **{"inputs/health_path": "health"})
    assert inputs.status_code == 422
    assert 'href="#field-inputs-health-path"' in inputs.text
    assert re.search(r'id="field-inputs-health-path"[^>]*aria-invalid="true"', inputs.text)

    unknown = ask(published, repository, pull_request="43")
    assert unknown.status_code == 422
    assert 'href="#field-pull-request"' in unknown.text
    assert "No environments yet" in published.get("/environments").text


def test_an_unknown_blueprint_leads_back_to_the_choice(browser: Browser, repository: Path) -> None:
    answer = ask(browser, repository, blueprint="acme/none")
    assert answer.status_code == 422
    assert "There is no asset acme/none" in answer.text


def test_the_stream_sends_every_fragment_and_ends_with_the_environment(
    published: Browser, repository: Path, database: Database, acme: Principal
) -> None:
    address = ask(published, repository).headers["location"]
    with database.tenant_session(acme.tenant_id) as session:
        environment = session.get(Environment, address.rpartition("/")[2])
        assert environment is not None
        environment.phase = Phase.DESTROYED
        session.add(environment)
    answer = published.get(f"{address}/stream", headers={"Accept": "text/event-stream"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = re.findall(r"^event: (.+)$", answer.text, flags=re.MULTILINE)
    assert events == [
        "environment-actions",
        "environment-status",
        "environment-results",
        "environment-facts",
        "environment-log",
        "end",
    ]
    assert 'data: <section class="card" id="environment-status"' in answer.text


def test_another_tenant_sees_nothing_of_it(
    published: Browser, repository: Path, client_of: Any, rival: Principal
) -> None:
    address = ask(published, repository).headers["location"]
    other = client_of(rival)
    other.headers["Accept"] = "text/html"
    for path in (address, f"{address}/stream", f"{address}/destroy", "/assets/acme/preview"):
        assert other.get(path).status_code == 404
    assert "hello-pr-42" not in other.get("/environments").text


def test_an_operation_has_a_page(published: Browser, repository: Path) -> None:
    ask(published, repository)
    listed = published.get("/api/v1/operations").json()["items"]
    page = published.get(f"/operations/{listed[0]['id']}")
    assert page.status_code == 200
    assert "<h1>Environment deploy</h1>" in page.text


def test_a_token_is_made_shown_once_and_revoked(browser: Browser) -> None:
    refused = browser.post("/tenants/tokens", data={"name": " ", "scopes": ["", ""], "expires_in_days": "90"})
    assert refused.status_code == 422
    assert "Name at least one scope" in refused.text
    made = browser.post("/tenants/tokens", data={"name": "ci", "scopes": ["assets:write", ""], "expires_in_days": "30"})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    found = re.search(r"slw_[A-Za-z0-9_-]+", made.text)
    assert found is not None
    listed = browser.get("/tenants/tokens").text
    assert found[0] not in listed
    action = re.search(r'action="(/tenants/tokens/[0-9a-f-]+/revoke)"', listed)
    assert action is not None
    assert "The token is revoked" in browser.post(action[1]).text


def test_a_dead_letter_is_replayed(browser: Browser, database: Database, acme: Principal) -> None:
    with database.tenant_session(acme.tenant_id) as session:
        data = TokenCreated(token_id=acme.tenant_id, name="x", scopes=[])
        append(session, data, tenant_id=acme.tenant_id, subject="tokens/x", actor="system")
    assert "No dead letters" in browser.get("/operations/dead-letters").text
    assert browser.post("/operations/dead-letters/1/replay").status_code == 404


def test_the_colours_are_kept(browser: Browser) -> None:
    answer = browser.post("/theme", data={"theme": "dark", "back": "/environments"})
    assert answer.url.path == "/environments"
    assert 'data-theme="dark"' in answer.text
    assert 'data-theme="dark"' not in browser.post("/theme", data={"theme": "auto", "back": "/assets"}).text
    away = browser.post("/theme", data={"theme": "dark", "back": "https://example.com/"}, follow_redirects=False)
    assert away.headers["location"] == "/"


def test_a_form_of_another_site_changes_nothing(published: Browser, repository: Path) -> None:
    published.headers["Sec-Fetch-Site"] = "same-site"
    assert ask(published, repository).status_code == 403
