"""Trusted publishing over HTTP: a CI job's identity becomes a token that can publish one asset."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from litestar import Litestar
from litestar.testing import TestClient
from sqlmodel import col, select

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.clock import now
from catalog.db import Database
from catalog.events.models import EventRecord
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

Client = TestClient[Litestar]
FIELDS = {
    "asset": "acme/preview",
    "owner_id": "65",
    "repository_id": "74",
    "repository": "acme/preview",
    "workflow": "release.yml",
    "environment": "release",
}


def exchange(client: Client, token: str, asset: str | None = "acme/preview") -> httpx.Response:
    return client.post("/api/v1/publishers/token", json={"token": token, "asset": asset})


def publish(client: Client, token: str, archive: bytes) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    files = {"archive": ("a.tar.gz", archive, "application/gzip")}
    return client.post("/api/v1/assets", files=files, headers=headers)


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:slipway:problem:")


@pytest.mark.usefixtures("trust")
def test_a_job_publishes_an_asset_that_was_pending(anyone: Client, api: Client, issuer: Any, archive: bytes) -> None:
    assert anyone.get("/api/v1/publishers/audience").json() == {"audience": "https://slipway.example"}
    assert [each["pending"] for each in api.get("/api/v1/publishers").json()["items"]] == [True]
    answer = exchange(anyone, issuer.token())
    assert answer.status_code == 201, answer.text
    minted = answer.json()
    assert (minted["tenant"], minted["asset"]) == ("acme", "acme/preview")

    published = publish(anyone, minted["token"], archive)

    assert published.status_code == 201, published.text
    version = api.get(published.headers["location"]).json()
    assert version["published_by"] == "GitHub Actions · acme/preview · release.yml"
    assert version["published_from"]["commit"] == "f" * 40
    assert version["published_from"]["repository_id"] == "74"
    (trusted,) = api.get("/api/v1/publishers").json()["items"]
    assert (trusted["pending"], trusted["last_used_at"] is not None) == (False, True)


@pytest.mark.usefixtures("trust")
def test_each_use_is_an_event_and_is_audited(anyone: Client, issuer: Any, database: Database, acme: Principal) -> None:
    exchange(anyone, issuer.token())
    with database.tenant_session(acme.tenant_id) as session:
        found = session.exec(
            select(EventRecord).where(col(EventRecord.type).contains("trusted_publisher.used")).order_by("sequence")
        ).all()
        audited = [each.action for each in TenantService(session).audit_log(acme.tenant_id)]
    assert [(each.data["run"], each.data["workflow"]) for each in found] == [("901", "release.yml")]
    assert audited[:2] == ["trusted_publisher.use", "trusted_publisher.add"]


@pytest.mark.usefixtures("trust")
def test_the_token_can_do_nothing_else(anyone: Client, issuer: Any) -> None:
    token = exchange(anyone, issuer.token()).json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert problem(anyone.get("/api/v1/assets", headers=bearer)) == (403, "forbidden")
    assert problem(anyone.get("/api/v1/environments", headers=bearer)) == (403, "forbidden")
    assert problem(anyone.post("/api/v1/publishers", json={}, headers=bearer)) == (403, "forbidden")
    other = {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", "acme", "other").items()}
    answer = publish(anyone, token, build_archive(other).data)
    assert problem(answer) == (403, "forbidden")
    assert "acme/preview only, not acme/other" in answer.json()["detail"]


@pytest.mark.usefixtures("trust")
def test_the_token_runs_out(anyone: Client, issuer: Any, database: Database, acme: Principal, archive: bytes) -> None:
    minted = exchange(anyone, issuer.token()).json()
    left = datetime.fromisoformat(minted["expires_at"]) - now()
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)
    with database.tenant_session(acme.tenant_id) as session:
        session.connection().exec_driver_sql("UPDATE api_tokens SET expires_at = now() WHERE publishes IS NOT NULL")
    assert problem(publish(anyone, minted["token"], archive)) == (401, "unauthorized")


@pytest.mark.usefixtures("trust")
def test_an_identity_is_exchanged_once(anyone: Client, issuer: Any) -> None:
    token = issuer.token()
    assert exchange(anyone, token).status_code == 201
    again = exchange(anyone, token)
    assert problem(again) == (401, "identity_refused")
    assert "used before" in again.json()["detail"]


REFUSED: dict[str, tuple[Callable[[Any], str], str]] = {
    "expired": (lambda issuer: issuer.token(exp=now() - timedelta(minutes=1)), "has expired"),
    "not yet valid": (lambda issuer: issuer.token(nbf=now() + timedelta(hours=1)), "times do not hold"),
    "foreign audience": (lambda issuer: issuer.token(aud="https://pypi.example"), "another audience"),
    "no audience": (lambda issuer: issuer.token(aud=None), "no claim aud"),
    "no id": (lambda issuer: issuer.token(jti=None), "no claim jti"),
    "foreign issuer": (lambda issuer: issuer.token(iss="https://issuer.example"), "issuer is not accepted"),
    "foreign key": (lambda issuer: issuer.token(key=rsa.generate_private_key(65537, 2048)), "signature"),
    "shared secret": (lambda issuer: issuer.token(key="x" * 40, algorithm="HS256"), "proves nothing"),
    "no signature": (lambda issuer: jwt.encode({"iss": issuer.url}, "", "none"), "proves nothing"),
    "no repository": (lambda issuer: issuer.token(repository_id=None), "no claim repository_id"),
    "no JWT": (lambda _: "nonsense", "cannot be read"),
    "too long": (lambda _: "a." * 9000, "too long"),
}


@pytest.mark.usefixtures("trust")
@pytest.mark.parametrize("case", REFUSED)
def test_what_no_issuer_vouches_for_is_refused(anyone: Client, issuer: Any, case: str) -> None:
    make, reason = REFUSED[case]
    answer = exchange(anyone, make(issuer))
    assert problem(answer) == (401, "identity_refused")
    assert reason in answer.json()["detail"]


@pytest.mark.usefixtures("trust")
@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"repository_id": "75"}, id="another repository under the old name"),
        pytest.param({"repository_owner_id": "66"}, id="another owner under the old name"),
        pytest.param({"job_workflow_ref": "acme/preview/.github/workflows/test.yml@refs/heads/main"}, id="workflow"),
        pytest.param(
            {"job_workflow_ref": "evil/x/.github/workflows/release.yml@refs/heads/main"}, id="reused workflow"
        ),
        pytest.param({"environment": "test"}, id="environment"),
        pytest.param({"environment": None}, id="no environment"),
    ],
)
def test_another_job_is_refused(anyone: Client, issuer: Any, claims: dict[str, Any]) -> None:
    assert problem(exchange(anyone, issuer.token(**claims))) == (403, "no_trusted_publisher")


@pytest.mark.usefixtures("trust")
def test_a_renamed_repository_stays_trusted(anyone: Client, issuer: Any) -> None:
    moved = "acme/renamed/.github/workflows/release.yml@refs/heads/main"
    assert exchange(anyone, issuer.token(repository="acme/renamed", job_workflow_ref=moved)).status_code == 201


def test_other_assets_are_refused_as_if_they_were_not(anyone: Client, trust: dict[str, Any], issuer: Any) -> None:
    assert trust["pending"]
    refusals = [exchange(anyone, issuer.token(), name).json() for name in ("acme/other", "nobody/nothing")]
    for each in refusals:
        each.pop("correlation_id")
    assert refusals[0] == refusals[1]


def test_a_job_of_several_assets_names_one(anyone: Client, api: Client, issuer: Any, trust: dict[str, Any]) -> None:
    assert exchange(anyone, issuer.token(), None).status_code == 201
    body = {**FIELDS, "issuer": trust["issuer"], "asset": "acme/second"}
    assert api.post("/api/v1/publishers", json=body).status_code == 201
    assert problem(exchange(anyone, issuer.token(), None)) == (422, "invalid_input")
    assert exchange(anyone, issuer.token(), "acme/second").json()["asset"] == "acme/second"


def test_a_publisher_that_was_removed_lets_nobody(
    anyone: Client, api: Client, issuer: Any, trust: dict[str, Any]
) -> None:
    assert api.delete(f"/api/v1/publishers/{trust['id']}").status_code == 204
    assert problem(exchange(anyone, issuer.token())) == (403, "no_trusted_publisher")
    assert api.delete(f"/api/v1/publishers/{trust['id']}").status_code == 404


def test_a_namespace_of_another_tenant_cannot_be_trusted(
    api: Client, client_of: Any, rival: Principal, issuer: Any, trust: dict[str, Any], anyone: Client, archive: bytes
) -> None:
    publish(anyone, exchange(anyone, issuer.token()).json()["token"], archive)
    body = {**FIELDS, "issuer": trust["issuer"]}
    theirs = client_of(rival)
    assert problem(theirs.post("/api/v1/publishers", json=body)) == (409, "namespace_taken")
    assert theirs.get("/api/v1/publishers").json()["items"] == []
    assert theirs.delete(f"/api/v1/publishers/{trust['id']}").status_code == 404
    assert len(api.get("/api/v1/publishers").json()["items"]) == 1


def test_trusting_does_not_claim_a_free_namespace(
    client_of: Any, rival: Principal, anyone: Client, api: Client, issuer: Any, archive: bytes
) -> None:
    body = {**FIELDS, "issuer": issuer.url}
    assert client_of(rival).post("/api/v1/publishers", json=body).status_code == 201
    own = api.headers["Authorization"].removeprefix("Bearer ")
    assert publish(anyone, own, archive).status_code == 201
    assert problem(exchange(anyone, issuer.token())) == (403, "no_trusted_publisher")
    assert api.post("/api/v1/publishers", json=body).status_code == 201
    assert exchange(anyone, issuer.token()).json()["tenant"] == "acme"


@pytest.mark.usefixtures("trust")
def test_new_keys_of_the_issuer_are_asked_for_but_not_at_every_request(
    anyone: Client, issuer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert exchange(anyone, issuer.token()).status_code == 201
    asked = issuer.asked
    issuer.key, issuer.key_id = rsa.generate_private_key(65537, 2048), "second"
    token = issuer.token()
    assert problem(exchange(anyone, token)) == (401, "identity_refused")
    assert issuer.asked == asked
    monkeypatch.setattr("catalog.providers.identities.verification._KEYS_ASKED_AGAIN_AFTER", timedelta(0))
    assert exchange(anyone, token).status_code == 201


@pytest.mark.parametrize("field", ["asset", "issuer", "owner_id", "repository_id", "repository"])
def test_what_is_missing_is_named(api: Client, issuer: Any, field: str) -> None:
    body = {**FIELDS, "issuer": issuer.url, field: ""}
    answer = api.post("/api/v1/publishers", json=body)
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == [f"/{field}"]


@pytest.mark.usefixtures("trust")
def test_clients_of_pypi_find_the_same_exchange(anyone: Client, issuer: Any) -> None:
    assert anyone.get("/_/oidc/audience").json() == {"audience": "https://slipway.example"}
    answer = anyone.post("/_/oidc/mint-token", json={"token": issuer.token()})
    assert (answer.status_code, answer.json()["token"][:4]) == (200, "slw_")


def test_the_page_adds_and_removes(browser: Client, issuer: Any) -> None:
    page = browser.get("/publishers")
    assert "No trusted publishers yet" in page.text
    wrong = browser.post("/publishers", data={**FIELDS, "issuer": issuer.url, "asset": "Acme"}, follow_redirects=False)
    assert wrong.status_code == 422
    assert "does not name an asset" in wrong.text
    assert 'value="74"' in wrong.text
    shown = browser.post("/publishers", data={**FIELDS, "issuer": issuer.url})
    assert "Not published yet" in shown.text
    (trusted,) = browser.get("/api/v1/publishers", headers={"Accept": "application/json"}).json()["items"]
    assert f'action="/publishers/{trusted["id"]}/remove"' in shown.text
    assert "No trusted publishers yet" in browser.post(f"/publishers/{trusted['id']}/remove").text


def test_the_page_claims_a_domain(browser: Client, api: Client) -> None:
    wrong = browser.post("/publishers/proofs", data={"kind": "domain", "subject": "https://example.com"})
    assert wrong.status_code == 422
    assert "is not a domain" in wrong.text
    assert 'value="https://example.com"' in wrong.text
    shown = browser.post("/publishers/proofs", data={"kind": "domain", "subject": "example.com"})
    (proof,) = api.get("/api/v1/publishers/proofs").json()["items"]
    assert proof["challenge"] in shown.text
    assert api.post("/api/v1/publishers/proofs", json={"kind": "domain", "subject": "example.com"}).status_code == 201
    gone = browser.post(f"/publishers/proofs/{proof['id']}/withdraw")
    assert "Not verified yet" in gone.text
    assert api.delete(f"/api/v1/publishers/proofs/{proof['id']}").status_code == 404
