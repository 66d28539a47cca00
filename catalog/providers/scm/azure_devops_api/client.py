"""Requests to Azure DevOps: credentials, limits and pauses, with its refusals as our errors.

Limits as Microsoft documents them ("Rate and usage limits"): ``Retry-After`` is honoured with whatever status it comes,
because it comes on good answers before requests are refused; ``X-RateLimit-Remaining: 0`` means that requests are being
delayed, until ``X-RateLimit-Reset`` at most. A limit ends the call at once with ``RateLimitedError``, and until it is
over nothing more is sent with the same credentials.
"""

import base64
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

import httpx

from catalog.clock import now
from catalog.providers.scm.azure_devops_api.tokens import EntraToken
from catalog.providers.scm.errors import (
    CredentialsRefusedError,
    MissingRightsError,
    RateLimitedError,
    RepositoryUnavailableError,
    ScmConflictError,
)

SECONDS = 20.0
API_VERSION = "7.0"
"""Spoken by Azure DevOps Services and by Azure DevOps Server 2022 and later."""

_LIMIT_SECONDS = 60.0
_PERMISSION = re.compile(r"'(\w+)' permission")
_SHOWN = {
    "GenericRead": "Read",
    "GenericContribute": "Contribute",
    "CreateBranch": "Create branch",
    "ForcePush": "Force push (rewrite history, delete branches and tags)",
    "PullRequestContribute": "Contribute to pull requests",
}
_SIGN_IN = {203, 301, 302, 303, 307, 308}


class AzureError(ScmConflictError):
    """A refusal that its caller may know how to read: ``answered`` is 400, 404 or 409, and the server's own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"Azure DevOps refuses this (status {status}): {message}")
        self.answered = status
        self.message = message


class Client:
    """One set of credentials; may be shared by threads. Addresses are whole: who calls says to which server."""

    def __init__(self, credentials: Mapping[str, str], write_pause: float, entra_server: str) -> None:
        given = set(credentials)
        if given not in ({"token"}, {"directory_id", "client_id", "client_secret"}, set()):
            raise ValueError("neither a token nor a service principal")
        self._http = httpx.Client(timeout=SECONDS, follow_redirects=False)
        self._token = credentials.get("token", "")
        self._entra = EntraToken(self._http, entra_server, credentials) if "client_id" in given else None
        self._write_pause = write_pause
        self._wrote_at = 0.0
        self._closed_until = 0.0
        self._lock = threading.Lock()
        self._identities: dict[str, str] = {}
        self._was_accepted = False

    def get(self, url: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Return what is at an address."""
        return self._request("GET", url, parameters, None).json()

    def listed(self, url: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the items of all pages of a list that goes on by continuation tokens."""
        found: list[Any] = []
        asked = dict(parameters or {})
        for _ in range(200):
            answer = self._request("GET", url, asked, None)
            found += answer.json()["value"]
            token = answer.headers.get("x-ms-continuationtoken")
            if not token:
                return found
            asked["continuationToken"] = token
        raise RepositoryUnavailableError(f"Azure DevOps lists no end of {url}.")

    def read(self, url: str) -> bytes:
        """Return the bytes of a blob."""
        return self._request("GET", url, {"$format": "octetstream"}, None).content

    def send(self, verb: str, url: str, body: Any = None) -> Any:
        """Write something, and return the answer; None where there is none."""
        answer = self._request(verb, url, None, body)
        return answer.json() if answer.content else None

    def me(self, root: str) -> str:
        """Return the id under which these credentials write in an organisation or collection."""
        if root not in self._identities:
            told = self._request("GET", f"{root}/_apis/connectionData", {"api-version": "7.0-preview"}, None).json()
            self._identities[root] = str(told["authenticatedUser"]["id"])
        return self._identities[root]

    def authorization(self) -> str:
        """Return the value of the header that vouches for us, for git as well; "" without credentials."""
        if self._entra is not None:
            with self._lock:
                return f"Bearer {self._entra.current()}"
        return f"Basic {base64.b64encode(f':{self._token}'.encode()).decode()}" if self._token else ""

    def _request(self, verb: str, url: str, parameters: Mapping[str, Any] | None, body: Any) -> httpx.Response:
        wait = self._closed_until - time.monotonic()
        if wait > 0:
            raise RateLimitedError(f"Azure DevOps takes no more requests for {wait:.0f} seconds.", wait)
        authorization = self.authorization()
        # Suppress: an answer instead of the way to a page for signing in.
        headers = {"User-Agent": "slipway", "Accept": "application/json", "X-TFS-FedAuthRedirect": "Suppress"}
        headers |= {"Authorization": authorization} if authorization else {}
        headers |= {"Accept": "application/octet-stream"} if (parameters or {}).get("$format") == "octetstream" else {}
        asked = {"api-version": API_VERSION, **(parameters or {})}
        with self._lock:
            if verb != "GET":
                time.sleep(max(0.0, self._wrote_at + self._write_pause - time.monotonic()))
            try:
                answer = self._http.request(verb, url, params=asked, json=body, headers=headers)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise RepositoryUnavailableError(f"Azure DevOps could not be asked: {error}") from error
            finally:
                self._wrote_at = time.monotonic() if verb != "GET" else self._wrote_at
        self._judge(answer, verb, url)
        return answer

    def _judge(self, answer: httpx.Response, verb: str, url: str) -> None:
        """Raise what a refusal means; what the caller may expect is left to it as ``AzureError``."""
        status, message = answer.status_code, _message(answer)
        wait = _wait(answer)
        if wait is not None:
            self._closed_until = time.monotonic() + wait
        if status == 429 or (status == 503 and wait is not None):
            wait = _LIMIT_SECONDS if wait is None else wait
            self._closed_until = time.monotonic() + wait
            raise RateLimitedError(f"The limit of Azure DevOps is used up for {wait:.0f} seconds: {message}", wait)
        if status < 300 and status != 203:
            self._was_accepted = True
            return
        if status == 401 and self._was_accepted and verb != "GET":
            scope = "Code (status)" if url.endswith("/statuses") else "Code (read & write)"
            detail = f"Azure DevOps does not take the token for this: give it the scope '{scope}', or a new one."
            raise MissingRightsError(detail, scope)
        if status == 401 or status in _SIGN_IN:
            raise CredentialsRefusedError(f"Azure DevOps does not accept the credentials. {message}".strip())
        if status == 403:
            raise missing_right(message)
        if status in {400, 404, 409}:
            raise AzureError(status, message)
        raise RepositoryUnavailableError(f"Azure DevOps answered with status {status}: {message}")


def missing_right(message: str) -> MissingRightsError:
    """Return the error for a refusal, which names the permission as the page of a repository's security shows it."""
    match = _PERMISSION.search(message)
    right = _SHOWN.get(match[1], match[1]) if match else message or "unknown"
    named = f"Give it the permission '{right}' in the security of the repository." if match else message
    return MissingRightsError(f"Azure DevOps does not allow this to the connection's account. {named}", right)


def _message(answer: httpx.Response) -> str:
    try:
        told = answer.json()
    except ValueError:
        return ""
    return str(told.get("message") or "")[:500] if isinstance(told, dict) else ""


def _wait(answer: httpx.Response) -> float | None:
    """Return for how many seconds Azure DevOps wants to be left alone, None where it says nothing of it."""
    after = answer.headers.get("retry-after", "")
    if after.isdigit():
        return max(1.0, float(after))
    reset = answer.headers.get("x-ratelimit-reset", "")
    if answer.headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        left = float(reset) - now().timestamp()
        # It counts down to where nothing at all was used; requests are taken again long before.
        return min(max(1.0, left), _LIMIT_SECONDS)
    return None
