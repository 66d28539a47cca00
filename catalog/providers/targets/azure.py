"""The target `azure`: a resource group for each environment.

Semantics: the REST reference of Azure Resource Manager (resource groups: list by tag, delete), and client credentials
of OAuth 2.0 (RFC 6749, 4.4).
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import httpx

from catalog.providers.targets import ALL_BACKING, Found, LogTail, TargetProvider, TargetUnavailableError
from catalog.providers.targets.cloud_tags import ENVIRONMENT
from catalog.settings import Settings, cloud_credentials

SERVER = "https://management.azure.com"
SIGN_IN = "https://login.microsoftonline.com"
VERSION = "2021-04-01"
SECONDS = 30.0


class AzureTarget:
    """Asks the resource manager for groups by their tag; what is in a group goes with it."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        del settings
        self._transport = transport

    def inventory(self, environment_id: UUID, hostname: str) -> tuple[str, ...]:
        """Name the groups of an environment that are still there."""
        del hostname
        found = self._groups(f"tagName eq '{ENVIRONMENT}' and tagValue eq '{environment_id}'")
        return tuple(f"the resource group {each['name']}" for each in found)

    def census(self) -> tuple[Found, ...]:
        """Name every group that is tagged as an environment's."""
        found = self._groups(f"tagName eq '{ENVIRONMENT}'")
        return tuple(Found(f"the resource group {each['name']}", _owner(each)) for each in found)

    def clear(self, environment_id: UUID, hostname: str) -> None:
        """Remove the groups of an environment; the cloud takes a while for what is in them."""
        del hostname
        for each in self._groups(f"tagName eq '{ENVIRONMENT}' and tagValue eq '{environment_id}'"):
            self._ask("DELETE", f"/resourcegroups/{each['name']}")

    def forget(self, environment_id: UUID) -> None:
        """Do nothing: logs go with their group."""

    def last_visit(self, hostname: str) -> datetime | None:
        """Return None: visits do not come by our router."""
        del hostname
        return None

    def log_tails(self, environment_id: UUID, lines: int) -> tuple[LogTail, ...]:
        """Return nothing: what apps write is read in the cloud."""
        del environment_id, lines
        return ()

    def _groups(self, condition: str) -> list[dict[str, Any]]:
        page = self._ask("GET", "/resourcegroups", **{"$filter": condition})
        found = list(page.get("value", ()))
        while page.get("nextLink"):
            page = self._ask("GET", str(page["nextLink"]))
            found += page.get("value", ())
        return found

    def _ask(self, method: str, path: str, **parameters: str) -> dict[str, Any]:
        try:
            who = cloud_credentials()
            whole = path if path.startswith(SERVER) else f"{SERVER}/subscriptions/{who['ARM_SUBSCRIPTION_ID']}{path}"
            asked = {} if whole == path else {"api-version": VERSION, **parameters}
            with httpx.Client(timeout=SECONDS, transport=self._transport) as client:
                headers = {"Authorization": f"Bearer {_token(client, who)}"}
                answer = client.request(method, whole, params=asked or None, headers=headers)
                answer.raise_for_status()
                read: dict[str, Any] = answer.json() if answer.content else {}
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise TargetUnavailableError(f"Azure does not answer: {error}") from error
        return read


def _token(client: httpx.Client, who: dict[str, str]) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": who["ARM_CLIENT_ID"],
        "client_secret": who["ARM_CLIENT_SECRET"],
        "scope": f"{SERVER}/.default",
    }
    answer = client.post(f"{SIGN_IN}/{who['ARM_TENANT_ID']}/oauth2/v2.0/token", data=form)
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def _owner(group: dict[str, Any]) -> UUID | None:
    try:
        return UUID(str((group.get("tags") or {})[ENVIRONMENT]))
    except (KeyError, ValueError):
        return None  # somebody else's tag


def _address(settings: Settings, hostname: str) -> str:
    del settings, hostname
    return ""


PROVIDER = TargetProvider(
    "azure", AzureTarget, "Azure Container Apps", address=_address, wakes=False, backing=ALL_BACKING
)
