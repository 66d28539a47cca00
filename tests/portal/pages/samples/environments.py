"""Sample pages of environments in the course of their lives: asleep, kept, held at a fork's commit, hard to remove."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from catalog.environments.models import Condition, EnvironmentRead, Phase, Pin, Removal
from portal.pages.environments import EnvironmentPage
from portal.pages.render import Page

NOW = datetime(2026, 11, 23, 12, 20, 11, tzinfo=UTC)
HOST = "hello-pr-42-3f9a1c.preview.localhost"
LONG = "an-extremely-long-name-that-nobody-would-choose-but-somebody-will"


def environment(**changes: Any) -> EnvironmentRead:
    values: dict[str, Any] = {
        "id": UUID("0f8fad5b-d9cb-469f-a165-70867728950e"),
        "name": "hello-pr-42",
        "hostname": HOST,
        "url": f"http://{HOST}:8080/",
        "phase": Phase.READY,
        "conditions": [],
        "repository": "/home/ada/hello",
        "pull_request": 42,
        "branch": "faster-greeting",
        "head_sha": "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "deployed_sha": "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "blueprint": "slipway/preview-web",
        "blueprint_version": "1.4.0",
        "lock": [],
        "inputs": {"region": "eu-west"},
        "incarnation": 1,
        "generation": 3,
        "observed_generation": 3,
        "resources": [],
        "outputs": {},
        "failure": None,
        "operation_id": None,
        "requested_by": "member:1",
        "created_at": NOW - timedelta(hours=5),
        "last_deploy_at": NOW - timedelta(minutes=12),
        "expires_at": NOW + timedelta(hours=2),
        "hard_expires_at": NOW + timedelta(days=13),
        "destroyed_at": None,
    }
    return EnvironmentRead(**{**values, **changes})


def pages() -> dict[str, Page]:
    def condition(kind: str, reason: str, message: str) -> Condition:
        return Condition(type=kind, status=True, reason=reason, message=message, at=NOW)

    def shown(**changes: Any) -> EnvironmentPage:
        return EnvironmentPage(environment=environment(**changes), operation=None, log=[], can_change=True)

    looked_for = ["processes and route (local)", "files", "stack hello-pr-42-0f8fad5bd9cb-1"]
    proof = Removal(checked_at=NOW - timedelta(hours=1), looked_for=looked_for, left=[], tries=1)
    trying = Removal(
        checked_at=NOW, looked_for=looked_for, left=["the process web"], tries=3, next_try_at=NOW + timedelta(hours=6)
    )
    ends = condition("Expiring", "Within7200Seconds", "It is destroyed on 2026-11-23 at 14:20 UTC. Extend or pin it.")
    left = condition("Leaked", "DestroyFailed", "Something is left: the process web.")
    pin = Pin(by=f"Ada {LONG}", reason=f"Shown to customers, {LONG}", until=NOW + timedelta(days=2))
    return {
        "environment-sleeping": shown(phase=Phase.SLEEPING, conditions=[ends]),
        "environment-rested": shown(sleeps_at=NOW + timedelta(hours=7)),
        "environment-kept": shown(pin=pin, waiting_sha="1b3c0f6e5d4c2a8f6e1d0c9b8a7f6e5d4c3b2a10"),
        "environment-stubborn": shown(phase=Phase.DESTROY_FAILED, removal=trying, conditions=[left]),
        "environment-proven": shown(phase=Phase.DESTROYED, removal=proof, destroyed_at=NOW - timedelta(hours=1)),
    }
