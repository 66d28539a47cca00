"""Jobs of Cloud Run.

Semantics: the REST references of Cloud Run (projects.locations.jobs: run; jobs.executions: list, get, cancel) and of
Cloud Logging (entries: list). A job is told by its ``id``, projects/PROJECT/locations/REGION/jobs/NAME.
"""

from collections.abc import Mapping
from typing import Any

import httpx

from catalog.providers.targets import TargetUnavailableError
from catalog.providers.targets.cloud_jobs import Job, Run
from catalog.providers.targets.gcp_api import RUN, GoogleApi

LOGGING = "https://logging.googleapis.com"


class GcpJobs:
    """Asks Cloud Run, and Cloud Logging for what a run wrote."""

    def __init__(self, credentials: Mapping[str, str], transport: httpx.BaseTransport | None = None) -> None:
        self._api = GoogleApi(transport, credentials)

    def start(self, job: Job, script: str | None = None) -> str:
        """Run the job; a script takes the place of its container's own arguments."""
        own = {} if script is None else {"overrides": {"containerOverrides": [{"args": ["-c", script]}]}}
        begun = self._api.ask("POST", RUN, f"/v2/{job['id']}:run", body=own)
        name = str((begun.get("metadata") or {}).get("name", ""))
        if not name:
            raise TargetUnavailableError(f"Cloud Run was to run {job['id']} and names no execution of it")
        return name

    def look(self, job: Job, run: str) -> Run:
        """Return how an execution goes."""
        del job
        found = self._api.ask("GET", RUN, f"/v2/{run}")
        if not found.get("completionTime"):
            return Run(over=False)
        reasons = [str(each["message"]) for each in found.get("conditions", ()) if each.get("message")]
        where = f"Cloud Run says {' '.join(reasons) or 'nothing'} Its log: {found.get('logUri', run)}"
        return Run(over=True, well=int(found.get("succeededCount", 0)) > 0, why=where)

    def running(self, job: Job) -> tuple[str, ...]:
        """Return the executions that are not over."""
        try:
            return tuple(str(each["name"]) for each in self._executions(job) if not each.get("completionTime"))
        except TargetUnavailableError as error:
            cause = error.__cause__
            if isinstance(cause, httpx.HTTPStatusError) and cause.response.status_code == httpx.codes.NOT_FOUND:
                return ()  # the job is gone
            raise

    def stop(self, job: Job, run: str) -> None:
        """Cancel an execution."""
        del job
        self._api.ask("POST", RUN, f"/v2/{run}:cancel", body={})

    def lines(self, job: Job, run: str, most: int) -> tuple[str, ...]:
        """Return what Cloud Logging has of an execution."""
        _projects, project, *_rest = str(job["id"]).split("/")
        execution = run.rpartition("/")[2]
        asked = {
            "resourceNames": [f"projects/{project}"],
            "filter": f'resource.type="cloud_run_job" AND labels."run.googleapis.com/execution_name"="{execution}"',
            "orderBy": "timestamp desc",
            "pageSize": most,
        }
        found = self._api.ask("POST", LOGGING, "/v2/entries:list", body=asked).get("entries", ())
        return tuple(str(each["textPayload"]) for each in reversed(found) if each.get("textPayload"))

    def has(self, server: str) -> bool:
        """Return True: each server has a name of its own."""
        del server
        return True

    def _executions(self, job: Job) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = self._api.ask("GET", RUN, f"/v2/{job['id']}/executions", page=token)
            found += page.get("executions", ())
            token = str(page.get("nextPageToken", ""))
            if not token:
                return found
