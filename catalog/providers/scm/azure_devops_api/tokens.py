"""Tokens of Microsoft Entra ID for a service principal: OAuth 2.0 client credentials (RFC 6749, section 4.4)."""

import time
from collections.abc import Mapping
from urllib.parse import quote

import httpx

from catalog.providers.scm.errors import CredentialsRefusedError, RepositoryUnavailableError

# The id of Azure DevOps as an application, the same in every directory.
_SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"
_EARLY_SECONDS = 300.0


class EntraToken:
    """The token of one service principal, fetched when first needed and again before it expires; not for threads."""

    def __init__(self, http: httpx.Client, server: str, credentials: Mapping[str, str]) -> None:
        self._http = http
        self._url = f"{server.rstrip('/')}/{quote(credentials['directory_id'], safe='')}/oauth2/v2.0/token"
        self._form = {
            "grant_type": "client_credentials",
            "client_id": credentials["client_id"],
            "client_secret": credentials["client_secret"],
            "scope": _SCOPE,
        }
        self._token = ""
        self._good_until = 0.0

    def current(self) -> str:
        """Return a token that is good for the next minutes."""
        if time.monotonic() >= self._good_until:
            self._fetch()
        return self._token

    def _fetch(self) -> None:
        try:
            answer = self._http.post(self._url, data=self._form)
            told = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise RepositoryUnavailableError(f"Microsoft Entra ID could not be asked: {error}") from error
        if answer.status_code in {400, 401, 403}:
            said = str(told.get("error_description") or told.get("error") or "").splitlines()
            raise CredentialsRefusedError(f"Microsoft Entra ID gives no token: {said[0] if said else ''}")
        if answer.status_code != 200:
            raise RepositoryUnavailableError(f"Microsoft Entra ID answered with status {answer.status_code}.")
        self._token = str(told["access_token"])
        self._good_until = time.monotonic() + max(0.0, float(told["expires_in"]) - _EARLY_SECONDS)
