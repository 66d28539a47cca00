"""What tests of attestations share: signers outside Slipway, what they sign, and the service that takes it in."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from pydantic import SecretStr

from catalog.attestations.dsse import STATEMENT_TYPE, Envelope, pae, write_bundle
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import AttestationRead, ImportedKey, KeyRead
from catalog.attestations.signatures import hint_of, load_public_der, pem
from catalog.attestations.statements import STATEMENT_V1
from catalog.db import Database
from catalog.providers.signers.local import PrivateKey, sign_with, spki
from catalog.settings import Settings
from catalog.tenancy import Principal

PROVENANCE = {
    "buildDefinition": {"buildType": "https://example.com/build/v1", "externalParameters": {"ref": "refs/heads/main"}},
    "runDetails": {"builder": {"id": "https://example.com/builders/1"}},
}


@dataclass(frozen=True)
class Outsider:
    """Somebody with a key, who signs by means of his own."""

    key: PrivateKey

    @property
    def public(self) -> str:
        return pem(load_public_der(spki(self.key)))

    @property
    def hint(self) -> str:
        return hint_of(load_public_der(spki(self.key)))

    def payload(self, about: bytes | str, **changes: Any) -> bytes:
        digest = about if isinstance(about, str) else hashlib.sha256(about).hexdigest()
        statement = {
            "_type": STATEMENT_V1,
            "subject": [{"name": "artifact", "digest": {"sha256": digest}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": PROVENANCE,
            **changes,
        }
        return json.dumps({key: value for key, value in statement.items() if value is not ...}).encode()

    def bundle(self, about: bytes | str = b"artifact", **changes: Any) -> bytes:
        return self.sealed(self.payload(about, **changes))

    def sealed(self, payload: bytes, kind: str = STATEMENT_TYPE) -> bytes:
        return write_bundle(Envelope(payload, kind, sign_with(self.key, pae(kind, payload))), self.hint)

    def envelope(self, about: bytes | str = b"artifact", keyid: str | None = None, **changes: Any) -> dict[str, Any]:
        payload = self.payload(about, **changes)
        signature = {"sig": base64.b64encode(sign_with(self.key, pae(STATEMENT_TYPE, payload))).decode()}
        if keyid is not None:
            signature["keyid"] = keyid
        encoded = base64.b64encode(payload).decode()
        return {"payload": encoded, "payloadType": STATEMENT_TYPE, "signatures": [signature]}


Service = Callable[[Principal], AbstractContextManager[SupplyChainAttestationService]]
Receive = Callable[..., AttestationRead]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a master key, so that keys can be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


@pytest.fixture(scope="session")
def outsider() -> Outsider:
    """Somebody with a P-256 key."""
    key: EllipticCurvePrivateKey = ec.generate_private_key(ec.SECP256R1())
    return Outsider(key)


@pytest.fixture
def service(database: Database, settings: Settings) -> Service:
    """Return what opens the service for a tenant, in a transaction of its own."""

    @contextmanager
    def opened(principal: Principal) -> Iterator[SupplyChainAttestationService]:
        with database.tenant_session(principal.tenant_id) as session:
            yield SupplyChainAttestationService(session, settings)

    return opened


@pytest.fixture
def receive(service: Service) -> Receive:
    """Return what brings an envelope or bundle through the door."""

    def received(principal: Principal, data: bytes | dict[str, Any], about: str | None = None) -> AttestationRead:
        content = data if isinstance(data, bytes) else json.dumps(data).encode()
        with service(principal) as opened:
            return opened.receive(principal, content, about)[0]

    return received


@pytest.fixture
def trusted(service: Service, acme: Principal, outsider: Outsider) -> KeyRead:
    """Let acme vouch for the outsider's key."""
    with service(acme) as opened:
        return opened.import_key(acme, ImportedKey(name="outsider", public_key=outsider.public))
