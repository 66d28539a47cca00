"""Where a wheel comes from, as package indexes say it (PEP 740): taken in with it, verified, and served again."""

import hashlib
import json
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pypi_attestations import Attestation, AttestationType, GitHubPublisher, Provenance

from catalog.attestations.dsse import STATEMENT_TYPE, pae
from catalog.attestations.pep740 import publisher
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import NewIdentity
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import Principal

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
NewWheel = Callable[..., tuple[str, bytes]]
Send = Callable[..., httpx.Response]
# Loaded by its place, because test folders are no packages.
_SPEC = spec_from_file_location(
    "sigstore_world", Path(__file__).parents[2] / "catalog" / "attestations" / "sigstore_world.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
world = module_from_spec(_SPEC)
_SPEC.loader.exec_module(world)
WORLD = world.Sigstore()
KEY = world.new_key()
ISSUER = "https://token.actions.githubusercontent.com"
IDENTITY = "https://github.com/acme/network/.github/workflows/release.yml@refs/tags/v1"
CERTIFICATE = WORLD.certificate(KEY, IDENTITY, ISSUER)
FIRST = "/t/acme/simple/acme-network/"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a trusted root, of a portal that repeats no answer."""
    root = tmp_path / "trusted_root.json"
    root.write_bytes(WORLD.trusted_root())
    return settings.model_copy(update={"sigstore_trusted_root": root, "door_repeat_seconds": 0})


@pytest.fixture(autouse=True)
def trusted(database: Database, settings: Settings, acme: Principal) -> None:
    """Let acme vouch for the release workflows of its repositories."""
    with database.tenant_session(acme.tenant_id) as session:
        identity = NewIdentity(name="release", issuer=ISSUER, subject="https://github.com/acme/*@refs/tags/*")
        SupplyChainAttestationService(session, settings).add_identity(acme, identity)


@pytest.fixture
def bind(database: Database, settings: Settings, acme: Principal) -> Callable[[str], None]:
    """Return what does to a version of acme's what the worker does when it is published."""

    def bound(version: str) -> None:
        with database.tenant_session(acme.tenant_id) as session:
            SupplyChainAttestationService(session, settings).bind(acme.tenant_id, UUID(version))

    return bound


def attestation_of(filename: str, data: bytes) -> str:
    """Return what a release workflow attests about a wheel when it publishes it."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": filename, "digest": {"sha256": hashlib.sha256(data).hexdigest()}}],
        "predicateType": AttestationType.PYPI_PUBLISH_V1.value,
        "predicate": None,
    }
    payload = json.dumps(statement).encode()
    signature = world.sign(KEY, pae(STATEMENT_TYPE, payload))
    envelope = {
        "payload": world.b64(payload),
        "payloadType": STATEMENT_TYPE,
        "signatures": [{"sig": world.b64(signature)}],
    }
    bundle = WORLD.bundle(CERTIFICATE, envelope)["verificationMaterial"]
    return json.dumps(
        {
            "version": 1,
            "verification_material": {
                "certificate": bundle["certificate"]["rawBytes"],
                "transparency_entries": bundle["tlogEntries"],
            },
            "envelope": {"statement": envelope["payload"], "signature": world.b64(signature)},
        }
    )


def listed(client: Client, path: str = FIRST) -> dict[str, Any]:
    answer = client.get(path, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["files"][0]
    return found


def test_what_came_with_a_wheel_is_served_as_provenance(
    api: Client, new_wheel: NewWheel, send: Send, settings: Settings
) -> None:
    filename, data = new_wheel()
    given = attestation_of(filename, data)
    answer = send(api, filename, data, attestations=f"[{given}]")
    assert answer.status_code == 200, answer.text
    address = listed(api)["provenance"]
    assert address.startswith(settings.base_url)
    assert f'data-provenance="{address}"' in api.get(FIRST, headers={"Accept": "text/html"}).text
    served = api.get(address.removeprefix(settings.base_url))
    assert (served.status_code, served.headers["content-type"]) == (200, "application/vnd.pypi.integrity.v1+json")
    (bundle,) = Provenance.model_validate_json(served.content).attestation_bundles
    assert bundle.publisher == GitHubPublisher(repository="acme/network", workflow="release.yml")
    (attestation,) = bundle.attestations
    assert attestation.envelope == Attestation.model_validate_json(given).envelope
    assert attestation.verification_material == Attestation.model_validate_json(given).verification_material
    assert attestation.statement["subject"][0]["name"] == filename


def test_without_attestations_there_is_none(api: Client, new_wheel: NewWheel, send: Send) -> None:
    filename, data = new_wheel()
    assert send(api, filename, data).status_code == 200
    found = listed(api)
    assert found["provenance"] is None
    digest = hashlib.sha256(data).hexdigest()
    assert api.get(f"/t/acme/files/{digest}/{filename}.provenance").status_code == 404
    assert api.get(f"/t/acme/files/{'0' * 64}/{filename}.provenance").status_code == 404


def test_it_travels_with_the_wheel_and_with_nothing_else(
    api: Client,
    client_of: NewClient,
    rival: Principal,
    new_wheel: NewWheel,
    send: Send,
    bind: Callable[[str], None],
    settings: Settings,
) -> None:
    filename, data = new_wheel()
    assert send(api, filename, data, attestations=f"[{attestation_of(filename, data)}]").status_code == 200
    version = api.get("/api/v1/assets/acme/acme-network/versions/1.0.0").json()["id"]
    path = f"/t/{rival.tenant_name}/files/{hashlib.sha256(data).hexdigest()}/{filename}.provenance"
    stranger = client_of(rival)
    assert stranger.get(path).status_code == 404, "a private asset's provenance is private"
    assert api.put("/api/v1/assets/acme/acme-network/sharing", json={"visibility": "public"}).status_code == 200
    bind(version)
    theirs = listed(stranger, f"/t/{rival.tenant_name}/simple/acme-network/")["provenance"]
    assert theirs == settings.base_url + path
    assert Provenance.model_validate_json(stranger.get(path).content).attestation_bundles


def test_uv_publish_brings_the_attestation_that_lies_beside_the_wheel(portal_: Any, new_wheel: NewWheel) -> None:
    wheel = new_wheel()
    kept = Path(portal_.keep(wheel))
    kept.with_name(f"{wheel[0]}.publish.attestation").write_text(attestation_of(*wheel))
    done = portal_.uv_publish(*(str(each) for each in sorted(kept.parent.iterdir())))
    assert done.returncode == 0, done.stderr
    headers = {"Authorization": f"Bearer {portal_.token}", "Accept": "application/vnd.pypi.simple.v1+json"}
    (file,) = httpx.get(f"{portal_.url}{FIRST}", headers=headers, timeout=60).json()["files"]
    assert file["provenance"].endswith(f"{wheel[0]}.provenance")


@pytest.mark.parametrize(
    ("issuer", "identity", "named"),
    [
        (ISSUER, IDENTITY, {"kind": "GitHub", "repository": "acme/network", "workflow": "release.yml"}),
        (
            "https://gitlab.com",
            "https://gitlab.com/acme/tools/network//.gitlab-ci.yml@refs/heads/main",
            {"kind": "GitLab", "repository": "acme/tools/network", "workflow_filepath": ".gitlab-ci.yml"},
        ),
        ("https://accounts.google.com", "r@acme.iam.gserviceaccount.com", {"kind": "Google"}),
        ("https://vstoken.dev.azure.com/1", "sc://acme/web/release", None),
        (ISSUER, "https://github.example.com/acme/network/.github/workflows/release.yml@refs/tags/v1", None),
    ],
)
def test_who_signed_is_named_as_indexes_do(issuer: str, identity: str, named: dict[str, str] | None) -> None:
    found = publisher(issuer, identity)
    assert (found is None) == (named is None)
    if found is not None and named is not None:
        assert found.items() >= named.items()
        bundle = {"publisher": found, "attestations": []}
        Provenance.model_validate({"version": 1, "attestation_bundles": [bundle]})
