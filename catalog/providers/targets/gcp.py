"""The target `gcp`: services of Cloud Run in one project and region, and the servers behind them.

Semantics: the REST references of Cloud Run (projects.locations.services: list, delete), Cloud SQL (instances),
Memorystore (projects.locations.instances), Cloud Storage (buckets: list) and IAM (projects.serviceAccounts: list), and
service accounts as clients of OAuth 2.0 (RFC 7523).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import jwt

from catalog.clock import now
from catalog.providers.targets import ALL_BACKING, Found, LogTail, TargetProvider, TargetUnavailableError
from catalog.providers.targets.cloud_tags import ENVIRONMENT
from catalog.settings import Settings, cloud_credentials

SERVER = "https://run.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
SECONDS = 30.0
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
            _Kind("service", SERVER, f"/v2/{place}/services", "services", removes="/v2/{name}"),
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
        self._transport = transport

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
                self._ask("DELETE", kind.server, kind.removes.format(name=each["name"]))

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
            page = self._ask("GET", kind.server, kind.path, **({"pageToken": token} if token else {}))
            yield from page.get(kind.items, ())
            token = page.get("nextPageToken", "")
            if not token:
                return

    def _ask(self, method: str, server: str, path: str, **parameters: str) -> dict[str, Any]:
        try:
            with httpx.Client(timeout=SECONDS, transport=self._transport) as client:
                headers = {"Authorization": f"Bearer {_token(client)}"}
                url = httpx.URL(f"{server}{path}").copy_merge_params(parameters)
                answer = client.request(method, url, headers=headers)
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


def _token(client: httpx.Client) -> str:
    account = json.loads(Path(cloud_credentials()["GOOGLE_APPLICATION_CREDENTIALS"]).read_text("utf-8"))
    moment = int(now().timestamp())
    claims = {"iss": account["client_email"], "scope": SCOPE, "aud": account["token_uri"], "iat": moment}
    assertion = jwt.encode({**claims, "exp": moment + 600}, account["private_key"], algorithm="RS256")
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    answer = client.post(account["token_uri"], data=form)
    answer.raise_for_status()
    return str(answer.json()["access_token"])


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


PROVIDER = TargetProvider("gcp", GcpTarget, "Google Cloud Run", address=_address, wakes=False, backing=ALL_BACKING)
