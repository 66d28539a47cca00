"""Prometheus as a source of metrics: instant queries of its HTTP API, of the server that belongs to the tenant."""

import json
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from catalog.providers.metrics import MetricSourceError, Reach, Reading
from catalog.settings import Settings

EVERY_TENANT = "*"
TIMEOUT = 30.0
"""How long one answer may take, in seconds, however steadily it drips."""
LARGEST = 1024 * 1024
MOST_SERIES = 100


class Prometheus:
    """Asks ``/api/v1/query``. Servers are named in the settings, one for each tenant; a tenant without one has none."""

    name = "prometheus"
    is_scraped = True

    def problem(self, query: str, settings: Settings, tenant_name: str) -> str:
        """See `MetricSource`; the syntax of a query is Prometheus' own affair."""
        if _server(settings, tenant_name) is None:
            return "No Prometheus is set up for this tenant (SLIPWAY_PROMETHEUS_SERVERS)."
        return "" if query.strip() else "The query is empty."

    def read(self, query: str, window: timedelta, at: datetime, reach: Reach) -> Reading:
        """See `MetricSource`. The window stands in the query itself, so that it is not added here."""
        del window
        server = _server(reach.settings, reach.tenant_name)
        if server is None:
            raise MetricSourceError("No Prometheus is set up for this tenant.")
        body = _asked(server, {"query": query, "time": f"{at.timestamp():.3f}", "timeout": f"{TIMEOUT:.0f}s"})
        if body.get("status") != "success":
            raise MetricSourceError(f"Prometheus refuses the query: {str(body.get('error', 'no reason given'))[:300]}")
        return Reading(_values(body.get("data")))


def _server(settings: Settings, tenant_name: str) -> Mapping[str, str] | None:
    servers = settings.prometheus_servers
    own = [each for each in servers if each.get("tenant") == tenant_name]
    shared = [each for each in servers if each.get("tenant") == EVERY_TENANT]
    return next(iter([*own, *shared]), None)


def _asked(server: Mapping[str, str], form: Mapping[str, str]) -> dict[str, Any]:
    url = f"{server['url'].rstrip('/')}/api/v1/query"
    headers = {"Accept": "application/json"}
    if server.get("token_file"):
        try:
            headers["Authorization"] = f"Bearer {Path(server['token_file']).read_text(encoding='utf-8').strip()}"
        except OSError:
            raise MetricSourceError("The token for Prometheus cannot be read.") from None
    deadline = time.monotonic() + TIMEOUT
    try:
        with (
            httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client,
            client.stream("POST", url, data=dict(form), headers=headers) as response,
        ):
            data = b""
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > LARGEST:
                    raise MetricSourceError(f"Prometheus answers with more than {LARGEST // 1024} KiB.")
                if time.monotonic() > deadline:
                    raise MetricSourceError(f"Prometheus takes longer than {TIMEOUT:.0f} seconds to answer.")
    except httpx.HTTPError as error:
        raise MetricSourceError(f"Prometheus does not answer ({type(error).__name__}).") from None
    try:
        body = json.loads(data)
    except ValueError:
        raise MetricSourceError(f"Prometheus answers {response.status_code} and no JSON.") from None
    # A refused query is 400 or 422 with a reason in the body; anything else without one is no answer of Prometheus.
    if not isinstance(body, dict) or "status" not in body:
        raise MetricSourceError(f"Prometheus answers {response.status_code} with something else than a result.")
    return body


def _values(data: Any) -> tuple[float, ...]:
    """Return the numbers of a scalar or an instant vector; NaN and infinities are among them, as texts say."""
    try:
        kind, result = data["resultType"], data["result"]
        if kind == "scalar":
            return (float(result[1]),)
        if kind == "vector":
            return tuple(float(each["value"][1]) for each in result[:MOST_SERIES])
    except (TypeError, KeyError, ValueError, IndexError):
        raise MetricSourceError("Prometheus answers with a result that cannot be read.") from None
    raise MetricSourceError(f"The query answers a {kind}; a number or an instant vector is needed.")


PROVIDER = Prometheus()
