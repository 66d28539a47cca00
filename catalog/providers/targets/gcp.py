"""The target `gcp`: services of Cloud Run in one project and region.

Semantics: the REST reference of Cloud Run (projects.locations.services: list, delete), and service accounts as
clients of OAuth 2.0 (RFC 7523).
"""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import jwt

from catalog.clock import now
from catalog.providers.targets import Found, LogTail, TargetProvider, TargetUnavailableError
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


class GcpTarget:
    """Asks Cloud Run for services by their label."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        self._parent = f"/v2/projects/{settings.gcp_project}/locations/{settings.gcp_region}/services"
        self._transport = transport

    def inventory(self, environment_id: UUID, hostname: str) -> tuple[str, ...]:
        """Name the services of an environment that are still there."""
        del hostname
        return tuple(f"the service {_short(each)}" for each in self._services() if _owner(each) == environment_id)

    def census(self) -> tuple[Found, ...]:
        """Name every service that is labelled as an environment's."""
        owned = [(each, _owner(each)) for each in self._services()]
        return tuple(Found(f"the service {_short(each)}", owner) for each, owner in owned if owner is not None)

    def clear(self, environment_id: UUID, hostname: str) -> None:
        """Remove the services of an environment."""
        del hostname
        for each in self._services():
            if _owner(each) == environment_id:
                self._ask("DELETE", f"/v2/{each['name']}")

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

    def _services(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = self._ask("GET", self._parent, **({"pageToken": token} if token else {}))
            found += page.get("services", ())
            token = page.get("nextPageToken", "")
            if not token:
                return found

    def _ask(self, method: str, path: str, **parameters: str) -> dict[str, Any]:
        try:
            with httpx.Client(base_url=SERVER, timeout=SECONDS, transport=self._transport) as client:
                headers = {"Authorization": f"Bearer {_token(client)}"}
                answer = client.request(method, path, params=parameters, headers=headers)
                answer.raise_for_status()
                read: dict[str, Any] = answer.json()
        except (httpx.HTTPError, OSError, ValueError, KeyError) as error:
            raise TargetUnavailableError(f"Cloud Run does not answer: {error}") from error
        return read


def _token(client: httpx.Client) -> str:
    account = json.loads(Path(cloud_credentials()["GOOGLE_APPLICATION_CREDENTIALS"]).read_text("utf-8"))
    moment = int(now().timestamp())
    claims = {"iss": account["client_email"], "scope": SCOPE, "aud": account["token_uri"], "iat": moment}
    assertion = jwt.encode({**claims, "exp": moment + 600}, account["private_key"], algorithm="RS256")
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    answer = client.post(account["token_uri"], data=form)
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def _short(service: dict[str, Any]) -> str:
    return str(service["name"]).rpartition("/")[2]


def _owner(service: dict[str, Any]) -> UUID | None:
    try:
        return UUID(str((service.get("labels") or {})[ENVIRONMENT]))
    except (KeyError, ValueError):
        return None  # not an environment's


def _address(settings: Settings, hostname: str) -> str:
    return f"https://{service_name(hostname, '')}-{settings.gcp_project_number}.{settings.gcp_region}.run.app/"


PROVIDER = TargetProvider("gcp", GcpTarget, "Google Cloud Run", address=_address, wakes=False)
