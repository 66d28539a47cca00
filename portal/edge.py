"""The outermost layer: correlation, host names, security headers and request metrics, for every answer there is."""

import re
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from litestar import Response
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from catalog.events.outbox import CAUSE, Cause
from catalog.settings import Settings
from portal.problems import PROBLEM_JSON, TYPE_PREFIX, ProblemDetails
from portal.sleepers import Sleepers

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # A sign-in link is a secret in an address: it must not travel in a Referer, not even to this portal's own log.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "x-permitted-cross-domain-policies": "none",
}
# Probes and scrapers address a process by whatever name or number they have; these paths tell no tenant's data.
ANY_HOST = ("/health/", "/metrics")
STATIC = "/static/"
HASHED = re.compile(r"\.[0-9a-f]{8,}\.[a-z0-9]+$")
FOR_EVER = "public, max-age=31536000, immutable"

Observe = Callable[[str, str, int, float], None]
"""Told of each answered request: method, route template, status, seconds."""


class Edge:
    """Wraps the whole application, answers of the router itself included."""

    def __init__(self, app: ASGIApp, settings: Settings, observe: Observe, sleepers: Sleepers) -> None:
        self._app = app
        self._sleepers = sleepers
        self._hosts = served_names(settings)
        self._is_secure = urlsplit(settings.base_url).scheme == "https"
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        correlation = uuid4()
        scope.setdefault("state", {})["correlation_id"] = str(correlation)
        CAUSE.set(Cause(correlation_id=correlation))
        started = time.perf_counter()
        status = 500

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._completed(scope, status, message.get("headers", []))
            await send(message)

        try:
            if "\0" in scope["path"]:
                await _nowhere(scope)(scope, receive, send_guarded)
            elif (name := _host_of(scope)) not in self._hosts and self._sleepers.serves(name):
                await self._sleepers.answer(name, scope, receive, send_guarded)
            elif self._is_served(scope):
                await self._app(scope, receive, send_guarded)
            else:
                await _misdirected(scope)(scope, receive, send_guarded)
        finally:
            template = str(scope.get("path_template") or "unmatched")
            self._observe(str(scope["method"]), template, status, time.perf_counter() - started)

    def _is_served(self, scope: HTTPScope) -> bool:
        if scope["path"].startswith(ANY_HOST):
            return True
        return _host_of(scope) in self._hosts

    def _completed(self, scope: HTTPScope, status: int, headers: Any) -> list[tuple[bytes, bytes]]:
        present = {bytes(name).lower() for name, _ in headers}
        wanted = {**HEADERS, "x-request-id": str(scope["state"]["correlation_id"])}
        if self._is_secure:
            wanted["strict-transport-security"] = "max-age=31536000"
        is_file = scope["path"].startswith(STATIC) and HASHED.search(scope["path"]) is not None
        if is_file and status == 200:
            wanted["cache-control"] = FOR_EVER
        elif scope["method"] in {"GET", "HEAD"} and status < 400:
            wanted["cache-control"] = "private, no-cache"
        else:
            wanted["cache-control"] = "no-store"
        if not scope["path"].startswith(STATIC) and b"vary" not in present:
            wanted["vary"] = "Authorization, Cookie"
        added = [(name.encode(), value.encode()) for name, value in wanted.items() if name.encode() not in present]
        return [*headers, *added]


def served_names(settings: Settings) -> frozenset[str]:
    """Return the host names under which the portal answers; any other is a rebinding attack or a mistake."""
    named = {host_name(each.strip()) for each in settings.allowed_hosts.split(",") if each.strip()}
    own = urlsplit(settings.base_url).hostname or ""
    return frozenset({"localhost", "127.0.0.1", "::1", own, *named} - {""})


def _host_of(scope: HTTPScope) -> str:
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return host_name(host.decode("latin-1"))


def host_name(host: str) -> str:
    """Return the name in a Host header, without port and brackets, in lower case."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0] if name.count(":") <= 1 else name


def is_loopback(address: str) -> bool:
    """Tell whether a name or address means this machine and nothing else."""
    if address == "localhost":
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _misdirected(scope: HTTPScope) -> ASGIApp:
    detail = "Use the portal's own address, or add this host name to SLIPWAY_ALLOWED_HOSTS."
    return _problem(scope, 421, "misdirected", "This name is not served here", detail)


def _nowhere(scope: HTTPScope) -> ASGIApp:
    """Answer for a path that no file and no row can have, and that some of what lies behind cannot take."""
    return _problem(scope, 404, "not_found", "Not found", "There is nothing at this address.")


def _problem(scope: HTTPScope, status: int, code: str, title: str, detail: str) -> ASGIApp:
    correlation = scope["state"]["correlation_id"]
    problem = ProblemDetails(
        type=f"{TYPE_PREFIX}{code}", title=title, status=status, detail=detail, correlation_id=correlation
    )
    return Response(problem.model_dump_json().encode(), status_code=status, media_type=PROBLEM_JSON).to_asgi_response(
        app=None, request=scope["litestar_app"].request_class(scope)
    )
