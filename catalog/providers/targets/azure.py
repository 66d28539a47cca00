"""The target `azure`: a resource group for each environment.

Semantics: the REST reference of Azure Resource Manager (resource groups: list by tag, delete).
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import httpx

from catalog.providers.targets import ALL_BACKING, Found, LogTail, TargetProvider
from catalog.providers.targets.azure_api import AzureApi
from catalog.providers.targets.azure_jobs import AzureJobs
from catalog.providers.targets.cloud_tags import ENVIRONMENT
from catalog.settings import Settings

VERSION = "2021-04-01"


class AzureTarget:
    """Asks the resource manager for groups by their tag; what is in a group goes with it."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        del settings
        self._api = AzureApi(transport)

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
            self._api.ask("DELETE", f"/resourcegroups/{each['name']}", VERSION)

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
        return self._api.listed("/resourcegroups", VERSION, **{"$filter": condition})


def _owner(group: dict[str, Any]) -> UUID | None:
    try:
        return UUID(str((group.get("tags") or {})[ENVIRONMENT]))
    except (KeyError, ValueError):
        return None  # somebody else's tag


def _address(settings: Settings, hostname: str) -> str:
    del settings, hostname
    return ""


PROVIDER = TargetProvider(
    *("azure", AzureTarget, "Azure Container Apps"),
    address=_address,
    wakes=False,
    backing=ALL_BACKING,
    seeds=True,
    jobs=AzureJobs,
)
