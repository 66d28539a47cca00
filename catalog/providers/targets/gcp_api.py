"""What Google's cloud is asked.

Semantics: service accounts as clients of OAuth 2.0 (RFC 7523), and the error model of its interfaces (``ErrorInfo``).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import jwt

from catalog.clock import now
from catalog.providers.targets import TargetUnavailableError
from catalog.settings import cloud_credentials

RUN = "https://run.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
SECONDS = 30.0


class GoogleApi:
    """Asks as whoever ``credentials`` (``GOOGLE_...``) say, else as those of this process."""

    def __init__(
        self, transport: httpx.BaseTransport | None = None, credentials: Mapping[str, str] | None = None
    ) -> None:
        self._transport = transport
        self._credentials = credentials

    def ask(
        self, method: str, server: str, path: str, *, body: Mapping[str, Any] | None = None, page: str = ""
    ) -> dict[str, Any]:
        """Return what is answered, nothing where the project does not use that service at all.

        ``page`` is the token of the page that is wanted, "" for the first one.
        """
        try:
            who = cloud_credentials() if self._credentials is None else self._credentials
            with httpx.Client(timeout=SECONDS, transport=self._transport) as client:
                headers = {"Authorization": f"Bearer {_token(client, who)}"}
                url = httpx.URL(f"{server}{path}").copy_merge_params({"pageToken": page} if page else {})
                answer = client.request(method, url, headers=headers, json=body)
                if _is_off(answer):
                    return {}
                answer.raise_for_status()
                read: dict[str, Any] = answer.json() if answer.content else {}
        except (httpx.HTTPError, OSError, ValueError, KeyError) as error:
            raise TargetUnavailableError(f"Google's cloud does not answer: {error}") from error
        return read


def _is_off(answer: httpx.Response) -> bool:
    """Tell whether a project does not use a service at all: then nothing of it is there."""
    if answer.status_code != httpx.codes.FORBIDDEN:
        return False
    said = answer.json().get("error") or {}
    reasons = [each.get("reason") for key in ("details", "errors") for each in said.get(key) or ()]
    return bool({"SERVICE_DISABLED", "accessNotConfigured"} & set(reasons))


def _token(client: httpx.Client, who: Mapping[str, str]) -> str:
    account = json.loads(Path(who["GOOGLE_APPLICATION_CREDENTIALS"]).read_text("utf-8"))
    moment = int(now().timestamp())
    claims = {"iss": account["client_email"], "scope": SCOPE, "aud": account["token_uri"], "iat": moment}
    assertion = jwt.encode({**claims, "exp": moment + 600}, account["private_key"], algorithm="RS256")
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    answer = client.post(account["token_uri"], data=form)
    answer.raise_for_status()
    return str(answer.json()["access_token"])
