"""What probes see."""

from litestar import Litestar
from litestar.testing import TestClient

from catalog.clock import now
from catalog.db import Database
from catalog.heartbeats.service import HeartbeatService

Client = TestClient[Litestar]


def test_a_living_process_says_so_under_any_name(anyone: Client) -> None:
    answer = anyone.get("/health/live", headers={"Host": "10.2.3.4:8000"})
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


def test_it_is_not_ready_until_somebody_could_make_an_environment(anyone: Client, database: Database) -> None:
    answer = anyone.get("/health/ready")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert any("slipway relay" in each["detail"] for each in answer.json()["errors"])
    with database.system_session() as session:
        beat = HeartbeatService(session).beat
        beat("relay-1", "relay", ["relay"], [], now())
        beat("worker-1", "worker", ["worker", "engine", "target:local"], [], now())
    answer = anyone.get("/health/ready")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"ready": True, "capabilities": ["engine", "relay", "target:local", "worker"]}


def test_heartbeats_from_long_ago_do_not_count(anyone: Client, database: Database) -> None:
    with database.system_session() as session:
        old = now().replace(year=2020)
        HeartbeatService(session).beat("all", "worker", ["relay", "worker", "engine", "target:local"], [], old)
    assert anyone.get("/health/ready").status_code == 503
