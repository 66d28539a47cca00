"""The target `gcp`: services of Cloud Run in one project and region, and the servers behind them.

Semantics: the REST references of Cloud Run (projects.locations.services and jobs: list, delete), Cloud SQL (instances),
Memorystore (projects.locations.instances), Cloud Storage (buckets: list) and IAM (projects.serviceAccounts: list).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx

from catalog.providers.targets import ALL_BACKING, Found, LogTail, TargetProvider
from catalog.providers.targets.cloud_tags import ENVIRONMENT
from catalog.providers.targets.gcp_api import RUN, GoogleApi
from catalog.providers.targets.gcp_jobs import GcpJobs
from catalog.settings import Settings

LONGEST = 49
_UNFIT = re.compile(r"[^a-z0-9-]+")


def service_name(hostname: str, service: str) -> str:
    """Return what a service is called in its project and region; "" is the public one of the environment."""
    label = _UNFIT.sub("-", hostname.partition(".")[0])
    end = f"-{service}" if service else ""
    # The end of a host name tells environments apart, its beginning says what they are of.
    room = LONGEST - len(end)
    return (label if len(label) <= room else f"{label[: room - 8].rstrip('-')}-{label[-7:]}") + end


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of resource: how it is called, where a list of them is, and how one says whose it is."""

    noun: str
    server: str
    path: str
    items: str
    labels: tuple[str, ...] = ("labels",)
    removes: str = ""
    """Where one is removed, from its name; "" where that takes more than one request."""


class GcpTarget:
    """Asks for services, databases and the like by their label; an account says it in its description."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        project = settings.gcp_project
        place = f"projects/{project}/locations/{settings.gcp_region}"
        self._kinds = (
            _Kind("service", RUN, f"/v2/{place}/services", "services", removes="/v2/{name}"),
            _Kind("job", RUN, f"/v2/{place}/jobs", "jobs", removes="/v2/{name}"),
            _Kind(
                *("database", "https://sqladmin.googleapis.com", f"/v1/projects/{project}/instances", "items"),
                labels=("settings", "userLabels"),
                removes=f"/v1/projects/{project}/instances/{{name}}",
            ),
            _Kind("Redis", "https://redis.googleapis.com", f"/v1/{place}/instances", "instances", removes="/v1/{name}"),
            # Of these two not all is gone by one request: a bucket has to be empty, an account has keys.
            _Kind("bucket", "https://storage.googleapis.com", f"/storage/v1/b?project={project}", "items"),
            _Kind("account", "https://iam.googleapis.com", f"/v1/projects/{project}/serviceAccounts", "accounts"),
        )
        self._api = GoogleApi(transport)

    def inventory(self, environment_id: UUID, hostname: str) -> tuple[str, ...]:
        """Name the resources of an environment that are still there."""
        del hostname
        return tuple(_named(kind, each) for kind, each, owner in self._owned() if owner == environment_id)

    def census(self) -> tuple[Found, ...]:
        """Name every resource that is an environment's."""
        return tuple(Found(_named(kind, each), owner) for kind, each, owner in self._owned())

    def clear(self, environment_id: UUID, hostname: str) -> None:
        """Remove the resources of an environment that go by one request; what is left is named to people."""
        del hostname
        for kind, each, owner in self._owned():
            if owner == environment_id and kind.removes:
                self._api.ask("DELETE", kind.server, kind.removes.format(name=each["name"]))

    def forget(self, environment_id: UUID) -> None:
        """Do nothing: logs are Cloud Logging's, and are kept as it says."""

    def last_visit(self, hostname: str) -> datetime | None:
        """Return None: visits do not come by our router."""
        del hostname
        return None

    def log_tails(self, environment_id: UUID, lines: int) -> tuple[LogTail, ...]:
        """Return nothing: what services write is in Cloud Logging."""
        del environment_id, lines
        return ()

    def _owned(self) -> Iterator[tuple[_Kind, dict[str, Any], UUID]]:
        for kind in self._kinds:
            for each in self._listed(kind):
                owner = _owner(kind, each)
                if owner is not None:
                    yield kind, each, owner

    def _listed(self, kind: _Kind) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            page = self._api.ask("GET", kind.server, kind.path, page=token)
            yield from page.get(kind.items, ())
            token = page.get("nextPageToken", "")
            if not token:
                return


def _named(kind: _Kind, found: dict[str, Any]) -> str:
    return f"the {kind.noun} {str(found['name']).rpartition('/')[2]}"


def _owner(kind: _Kind, found: dict[str, Any]) -> UUID | None:
    labels: Any = found
    for each in kind.labels:
        labels = labels.get(each) or {}
    described = str(found.get("description", "")).partition(f"{ENVIRONMENT}=")[2]
    try:
        return UUID(str(labels.get(ENVIRONMENT) or described))
    except ValueError:
        return None  # not an environment's


def _address(settings: Settings, hostname: str) -> str:
    return f"https://{service_name(hostname, '')}-{settings.gcp_project_number}.{settings.gcp_region}.run.app/"


PROVIDER = TargetProvider(
    *("gcp", GcpTarget, "Google Cloud Run"),
    address=_address,
    wakes=False,
    backing=ALL_BACKING,
    seeds=True,
    jobs=GcpJobs,
)
