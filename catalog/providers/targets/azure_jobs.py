"""Jobs of Azure Container Apps.

Semantics: the REST references of Microsoft.App (jobs: start, stop execution; job executions: list, get) and of
Microsoft.DBforPostgreSQL (flexible servers: get). A job is told by its ``id``. What it writes is not told: Azure has no
request for the log of an execution.
"""

import time
from collections.abc import Mapping
from typing import Any

import httpx

from catalog.providers.targets import TargetUnavailableError
from catalog.providers.targets.azure_api import AzureApi
from catalog.providers.targets.cloud_jobs import Job, Run

VERSION = "2024-03-01"
SERVERS_VERSION = "2024-08-01"
_LOOKS = 10
_PAUSE_SECONDS = 2.0
_GOING = frozenset({"Running", "Processing", "Unknown"})


class AzureJobs:
    """Asks the resource manager."""

    def __init__(
        self,
        credentials: Mapping[str, str],
        transport: httpx.BaseTransport | None = None,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self._api = AzureApi(transport, credentials)
        self._pause_seconds = pause_seconds

    def start(self, job: Job, script: str | None = None) -> str:
        """Start the job as it is defined."""
        del script
        before = {str(each["name"]) for each in self._executions(job)}
        begun = self._api.ask("POST", f"{job['id']}/start", VERSION).get("name")
        if begun:
            return str(begun)
        # The request is only accepted: what it begins is not told, and is shown in a moment.
        for _ in range(_LOOKS):
            new = [str(each["name"]) for each in self._executions(job) if str(each["name"]) not in before]
            if new:
                return new[0]
            time.sleep(self._pause_seconds)
        raise TargetUnavailableError(f"Azure has accepted to start {job['id']} and shows no execution of it")

    def look(self, job: Job, run: str) -> Run:
        """Return the status of an execution."""
        found = self._api.ask("GET", f"{job['id']}/executions/{run}", VERSION)
        status = str((found.get("properties") or {}).get("status", "Unknown"))
        if status in _GOING:
            return Run(over=False)
        where = f"Azure says {status}, and keeps what it wrote with the execution {run} of {job['id']}"
        return Run(over=True, well=status == "Succeeded", why=where)

    def running(self, job: Job) -> tuple[str, ...]:
        """Return the executions that are not over."""
        return tuple(
            str(each["name"])
            for each in self._executions(job)
            if (each.get("properties") or {}).get("status", "Unknown") in _GOING
        )

    def stop(self, job: Job, run: str) -> None:
        """Stop an execution."""
        self._api.ask("POST", f"{job['id']}/executions/{run}/stop", VERSION)

    def lines(self, job: Job, run: str, most: int) -> tuple[str, ...]:
        """Return nothing."""
        del job, run, most
        return ()

    def has(self, server: str) -> bool:
        """Ask for the server by its id, which the one that takes its place has as well."""
        try:
            self._api.ask("GET", server, SERVERS_VERSION)
        except TargetUnavailableError as error:
            if _is_gone(error):
                return False
            raise
        return True

    def _executions(self, job: Job) -> list[dict[str, Any]]:
        try:
            return self._api.listed(f"{job['id']}/executions", VERSION)
        except TargetUnavailableError as error:
            if _is_gone(error):
                return []  # the job is gone
            raise


def _is_gone(error: TargetUnavailableError) -> bool:
    cause = error.__cause__
    return isinstance(cause, httpx.HTTPStatusError) and cause.response.status_code == httpx.codes.NOT_FOUND
