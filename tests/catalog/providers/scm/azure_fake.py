"""A fake of Azure DevOps: a server with its REST routes over a real Git repository, held to a description.

It is a fake: rights, limits and the events around a pull request are what the tests need of them. Each request and
each answer is checked against ``azure_description``; what does not fit is collected in ``wrong``. It plays Microsoft
Entra ID as well, for the token of a service principal.
"""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tests.catalog.providers.scm import azure_description
from tests.catalog.providers.scm.azure_fake_state import AzureState
from tests.catalog.providers.scm.git_http import refuse_git, serve_git
from tests.catalog.providers.scm.github_fake_git import GitSide
from tests.catalog.providers.scm.github_fake_state import Refusal

ROOT = "/acme"
GIT = "/acme/hello/_git/hello"
Answer = tuple[int, dict[str, str], bytes]


class FakeAzureDevOps:
    """One server with one repository ``/acme/hello/_git/hello``; the token ``good`` is good."""

    def __init__(self, origin: Path) -> None:
        self.origin = origin
        self.wrong: list[str] = []
        self.requests: list[str] = []
        self.next_answers: list[tuple[int, dict[str, str], str]] = []
        self.extra_headers: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.push_refused = 0
        self.scopes_end_at = ""
        self.entra_tokens: set[str] = set()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.state = AzureState(self.url, GitSide(origin))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, verb: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """Return status, headers and body for a request."""
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.requests.append(f"{verb} {parts.path}")
        if parts.path.endswith("/oauth2/v2.0/token"):
            return self._entra(body)
        name, values = azure_description.find(verb, parts.path.removeprefix(ROOT))
        data = json.loads(body) if body else None
        self.wrong += azure_description.wrong_request(name, query, data)
        refused = self._refusal(name, verb, headers.get("Authorization", ""))
        if refused is not None:
            return refused
        with self._lock:
            try:
                if query.get("$format") == "octetstream":
                    return 200, {"Content-Type": "application/octet-stream"}, self.state.git.read(values["blob"])
                answered = self.state.route(name, values, query, data)
            except Refusal as refusal:
                return refusal.status, {}, json.dumps({"message": refusal.message}).encode()
            self.wrong += azure_description.wrong_answer(name, answered)
            return 200, self.extra_headers, b"" if answered is None else json.dumps(answered).encode()

    def _refusal(self, name: str, verb: str, authorization: str) -> Answer | None:
        if self.next_answers:
            status, headers, message = self.next_answers.pop(0)
            return status, headers, json.dumps({"message": message}).encode()
        if not self._is_known(authorization):
            return 401, {}, b""
        for part, permission in self.refused.items():
            if part in name and verb != "GET":
                told = f"TF401027: You need the Git '{permission}' permission to perform this action. Details: ..."
                return 403, {}, json.dumps({"message": told}).encode()
        if self.scopes_end_at and self.scopes_end_at in name and verb != "GET":
            return 401, {}, b""
        return None

    def _entra(self, body: bytes) -> Answer:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        assert form["grant_type"] == "client_credentials"
        assert form["scope"].endswith("/.default")
        if form["client_secret"] != "good":
            told = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret.\nTrace: 1"}
            return 401, {}, json.dumps(told).encode()
        token = f"entra-{len(self.entra_tokens)}"
        self.entra_tokens.add(token)
        return 200, {}, json.dumps({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}).encode()

    def _is_known(self, authorization: str) -> bool:
        kind, _, value = authorization.partition(" ")
        if kind == "Bearer":
            return value in self.entra_tokens
        return kind == "Basic" and base64.b64decode(value).decode() == ":good"

    def _git(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Serve the repository by git's own HTTP backend, to those who have a token."""
        is_push = "receive-pack" in handler.path
        if not self._is_known(handler.headers.get("Authorization", "")):
            refuse_git(handler, 401)
        elif is_push and self.push_refused:
            refuse_git(handler, self.push_refused)
        else:
            serve_git(handler, body, self.origin, GIT)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Answers are written in two pieces, which would wait for each other.
            disable_nagle_algorithm = True

            def _any(self) -> None:
                body = self._body()
                if "/_git/" in self.path:
                    fake._git(self, body)
                    return
                status, headers, answer = fake.answer(self.command, self.path, dict(self.headers.items()), body)
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def _body(self) -> bytes:
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _any  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def hook(fake: FakeAzureDevOps, kind: str, resource: dict[str, Any], notification: int = 1) -> dict[str, Any]:
    """Return a delivery of a service hook, in the form that Microsoft documents ("Service hooks events")."""
    return {
        "subscriptionId": "33333333-3333-3333-3333-333333333333",
        "notificationId": notification,
        "id": f"event-{notification}",
        "eventType": kind,
        "publisherId": "tfs",
        "resource": resource,
        "resourceVersion": "1.0",
        "resourceContainers": {"account": {"id": fake.url}},
        "createdDate": "2026-01-01T10:00:00Z",
    }
