"""Requests to GitHub: credentials, limits, conditional requests and pages, with GitHub's refusals as our errors.

Limits as GitHub documents them ("Rate limits for the REST API", "Best practices for using the REST API"): one request
at a time, a pause between writes, ``Retry-After`` before ``x-ratelimit-reset``, a minute where a secondary limit names
neither. A limit ends the call at once with ``RateLimitedError``: whoever called has better things to do than to sleep,
and until then no further request is sent with the same credentials.
"""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from github import Auth, GithubException
from github.Requester import Requester
from jwt import PyJWTError
from requests import RequestException

from catalog.clock import now
from catalog.providers.scm.errors import (
    CredentialsRefusedError,
    MissingRightsError,
    RateLimitedError,
    RepositoryUnavailableError,
    ScmConflictError,
)
from catalog.providers.scm.values import Access

SECONDS = 20
_SECONDARY_LIMIT_SECONDS = 60.0
_KEPT = 512
_KEPT_BYTES = 200_000
_PER_PAGE = 100
_MOST_PAGES = 200


class GitHubError(ScmConflictError):
    """A refusal that its caller may know how to read: ``answered`` is 404 or 422, and GitHub's own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"GitHub refuses this (status {status}): {message}")
        self.answered = status
        self.message = message


class Client:
    """One set of credentials at one server; may be shared by threads."""

    def __init__(self, api_url: str, access: Access, write_pause: float) -> None:
        self.is_app = "app_id" in access.credentials
        self._installation: Auth.AppInstallationAuth | None = None
        self._requester = Requester(
            auth=self._auth(access.credentials),
            base_url=api_url,
            timeout=SECONDS,
            user_agent="slipway",
            per_page=_PER_PAGE,
            verify=True,
            retry=None,
            pool_size=None,
            seconds_between_requests=0,
            seconds_between_writes=write_pause,
        )
        self._app_id = int(access.credentials.get("app_id", 0))
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[str, str, str]] = OrderedDict()
        self._closed_until = 0.0
        self._login = ""

    def get(self, path: str, parameters: Mapping[str, Any] | None = None, accept: str = "") -> Any:
        """Return what is at a path. An answer seen before is asked for conditionally, which costs no quota."""
        text, _ = self._read(_url(path, parameters), accept)
        return text if accept else json.loads(text)

    def every(self, path: str, parameters: Mapping[str, Any] | None = None, key: str = "") -> list[Any]:
        """Return the items of all pages of a list; ``key`` names them where the answer is an object."""
        found: list[Any] = []
        url: str = _url(path, {**(parameters or {}), "per_page": _PER_PAGE})
        for _ in range(_MOST_PAGES):
            text, link = self._read(url, "")
            page = json.loads(text)
            found += page[key] if key else page
            url = _next(link)
            if not url:
                return found
        raise RepositoryUnavailableError(f"GitHub has more than {_MOST_PAGES} pages of {path}.")

    def send(self, verb: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Write something, and return the answer; None where there is none."""
        status, _, text = self._request(verb, path, {}, body)
        return json.loads(text) if text and status != 204 else None

    def me(self) -> str:
        """Return the login under which these credentials write."""
        if not self._login:
            if self.is_app:
                with self._guarded():
                    application = self._application()
                self._login = f"{application}[bot]"
            else:
                self._login = str(self.get("/user")["login"])
        return self._login

    def permissions(self) -> Mapping[str, str] | None:
        """Return what a GitHub App's installation was given, by GitHub's names; None for a token."""
        if self._installation is None:
            return None
        with self._guarded():
            given: Any = self._integration().get_app_installation(self._installation.installation_id).raw_data
        return {str(name): str(level) for name, level in given["permissions"].items()}

    def basic_credentials(self) -> str:
        """Return what git needs to fetch over HTTPS, as ``user:password``."""
        auth = self._requester.auth
        if auth is None:
            return ""
        with self._guarded():
            return f"x-access-token:{auth.token}"

    def app_id(self) -> int:
        """Return the id of the GitHub App; 0 for a token."""
        return self._app_id

    def _auth(self, credentials: Mapping[str, str]) -> Auth.Auth | None:
        if "app_id" in credentials:
            application = Auth.AppAuth(int(credentials["app_id"]), credentials["private_key"])
            # Its installation token is fetched when first needed, kept, and fetched again before it expires.
            self._installation = application.get_installation_auth(int(credentials["installation_id"]))
            return self._installation
        token = credentials.get("token")
        return Auth.Token(token) if token else None

    def _integration(self) -> Any:
        from github import GithubIntegration  # noqa: PLC0415  (beside its one use: it is generated code, and large)

        assert self._installation is not None  # noqa: S101  (an installation is what an App has)
        requester = self._requester
        application = requester.withAuth(self._installation._app_auth)  # noqa: SLF001  (PyGithub offers no way to it)
        return GithubIntegration(**application.kwargs)

    def _application(self) -> str:
        return str(self._integration().get_app().slug)

    def _read(self, url: str, accept: str) -> tuple[str, str]:
        key = f"{accept} {url}"
        known = self._known.get(key)
        headers = {"If-None-Match": known[0]} if known else {}
        if accept:
            headers["Accept"] = accept
        status, answered, text = self._request("GET", url, headers, None)
        if status == 304 and known:
            return known[1], known[2]
        link = str(answered.get("link", ""))
        if "etag" in answered and len(text) <= _KEPT_BYTES:
            self._known[key] = (str(answered["etag"]), text, link)
            self._known.move_to_end(key)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return text, link

    def _request(
        self, verb: str, url: str, headers: Mapping[str, str], body: Mapping[str, Any] | None
    ) -> tuple[int, Mapping[str, Any], str]:
        with self._guarded():
            status, answered, text = self._requester.requestJson(verb, url, None, dict(headers), body)
        self._judge(status, answered, text)
        return status, answered, text

    def _guarded(self) -> "_Guard":
        wait = self._closed_until - time.monotonic()
        if wait > 0:
            raise RateLimitedError(f"GitHub takes no more requests for {wait:.0f} seconds.", wait)
        return _Guard(self, self._lock)

    def _judge(self, status: int, headers: Mapping[str, Any], text: str) -> None:
        """Raise what a refusal means; what the caller may expect is left to it as ``GitHubError``."""
        if status < 400:
            return
        message = _message(text)
        wait = _wait(status, headers, message)
        if wait is not None:
            self._closed_until = time.monotonic() + wait
            raise RateLimitedError(f"GitHub's limit is used up for {wait:.0f} seconds: {message}", wait)
        if status == 401:
            raise CredentialsRefusedError(f"GitHub does not accept the credentials: {message}")
        if status == 403:
            right = str(headers.get("x-accepted-github-permissions") or "") or message
            raise MissingRightsError(f"GitHub does not allow this: {message} (needed: {right}).", right)
        if status == 409:
            raise ScmConflictError(f"GitHub: {message}")
        if status in {404, 410, 422}:
            raise GitHubError(404 if status == 410 else status, message)
        raise RepositoryUnavailableError(f"GitHub answered with status {status}: {message}")


class _Guard:
    """One request at a time, and PyGithub's own errors as ours."""

    def __init__(self, client: Client, lock: threading.Lock) -> None:
        self._client = client
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._lock.release()
        if isinstance(error, GithubException):
            try:
                self._client._judge(error.status, error.headers or {}, json.dumps(error.data))  # noqa: SLF001
            except GitHubError as refusal:
                raise CredentialsRefusedError(f"GitHub does not know this installation: {refusal.message}") from error
        if isinstance(error, PyJWTError):
            raise CredentialsRefusedError("The private key of the GitHub App is none in PEM.") from error
        if isinstance(error, RequestException | RuntimeError | AssertionError | ValueError):
            raise RepositoryUnavailableError(f"GitHub could not be asked: {error}") from error


def path_of(*parts: object) -> str:
    """Return a path of several parts, each of which may hold anything."""
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


def _url(path: str, parameters: Mapping[str, Any] | None) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path


def _next(link: str) -> str:
    for part in link.split(","):
        address, _, relation = part.partition(";")
        if 'rel="next"' in relation:
            return address.strip().strip("<>")
    return ""


def _message(text: str) -> str:
    try:
        data = json.loads(text)
    except ValueError:
        return text[:200]
    if not isinstance(data, dict):
        return str(data)[:200]
    details = [
        str(each.get("message") or each.get("code") or "") for each in data.get("errors", ()) if type(each) is dict
    ]
    return "; ".join(part for part in (str(data.get("message", "")), *details) if part)[:500]


def _wait(status: int, headers: Mapping[str, Any], message: str) -> float | None:
    """Return for how many seconds GitHub wants to be left alone, None where this is no limit."""
    if status not in {403, 429}:
        return None
    if str(headers.get("retry-after", "")).isdigit():
        return max(1.0, float(headers["retry-after"]))
    if str(headers.get("x-ratelimit-remaining")) == "0" and str(headers.get("x-ratelimit-reset", "")).isdigit():
        return max(1.0, float(headers["x-ratelimit-reset"]) - now().timestamp() + 1)
    return _SECONDARY_LIMIT_SECONDS if status == 429 or "rate limit" in message.lower() else None
