"""What Azure Resource Manager is asked.

Semantics: its REST reference (``api-version``, ``nextLink``), and client credentials of OAuth 2.0 (RFC 6749, 4.4).
"""

from collections.abc import Mapping
from typing import Any

import httpx

from catalog.providers.targets import TargetUnavailableError
from catalog.settings import cloud_credentials

SERVER = "https://management.azure.com"
SIGN_IN = "https://login.microsoftonline.com"
SECONDS = 30.0


class AzureApi:
    """Asks as whoever ``credentials`` (``ARM_...``) say, else as those of this process."""

    def __init__(
        self, transport: httpx.BaseTransport | None = None, credentials: Mapping[str, str] | None = None
    ) -> None:
        self._transport = transport
        self._credentials = credentials

    def ask(self, method: str, path: str, version: str, **parameters: str) -> dict[str, Any]:
        """Ask for a path of the subscription, the id of a resource, or a whole address as it was answered."""
        try:
            who = cloud_credentials() if self._credentials is None else self._credentials
            asked: dict[str, str] | None = {"api-version": version, **parameters}
            if path.startswith(SERVER):
                whole, asked = path, None
            elif path.startswith("/subscriptions/"):
                whole = f"{SERVER}{path}"
            else:
                whole = f"{SERVER}/subscriptions/{who['ARM_SUBSCRIPTION_ID']}{path}"
            with httpx.Client(timeout=SECONDS, transport=self._transport) as client:
                headers = {"Authorization": f"Bearer {_token(client, who)}"}
                answer = client.request(method, whole, params=asked, headers=headers)
                answer.raise_for_status()
                read: dict[str, Any] = answer.json() if answer.content else {}
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise TargetUnavailableError(f"Azure does not answer: {error}") from error
        return read

    def listed(self, path: str, version: str, **parameters: str) -> list[dict[str, Any]]:
        """Return what is there, of every page."""
        page = self.ask("GET", path, version, **parameters)
        found = list(page.get("value", ()))
        while page.get("nextLink"):
            page = self.ask("GET", str(page["nextLink"]), version)
            found += page.get("value", ())
        return found


def _token(client: httpx.Client, who: Mapping[str, str]) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": who["ARM_CLIENT_ID"],
        "client_secret": who["ARM_CLIENT_SECRET"],
        "scope": f"{SERVER}/.default",
    }
    answer = client.post(f"{SIGN_IN}/{who['ARM_TENANT_ID']}/oauth2/v2.0/token", data=form)
    answer.raise_for_status()
    return str(answer.json()["access_token"])
