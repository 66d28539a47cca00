"""``slipway approvals``: a pipeline waits with status 3, a person decides, and the pipeline goes on with 0."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from catalog.db import Database
from catalog.tenancy import ROLE_SCOPES, Principal, Role
from catalog.tenants.service import TenantService


def test_a_pipeline_waits_for_a_person(
    slipway: Any,
    signed_in: dict[str, str],
    database: Database,
    acme: Principal,
    new_token: Callable[..., str],
    tmp_path: Path,
) -> None:
    people = []
    with database.tenant_session(acme.tenant_id) as session:
        for name in ("Bob", "Cid"):
            member = TenantService(session).add_member(
                acme.tenant_id, name, f"{name.lower()}@example.com", Role.APPROVER
            )
            scopes = ROLE_SCOPES[Role.APPROVER]
            people.append(Principal(acme.tenant_id, "acme", f"member:{member.id}", name, scopes, member.id))
    bob, cid = ({**signed_in, "SLIPWAY_TOKEN": new_token(each, sorted(each.scopes))} for each in people)
    (tmp_path / "plan.txt").write_text("one pod more")
    ask = ("approvals", "ask", "pipelines/118", "--title", "Deploy web", "--plan", "plan.txt")
    waiting = slipway(*ask, "--json", env=signed_in)
    assert waiting.returncode == 3, waiting.stderr
    identifier = json.loads(waiting.stdout)["id"]
    assert slipway("approvals", "approve", identifier, env=signed_in).returncode == 1
    listed = slipway("approvals", "list", "--mine", env=bob)
    assert "Deploy web" in listed.stdout
    until = slipway("approvals", "delegate", "cid@example.com", "--for", "8h", "--reason", "Away", "--json", env=bob)
    assert until.returncode == 0, until.stderr
    assert "Cid" in slipway("approvals", "delegations", env=cid).stdout
    wrong = slipway("approvals", "approve", identifier, "--digest", "00" * 32, env=cid)
    assert (wrong.returncode, "another plan" in wrong.stderr) == (1, True)
    approved = slipway("approvals", "approve", identifier, "--comment", "Fine.", env=cid)
    assert approved.returncode == 0, approved.stderr
    assert "Cid approved in place of Bob" in approved.stdout
    assert slipway(*ask, env=signed_in).returncode == 0
    (tmp_path / "plan.txt").write_text("two pods more")
    assert slipway(*ask, env=signed_in).returncode == 3
    assert "voided" in slipway("approvals", "show", identifier, env=signed_in).stdout
    assert slipway("approvals", "show", "00000000-0000-4000-8000-000000000000", env=signed_in).returncode == 4
    ended = slipway("approvals", "undelegate", json.loads(until.stdout)["id"], env=bob)
    assert "ended" in ended.stdout
