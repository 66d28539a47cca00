"""``slipway proposals`` and ``slipway agents``: what people see, and with which status a command ends."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess

from catalog.db import Database
from catalog.proposals.models import Autonomy
from catalog.proposals.service import ProposalService, declare
from catalog.proposals.shapes import Fact, Finding, Remedy
from catalog.tenancy import Principal
from workers.agents.supply_chain_compliance import AGENT

Slipway = Callable[..., CompletedProcess[str]]


def test_what_agents_propose_is_read_and_decided(
    slipway: Slipway, signed_in: dict[str, str], database: Database, acme: Principal
) -> None:
    finding = Finding(
        kind="locked",
        label="the attic",
        title="The attic lacks a key",
        summary="Nobody can get in.",
        evidence=[Fact(title="The door", is_fault=True)],
        steps=[Remedy(title="Find the key", command="slipway verify attic")],
    )
    with database.tenant_session(acme.tenant_id) as session:
        service = ProposalService(session)
        made = service.settle(acme.tenant_id, AGENT.name, "things/1", finding, level=Autonomy.PROPOSE).made
        assert made is not None
    listed = slipway("proposals", "list", env=signed_in)
    assert (listed.returncode, "The attic lacks a key" in listed.stdout) == (0, True)
    shown = slipway("proposals", "show", str(made.id), env=signed_in)
    assert all(text in shown.stdout for text in ("✗ The door", "Nobody can get in.", "slipway verify attic"))
    assert slipway("proposals", "reject", str(made.id), env=signed_in).returncode == 2
    rejected = slipway("proposals", "reject", str(made.id), "--comment", "It is open.", env=signed_in)
    assert rejected.stdout.strip() == "The attic lacks a key: rejected."
    late = slipway("proposals", "approve", str(made.id), env=signed_in)
    assert (late.returncode, "Traceback" in late.stderr) == (1, False)


def test_agents_are_limited_and_stopped(slipway: Slipway, signed_in: dict[str, str], database: Database) -> None:
    with database.system_session() as session:
        declare(session, [AGENT.declaration()])
    limited = slipway("agents", "limit", "propose", AGENT.name, "--json", env=signed_in)
    assert json.loads(limited.stdout)["autonomy"] == "propose"
    stopped = slipway("agents", "stop", "--reason", "Fire.", env=signed_in)
    assert "All agents are stopped." in stopped.stdout
    assert "It has not run yet." in slipway("agents", "runs", AGENT.name, env=signed_in).stdout
    assert slipway("agents", "show", "nobody", env=signed_in).returncode == 4
