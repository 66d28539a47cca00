"""The upload API: what a bare wheel becomes, and that what is refused leaves nothing."""

import base64
import hashlib
import io
import json
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from litestar import Litestar
from litestar.testing import TestClient
from pypi_attestations import AttestationType
from sqlalchemy import text

from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants import bootstrap

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
NewWheel = Callable[..., tuple[str, bytes]]
Send = Callable[..., httpx.Response]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings of a portal that notices changes which record no event."""
    return settings.model_copy(update={"door_repeat_seconds": 0})


RICH = (
    "Summary: A network of one's own\n"
    "License-Expression: apache-2.0\n"
    "Keywords: network,cloud\n"
    "Author-email: Ann <ann@example.com>\n"
    "Project-URL: Source, https://example.com/source\n"
    "Requires-Dist: pulumi>=3\n"
    "Requires-Dist: pulumi-aws>=7\n"
)


def version_of(client: Client, path: str = "acme/acme-network/versions/1.0.0") -> dict[str, Any]:
    answer = client.get(f"/api/v1/assets/{path}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_bare_wheel_becomes_a_component_package(api: Client, new_wheel: NewWheel, send: Send) -> None:
    filename, data = new_wheel(metadata=RICH)
    answer = send(api, filename, data)
    assert answer.status_code == 200, answer.text
    assert answer.text.startswith("Published: acme/acme-network 1.0.0\n")
    version = version_of(api)
    metadata = version["manifest"]["metadata"]
    assert version["kind"] == "component-package"
    assert metadata["license"] == "Apache-2.0"
    assert metadata["keywords"] == ["network", "cloud"]
    assert metadata["maintainers"] == [{"name": "Ann", "email": "ann@example.com"}]
    assert metadata["links"] == [{"name": "Source", "url": "https://example.com/source"}]
    assert version["manifest"]["spec"]["clouds"] == ["aws"]
    assert version["readme"] == "# Acme network\n\nUse it.\n"
    assert f"content/dist/{filename}" in {each["path"] for each in version["files"]}
    assert send(api, filename, data).text.startswith("There already:")


def test_the_wheels_own_files_say_what_metadata_cannot(api: Client, new_wheel: NewWheel, send: Send) -> None:
    own = {
        "acme_network/slipway/asset.yaml": b"metadata: {name: network, displayName: Network, archetypes: [library]}\n",
        "acme_network/slipway/CHANGELOG.md": b"# Changes\n",
        "acme_network/slipway/docs/more.md": b"More.\n",
    }
    answer = send(api, *new_wheel(files=own))
    assert answer.status_code == 200, answer.text
    version = version_of(api, "acme/network/versions/1.0.0")
    assert version["manifest"]["metadata"]["archetypes"] == ["library"]
    assert version["changelog"] == "# Changes\n"
    assert "docs/more.md" in {each["path"] for each in version["files"]}


def test_a_project_url_names_the_asset(api: Client, new_wheel: NewWheel, send: Send) -> None:
    url = "Project-URL: Slipway, https://slipway.example.com/assets/acme/network\n"
    assert send(api, *new_wheel(metadata=url)).status_code == 200
    metadata = version_of(api, "acme/network/versions/1.0.0")["manifest"]["metadata"]
    assert metadata["license"] == "LicenseRef-unstated"
    assert metadata["summary"] == "acme-network"
    assert "links" not in metadata


def test_what_policies_refuse_is_not_published(
    api: Client, new_wheel: NewWheel, send: Send, publish_policy: Callable[..., str], acme: Principal
) -> None:
    publish_policy(acme, "guard", 'deny contains "Wheels stay out." if input.asset.kind == "component-package"')
    bound = api.post("/api/v1/policies/bindings", json={"bundle": "acme/guard", "scope": {"kind": "tenant"}})
    assert bound.status_code == 201, bound.text
    refused = send(api, *new_wheel())
    assert (refused.status_code, "Wheels stay out.  [policy]" in refused.text) == (400, True), refused.text
    assert api.get("/api/v1/assets/acme/acme-network").status_code == 404


def test_one_project_name_stands_for_one_asset(api: Client, new_wheel: NewWheel, send: Send) -> None:
    assert send(api, *new_wheel()).status_code == 200
    other = {"acme_network/slipway/asset.yaml": b"metadata: {name: other}\n"}
    refused = send(api, *new_wheel(version="2.0.0", files=other))
    assert refused.status_code == 400
    assert "belongs to another of your assets" in refused.text
    assert api.get("/api/v1/assets/acme/other").status_code == 404


REFUSED: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({}, {"sha256_digest": "0" * 64}, "The SHA256 digest that was sent is not that of the file"),
    ({}, {"md5_digest": "0" * 32}, "The MD5 digest"),
    ({}, {"blake2_256_digest": "0" * 64}, "The BLAKE2-256 digest"),
    ({}, {"name": "other"}, "The name that was sent is not that of the wheel"),
    ({}, {"version": "9"}, "The version that was sent is not that of the wheel"),
    ({}, {"version": "x y"}, "The version that was sent is not that of the wheel"),
    ({}, {":action": "submit"}, "Only file_upload is understood"),
    ({}, {"filetype": "sdist"}, "Only wheels are taken"),
    ({"version": "1.0"}, {}, "A version has three numbers"),
    ({"version": "1.0.0.post1"}, {}, "is not accepted as a version"),
    ({"name": "a" * 64}, {}, "at most 63"),
    ({"metadata": "Requires-Python: nonsense\n"}, {}, "Requires-Python"),
    ({"metadata": "Project-URL: Slipway, https://example.com/x\n"}, {}, "does not lead to an asset"),
    ({"metadata": "Project-URL: Slipway, https://example.com/assets/A_/x\n"}, {}, "cannot be the namespace"),
    ({"metadata": "Project-URL: Slipway, https://example.com/assets/slipway/x\n"}, {}, "belongs to another publisher"),
    ({"files": {"acme_network/slipway/asset.yaml": b"metadata: [\n"}}, {}, "slipway/asset.yaml"),
    ({"files": {"acme_network/slipway/asset.yaml": b"kind: policy-bundle\n"}}, {}, "published as a component-package"),
    ({"files": {"acme_network/slipway/asset.yaml": b"metadata: 1\n"}}, {}, "metadata is not a mapping"),
    ({"files": {"acme_network/slipway/content/x": b""}}, {}, "has no place in a package"),
    ({"files": {"acme_network/slipway/../../asset.yaml": b""}}, {}, "has no place in a package"),
    ({"files": {"../outside.py": b""}}, {}, "leads out of its folder"),
]


def test_what_is_refused_leaves_nothing(api: Client, new_wheel: NewWheel, send: Send, settings: Settings) -> None:
    for parts, fields, said in REFUSED:
        answer = send(api, *new_wheel(**parts), **fields)
        assert answer.status_code == 400, (said, answer.text)
        assert said in answer.text, answer.text
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert api.get("/api/v1/assets").json()["total"] == 0
    # What only the sandbox finds was kept until then; a job removes it.
    end = time.monotonic() + 20
    while left := [path for path in (settings.data_dir / "blobs").rglob("*") if path.is_file()]:
        assert time.monotonic() < end, left
        time.sleep(0.1)


def damaged(name: str, content: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> tuple[str, bytes]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as wheel:
        for path, data in content.items():
            wheel.writestr(path, data)
    return name, buffer.getvalue()


HOSTILE: list[tuple[tuple[str, bytes], str]] = [
    (("acme-1.0.0-py3-none-any.whl", b"not a zip"), "not a zip file"),
    (("acme-1.0.0-py3-none-any.whl", b""), "not a zip file"),
    (damaged("acme-1.0.0-py3-none-any.whl", {}), "exactly one METADATA"),
    (damaged("acme-1.0.0-py3-none-any.whl", {"a.dist-info/METADATA": b"", "b.dist-info/METADATA": b""}), "exactly one"),
    (damaged("acme-1.0.0-py3-none-any.whl", {"a.dist-info/METADATA": b"Name: other\nVersion: 1.0.0\n\n"}), "same name"),
    (damaged("acme-1.0.0-py3-none-any.whl", {"a.dist-info/METADATA": b"Name: acme\nVersion: 2.0.0\n\n"}), "says"),
    (damaged("acme-1.0.0-py3-none-any.whl", {"a.dist-info/METADATA": b"\xff\xfe\x00"}), "says"),
    (
        damaged("acme-1.0.0-py3-none-any.whl", {"a.dist-info/METADATA": b"x" * (2**20 + 1)}, zipfile.ZIP_DEFLATED),
        "larger than 1 MiB",
    ),
    (("../../evil-1.0.0-py3-none-any.whl", b"PK"), "not the name of a wheel"),
    (('"><script>-1.0.0-py3-none-any.whl', b"PK"), "not the name of a wheel"),
    (("evil.whl", b"PK"), "not the name of a wheel"),
    (("évil-1.0.0-py3-none-any.whl", b"PK"), "not the name of a wheel"),
    (("acme-1.0.0.tar.gz", b"PK"), "Only wheels are taken"),
]


def test_hostile_files_are_refused(api: Client, send: Send, settings: Settings) -> None:
    for (name, data), said in HOSTILE:
        answer = send(api, name, data)
        assert answer.status_code == 400, (said, answer.status_code, answer.text)
        assert said in answer.text, answer.text
        assert "<script>" not in answer.text or answer.headers["content-type"].startswith("text/plain")
    assert not [path for path in (settings.data_dir / "blobs").rglob("*") if path.is_file()]


def attestation_of(about: str) -> dict[str, Any]:
    """Return an attestation as PEP 740 has it, with a certificate of nobody's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.serial_number(1).not_valid_before(moment).not_valid_after(moment + timedelta(days=60))
    certificate = dated.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "acme_network-1.0.0-py3-none-any.whl", "digest": {"sha256": about}}],
        "predicateType": AttestationType.PYPI_PUBLISH_V1.value,
        "predicate": None,
    }
    return {
        "version": 1,
        "verification_material": {
            "certificate": base64.b64encode(certificate).decode(),
            "transparency_entries": [{"logIndex": "1"}],
        },
        "envelope": {
            "statement": base64.b64encode(json.dumps(statement).encode()).decode(),
            "signature": base64.b64encode(b"0" * 64).decode(),
        },
    }


def test_attestations_that_prove_nothing_keep_the_wheel_out(
    api: Client, new_wheel: NewWheel, send: Send, settings: Settings
) -> None:
    filename, data = new_wheel()
    proofless = json.dumps([attestation_of(hashlib.sha256(data).hexdigest())])
    for sent, said in (
        ("[]", "not a list of one to 10 attestations"),
        ("nonsense", "not in the form of PEP 740"),
        ('[{"version": 2}]', "not in the form of PEP 740"),
        ("[" * 100_000, "not in the form of PEP 740"),
        (proofless, "no trusted root is configured"),
    ):
        answer = send(api, filename, data, attestations=sent)
        assert (answer.status_code, said in answer.text) == (400, True), answer.text
    assert api.get("/api/v1/assets").json()["total"] == 0
    assert not [path for path in (settings.data_dir / "blobs").rglob("*") if path.is_file()]


def test_forms_that_no_client_sends(api: Client) -> None:
    path = "/t/acme/legacy/"
    wrong_type = api.post(path, json={})
    assert (wrong_type.status_code, wrong_type.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    empty = api.post(path, files={"other": ("a", b"x")}, data={":action": "file_upload"})
    assert (empty.status_code, empty.text) == (400, "The form has no file. Send one wheel as the field content.\n")
    broken = api.post(path, content=b"--x\r\nnonsense", headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert broken.status_code == 400
    big = api.post(path, files={"content": ("a.whl", b"0" * (28 * 1024 * 1024))}, data={":action": "file_upload"})
    assert big.status_code == 413
    assert api.get(path).status_code == 405


def test_who_may_upload(
    api: Client,
    client_of: NewClient,
    acme: Principal,
    rival: Principal,
    new_wheel: NewWheel,
    send: Send,
    anyone: Client,
) -> None:
    wheel = new_wheel()
    reader = send(client_of(acme, ["assets:read"]), *wheel)
    assert (reader.status_code, "assets:write" in reader.text) == (403, True)
    assert send(client_of(rival), *wheel).status_code == 404
    assert send(anyone, *wheel).status_code == 401
    taken = send(api, *wheel)
    assert taken.status_code == 200
    theirs = send(client_of(rival), *wheel, tenant="rival")
    assert (theirs.status_code, theirs.text.splitlines()[0]) == (200, "Published: rival/acme-network 1.0.0")


def test_a_name_of_ones_own_wins_and_is_never_mixed(
    api: Client, client_of: NewClient, rival: Principal, new_wheel: NewWheel, send: Send, database: Database
) -> None:
    theirs = client_of(rival)
    json_form = {"format": "application/vnd.pypi.simple.v1+json"}

    def served(client: Client, tenant: str) -> list[str]:
        answer = client.get(f"/t/{tenant}/simple/acme-network/", params=json_form)
        found: list[str] = answer.json().get("versions", [str(answer.status_code)])
        return found

    def show(visibility: str) -> None:
        with database.tenant_session(rival.tenant_id) as session:
            session.execute(text("UPDATE assets SET visibility = :to"), {"to": visibility})

    assert send(theirs, *new_wheel(version="9.0.0"), tenant="rival").status_code == 200
    assert served(api, "acme") == ["404"], "private packages of others do not exist"
    show("public")
    assert served(api, "acme") == ["9.0.0"]
    assert send(api, *new_wheel(version="1.0.0")).status_code == 200
    assert served(api, "acme") == ["1.0.0"], "a higher version of somebody else is not among them"
    assert served(theirs, "rival") == ["9.0.0"]
    show("private")
    move = {"reason": "Gone."}
    assert api.post("/api/v1/assets/acme/acme-network/versions/1.0.0/revoke", json=move).status_code == 200
    show("public")
    assert served(api, "acme") == [], "nor does theirs take the place of what was taken back"


def test_of_two_strangers_the_one_that_was_public_first_stands(
    api: Client, client_of: NewClient, rival: Principal, new_wheel: NewWheel, send: Send, database: Database
) -> None:
    late = bootstrap.ensure_tenant(database, "late")
    third = Principal(late.id, late.name, actor="test:late", name="late", scopes=ALL_SCOPES)
    # The rival claims the name first, but in secret.
    for principal, version, public in ((rival, "6.6.6", False), (third, "1.0.0", True), (rival, "6.6.6", True)):
        send(client_of(principal), *new_wheel(version=version), tenant=principal.tenant_name)
        with database.tenant_session(principal.tenant_id) as session:
            visibility = "public" if public else "private"
            session.execute(text("UPDATE assets SET visibility = :to"), {"to": visibility})
    answer = api.get("/t/acme/simple/acme-network/", params={"format": "application/vnd.pypi.simple.v1+json"})
    assert answer.json()["versions"] == ["1.0.0"]
