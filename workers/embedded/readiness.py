"""Asking the portal whether an environment could be made now, and if not, why not."""

import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from catalog.settings import Settings

_ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104  # compared with, not bound to


@dataclass(frozen=True)
class Answer:
    """What the portal said: ``reasons`` are what stands in the way of the first environment."""

    ready: bool
    reasons: tuple[str, ...] = ()


def ask(settings: Settings) -> Answer | None:
    """Return the portal's answer, or None where it does not answer (yet)."""
    host = "127.0.0.1" if settings.host in _ANYWHERE else settings.host
    connection = HTTPConnection(host, settings.port, timeout=2.0)
    try:
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        body = response.read()
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
    return Answer(ready=True) if response.status == 200 else Answer(ready=False, reasons=_reasons(body))


def _reasons(body: bytes) -> tuple[str, ...]:
    try:
        return tuple(str(each["detail"]) for each in json.loads(body)["errors"])
    except (ValueError, KeyError, TypeError):
        return ()
