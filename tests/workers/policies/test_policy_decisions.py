"""The worker of policies: the impact of a bundle, decisions sent as OPA sends them, and what is forgotten."""

import gzip
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from catalog.clock import now
from catalog.db import Database
from catalog.environments.service import EphemeralEnvironmentService
from catalog.gates import ImpactDesk, PolicyDesk
from catalog.gating import GatePoint, Level, PolicyRefusedError
from catalog.operations.models import OperationState
from catalog.operations.service import OperationService
from catalog.policies.shapes import AskImpact, CreateBinding, EvaluationFilter, Scope
from catalog.releases.models import CreateRelease
from catalog.releases.service import ReleaseService
from catalog.settings import Settings
from catalog.tenancy import Principal
from workers.main import App
from workers.policy_decisions import WORKER
from workers.runtime.drain import drain
from workers.runtime.registry import registry

OWNED = """
deny contains {"rule": "owner", "message": "Nobody owns it.", "level": "mandatory"} if input.release.owner == ""
deny contains {"rule": "notes", "message": "No notes.", "level": "advisory"} if input.release.notes == ""
"""


class Log(http.server.BaseHTTPRequestHandler):
    """Takes decision logs."""

    received: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Encoding"] == "gzip"
        self.received += json.loads(gzip.decompress(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def log() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a service that takes decision logs, and what it got."""
    received: list[dict[str, Any]] = []
    handler = type("Handler", (Log,), {"received": received})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/logs", received
    server.shutdown()
    server.server_close()
    thread.join()


def release(database: Database, settings: Settings, principal: Principal, version: str, **more: Any) -> None:
    asked = CreateRelease(service="web", version=version, repository="/srv/web", commit="a" * 40, **more)
    with database.tenant_session(principal.tenant_id) as session:
        ReleaseService(session).create(principal, asked, EphemeralEnvironmentService(session, settings))


def test_the_impact_of_a_bundle_is_known_before_it_is_bound(
    database: Database, settings: Settings, acme: Principal, publish_policy: Callable[..., str]
) -> None:
    publish_policy(acme, "owned", OWNED)
    release(database, settings, acme, "1.0.0")
    release(database, settings, acme, "1.1.0", owner="ann")
    release(database, settings, acme, "1.2.0", notes="More.")
    with database.tenant_session(acme.tenant_id) as session:
        # One from before there was anything that keeps evaluations.
        session.connection().execute(text("DELETE FROM policy_evaluations WHERE about = 'releases/web@1.1.0'"))
        asked = AskImpact(bundle="acme/owned", points=[GatePoint.RELEASE])
        impact_id = ImpactDesk(session, settings).request(acme, asked).id
    app = App(settings, registry([WORKER]))
    assert "policies.assess_impact" in drain(app, patience=timedelta(seconds=1))
    app.close()
    with database.tenant_session(acme.tenant_id) as session:
        impact = ImpactDesk(session, settings).impact(acme.tenant_id, impact_id)
        operation = OperationService(session).get(acme.tenant_id, impact.operation_id)
    assert (impact.blocked, impact.warned, impact.total) == (1, 1, 3)
    outcomes = {each.about: each.outcome for each in impact.cases}
    assert outcomes == {
        "releases/web@1.0.0": "blocked",
        "releases/web@1.1.0": "warned",
        "releases/web@1.2.0": "kept",
    }
    assert operation.state is OperationState.SUCCEEDED
    release(database, settings, acme, "1.3.0")


def test_decisions_are_sent_as_opa_sends_them(
    database: Database,
    settings: Settings,
    acme: Principal,
    publish_policy: Callable[..., str],
    log: tuple[str, list[dict[str, Any]]],
) -> None:
    digest = publish_policy(acme, "owned", OWNED)
    assert digest
    with database.tenant_session(acme.tenant_id) as session:
        policies = PolicyDesk(session, settings).policies
        policies.bind(acme, CreateBinding(bundle="acme/owned", level=Level.MANDATORY, scope=Scope()))
    with pytest.raises(PolicyRefusedError):
        release(database, settings, acme, "1.0.0")
    url, received = log
    app = App(settings.model_copy(update={"decision_log_url": url}), registry([WORKER]))
    drain(app, patience=timedelta(seconds=1))
    app.close()
    (sent,) = received
    assert sent["path"] == "slipway/gates/release"
    assert sent["bundles"] == {"acme/owned": {"revision": "1.0.0"}}
    assert sent["input"]["release"]["service"] == "web"
    assert sent["result"]["allowed"] is False
    assert sent["timestamp"].endswith("Z")


def test_old_evaluations_are_forgotten(database: Database, settings: Settings, acme: Principal) -> None:
    release(database, settings, acme, "1.0.0")
    old = now() - timedelta(days=settings.policy_retention_days + 1)
    with database.tenant_session(acme.tenant_id) as session:
        session.connection().execute(text("UPDATE policy_evaluations SET created_at = :old"), {"old": old})
    app = App(settings, registry([WORKER]))
    drain(app, periodic=True, patience=timedelta(seconds=1))
    app.close()
    with database.tenant_session(acme.tenant_id) as session:
        policies = PolicyDesk(session, settings).policies
        assert list(policies.evaluations(acme.tenant_id, EvaluationFilter())) == []
