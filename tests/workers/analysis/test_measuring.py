"""Analyses as workers carry them out: against a server that answers as Prometheus documents it, killed and resumed."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from catalog.analysis.errors import AnalysisNotFoundError, AnalysisRefusedError
from catalog.analysis.models import Ending
from catalog.analysis.service import AnalysisService, Measured
from catalog.analysis.shapes import AnalysisRead, AnalysisSpec
from catalog.clock import now
from catalog.db import Database
from catalog.providers.metrics import Reading
from catalog.settings import Settings
from catalog.tenancy import Principal
from workers import analysis
from workers.main import App
from workers.runtime.context import JobContext
from workers.runtime.drain import drain
from workers.runtime.registry import registry

HOUR = timedelta(hours=1)


class FakePrometheus(BaseHTTPRequestHandler):
    """Speaks what the HTTP API of Prometheus documents for instant queries; ``answers`` holds it by query."""

    answers: ClassVar[dict[str, tuple[int, Any]]] = {}

    def do_POST(self) -> None:  # the name is the base's
        """Answer one query."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        status, body = self.answers.get(form["query"][0], (200, success("vector", [])))
        data = json.dumps(body).encode() if not isinstance(body, bytes) else body
        self.send_response(status if self.path == "/api/v1/query" else 404)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def success(kind: str, result: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}}


def vector(*values: str) -> tuple[int, dict[str, Any]]:
    return 200, success("vector", [{"metric": {}, "value": [1700000000.0, each]} for each in values])


@pytest.fixture
def prometheus() -> Iterator[str]:
    """Return the address of a fake Prometheus."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakePrometheus)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    FakePrometheus.answers.clear()


@pytest.fixture
def settings(settings: Settings, prometheus: str) -> Settings:
    """Settings in which ``acme`` has a Prometheus, and nobody else."""
    return settings.model_copy(update={"prometheus_servers": ({"tenant": "acme", "url": prometheus},)})


@pytest.fixture
def app(settings: Settings) -> Iterator[App]:
    """Make the inside of a worker process that measures."""
    made = App(settings, registry([analysis.WORKER]))
    yield made
    made.close()


def metric(**changes: Any) -> dict[str, Any]:
    usual = {"name": "errors", "provider": "prometheus", "query": "errors", "successCondition": "result < 0.1"}
    return {**usual, "initialDelay": "PT1M", "window": "PT1M", **changes}


def start(database: Database, who: Principal, *metrics: dict[str, Any]) -> UUID:
    """Start an analysis whose first measurement is due at once."""
    spec = AnalysisSpec.model_validate({"metrics": [{**each, "initialDelay": "PT0S"} for each in metrics]})
    with database.tenant_session(who.tenant_id) as session:
        return AnalysisService(session).start(who.tenant_id, "test", uuid4(), spec, HOUR, "test").id


def read(database: Database, who: Principal, run_id: UUID) -> AnalysisRead:
    with database.tenant_session(who.tenant_id) as session:
        return AnalysisService(session).get(who.tenant_id, run_id)


def tick(app: App) -> None:
    """Do what the clock starts."""
    analysis.measure_due(JobContext(app.runtime, "analysis.measure_due"))


def hasten(database: Database, who: Principal) -> None:
    """Let the time pass until everything is due."""
    change = "UPDATE analysis_runs SET next_at = now(), lease_until = NULL, started_at = started_at - interval '1 hour'"
    with database.tenant_session(who.tenant_id) as session:
        session.connection().execute(text(change))
        for row in session.connection().execute(text("SELECT id, states FROM analysis_runs")).all():
            states = {name: {**each, "last_at": "2020-01-01T00:00:00+00:00"} for name, each in row.states.items()}
            session.connection().execute(
                text("UPDATE analysis_runs SET states = CAST(:states AS jsonb) WHERE id = :id"),
                {"states": json.dumps(states), "id": row.id},
            )


def test_what_prometheus_answers_is_judged(database: Database, app: App, acme: Principal) -> None:
    answers: dict[str, tuple[int, Any]] = {
        "good": vector("0.05"),
        "bad": vector("0.5"),
        "nan": vector("NaN"),
        "several": vector("0", "0"),
        "scalar": (200, success("scalar", [1700000000.0, "0.01"])),
        "matrix": (200, success("matrix", [])),
        "refused": (400, {"status": "error", "errorType": "bad_data", "error": "parse error"}),
        "broken": (502, b"<html>"),
        "failures": vector("2"),
        "requests": vector("100"),
        "few": vector("10"),
    }
    FakePrometheus.answers.update(answers)
    kinds = {name: metric(query=name) for name in answers if name not in {"failures", "requests", "few"}}
    kinds["empty"] = metric(query="none_such")
    rate = {"query": None, "kind": "rate", "numerator": "failures", "minRequests": 50}
    kinds["rate"] = metric(**rate, denominator="requests")
    kinds["rare"] = metric(**rate, denominator="few")
    runs = {name: start(database, acme, each) for name, each in kinds.items()}
    drain(app)
    seen = {}
    for name, run_id in runs.items():
        (only,) = read(database, acme, run_id).metrics[0].measurements
        seen[name] = str(only.verdict)
    assert seen == {
        "good": "successful",
        "bad": "failed",
        "nan": "nodata",
        "several": "error",
        "scalar": "successful",
        "matrix": "error",
        "refused": "error",
        "broken": "error",
        "empty": "nodata",
        "rate": "successful",
        "rare": "nodata",
    }
    refused = read(database, acme, runs["refused"])
    assert "parse error" in refused.metrics[0].measurements[0].message
    failed = read(database, acme, runs["bad"])
    assert (failed.phase, failed.message) == ("failed", "errors: failed (1) > failureLimit (0)")


def test_it_goes_on_until_a_limit_is_passed(database: Database, app: App, acme: Principal) -> None:
    FakePrometheus.answers["errors"] = vector("0.5")
    run_id = start(database, acme, metric(interval="PT30S", failureLimit=2))
    for _ in range(3):
        assert read(database, acme, run_id).phase in {"pending", "running"}
        hasten(database, acme)
        tick(app)
    found = read(database, acme, run_id)
    assert found.phase == "failed"
    assert [each.number for each in found.metrics[0].measurements] == [3, 2, 1]


def test_killed_while_it_measures_another_worker_measures_the_same_again(
    database: Database, app: App, acme: Principal
) -> None:
    FakePrometheus.answers["errors"] = vector("0")
    run_id = start(database, acme, metric())
    with database.tenant_session(acme.tenant_id) as session:
        dead = AnalysisService(session).begin(acme.tenant_id, run_id)
    assert dead is not None
    tick(app)
    assert read(database, acme, run_id).metrics[0].measurements[0].verdict is None, "its lease is not over"
    hasten(database, acme)
    tick(app)
    with database.tenant_session(acme.tenant_id) as session:
        late = AnalysisService(session).report(dead, [Measured("errors", Reading((9.0,)))])
    assert not late
    found = read(database, acme, run_id)
    assert (found.phase, found.metrics[0].counters["count"]) == ("successful", 1)


def test_stopped_or_out_of_time_it_ends(database: Database, app: App, acme: Principal) -> None:
    stopped, over = (start(database, acme, metric(interval="PT30S")) for _ in range(2))
    with database.tenant_session(acme.tenant_id) as session:
        AnalysisService(session).begin(acme.tenant_id, stopped)
        AnalysisService(session).end(acme.tenant_id, stopped, Ending.STOPPED)
        statement = text("UPDATE analysis_runs SET deadline_at = now(), next_at = now() WHERE id = :id")
        session.connection().execute(statement, {"id": over})
    tick(app)
    assert read(database, acme, stopped).phase == "inconclusive"
    assert read(database, acme, over).phase == "inconclusive"


def test_what_decides_nothing_or_cannot_be_measured_is_refused(settings: Settings) -> None:
    def problems(*metrics: dict[str, Any], tenant: str = "acme", lasts: timedelta = HOUR) -> str:
        with pytest.raises(AnalysisRefusedError) as refused:
            AnalysisService.check(AnalysisSpec.model_validate({"metrics": metrics}), lasts, settings, tenant)
        return " ".join(f"{each.pointer} {each.detail}" for each in refused.value.errors)

    AnalysisService.check(AnalysisSpec.model_validate({"metrics": [metric()]}), HOUR, settings, "acme")
    assert "/analysis/metrics/0" in problems(metric(successCondition=None))
    assert "No Prometheus" in problems(metric(), tenant="rival")
    assert "no source nobody" in problems(metric(provider="nobody"))
    assert "two metrics" in problems(metric(), metric())
    assert "never measured" in problems(metric(), lasts=timedelta(seconds=30))
    assert "Make the interval longer" in problems(metric(interval="PT1S"), lasts=timedelta(days=30))
    assert "fewer than four scrapes" in problems(metric(window="PT10S"))
    assert "neither failures" in problems(metric(failureLimit=-1))
    assert "errorRetry" in problems(metric(errorRetry="PT0S"))


def test_tenants_take_turns(database: Database, acme: Principal, rival: Principal) -> None:
    many = [start(database, acme, metric()) for _ in range(5)]
    few = [start(database, rival, metric()) for _ in range(2)]
    for who, since in ((acme, "2020-01-01"), (rival, "2021-01-01")):
        with database.tenant_session(who.tenant_id) as session:
            session.connection().execute(text("UPDATE analysis_runs SET next_at = :since"), {"since": since})
    with database.system_session() as session:
        due = AnalysisService.due(session, now(), 6)
    assert [tenant == rival.tenant_id for tenant, _ in due] == [False, True, False, True, False, False]
    assert {run for _, run in due} <= {*many, *few}


def test_another_tenant_sees_nothing(database: Database, acme: Principal, rival: Principal) -> None:
    run_id = start(database, acme, metric())
    with database.tenant_session(rival.tenant_id) as session:
        with pytest.raises(AnalysisNotFoundError):
            AnalysisService(session).get(rival.tenant_id, run_id)
        assert session.connection().execute(text("SELECT count(*) FROM analysis_runs")).scalar_one() == 0
