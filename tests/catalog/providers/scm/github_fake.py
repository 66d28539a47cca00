"""A fake of GitHub: a server with its REST routes over a real Git repository, held to GitHub's own description.

It is a fake: rights, limits and the events around a pull request are what the tests need of them. Each request and
each answer is checked against the description; what does not fit is collected in ``wrong``.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt

from tests.catalog.providers.scm import openapi
from tests.catalog.providers.scm.git_http import refuse_git, serve_git
from tests.catalog.providers.scm.github_fake_git import GitSide
from tests.catalog.providers.scm.github_fake_state import Refusal, State

PREFIX = "/api/v3"
Route = Callable[[dict[str, str], dict[str, str], Any], tuple[int, Any]]


class FakeGitHub:
    """One server with one repository ``acme/hello``; ``public_key`` is that of the GitHub App it knows."""

    def __init__(self, origin: Path, public_key: str = "") -> None:
        openapi.ensure_descriptions()
        self.origin = origin
        self.public_key = public_key
        self.wrong: list[str] = []
        self.requests: list[str] = []
        self.statuses: list[int] = []
        self.next_refusals: list[tuple[int, dict[str, str], str]] = []
        self.refused: dict[str, str] = {}
        self.moved_to = ""
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.state = State(f"{self.url}{PREFIX}", GitSide(origin))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; whatever did not fit the description is an error."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, verb: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body for a request."""
        parts = urlsplit(target)
        path, query = parts.path.removeprefix(PREFIX), dict(parse_qsl(parts.query, keep_blank_values=True))
        extra: dict[str, str] = {}
        self.requests.append(f"{verb} {path}")
        if self.next_refusals:
            status, refused_with, message = self.next_refusals.pop(0)
            return status, refused_with, json.dumps({"message": message}).encode()
        who = self._who(headers.get("Authorization", ""))
        described, values = openapi.find(verb, path)
        data = json.loads(body) if body else None
        self.wrong += described.check_request(values, query, data)
        refused = self._refusal(described.name, verb) if who else (401, {}, b'{"message": "Bad credentials"}')
        if who is None or refused is not None:
            return refused or (401, {}, b"")
        self.state.login, self.state.is_app = who
        accept = headers.get("Accept", "")
        with self._lock:
            try:
                if self.moved_to:
                    self.state.full_name = self.moved_to
                if "vnd.github.sha" in accept:
                    sha = self.state.git.commit(values["ref"])
                    self.wrong += described.check_answer(200, sha, "application/vnd.github.sha")
                    return self._conditional(sha.encode(), headers, {})
                status, answered = self.state.route(described.name, values, query, data)
            except Refusal as refusal:
                status, answered = refusal.status, {"message": refusal.message}
        if isinstance(answered, list) and "per_page" in query:
            answered, extra = self._page(answered, target, query)
        if status < 400:
            self.wrong += described.check_answer(status, answered)
        if answered is None:
            return status, {}, b""
        text = json.dumps(answered).encode()
        return self._conditional(text, headers, extra) if (verb, status) == ("GET", 200) else (status, extra, text)

    def _refusal(self, name: str, verb: str) -> tuple[int, dict[str, str], bytes] | None:
        for part, right in self.refused.items():
            if part in name and verb != "GET":
                needed = {"x-accepted-github-permissions": right}
                return 403, needed, b'{"message": "Resource not accessible by integration"}'
        return None

    def _conditional(
        self, text: bytes, headers: dict[str, str], extra: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        tag = f'"{hashlib.sha256(text).hexdigest()[:16]}"'
        if headers.get("If-None-Match") == tag:
            return 304, {"ETag": tag}, b""
        return 200, {"ETag": tag, **extra}, text

    def _page(self, items: list[Any], target: str, query: dict[str, str]) -> tuple[list[Any], dict[str, str]]:
        size, page = min(int(query["per_page"]), self.state.largest_page), int(query.get("page", 1))
        shown = items[(page - 1) * size : page * size]
        if page * size >= len(items):
            return shown, {}
        plain = re.sub(r"&page=\d+", "", target)
        return shown, {"Link": f'<{self.url}{plain}&page={page + 1}>; rel="next"'}

    def _who(self, authorization: str) -> tuple[str, bool] | None:
        kind, _, token = authorization.partition(" ")
        if kind == "Bearer":
            try:
                jwt.decode(token, self.public_key, algorithms=["RS256"], options={"require": ["iss", "exp"]})
            except jwt.InvalidTokenError:
                return None
            return "app", True
        if token in self.state.installation_tokens:
            return "slipway-app[bot]", True
        return {"good": ("slipway", False), "other": ("mallory", False)}.get(token)

    def _git(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Serve the repository by git's own HTTP backend, to those who have a token."""
        given = handler.headers.get("Authorization", "").removeprefix("Basic ")
        token = base64.b64decode(given or "").decode().rpartition(":")[2]
        if token != "good" and token not in self.state.installation_tokens:
            refuse_git(handler, 401)
            return
        serve_git(handler, body, self.origin, "/acme/hello.git")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Answers are written in two pieces, which would wait for each other.
            disable_nagle_algorithm = True

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if not self.path.startswith(PREFIX):
                    fake._git(self, body)
                    return
                status, headers, answer = fake.answer(self.command, self.path, dict(self.headers.items()), body)
                fake.statuses.append(status)
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _any  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
