"""The pages of policies as a person walks them: bind, be refused, look why, override or waive, and end it again."""

import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.assets.check import check_archive
from catalog.clock import now
from catalog.tenancy import Principal

Client = TestClient[Litestar]
OWNED = (
    'deny contains {"rule": "owner", "level": "mandatory", "message": "Nobody owns it."} if input.release.owner == ""'
)
RELEASE = {"service": "web", "version": "1.0.0", "repository": "/srv/web", "commit": "a" * 40}


@pytest.fixture(autouse=True)
def guard(publish_policy: Callable[..., str], acme: Principal) -> str:
    """A bundle that wants every release to have an owner."""
    return publish_policy(acme, "guard", OWNED)


def bind(browser: Client, **form: str) -> None:
    body = {"bundle": "acme/guard", "level": "mandatory", "scope_kind": "tenant", **form}
    answer = browser.post("/policies/bind", data=body, follow_redirects=False)
    assert answer.status_code == 303, answer.text


def test_a_refusal_is_explained_and_overridden(browser: Client) -> None:
    bind(browser, level="mandatory-with-override")
    assert "acme/guard" in browser.get("/policies").text
    refused = browser.post("/releases", data=RELEASE)
    assert refused.status_code == 403
    assert "Nobody owns it." in refused.text
    listed = browser.get("/policies/evaluations?group=denied").text
    identifier = listed.partition("/policies/evaluations/")[2][:36]
    page = browser.get(f"/policies/evaluations/{identifier}").text
    assert "Let it through on record" in page
    replayed = browser.post(f"/policies/evaluations/{identifier}/replay")
    assert "bit for bit" in replayed.text
    wrong = browser.post(f"/policies/evaluations/{identifier}/override", data={"reason": "incident 12"})
    assert wrong.status_code == 422
    assert "incident 12" in wrong.text
    day = (now() + timedelta(days=2)).date().isoformat()
    form = {"reason": "incident 12", "expires_at": day}
    done = browser.post(f"/policies/evaluations/{identifier}/override", data=form, follow_redirects=False)
    assert done.status_code == 303, done.text
    assert "incident 12" in browser.get("/policies/exemptions").text
    made = browser.post("/releases", data=RELEASE, follow_redirects=False)
    assert made.status_code == 303, made.text


def test_a_rule_is_waived_and_counts_again(browser: Client) -> None:
    bind(browser, scope_kind="service", scope_name="web")
    day = (now() + timedelta(days=2)).date().isoformat()
    form = {"rule": "owner", "scope_kind": "service", "scope_name": "web", "reason": "moving", "owner": "ann"}
    assert browser.post("/policies/exemptions", data=form).status_code == 422
    done = browser.post("/policies/exemptions", data={**form, "expires_at": day}, follow_redirects=False)
    assert done.status_code == 303, done.text
    assert browser.post("/releases", data=RELEASE, follow_redirects=False).status_code == 303
    page = browser.get("/policies/exemptions").text
    identifier = page.partition("/policies/waivers/")[2][:36]
    ended = browser.post(f"/policies/waivers/{identifier}/end", follow_redirects=False)
    assert ended.status_code == 303
    assert browser.post("/releases", data={**RELEASE, "version": "2.0.0"}).status_code == 403


def test_what_counts_for_a_service_is_shown_and_ended(browser: Client) -> None:
    bind(browser, staging="staged")
    page = browser.get("/policies?service=web").text
    assert "In force for web" in page
    assert "Watched" in page
    identifier = page.partition("/policies/bindings/")[2][:36]
    assert browser.post(f"/policies/bindings/{identifier}/end", follow_redirects=False).status_code == 303
    assert "No policy is bound" in browser.get("/policies").text


def test_a_form_that_cannot_be_is_shown_again(browser: Client) -> None:
    answer = browser.post("/policies/bind", data={"bundle": "acme/none", "level": "mandatory", "reason": "Because."})
    assert answer.status_code == 422
    assert "Because." in answer.text
    assert "There is no asset" in answer.text


def test_impact_is_asked_on_a_page(browser: Client) -> None:
    form = {"bundle": "acme/guard", "level": "mandatory"}
    answer = browser.post("/policies/impact", data=form, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    page = browser.get(answer.headers["location"]).text
    assert "Ask the bundle about each of them" in page
    assert "acme/guard 1.0.0" in browser.get("/policies/impact").text
    assert browser.post("/policies/impact", data={"bundle": "x"}).status_code == 422


def test_a_policy_is_written_tried_and_taken_along(browser: Client) -> None:
    assert "Write and try a policy" in browser.get("/policies/try").text
    form = {"source": "package release\r\n\r\ndeny contains 1\r\n", "rule": "deny", "input": '{"a": 1}'}
    wrong = browser.post("/policies/try", data={**form, "input": "{"})
    assert wrong.status_code == 422
    assert "This is not JSON" in wrong.text
    asked = browser.post("/policies/try", data=form, follow_redirects=False)
    assert asked.status_code == 303, asked.text
    assert "package release" in browser.get(asked.headers["location"]).text
    draft = browser.post("/policies/try", data={**form, "action": "download"})
    assert draft.headers["content-type"] == "application/gzip"
    package = check_archive(io.BytesIO(draft.content)).package
    assert package is not None
    assert b"deny contains 1" in package.content("content/draft/policy.rego")
