"""``slipway approvals``: a pipeline waits with status 3, a person decides, and the pipeline goes on with 0."""

import json
from collections.abc import Callable
from hashlib import sha256, sha512
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


def test_an_approval_of_a_release_is_of_all_that_it_consists_of(
    slipway: Any, signed_in: dict[str, str], database: Database, acme: Principal, tmp_path: Path
) -> None:
    with database.tenant_session(acme.tenant_id) as session:
        TenantService(session).add_member(acme.tenant_id, "Bob", "bob@example.com", Role.APPROVER)
    for name in ("web.whl", "web.tar.gz"):
        (tmp_path / name).write_text(name)
    digests = sorted(sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("web.whl", "web.tar.gz"))
    ask = ("approvals", "ask", "releases/web@2", "--title", "Release web 2", "--json")
    both = slipway(*ask, "--file", "web.whl", "--file", "web.tar.gz", env=signed_in)
    assert both.returncode == 3, both.stderr
    asked = json.loads(both.stdout)
    assert asked["plan_digest"] == sha512("".join(f"{each}\n" for each in digests).encode()).hexdigest()[:64]
    assert all(f"sha256:{each}" in asked["summary"] for each in digests), "whoever approves sees what"
    again = slipway(*ask, "--file", "web.tar.gz", "--file", "web.whl", env=signed_in)
    assert json.loads(again.stdout)["id"] == asked["id"]
    image = f"oci-image=registry.example.com/web@sha256:{'9f' * 32}"
    one = slipway(*ask, "--artifact", image, env=signed_in)
    assert json.loads(one.stdout)["plan_digest"] == "9f" * 32
    for given in ((), ("--file", "web.whl", "--digest", "9f" * 32), ("--file", "gone.whl")):
        assert slipway(*ask, *given, env=signed_in).returncode == 2
