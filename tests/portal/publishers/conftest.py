"""An identity provider of CI jobs on this machine: it stands for GitHub's, whose tokens cannot be had here."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from litestar import Litestar
from litestar.testing import TestClient

from catalog.clock import now
from catalog.providers.identities import verification
from catalog.settings import Settings

AUDIENCE = "https://slipway.example"
JOB = {
    "sub": "repo:acme/preview:environment:release",
    "repository": "acme/preview",
    "repository_id": "74",
    "repository_owner": "acme",
    "repository_owner_id": "65",
    "job_workflow_ref": "acme/preview/.github/workflows/release.yml@refs/heads/main",
    "environment": "release",
    "ref": "refs/tags/v1.0.0",
    "sha": "f" * 40,
    "run_id": "901",
}


@dataclass
class FakeIssuer:
    """Publishes its keys as OpenID Connect asks, and signs what it is told to."""

    url: str
    key: rsa.RSAPrivateKey
    key_id: str = "first"
    asked: int = 0

    def token(self, *, key: Any = None, algorithm: str = "RS256", **changes: Any) -> str:
        """Sign a token of the job ``JOB``; a claim given as None is left out."""
        moment = now()
        claims = {
            **JOB,
            "iss": self.url,
            "aud": AUDIENCE,
            "jti": uuid4().hex,
            "iat": moment,
            "nbf": moment,
            "exp": moment + timedelta(minutes=5),
            **changes,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key or self.key, algorithm, headers={"kid": self.key_id})

    def document(self, path: str) -> dict[str, Any] | None:
        """Return what is at ``path``."""
        self.asked += 1
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/keys":
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
            return {"keys": [{**public, "kid": self.key_id, "alg": "RS256", "use": "sig"}, {"kty": "unheard-of"}]}
        return None


class _Server(ThreadingHTTPServer):
    """Serves the documents of the issuer of the test that runs."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.key = rsa.generate_private_key(65537, 2048)
        self.issuer = FakeIssuer("", self.key)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        found = self.server.issuer.document(self.path)
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(json.dumps(found).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """Say nothing."""


@pytest.fixture(scope="session")
def issuer_server() -> Iterator[_Server]:
    """Run the server of all issuers: with one address, one application serves every test."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def issuer(issuer_server: _Server) -> FakeIssuer:
    """Return an issuer of the test's own, of whose keys nobody knows yet."""
    vars(verification)["_KEY_SETS"].clear()
    fresh = FakeIssuer(f"http://127.0.0.1:{issuer_server.server_address[1]}", issuer_server.key)
    issuer_server.issuer = fresh
    return fresh


@pytest.fixture
def settings(settings: Settings, issuer: FakeIssuer) -> Settings:
    """Settings that accept the issuer."""
    accepted = ({"issuer": issuer.url, "provider": "github-actions"},)
    return settings.model_copy(update={"identity_issuers": accepted, "identity_audience": AUDIENCE})


@pytest.fixture
def trust(api: TestClient[Litestar], issuer: FakeIssuer) -> dict[str, Any]:
    """Let the jobs of ``JOB`` publish acme/preview, which does not exist yet."""
    answer = api.post("/api/v1/publishers", json=registration(issuer))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def registration(issuer: FakeIssuer, **changes: str) -> dict[str, str]:
    """Return what names the jobs of ``JOB``."""
    ids = {"owner_id": "65", "repository_id": "74", "repository": "acme/preview"}
    narrowed = {"workflow": "release.yml", "environment": "release"}
    return {"asset": "acme/preview", "issuer": issuer.url, **ids, **narrowed, **changes}
