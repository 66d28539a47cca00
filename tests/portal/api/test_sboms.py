"""Asking over the API where a package runs."""

from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import SignStatement, SubjectRead
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import Principal

DIGEST = "9f" * 32
ENVIRONMENT, RELEASE = UUID(int=1), UUID(int=2)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a master key, so that keys can be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


def test_environments_and_releases_that_carry_a_package_are_named(
    api: TestClient[Litestar], client_of: Any, database: Database, settings: Settings, acme: Principal, rival: Principal
) -> None:
    library = {"type": "library", "name": "flask", "version": "3.0.0", "purl": "pkg:pypi/flask@3.0.0"}
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [library]}
    subject = SubjectRead(name="web", algorithm="sha256", digest=DIGEST)
    with database.tenant_session(acme.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        for kind, thing, label in (("environment", ENVIRONMENT, "pr-42"), ("release", RELEASE, "web 1.4.0")):
            service.rely(acme.tenant_id, kind, thing, label, itself=f"{thing.int:064x}", uses={DIGEST: "web"})
        asked = SignStatement(subjects=[subject], predicate_type="https://cyclonedx.org/bom", predicate=bom)
        assert service.index_sbom(acme.tenant_id, service.sign_for(acme, asked).id) is not None

    def where(client: TestClient[Litestar], **asked: str) -> tuple[list[tuple[str, str, str]], ...]:
        found = client.get("/api/v1/sboms/where", params=asked)
        assert found.status_code == 200, found.text
        kinds = ("environments", "releases", "assets")
        places = [[(each["id"], each["label"], each["version"]) for each in found.json()[kind]] for kind in kinds]
        return tuple(places)

    there: tuple[list[tuple[str, str, str]], ...] = (
        [(str(ENVIRONMENT), "pr-42", "3.0.0")],
        [(str(RELEASE), "web 1.4.0", "3.0.0")],
        [],
    )
    assert where(api, purl="pkg:pypi/flask@3.0.0") == there
    assert where(api, purl="pkg:pypi/flask", versions=">=2,<3.1") == there
    assert where(api, purl="pkg:pypi/flask@2.0.0") == ([], [], [])
    assert where(client_of(rival), purl="pkg:pypi/flask") == ([], [], [])
    with database.tenant_session(acme.tenant_id) as session:
        SupplyChainAttestationService(session, settings).forget(acme.tenant_id, "environment", ENVIRONMENT)
    assert where(api, purl="pkg:pypi/flask") == ([], there[1], [])
    assert api.get("/api/v1/sboms/where", params={"purl": "flask"}).status_code == 422
